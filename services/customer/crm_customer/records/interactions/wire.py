"""Interactions out of the calls that the service desk tells of."""

from datetime import datetime
from uuid import UUID

from crm.service_desk.v1 import calls_pb2
from crm_kit.wire import id_from, time_from

from crm_customer.records.interactions.model import CallOutcome, Channel, Direction, Interaction

Call = calls_pb2.Call


def ended_with_account(call: Call) -> bool:
    """Whether a call is over, and it is known with which account it was."""
    return call.state == Call.STATE_ENDED and bool(call.account_id)


def interaction_of(call: Call, channel_name: str, *, now: datetime, service_id: UUID) -> Interaction:
    """The interaction that a call was: recorded by whose telephone it was, or by the service where it was nobody's.

    Its subject names the queue or the channel: numbers may be hidden from who reads it.
    """
    user_id, contact_id = id_from(call.user_id), id_from(call.contact_id)
    outcome = CallOutcome(Call.Outcome.Name(call.outcome).removeprefix("OUTCOME_"))
    return Interaction(
        id=UUID(call.id),
        account_id=UUID(call.account_id),
        channel=Channel.CALL,
        direction=Direction(Call.Direction.Name(call.direction).removeprefix("DIRECTION_")),
        subject=call.queue or channel_name,
        # The telephone system's clock may be ahead of ours.
        interaction_time=min(time_from(call.begin_time), now),
        recorder_id=user_id or service_id,
        create_time=now,
        update_time=now,
        contact_ids=(contact_id,) if contact_id else (),
        user_ids=(user_id,) if user_id and outcome is CallOutcome.ANSWERED else (),
        call_id=UUID(call.id),
        call_outcome=outcome,
    )

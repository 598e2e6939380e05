"""Calls over our telephones, which the service desk tells of: one that has ended is an interaction with its account."""

from typing import Any
from uuid import UUID

from crm.service_desk.v1 import calls_pb2
from crm_kit.database.work import UnitOfWork
from crm_kit.events.consumers import Event
from crm_kit.wire import id_from, time_from

from crm_customer.records.accounts.projections import project_last_contact
from crm_customer.records.interactions.commands import entry_of
from crm_customer.records.interactions.model import CallOutcome, Channel, Direction, Interaction
from crm_customer.records.interactions.resource import INTERACTIONS
from crm_customer.records.timeline.commands import put_entry

Call = calls_pb2.Call


async def keep_call(work: UnitOfWork, _event: Event, payload: Any) -> None:
    """Record a call that has ended and whose account is known, once, whatever is told of it afterwards."""
    call: Call = payload.call
    if call.state != Call.STATE_ENDED or not call.account_id or await INTERACTIONS.find(work, UUID(call.id)):
        return
    interaction = interaction_of(work, call, payload.channel_name)
    INTERACTIONS.create(work, interaction)
    if interaction.call_outcome is CallOutcome.ANSWERED:
        project_last_contact(work, interaction.account_id, interaction.interaction_time)
    put_entry(work, entry_of(interaction))


def interaction_of(work: UnitOfWork, call: Call, channel_name: str) -> Interaction:
    """The interaction that a call was. Its telephone recorded it, or nobody where it rang nowhere.

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
        interaction_time=min(time_from(call.begin_time), work.now),
        recorder_id=user_id or work.actor.user_id,
        create_time=work.now,
        update_time=work.now,
        contact_ids=(contact_id,) if contact_id else (),
        user_ids=(user_id,) if user_id and outcome is CallOutcome.ANSWERED else (),
        call_id=UUID(call.id),
        call_outcome=outcome,
    )

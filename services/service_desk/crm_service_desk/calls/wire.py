"""What happened to a call, out of the messages of the contract, and its screen into one."""

from typing import Any

from crm.service_desk.v1 import calls_pb2 as pb
from crm.service_desk.v1 import cases_pb2
from crm.type.v1 import value_tier_pb2
from crm_kit.database.work import Reader
from crm_kit.errors import invalid_field
from crm_kit.wire import id_from, time_from

from crm_service_desk.accounts.model import ValueTier
from crm_service_desk.calls.facts import CallFact, Cause, Direction, FactKind
from crm_service_desk.calls.model import Call
from crm_service_desk.calls.resource import CALLS
from crm_service_desk.calls.screens import Screen

# Fields that only one kind of event has, with what that kind is called.
OF_KIND = {"menu_choice": FactKind.IVR, "cause": FactKind.ENDED, "recording_url": FactKind.RECORDING}
# Those without which an event of a kind says nothing.
NEEDED = {FactKind.IVR: "menu_choice", FactKind.RECORDING: "recording_url"}


def fact_from(event: pb.CallEvent) -> CallFact:
    """The fact that an event tells; InvalidArgument where it has what its kind has not, or lacks what that needs."""
    kind = FactKind(pb.CallEvent.Type.Name(event.type).removeprefix("TYPE_"))
    for name, of_kind in OF_KIND.items():
        if getattr(event, name) and kind is not of_kind:
            detail = f"is only of events of the type {of_kind}"
            raise invalid_field(f"event.{name}", "call_event_field", detail, metadata={"type": of_kind})
    needed = NEEDED.get(kind)
    if needed and not getattr(event, needed):
        detail = f"is needed in events of the type {kind}"
        raise invalid_field(f"event.{needed}", "call_event_needs", detail, metadata={"type": kind})
    return CallFact(
        kind=kind,
        happen_time=time_from(event.happen_time),
        direction=Direction(pb.Call.Direction.Name(event.direction).removeprefix("DIRECTION_")),
        from_number=event.from_number.strip() or None,
        to_number=event.to_number.strip() or None,
        user_id=id_from(event.user_id),
        extension=event.extension.strip() or None,
        queue=event.queue.strip() or None,
        menu_choice=event.menu_choice.strip() or None,
        cause=Cause(pb.Call.Cause.Name(event.cause).removeprefix("CAUSE_")) if event.cause else None,
        recording_url=event.recording_url or None,
    )


def screen_message(reader: Reader, call: Call, screen: Screen) -> pb.CallScreen:
    """The screen of a call as it is shown."""
    return pb.CallScreen(
        call=CALLS.message(reader, call),
        account_id=str(call.account_id or ""),
        value_tier=tier_value(screen.value_tier),
        open_cases=map(open_case, screen.cases),
        open_case_count=screen.case_count,
        latest_calls=[CALLS.message_of_row(reader, row) for row in screen.latest],
    )


def tier_value(tier: ValueTier | None) -> "value_tier_pb2.ValueTier.ValueType":
    """A tier as the contract has it."""
    return value_tier_pb2.ValueTier.Value(f"VALUE_TIER_{tier or 'UNSPECIFIED'}")


def open_case(row: Any) -> pb.CallScreen.OpenCase:
    """A row of `open_cases` as it is shown."""
    return pb.CallScreen.OpenCase(
        id=str(row["id"]),
        number=row["number"],
        title=row["title"],
        state=cases_pb2.Case.State.Value(f"STATE_{row['state']}"),
        priority=cases_pb2.Case.Priority.Value(f"PRIORITY_{row['priority']}"),
        create_time=row["create_time"],
    )

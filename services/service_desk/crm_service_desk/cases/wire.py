"""Cases between protobuf and entity."""

from collections.abc import Callable, Iterable
from typing import Any

from crm.service_desk.v1 import cases_pb2 as pb
from crm.service_desk.v1 import events_pb2, service_levels_pb2
from crm_kit.etags import etag_of
from crm_kit.wire import EnumNames, Fields, id_from, id_text, same, text_or_none, timestamp
from google.protobuf.message import Message

from crm_service_desk.cases.log import CaseEvent, CaseEventKind
from crm_service_desk.cases.model import Case, CaseState, Medium
from crm_service_desk.classification import CaseKind, Channel, Level, Priority
from crm_service_desk.service_levels.milestones import CountedMilestone, Milestone
from crm_service_desk.service_levels.model import MilestoneKind
from crm_service_desk.service_levels.wire import REASONS, explanation_to_pb, milestone_to_pb

KINDS = EnumNames(pb.Case.Kind, "KIND_", CaseKind)
STATES = EnumNames(pb.Case.State, "STATE_", CaseState)
LEVELS = EnumNames(pb.Case.Level, "LEVEL_", Level)
PRIORITIES = EnumNames(pb.Case.Priority, "PRIORITY_", Priority)
CHANNELS = EnumNames(pb.Case.Channel, "CHANNEL_", Channel)
EVENT_KINDS = EnumNames(pb.CaseEvent.Kind, "KIND_", CaseEventKind)
MEDIA = EnumNames(pb.ReplyToCustomerRequest.Medium, "MEDIUM_", Medium)


def level_from(number: int) -> Level:
    return LEVELS.entity(number) if number else Level.MEDIUM


def medium_from(number: int) -> Medium:
    return MEDIA.entity(number) if number else Medium.MESSAGE


# What a caller may change, and set when it is created.
CHANGEABLE = Fields(
    title=same,
    description=text_or_none,
    account_id=id_from,
    contact_id=id_from,
    channel=lambda number: CHANNELS.entity(number) if number else None,
    category=text_or_none,
    impact=level_from,
    urgency=level_from,
    tags=tuple,
)
FIELDS = CHANGEABLE.with_more(kind=KINDS.entity, assignee_id=id_from)


def case_to_pb(case: Case) -> pb.Case:
    return pb.Case(
        id=str(case.id),
        number=case.number,
        kind=KINDS.wire(case.kind),
        title=case.title,
        description=case.description or "",
        state=STATES.wire(case.state),
        account_id=id_text(case.account_id),
        contact_id=id_text(case.contact_id),
        channel=CHANNELS.wire(case.channel) if case.channel else pb.Case.CHANNEL_UNSPECIFIED,
        category=case.category or "",
        impact=LEVELS.wire(case.impact),
        urgency=LEVELS.wire(case.urgency),
        priority=PRIORITIES.wire(case.priority),
        assignee_id=id_text(case.assignee_id),
        assignee_team_id=id_text(case.assignee_team_id),
        creator_id=str(case.creator_id),
        resolution=case.resolution or "",
        reply_time=timestamp(case.reply_time),
        resolve_time=timestamp(case.resolve_time),
        close_time=timestamp(case.close_time),
        reopenings=case.reopenings,
        service_level_id=id_text(case.service_level_id),
        calendar_id=str(case.calendar_id),
        milestones=map(milestone_to_pb, case.milestones),
        tags=case.tags,
        first_response_due_time=timestamp(case.first_response_due_time),
        resolution_due_time=timestamp(case.resolution_due_time),
        breached=case.breached,
        etag=etag_of(case.version),
        create_time=timestamp(case.create_time),
        update_time=timestamp(case.update_time),
    )


def explanations_to_pb(explained: Iterable[tuple[Milestone, CountedMilestone]]) -> pb.ExplainMilestonesResponse:
    return pb.ExplainMilestonesResponse(
        explanations=[explanation_to_pb(counted, shown) for shown, counted in explained]
    )


def event_to_pb(event: CaseEvent) -> pb.CaseEvent:
    reason = event.pause_reason
    return pb.CaseEvent(
        position=event.position,
        kind=EVENT_KINDS.wire(event.kind),
        occur_time=timestamp(event.occur_time),
        record_time=timestamp(event.record_time),
        actor_id=id_text(event.actor_id),
        text=event.text or "",
        pause_reason=REASONS.wire(reason) if reason else service_levels_pb2.PausedInterval.REASON_UNSPECIFIED,
    )


# --- events: each makes the message of a case as it was saved

Announce = Callable[[Case], Message]


def announces(event: Callable[..., Message], **more: Any) -> Announce:
    """Makes such an event."""
    return lambda case: event(case=case_to_pb(case), **more)


created = announces(events_pb2.CaseCreated)
assigned = announces(events_pb2.CaseAssigned)
opened = announces(events_pb2.CaseOpened)
note_added = announces(events_pb2.CaseNoteAdded)
waiting_for_customer = announces(events_pb2.CaseWaitingForCustomer)
waiting_for_third_party = announces(events_pb2.CaseWaitingForThirdParty)
resolved = announces(events_pb2.CaseResolved)
closed = announces(events_pb2.CaseClosed)
reopened = announces(events_pb2.CaseReopened)
cancelled = announces(events_pb2.CaseCancelled)
recounted = announces(events_pb2.MilestonesRecounted)


def updated(case: Case, changed_fields: Iterable[str]) -> Message:
    return events_pb2.CaseUpdated(case=case_to_pb(case), changed_fields=changed_fields)


def replied(text: str) -> Announce:
    return announces(events_pb2.CaseReplied, text=text)


def customer_message_recorded(text: str) -> Announce:
    return announces(events_pb2.CaseCustomerMessageRecorded, text=text)


def warned(kind: MilestoneKind) -> Announce:
    return lambda case: events_pb2.MilestoneWarned(case=case_to_pb(case), milestone=_milestone_of(case, kind))


def breached(kind: MilestoneKind) -> Announce:
    return lambda case: events_pb2.MilestoneBreached(case=case_to_pb(case), milestone=_milestone_of(case, kind))


def _milestone_of(case: Case, kind: MilestoneKind) -> service_levels_pb2.Milestone:
    milestone = case.milestone(kind)
    assert milestone is not None
    return milestone_to_pb(milestone)

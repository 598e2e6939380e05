"""Cases between protobuf and entity."""

from collections.abc import Iterable
from datetime import datetime

from crm.service_desk.v1 import cases_pb2 as pb
from crm.service_desk.v1 import events_pb2, service_levels_pb2
from crm_kit.database.connections import Record
from crm_kit.etags import etag_of
from crm_kit.wire import EnumNames, Fields, id_from, id_text, same, text_or_none, timestamp

from crm_service_desk.cases.case_file import CaseFile
from crm_service_desk.cases.milestones import KeptMilestone
from crm_service_desk.cases.model import CaseKind, CaseState, Channel, Level, Priority
from crm_service_desk.service_levels.model import CaseEventKind, Milestone, MilestoneKind
from crm_service_desk.service_levels.wire import KINDS as MILESTONE_KINDS
from crm_service_desk.service_levels.wire import REASONS, explanation_to_pb
from crm_service_desk.service_levels.wire import STATES as MILESTONE_STATES

KINDS = EnumNames(pb.Case.Kind, "KIND_", CaseKind)
STATES = EnumNames(pb.Case.State, "STATE_", CaseState)
LEVELS = EnumNames(pb.Case.Level, "LEVEL_", Level)
PRIORITIES = EnumNames(pb.Case.Priority, "PRIORITY_", Priority)
CHANNELS = EnumNames(pb.Case.Channel, "CHANNEL_", str)
EVENT_KINDS = EnumNames(pb.CaseEvent.Kind, "KIND_", CaseEventKind)
MEDIA = {
    pb.ReplyToCustomerRequest.MEDIUM_UNSPECIFIED: Channel.MESSAGE,
    pb.ReplyToCustomerRequest.MEDIUM_MESSAGE: Channel.MESSAGE,
    pb.ReplyToCustomerRequest.MEDIUM_CALL: Channel.CALL,
}


def level_from(number: int) -> Level:
    return LEVELS.entity(number) if number else Level.MEDIUM


# What a caller may set beside kind, title and, when it is created, assignee.
CHANGED_FREELY = Fields(
    description=text_or_none,
    account_id=id_from,
    contact_id=id_from,
    channel=lambda number: CHANNELS.entity(number) if number else None,
    category=text_or_none,
    impact=level_from,
    urgency=level_from,
    tags=tuple,
)
FIELDS = CHANGED_FREELY.with_more(assignee_id=id_from)
CHANGEABLE = CHANGED_FREELY.with_more(title=same)


def case_to_pb(case: CaseFile, now: datetime) -> pb.Case:
    """The case as it stands at `now`."""
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
        resolution=case.resolution,
        reply_time=timestamp(case.reply_time),
        resolve_time=timestamp(case.resolve_time),
        close_time=timestamp(case.close_time),
        reopenings=case.reopenings,
        service_level_id=id_text(case.service_level_id),
        calendar_id=str(case.calendar_id),
        milestones=[milestone_to_pb(each.at(now)) for each in case.milestones],
        tags=case.tags,
        etag=etag_of(case.version),
        create_time=timestamp(case.create_time),
        update_time=timestamp(case.update_time),
    )


def milestone_to_pb(milestone: KeptMilestone) -> service_levels_pb2.Milestone:
    return service_levels_pb2.Milestone(
        kind=MILESTONE_KINDS.wire(milestone.kind),
        state=MILESTONE_STATES.wire(milestone.state),
        start_time=timestamp(milestone.start_time),
        due_time=timestamp(milestone.due_time),
        warning_time=timestamp(milestone.warning_time),
        breach_time=timestamp(milestone.breach_time),
        complete_time=timestamp(milestone.completed_time),
        warned=milestone.warned,
    )


def explanations_to_pb(
    counted: Iterable[tuple[KeptMilestone, Milestone]], now: datetime
) -> pb.ExplainMilestonesResponse:
    return pb.ExplainMilestonesResponse(
        explanations=[
            explanation_to_pb(
                milestone,
                milestone_to_pb(kept.at(now)),
                calendar_id=str(kept.calendar_id),
                calendar_version=kept.calendar_version,
            )
            for kept, milestone in counted
        ]
    )


def event_to_pb(row: Record) -> pb.CaseEvent:
    reason = row["pause_reason"]
    return pb.CaseEvent(
        position=row["position"],
        kind=EVENT_KINDS.wire(row["kind"]),
        occur_time=timestamp(row["occur_time"]),
        record_time=timestamp(row["record_time"]),
        actor_id=row["actor_id"],
        text=row["text"],
        pause_reason=REASONS.wire(reason) if reason else service_levels_pb2.PausedInterval.REASON_UNSPECIFIED,
    )


# --- events


def case_opened(case: CaseFile, now: datetime) -> events_pb2.CaseOpened:
    return events_pb2.CaseOpened(case=case_to_pb(case, now))


def case_replied(case: CaseFile, now: datetime, text: str) -> events_pb2.CaseReplied:
    return events_pb2.CaseReplied(case=case_to_pb(case, now), text=text)


def case_resolved(case: CaseFile, now: datetime) -> events_pb2.CaseResolved:
    return events_pb2.CaseResolved(case=case_to_pb(case, now))


def case_closed(case: CaseFile, now: datetime) -> events_pb2.CaseClosed:
    return events_pb2.CaseClosed(case=case_to_pb(case, now))


def case_reopened(case: CaseFile, now: datetime) -> events_pb2.CaseReopened:
    return events_pb2.CaseReopened(case=case_to_pb(case, now))


def case_changed(case: CaseFile, now: datetime, changed_fields: Iterable[str]) -> events_pb2.CaseChanged:
    return events_pb2.CaseChanged(case=case_to_pb(case, now), changed_fields=changed_fields)


def milestone_warned(case: CaseFile, now: datetime, kind: MilestoneKind) -> events_pb2.MilestoneWarned:
    return events_pb2.MilestoneWarned(case=case_to_pb(case, now), milestone=_milestone_of(case, now, kind))


def milestone_breached(case: CaseFile, now: datetime, kind: MilestoneKind) -> events_pb2.MilestoneBreached:
    return events_pb2.MilestoneBreached(case=case_to_pb(case, now), milestone=_milestone_of(case, now, kind))


def _milestone_of(case: CaseFile, now: datetime, kind: MilestoneKind) -> service_levels_pb2.Milestone:
    milestone = case.milestone(kind)
    assert milestone is not None
    return milestone_to_pb(milestone.at(now))

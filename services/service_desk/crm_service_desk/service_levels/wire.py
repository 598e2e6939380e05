"""Service levels and milestones between protobuf and entity."""

from collections.abc import Iterable
from datetime import datetime

from crm.service_desk.v1 import service_levels_pb2 as pb
from crm_kit.etags import etag_of
from crm_kit.wire import EnumNames, Fields, id_from, id_text, same, time_from, timestamp

from crm_service_desk.service_levels.model import (
    DEFAULT_PAUSES,
    WARNING_PERCENT,
    BusinessTime,
    CaseEvent,
    CaseEventKind,
    Milestone,
    MilestoneKind,
    MilestoneState,
    PausedInterval,
    PauseReason,
    ServiceLevelPolicy,
    Target,
    WorkingDayEnd,
    WorkingDays,
)
from crm_service_desk.service_levels.service_level import MilestoneTarget, ServiceLevel

KINDS = EnumNames(pb.Milestone.Kind, "KIND_", MilestoneKind)
STATES = EnumNames(pb.Milestone.State, "STATE_", MilestoneState)
REASONS = EnumNames(pb.PausedInterval.Reason, "REASON_", PauseReason)
FACTS = EnumNames(pb.PreviewFact.Kind, "KIND_", CaseEventKind)
ENDS = EnumNames(pb.Target.End, "END_", WorkingDayEnd)


def target_from(message: pb.Target) -> Target:
    if message.business_minutes:
        return BusinessTime(message.business_minutes * 60)
    end = ENDS.entity(message.end) if message.end else WorkingDayEnd.CLOSE_OF_DAY
    return WorkingDays(message.working_days, end)


def targets_from(targets: Iterable[pb.MilestoneTarget]) -> tuple[MilestoneTarget, ...]:
    return tuple(
        MilestoneTarget(KINDS.entity(each.kind), target_from(each.target), tuple(sorted(REASONS.entities(each.pauses))))
        for each in targets
    )


# What a caller may set beside display_name.
FIELDS = Fields(
    condition=same,
    position=same,
    calendar_id=id_from,
    targets=targets_from,
    warning_percent=lambda percent: percent or WARNING_PERCENT,
)
CHANGEABLE = FIELDS.with_more(display_name=same)


def service_level_to_pb(level: ServiceLevel) -> pb.ServiceLevel:
    return pb.ServiceLevel(
        id=str(level.id),
        display_name=level.display_name,
        condition=level.condition,
        position=level.position,
        calendar_id=id_text(level.calendar_id),
        targets=[
            pb.MilestoneTarget(
                kind=KINDS.wire(each.kind),
                target=target_to_pb(each.target),
                pauses=map(REASONS.wire, each.pauses),
            )
            for each in level.targets
        ],
        warning_percent=level.warning_percent,
        is_default=level.is_default,
        etag=etag_of(level.version),
        create_time=timestamp(level.create_time),
        update_time=timestamp(level.update_time),
    )


def target_to_pb(target: Target) -> pb.Target:
    if isinstance(target, BusinessTime):
        return pb.Target(business_minutes=target.seconds // 60)
    return pb.Target(working_days=target.days, end=ENDS.wire(target.end))


# --- previews and explanations


def facts_from(facts: Iterable[pb.PreviewFact]) -> list[CaseEvent]:
    return [
        CaseEvent(
            at=time_from(each.occur_time),
            kind=FACTS.entity(each.kind),
            pause_reason=REASONS.entity(each.pause_reason) if each.pause_reason else None,
        )
        for each in facts
    ]


def previewed_policy(request: pb.PreviewServiceLevelRequest) -> tuple[MilestoneKind, ServiceLevelPolicy]:
    """The promise that a preview is about."""
    kind = KINDS.entity(request.kind) if request.kind else MilestoneKind.RESOLUTION
    pauses = {kind: frozenset(REASONS.entities(request.pauses))} if request.pauses_given else DEFAULT_PAUSES
    return kind, ServiceLevelPolicy({kind: target_from(request.target)}, pauses)


def milestone_to_pb(milestone: Milestone, *, warned: bool = False) -> pb.Milestone:
    return pb.Milestone(
        kind=KINDS.wire(milestone.kind),
        state=STATES.wire(milestone.state),
        start_time=timestamp(milestone.start_time),
        due_time=timestamp(milestone.due_time),
        warning_time=timestamp(milestone.warning_time),
        breach_time=timestamp(milestone.breach_time),
        complete_time=timestamp(milestone.completed_time),
        warned=warned,
    )


def explanation_to_pb(
    milestone: Milestone, shown: pb.Milestone, *, calendar_id: str = "", calendar_version: int = 0
) -> pb.MilestoneExplanation:
    message = pb.MilestoneExplanation(
        milestone=shown,
        target=target_to_pb(milestone.target),
        counted=[
            pb.CountedInterval(start_time=timestamp(each.start), end_time=timestamp(each.end))
            for each in milestone.counted
        ],
        paused=[paused_to_pb(each) for each in milestone.paused],
        calendar_id=calendar_id,
        calendar_version=calendar_version,
        reopenings=milestone.reopenings,
    )
    message.budget.FromTimedelta(milestone.budget)
    message.elapsed.FromTimedelta(milestone.elapsed)
    return message


def paused_to_pb(interval: PausedInterval) -> pb.PausedInterval:
    return pb.PausedInterval(
        start_time=timestamp(interval.start),
        end_time=timestamp(interval.end),
        reason=REASONS.wire(interval.reason),
    )


def preview_time(request: pb.PreviewServiceLevelRequest, now: datetime) -> datetime:
    """The instant at which a preview is looked at."""
    return time_from(request.at_time) if request.HasField("at_time") else now

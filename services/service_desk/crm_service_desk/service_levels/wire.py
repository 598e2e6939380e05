"""Service levels and milestones between protobuf and entity."""

from collections.abc import Iterable
from datetime import datetime

from crm.service_desk.v1 import events_pb2
from crm.service_desk.v1 import service_levels_pb2 as pb
from crm_kit.etags import etag_of
from crm_kit.wire import EnumNames, Fields, id_from, id_text, same, text_or_none, time_from, timestamp

from crm_service_desk.service_levels.facts import Fact, FactKind
from crm_service_desk.service_levels.milestones import (
    CountedInterval,
    CountedMilestone,
    Milestone,
    MilestoneState,
    PausedInterval,
)
from crm_service_desk.service_levels.model import (
    ASKED_PAUSES,
    WARNING_PERCENT,
    MilestoneKind,
    MilestoneTarget,
    PauseReason,
    ServiceLevel,
    ServiceLevelPolicy,
    Target,
    TargetEnd,
)

KINDS = EnumNames(pb.Milestone.Kind, "KIND_", MilestoneKind)
STATES = EnumNames(pb.Milestone.State, "STATE_", MilestoneState)
REASONS = EnumNames(pb.PausedInterval.Reason, "REASON_", PauseReason)
FACTS = EnumNames(pb.PreviewFact.Kind, "KIND_", FactKind)
ENDS = EnumNames(pb.Target.End, "END_", TargetEnd)


def target_from(message: pb.Target) -> Target:
    end = ENDS.entity(message.end) if message.end else None
    return Target(message.business_minutes, message.working_days, end)


def targets_from(targets: Iterable[pb.MilestoneTarget]) -> tuple[MilestoneTarget, ...]:
    return tuple(
        MilestoneTarget(KINDS.entity(each.kind), target_from(each.target), REASONS.entities(each.pauses))
        for each in targets
    )


# What a caller may set.
FIELDS = Fields(
    display_name=same,
    condition=text_or_none,
    position=same,
    calendar_id=id_from,
    targets=targets_from,
    warning_percent=lambda percent: percent or WARNING_PERCENT,
)


def service_level_to_pb(level: ServiceLevel) -> pb.ServiceLevel:
    return pb.ServiceLevel(
        id=str(level.id),
        display_name=level.display_name,
        condition=level.condition or "",
        position=level.position,
        calendar_id=id_text(level.calendar_id),
        targets=map(milestone_target_to_pb, level.targets),
        warning_percent=level.warning_percent,
        is_default=level.is_default,
        etag=etag_of(level.version),
        create_time=timestamp(level.create_time),
        update_time=timestamp(level.update_time),
    )


def milestone_target_to_pb(promised: MilestoneTarget) -> pb.MilestoneTarget:
    return pb.MilestoneTarget(
        kind=KINDS.wire(promised.kind),
        target=target_to_pb(promised.target),
        pauses=map(REASONS.wire, promised.pauses),
    )


def target_to_pb(target: Target) -> pb.Target:
    return pb.Target(
        business_minutes=target.business_minutes,
        working_days=target.working_days,
        end=ENDS.wire(target.end) if target.end else pb.Target.END_UNSPECIFIED,
    )


# --- previews and explanations


def facts_from(request: pb.PreviewServiceLevelRequest) -> list[Fact]:
    """What happens to the previewed case, from its creation on."""
    return [
        Fact(time_from(request.start_time), FactKind.CREATED),
        *(
            Fact(
                occur_time=time_from(each.occur_time),
                kind=FACTS.entity(each.kind),
                pause_reason=REASONS.entity(each.pause_reason) if each.pause_reason else None,
            )
            for each in request.facts
        ),
    ]


def preview_policy_from(request: pb.PreviewServiceLevelRequest) -> ServiceLevelPolicy:
    """The one promise that a preview is about."""
    kind = KINDS.entity(request.kind) if request.kind else MilestoneKind.RESOLUTION
    pauses = ASKED_PAUSES if kind is MilestoneKind.RESOLUTION else ()
    if request.pauses_given:
        pauses = REASONS.entities(request.pauses)
    return ServiceLevelPolicy((MilestoneTarget(kind, target_from(request.target), pauses),))


def preview_time(request: pb.PreviewServiceLevelRequest, now: datetime) -> datetime:
    """The instant at which a preview is looked at."""
    return time_from(request.at_time) if request.HasField("at_time") else now


def milestone_to_pb(milestone: Milestone) -> pb.Milestone:
    return pb.Milestone(
        kind=KINDS.wire(milestone.kind),
        state=STATES.wire(milestone.state),
        start_time=timestamp(milestone.start_time),
        due_time=timestamp(milestone.due_time),
        warning_time=timestamp(milestone.warning_time),
        breach_time=timestamp(milestone.breach_time),
        complete_time=timestamp(milestone.complete_time),
        warned=milestone.warned,
    )


def explanation_to_pb(counted: CountedMilestone, shown: Milestone) -> pb.MilestoneExplanation:
    """A milestone as it is shown, with the time that the clock counted for it."""
    message = pb.MilestoneExplanation(
        milestone=milestone_to_pb(shown),
        target=target_to_pb(counted.target),
        counted=map(counted_to_pb, counted.counted),
        paused=map(paused_to_pb, counted.paused),
        calendar_id=id_text(shown.calendar_id),
        calendar_version=shown.calendar_version,
        reopenings=counted.reopenings,
    )
    message.budget.FromTimedelta(counted.budget)
    message.elapsed.FromTimedelta(counted.elapsed)
    return message


def counted_to_pb(interval: CountedInterval) -> pb.CountedInterval:
    return pb.CountedInterval(start_time=timestamp(interval.start_time), end_time=timestamp(interval.end_time))


def paused_to_pb(interval: PausedInterval) -> pb.PausedInterval:
    return pb.PausedInterval(
        start_time=timestamp(interval.start_time),
        end_time=timestamp(interval.end_time),
        reason=REASONS.wire(interval.reason),
    )


# --- events


def service_level_created(level: ServiceLevel) -> events_pb2.ServiceLevelCreated:
    return events_pb2.ServiceLevelCreated(service_level=service_level_to_pb(level))


def service_level_updated(level: ServiceLevel, changed_fields: Iterable[str]) -> events_pb2.ServiceLevelUpdated:
    return events_pb2.ServiceLevelUpdated(service_level=service_level_to_pb(level), changed_fields=changed_fields)

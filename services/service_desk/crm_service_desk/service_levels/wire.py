"""What a preview asks: from its request to what the clock takes."""

from dataclasses import replace
from datetime import datetime, timedelta

from crm.service_desk.v1 import service_levels_pb2 as pb
from crm_kit.errors import invalid_field
from crm_kit.resource.codecs import value_in
from crm_kit.wire import time_from
from crm_kit.working_time.business_hours import BusinessHours
from crm_kit.working_time.model import business_hours

from crm_service_desk.calendars.resource import CALENDARS
from crm_service_desk.service_levels.facts import Fact, FactKind
from crm_service_desk.service_levels.model import ASKED_PAUSES, MilestoneKind, PauseReason, ServiceLevelPolicy
from crm_service_desk.service_levels.resource import SERVICE_LEVELS

MAX_PREVIEW = timedelta(days=3653)


def hours_from(request: pb.PreviewServiceLevelRequest) -> BusinessHours:
    """The hours of a calendar given whole. InvalidArgument CALENDAR_INVALID, naming what is wrong."""
    given = CALENDARS.values_of(request.calendar)
    return business_hours(given["time_zone"], given["weekly"], given["exceptions"])


def policy_from(request: pb.PreviewServiceLevelRequest) -> ServiceLevelPolicy:
    """The one promise that a preview is about."""
    kind = request.kind or pb.Milestone.KIND_RESOLUTION
    promised = pb.MilestoneTarget(kind=kind, target=request.target, pauses=request.pauses)
    (target,) = SERVICE_LEVELS.values_of(pb.ServiceLevel(targets=[promised]))["targets"]
    if not request.pauses_given:
        target = replace(target, pauses=ASKED_PAUSES if target.kind is MilestoneKind.RESOLUTION else ())
    return ServiceLevelPolicy((target,))


def instant_from(request: pb.PreviewServiceLevelRequest, now: datetime) -> datetime:
    """The instant at which a preview is looked at. InvalidArgument more than ten years after its start."""
    given = request.HasField("at_time")
    instant = time_from(request.at_time) if given else now
    if instant - time_from(request.start_time) > MAX_PREVIEW:
        raise invalid_field(
            "at_time" if given else "start_time", "range", "a preview ends at most ten years after its start_time"
        )
    return instant


def facts_from(request: pb.PreviewServiceLevelRequest) -> list[Fact]:
    """What happens to the previewed case, from its creation on."""
    created = Fact(time_from(request.start_time), FactKind.CREATED)
    return [created, *map(fact_from, request.facts)]


def fact_from(message: pb.PreviewFact) -> Fact:
    # The contract has fewer kinds than the clock: nobody previews a creation or another policy.
    kind = FactKind(pb.PreviewFact.Kind.Name(message.kind).removeprefix("KIND_"))
    reason = value_in(message, "pause_reason", PauseReason) if message.pause_reason else None
    return Fact(time_from(message.occur_time), kind, reason)

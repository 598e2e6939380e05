"""A service level: what is promised to which cases, by which calendar."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

from crm_kit.errors import invalid_field

WARNING_PERCENT = 75
MAX_POSITION = 1_000_000


class MilestoneKind(StrEnum):
    """What is promised a time for."""

    FIRST_RESPONSE = "FIRST_RESPONSE"
    NEXT_RESPONSE = "NEXT_RESPONSE"
    RESOLUTION = "RESOLUTION"


class PauseReason(StrEnum):
    """Why a clock is paused. RESOLVED is the time until a reopening; it is not asked for."""

    CUSTOMER = "CUSTOMER"
    THIRD_PARTY = "THIRD_PARTY"
    APPROVAL = "APPROVAL"
    FORCE_MAJEURE = "FORCE_MAJEURE"
    RESOLVED = "RESOLVED"


ASKED_PAUSES: tuple[PauseReason, ...] = tuple(reason for reason in PauseReason if reason is not PauseReason.RESOLVED)


class TargetEnd(StrEnum):
    """Where in the last working day a target ends."""

    CLOSE_OF_DAY = "CLOSE_OF_DAY"
    SAME_TIME = "SAME_TIME"


@dataclass(frozen=True, slots=True)
class Target:
    """How long something may take: minutes of business time or working days, the other being 0.

    Working days come after the day of the start, which is not one of them. They end with the business hours of the
    last one, or (SAME_TIME) at the start's time of day; a start outside business time then counts from the next
    opening.
    """

    business_minutes: int = 0
    working_days: int = 0
    end: TargetEnd | None = None

    def __post_init__(self) -> None:
        if min(self.business_minutes, self.working_days) < 0 or bool(self.business_minutes) is bool(self.working_days):
            raise invalid_field("target", "one", "must have business_minutes or working_days, and not both")


@dataclass(frozen=True, slots=True)
class MilestoneTarget:
    """What is promised of one milestone, and what pauses its clock."""

    kind: MilestoneKind
    target: Target
    pauses: tuple[PauseReason, ...] = ()

    def __post_init__(self) -> None:
        if PauseReason.RESOLVED in self.pauses:
            raise invalid_field(
                "pauses", "pause_reason", "RESOLVED cannot be asked for: a resolved case is always paused"
            )


@dataclass(frozen=True, slots=True)
class ServiceLevelPolicy:
    """What is promised to one case, each kind at most once. A kind without a target has no milestone."""

    targets: tuple[MilestoneTarget, ...] = ()
    warning_percent: int = WARNING_PERCENT

    def target(self, kind: MilestoneKind) -> Target | None:
        """How long it may take."""
        return next((each.target for each in self.targets if each.kind is kind), None)

    def pauses_for(self, kind: MilestoneKind, reason: PauseReason) -> bool:
        """Whether that reason pauses the clock of that kind."""
        return any(each.kind is kind and reason in each.pauses for each in self.targets)


NOTHING_PROMISED = ServiceLevelPolicy()


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """Fields as in the contract. `calendar_id` None is the tenant's default calendar, `condition` None all cases."""

    id: UUID
    display_name: str
    targets: tuple[MilestoneTarget, ...]
    create_time: datetime
    update_time: datetime
    version: int = 1
    condition: str | None = None
    position: int = 0
    calendar_id: UUID | None = None
    warning_percent: int = WARNING_PERCENT
    is_default: bool = False

    @property
    def policy(self) -> ServiceLevelPolicy:
        """What it promises."""
        return ServiceLevelPolicy(self.targets, self.warning_percent)

    def check(self) -> None:
        """Raise InvalidArgument for a milestone that is given twice."""
        kinds = [each.kind for each in self.targets]
        if len(kinds) != len(set(kinds)):
            raise invalid_field("service_level.targets", "unique", "each kind may be given once")


def default_service_level_id(tenant_id: UUID) -> UUID:
    """The same whoever asks."""
    return uuid5(tenant_id, "default service level")


def default_service_level(tenant_id: UUID, *, now: datetime) -> ServiceLevel:
    """A response within an hour of business time, a resolution by the close of the third working day."""
    return ServiceLevel(
        id=default_service_level_id(tenant_id),
        display_name="标准服务级别",
        targets=(
            MilestoneTarget(MilestoneKind.FIRST_RESPONSE, Target(business_minutes=60)),
            MilestoneTarget(
                MilestoneKind.RESOLUTION,
                Target(working_days=3, end=TargetEnd.CLOSE_OF_DAY),
                tuple(sorted(ASKED_PAUSES)),
            ),
        ),
        create_time=now,
        update_time=now,
        position=MAX_POSITION,
        is_default=True,
    )

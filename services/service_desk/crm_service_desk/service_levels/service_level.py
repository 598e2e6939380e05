"""A service level: what is promised to which cases, by which calendar."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from crm_kit.errors import invalid_field
from crm_kit.etags import check_etag
from crm_kit.filtering.evaluation import evaluate
from crm_kit.filtering.parsing import parse_filter
from crm_kit.filtering.schema import FilterField, FilterSchema, enum_field
from crm_kit.filtering.tree import FieldType

from crm_service_desk.cases.model import CaseKind, Level, Priority
from crm_service_desk.service_levels.model import (
    ASKED_PAUSES,
    WARNING_PERCENT,
    BusinessTime,
    MilestoneKind,
    PauseReason,
    ServiceLevelPolicy,
    Target,
    WorkingDayEnd,
    WorkingDays,
)

LAST_POSITION = 1_000_000
NOTHING_PROMISED = ServiceLevelPolicy(targets={})
CONDITION = FilterSchema(
    {
        "kind": enum_field(None, list(CaseKind), prefix="KIND_"),
        "priority": enum_field(None, list(Priority), prefix="PRIORITY_"),
        "impact": enum_field(None, list(Level), prefix="LEVEL_"),
        "urgency": enum_field(None, list(Level), prefix="LEVEL_"),
        "channel": FilterField(FieldType.TEXT),
        "category": FilterField(FieldType.TEXT),
        "value_tier": FilterField(FieldType.TEXT),
    }
)
"""What a condition may speak of."""


@dataclass(frozen=True, slots=True)
class MilestoneTarget:
    """What is promised of one milestone, and what stops its clock."""

    kind: MilestoneKind
    target: Target
    pauses: tuple[PauseReason, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """Fields as in the contract. `calendar_id` None is the tenant's default calendar."""

    id: UUID
    display_name: str
    targets: tuple[MilestoneTarget, ...]
    create_time: datetime
    update_time: datetime
    warning_percent: int = WARNING_PERCENT
    condition: str = ""
    position: int = 0
    calendar_id: UUID | None = None
    is_default: bool = False
    version: int = 1

    @property
    def policy(self) -> ServiceLevelPolicy:
        """As the clock takes it."""
        return ServiceLevelPolicy(
            targets={each.kind: each.target for each in self.targets},
            pauses={each.kind: frozenset(each.pauses) for each in self.targets},
            warning_percent=self.warning_percent,
        )

    def check(self) -> None:
        """Raise InvalidArgument for a milestone given twice, INVALID_FILTER for a condition that cannot be read."""
        kinds = [each.kind for each in self.targets]
        if len(kinds) != len(set(kinds)):
            raise invalid_field("service_level.targets", "unique", "each kind may be given once")
        parse_filter(self.condition, CONDITION, field="service_level.condition")

    def takes(self, facts: Mapping[str, object]) -> bool:
        """Whether the condition takes a case with these values of its fields."""
        return evaluate(parse_filter(self.condition, CONDITION), facts)

    def update(self, values: dict[str, Any], *, now: datetime, etag: str = "") -> "ServiceLevel":
        """With new values of some fields."""
        check_etag(etag, self.version)
        after = replace(self, **values)
        if after == self:
            return self
        after.check()
        return replace(after, version=self.version + 1, update_time=now)


def choose(levels: Iterable[ServiceLevel], facts: Mapping[str, object]) -> ServiceLevel | None:
    """The first that takes the case, by position; of equal ones the oldest."""
    in_order = sorted(levels, key=lambda level: (level.position, level.create_time, level.id))
    return next((level for level in in_order if level.takes(facts)), None)


def default_service_level(tenant_id: UUID, *, now: datetime) -> ServiceLevel:
    """An answer within an hour of business time, a solution by the close of the third working day."""
    return ServiceLevel(
        # The same whoever makes it, so that two who make it at once make one.
        id=uuid5(tenant_id, "default service level"),
        display_name="标准服务级别",
        targets=(
            MilestoneTarget(MilestoneKind.FIRST_RESPONSE, BusinessTime(3600)),
            MilestoneTarget(MilestoneKind.RESOLUTION, WorkingDays(3), tuple(sorted(ASKED_PAUSES))),
        ),
        create_time=now,
        update_time=now,
        position=LAST_POSITION,
        is_default=True,
    )


def targets_from(stored: Iterable[Mapping[str, Any]]) -> tuple[MilestoneTarget, ...]:
    """Targets back from their JSON."""
    return tuple(
        MilestoneTarget(
            MilestoneKind(each["kind"]), _target_from(each["target"]), tuple(map(PauseReason, each["pauses"]))
        )
        for each in stored
    )


def stored_policy(policy: ServiceLevelPolicy) -> dict[str, Any]:
    """The policy as JSON columns keep it."""
    return {
        "targets": {str(kind): asdict(target) for kind, target in policy.targets.items()},
        "pauses": {str(kind): sorted(reasons) for kind, reasons in policy.pauses.items()},
        "warning_percent": policy.warning_percent,
    }


def policy_from(stored: Mapping[str, Any]) -> ServiceLevelPolicy:
    """The policy back from its JSON."""
    return ServiceLevelPolicy(
        targets={MilestoneKind(kind): _target_from(target) for kind, target in stored["targets"].items()},
        pauses={
            MilestoneKind(kind): frozenset(map(PauseReason, reasons)) for kind, reasons in stored["pauses"].items()
        },
        warning_percent=stored["warning_percent"],
    )


def _target_from(stored: Mapping[str, Any]) -> Target:
    if "seconds" in stored:
        return BusinessTime(stored["seconds"])
    return WorkingDays(stored["days"], WorkingDayEnd(stored["end"]))

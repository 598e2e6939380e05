"""The public pool of a tenant and its rules: who may claim what, and how long what was claimed is safe."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from crm_kit.errors import invalid_field
from crm_kit.zones import DEFAULT_ZONE, check_zone


class FollowUpKind(StrEnum):
    """How a lead was followed up."""

    CALL = "CALL"
    VISIT = "VISIT"
    MEETING = "MEETING"
    EMAIL = "EMAIL"
    MESSAGE = "MESSAGE"
    NOTE = "NOTE"


@dataclass(frozen=True, slots=True)
class Extension:
    """How long a follow-up of one kind protects, from when it happened."""

    kind: FollowUpKind
    duration: timedelta


@dataclass(frozen=True, slots=True)
class PoolRules:
    """The rules of a pool; None switches one off.

    `reclaim_after` counts from when a lead was taken. A follow-up protects as `extensions` say; a kind that is not
    there does not count, nor does a follow-up entered more than `backdating` after it happened. Nothing protects
    longer than `hard_maximum` from when the lead left the pool, whoever it was passed on to since. The day of
    `claims_per_day` is that of `time_zone`, the tenant's where that is None.
    InvalidArgument for an unknown zone, or two extensions of one kind.
    """

    reclaim_after: timedelta | None = None
    extensions: tuple[Extension, ...] = ()
    hard_maximum: timedelta | None = None
    warning_before: timedelta = timedelta(hours=24)
    backdating: timedelta = timedelta(hours=72)
    capacity: int | None = None
    claims_per_day: int | None = None
    former_owner_cool_down: timedelta | None = None
    fresh_entry_cool_down: timedelta | None = None
    time_zone: str | None = None

    def __post_init__(self) -> None:
        kinds = [each.kind for each in self.extensions]
        for number, kind in enumerate(kinds):
            if kind in kinds[:number]:
                raise invalid_field(f"extensions[{number}].kind", "unique", f"{kind} is there twice")
        if self.time_zone is not None:
            check_zone(self.time_zone, field="time_zone")

    def extension(self, kind: FollowUpKind) -> timedelta | None:
        """How long a follow-up of this kind protects; None when it does not count."""
        return next((each.duration for each in self.extensions if each.kind is kind), None)

    def of_tenant(self, time_zone: str) -> "PoolRules":
        """The rules in a tenant of this time zone, which is theirs unless they have one of their own."""
        return replace(self, time_zone=self.time_zone or time_zone)

    def zone(self) -> ZoneInfo:
        """The zone whose days count; that of the platform where neither the rules nor a tenant say one."""
        return ZoneInfo(self.time_zone or DEFAULT_ZONE)


WEEK = timedelta(days=7)
# What a pool starts with: a week for what was just taken, and a week more for each follow-up but a note.
DEFAULT_RULES = PoolRules(
    reclaim_after=WEEK,
    extensions=tuple(Extension(kind, WEEK) for kind in FollowUpKind if kind is not FollowUpKind.NOTE),
    hard_maximum=timedelta(days=90),
    claims_per_day=50,
    former_owner_cool_down=timedelta(hours=24),
)


@dataclass(frozen=True, slots=True)
class Pool:
    """A public pool; every tenant has one. Its version counts the versions of its rules."""

    id: UUID
    display_name: str
    rules: PoolRules
    create_time: datetime
    update_time: datetime
    version: int = 1

"""A tenant: one customer company of the platform."""

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from crm_kit.errors import FailedPrecondition, invalid_field
from crm_kit.phone_numbers import check_phone_country
from crm_kit.proposed import ANSWER_DAYS
from crm_kit.regions import DEFAULT_REGION
from crm_kit.zones import DEFAULT_ZONE, check_zone

SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# Far enough for every rule there is, and no date falls off the end of the calendar.
MAX_CLOCK_OFFSET = timedelta(days=36_525)


@dataclass(frozen=True, slots=True)
class Tenant:
    """Fields as in the contract; `clock_offset` is zero but for sandboxes, `current_time` what `at` was given."""

    id: UUID
    slug: str
    display_name: str
    create_time: datetime
    update_time: datetime
    version: int = 1
    sandbox: bool = False
    active: bool = True
    clock_offset: timedelta = timedelta(0)
    time_zone: str = DEFAULT_ZONE
    default_region: str = DEFAULT_REGION
    change_proposal_days: int = ANSWER_DAYS
    unmasked_fields: tuple[str, ...] = ()
    current_time: datetime | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_zone(self.time_zone, field="tenant.time_zone")
        check_phone_country(self.default_region, field="tenant.default_region")

    def at(self, now: datetime) -> "Tenant":
        """As it is at `now` on its own clock."""
        return replace(self, current_time=now)

    def advance(self, duration: timedelta) -> "Tenant":
        """With the test clock moved forward. FailedPrecondition for a real tenant."""
        if not self.sandbox:
            raise FailedPrecondition("only the clock of a sandbox can be moved", reason="NOT_A_SANDBOX")
        offset = self.clock_offset + duration
        if offset > MAX_CLOCK_OFFSET:
            raise invalid_field("duration", "range", "the test clock would be more than a hundred years ahead")
        return replace(self, clock_offset=offset)


def check_slug(slug: str) -> str:
    """The slug, when it is one: small letters, digits and inner hyphens, at most 63, as in a host name."""
    if not SLUG.fullmatch(slug):
        raise invalid_field("slug", "pattern", "must be 1 to 63 small letters, digits or inner hyphens")
    return slug

"""A notification: what a user is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from crm_kit.notice_texts import NoticeKind, title_of

# When the mail of a day comes, where the tenant is.
MORNING = time(8)


@dataclass(frozen=True, slots=True)
class Notification:
    """Fields as in the contract.

    `shown` is false for one that is told by mail alone; `digest` is true until the day's mail has it.
    """

    id: UUID
    user_id: UUID
    kind: NoticeKind
    collection: str
    record_id: UUID
    create_time: datetime
    update_time: datetime
    version: int = 1
    record_title: str | None = None
    actor_id: UUID | None = None
    text: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    count: int = 1
    notice_time: datetime | None = None
    read: bool = False
    read_time: datetime | None = None
    shown: bool = True
    digest: bool = False

    @property
    def title(self) -> str:
        """In English; the gateway says it in the language of who asks."""
        return title_of(self.kind, self.record_title or "", self.values, "en")


def last_morning(now: datetime, zone: str) -> datetime:
    """The last time at which it was morning in the zone: what was told before belongs into a mail by now."""
    there = now.astimezone(ZoneInfo(zone))
    morning = datetime.combine(there.date(), MORNING, there.tzinfo)
    if morning > there:
        morning = datetime.combine(there.date() - timedelta(days=1), MORNING, there.tzinfo)
    return morning.astimezone(UTC)

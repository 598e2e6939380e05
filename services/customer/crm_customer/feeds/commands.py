"""Every write on feeds. Each function gathers one transaction's work."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as events
from crm_kit.database.locks import advisory_lock
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import owner_team, require_users
from crm_kit.directory.keepers import get_keepers
from crm_kit.errors import FailedPrecondition
from crm_kit.identity.access import Access
from crm_kit.ids import new_id
from crm_kit.notice_texts import OUTCOME
from crm_kit.notices import Kind, raise_notice
from sqlalchemy import Boolean, bindparam, case, func, null, update

from crm_customer.feeds.model import Feed, PauseReason
from crm_customer.feeds.queries import CHANGING, feed_count, get_told
from crm_customer.feeds.resource import FEEDS, WATCHED
from crm_customer.feeds.tables import feed_timers, feeds
from crm_customer.records.accounts.resource import ACCOUNTS

# Of a tenant.
MAX_FEEDS = 100
# What writing rows takes, as importing them by hand does.
APPLYING_TAKES = ("imports.write", "accounts.write")


async def create_feed(work: UnitOfWork, values: dict[str, Any]) -> Feed:
    """Create an active feed from the values of its fields."""
    feed = Feed(
        id=new_id(),
        activator_id=work.actor.user_id,
        create_time=work.now,
        update_time=work.now,
        **with_defaults(work, values),
    )
    await check(work, feed)
    # Those who add one at the same time are counted one after the other.
    await advisory_lock(work, "feeds")
    if await feed_count(work) >= MAX_FEEDS:
        detail = f"there are {MAX_FEEDS} feeds already; use one of them"
        raise FailedPrecondition(detail, reason="FEED_LIMIT_REACHED", metadata={"most": str(MAX_FEEDS)})
    created = FEEDS.create(work, feed)
    work.insert(feed_timers, {"feed_id": created.id, "due_time": work.now, "expected_day": None})
    return created


async def update_feed(work: UnitOfWork, before: Feed, values: dict[str, Any]) -> Feed:
    """Change some fields of a feed; nothing is written when nothing changes."""
    after = before.update(with_defaults(work, values, before), by=work.actor.user_id)
    await check(work, after, before)
    await wake_feed(work, before.id, anew=after.schedule != before.schedule)
    return FEEDS.save(work, before, after, events.FeedUpdated)


async def pause_feed(work: UnitOfWork, before: Feed, reason: PauseReason) -> Feed:
    """Have nothing carried out."""
    after = before.pause(reason)
    await wake_feed(work, before.id, anew=True)
    return FEEDS.save(work, before, after, events.FeedPaused)


async def stop_feed(work: UnitOfWork, before: Feed) -> Feed:
    """Pause a feed whose activator has lost their rights, and tell who can have it go on."""
    stopped = await pause_feed(work, before, PauseReason.LOST_RIGHTS)
    told = [before.responsible_id, *await get_keepers(work, CHANGING)]
    tell(work, stopped, Kind.NOTICE_KIND_FEED_FAILED, told, outcome=PauseReason.LOST_RIGHTS)
    return stopped


async def tell_late(work: UnitOfWork, feed: Feed, day: date) -> None:
    """Gather that the file of a day is not here."""
    tell(work, feed, Kind.NOTICE_KIND_FEED_LATE, await get_told(work, feed), day=day)


def tell(
    work: UnitOfWork,
    feed: Feed,
    kind: "Kind.ValueType",
    told: Sequence[UUID],
    *,
    outcome: str = "",
    day: date | None = None,
) -> None:
    """Gather a notice about a feed."""
    name = feed.display_name if day is None else f"{feed.display_name} {day.isoformat()}"
    values = {OUTCOME: outcome} if outcome else {}
    raise_notice(work, kind, told, record=(FEEDS.collection, feed.id), name=name, values=values, also_actor=True)


async def resume_feed(work: UnitOfWork, before: Feed) -> Feed:
    """Go on, by the caller's rights."""
    after = before.resume(by=work.actor.user_id)
    await check(work, after, before)
    require_rights(work.actor.access)
    await wake_feed(work, before.id, anew=True)
    return FEEDS.save(work, before, after, events.FeedResumed)


def with_defaults(work: UnitOfWork, values: dict[str, Any], before: Feed | None = None) -> dict[str, Any]:
    """The values with what is meant where none is given."""
    given = {name: value for name, value in values.items() if name != "collection" or value}
    if before is None or "default_region" in values:
        given["default_region"] = values.get("default_region") or work.actor.access.default_region
    if before is None or "responsible_id" in values:
        given["responsible_id"] = values.get("responsible_id") or work.actor.user_id
    return given


async def check(work: UnitOfWork, after: Feed, before: Feed | None = None) -> None:
    """InvalidArgument for what a feed cannot be; PermissionDenied for rows that the caller may not have written."""
    after.checked()
    old = [before.responsible_id] if before else []
    await require_users(work, [after.responsible_id], old_ids=old, field="feed.responsible_id")
    if before is not None and not after.applies_other_than(before):
        return
    require_rights(work.actor.access)
    if after.account_owner_id:
        scope, field = work.actor.access.scope("accounts.write"), "feed.account_owner_id"
        await owner_team(work, after.account_owner_id, permission=ACCOUNTS.permission, scope=scope, field=field)


def require_rights(access: Access) -> None:
    """PermissionDenied unless somebody may have rows written."""
    for permission in APPLYING_TAKES:
        access.scope(permission)


async def wake_feed(work: UnitOfWork, feed_id: UUID, *, anew: bool = False) -> None:
    """Have a feed looked at, and keep others from it until the unit ends; what comes next is `anew` found out."""
    work.execute(wake(), feed_id=feed_id, due=work.now, anew=anew)
    await work.flush()


def watch(work: UnitOfWork, before: Feed, after: Feed) -> None:
    """Gather what is known of the deliveries of a feed, whose timer the unit holds."""
    values = {name: getattr(after, name) for name in WATCHED}
    if values != {name: getattr(before, name) for name in WATCHED}:
        work.execute(put_watched(), feed_id=after.id, **values)


def set_timer(work: UnitOfWork, feed_id: UUID, due_time: datetime | None, expected_day: date | None) -> None:
    """Gather when a feed is looked at next."""
    work.execute(put_timer(), feed_id=feed_id, due_time=due_time, expected_day=expected_day)


@statement
def wake() -> Any:
    timers, due = feed_timers, bindparam("due", type_=feed_timers.c.due_time.type)
    return (
        update(timers)
        .where(timers.c.tenant_id == bindparam("tenant_id"), timers.c.feed_id == bindparam("feed_id"))
        .values(
            due_time=func.least(timers.c.due_time, due),
            expected_day=case((bindparam("anew", type_=Boolean), null()), else_=timers.c.expected_day),
        )
    )


@statement
def put_timer() -> Any:
    timers = feed_timers
    return (
        update(timers)
        .where(timers.c.tenant_id == bindparam("tenant_id"), timers.c.feed_id == bindparam("feed_id"))
        .values({name: bindparam(name, type_=timers.c[name].type) for name in ("due_time", "expected_day")})
    )


@statement
def put_watched() -> Any:
    return (
        update(feeds)
        .where(feeds.c.tenant_id == bindparam("tenant_id"), feeds.c.id == bindparam("feed_id"))
        .values({name: bindparam(name, type_=feeds.c[name].type) for name in WATCHED})
    )

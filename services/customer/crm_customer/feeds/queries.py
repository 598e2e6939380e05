"""Every SELECT on feeds that their declaration does not make."""

from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.directory.access import active_users
from crm_kit.directory.keepers import get_keepers
from crm_kit.plumbing import access_tenants
from sqlalchemy import DateTime, Select, bindparam, func, select, true

from crm_customer.feeds.model import Feed
from crm_customer.feeds.tables import feed_timers, feeds

# What looking after feeds takes.
CHANGING = "feeds.write"
BATCH = 500
A_TENANTS_SHARE = 20


@statement
def due_feeds() -> Select[Any]:
    """Of each open tenant the first that are due on its clock, found by an index; first the first of each."""
    timers, tenant = feed_timers, access_tenants
    due = (
        select(timers.c.feed_id, timers.c.due_time)
        .where(
            timers.c.tenant_id == tenant.c.tenant_id,
            bindparam("now", type_=DateTime(timezone=True)) + tenant.c.clock_offset >= timers.c.due_time,
        )
        .order_by(timers.c.due_time)
        .limit(A_TENANTS_SHARE)
        .lateral("due")
    )
    number = func.row_number().over(partition_by=tenant.c.tenant_id, order_by=due.c.due_time)
    return (
        select(tenant.c.tenant_id, tenant.c.clock_offset, tenant.c.time_zone, due.c.feed_id)
        .join_from(tenant, due, true())
        .where(tenant.c.active)
        .order_by(number, due.c.due_time)
        .limit(BATCH)
    )


@statement
def timer_due() -> Select[Any]:
    """The timer of a feed, if it is due by now; nobody else changes it, or the feed's deliveries, meanwhile."""
    timers = feed_timers.c
    return (
        select(timers.feed_id, timers.expected_day)
        .where(
            timers.tenant_id == bindparam("tenant_id"),
            timers.feed_id == bindparam("feed_id"),
            timers.due_time <= bindparam("now", type_=DateTime(timezone=True)),
        )
        .with_for_update()
    )


@statement
def count_feeds() -> Select[Any]:
    return select(func.count()).where(feeds.c.tenant_id == bindparam("tenant_id"))


async def feed_count(reader: Reader) -> int:
    """How many feeds the tenant has."""
    row = await reader.one(count_feeds())
    return int(row[0]) if row else 0


async def get_told(reader: Reader, feed: Feed) -> list[UUID]:
    """Who is told of a feed: whoever is responsible, or where they have left all who may write feeds."""
    if await reader.all(active_users(), ids=[feed.responsible_id]):
        return [feed.responsible_id]
    return await get_keepers(reader, CHANGING)

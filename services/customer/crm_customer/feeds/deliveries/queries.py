"""Every SELECT on deliveries of feeds that their declaration does not make."""

from datetime import date
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import illegal_state
from crm_kit.identity.access import Scope
from crm_kit.plumbing import access_tenants
from sqlalchemy import ColumnElement, Select, bindparam, func, select, true

from crm_customer.feeds.deliveries.model import MAX_OPEN, VAIN, FeedDelivery, State
from crm_customer.feeds.deliveries.resource import FEED_DELIVERIES
from crm_customer.feeds.deliveries.tables import feed_deliveries, uncounted_deliveries

BATCH = 200
# Of a file, in bytes: reading it takes a second at most, so small ones wait for one another alone.
SMALL = 1 << 20


def _of_feed() -> list[ColumnElement[bool]]:
    columns = feed_deliveries.c
    return [columns.tenant_id == bindparam("tenant_id"), columns.feed_id == bindparam("feed_id")]


@statement
def open_deliveries() -> Select[Any]:
    """Spelled as the index has it."""
    return FEED_DELIVERIES.rows(Scope.ALL).where(*_of_feed(), feed_deliveries.c.finish_time.is_(None))


@statement
def open_count() -> Select[Any]:
    return select(func.count()).where(*_of_feed(), feed_deliveries.c.finish_time.is_(None))


@statement
def by_delivery_id() -> Select[Any]:
    return FEED_DELIVERIES.rows(Scope.ALL).where(*_of_feed(), feed_deliveries.c.delivery_id == bindparam("delivery_id"))


@statement
def last_arrived() -> Select[Any]:
    """When the newest arrived."""
    return select(func.max(feed_deliveries.c.create_time)).where(*_of_feed())


@statement
def last_ended() -> Select[Any]:
    """How the one ended that was carried out last."""
    columns = feed_deliveries.c
    carried_out = columns.state.not_in((State.REJECTED, State.WITHDRAWN))
    found = select(columns.state).where(*_of_feed(), columns.finish_time.is_not(None), carried_out)
    return found.order_by(columns.finish_time.desc()).limit(1)


@statement
def arrived_from() -> Select[Any]:
    """Whether there is one for a day or a later one that something comes of."""
    columns = feed_deliveries.c
    found = select(columns.id).where(*_of_feed(), columns.data_date >= bindparam("day"), columns.state.not_in(VAIN))
    return found.limit(1)


@statement
def same_day() -> Select[Any]:
    """Whether another one came for a day before."""
    columns = feed_deliveries.c
    found = select(columns.id).where(
        *_of_feed(),
        columns.data_date == bindparam("day"),
        columns.state.not_in(VAIN),
        columns.create_time <= bindparam("create_time"),
        columns.id != bindparam("id"),
    )
    return found.limit(1)


@statement
def one_before() -> Select[Any]:
    """The last one that was counted before another one arrived and was not short."""
    columns = feed_deliveries.c
    found = select(columns.rows_total, columns.content_digest).where(
        *_of_feed(),
        columns.rows_total.is_not(None),
        ~columns.short,
        columns.state.not_in(VAIN),
        columns.create_time <= bindparam("create_time"),
        columns.id != bindparam("id"),
    )
    return found.order_by(columns.create_time.desc(), columns.id.desc()).limit(1)


@statement
def open_of_upload() -> Select[Any]:
    columns = feed_deliveries.c
    of_upload = columns.tenant_id == bindparam("tenant_id"), columns.upload_id == bindparam("upload_id")
    return select(columns.id).where(*of_upload, columns.finish_time.is_(None)).limit(1)


@statement
def uncounted(*, small: bool) -> Select[Any]:
    """Of each open tenant the one that waits longest and that nobody counts now, among small files or large ones.

    Found by an index.
    """
    waiting, tenant = uncounted_deliveries, access_tenants
    first = (
        select(waiting.c.delivery_id, waiting.c.create_time)
        .where(
            waiting.c.tenant_id == tenant.c.tenant_id,
            waiting.c.size <= SMALL if small else waiting.c.size > SMALL,
            waiting.c.expire_time <= func.clock_timestamp(),
        )
        .order_by(waiting.c.create_time)
        .limit(1)
        .lateral("first")
    )
    return (
        select(tenant.c.tenant_id, tenant.c.clock_offset, first.c.delivery_id)
        .join_from(tenant, first, true())
        .where(tenant.c.active)
        .order_by(first.c.create_time)
        .limit(BATCH)
    )


async def get_open(reader: Reader, feed_id: UUID) -> list[FeedDelivery]:
    """Those of a feed that have not ended, at most so many as there can be."""
    rows = await reader.all(open_deliveries(), feed_id=feed_id)
    return [FEED_DELIVERIES.entity_from(row) for row in rows]


async def has_room(reader: Reader, feed_id: UUID) -> bool:
    """Whether one more can wait."""
    row = await reader.one(open_count(), feed_id=feed_id)
    return row is not None and row[0] < MAX_OPEN


async def find_delivery(reader: Reader, feed_id: UUID, delivery_id: str) -> FeedDelivery | None:
    """The one that the other system calls so; None when there is none."""
    row = await reader.one(by_delivery_id(), feed_id=feed_id, delivery_id=delivery_id)
    return FEED_DELIVERIES.entity_from(row) if row else None


async def has_arrived(reader: Reader, feed_id: UUID, day: date) -> bool:
    """Whether something comes of a delivery for a day, or for a later one."""
    return await reader.one(arrived_from(), feed_id=feed_id, day=day) is not None


async def has_failed(reader: Reader, feed_id: UUID) -> bool:
    """Whether the delivery failed that was carried out last."""
    row = await reader.one(last_ended(), feed_id=feed_id)
    return row is not None and row["state"] == State.FAILED


async def check_not_delivered(reader: Reader, upload_id: UUID) -> None:
    """FailedPrecondition while a delivery that has not ended has its file in an upload."""
    row = await reader.one(open_of_upload(), upload_id=upload_id)
    if row is not None:
        detail = f"the feed delivery {row['id']} needs the upload; reject it, or wait until it has ended"
        raise illegal_state("upload_delivered", detail, delivery_id=row["id"])

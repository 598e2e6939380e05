"""Which process sends to which endpoint: a claim on its queue, renewed by its holder, free for others once it lapses.

One process at a time sends to an endpoint, so what happens to a record arrives in its order.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm_kit.database.connections import ALL_TENANTS, Database
from crm_kit.database.statements import statement
from crm_kit.plumbing import access_tenants
from sqlalchemy import DateTime, all_, bindparam, func, null, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Interval, Uuid

from crm_customer.integrations.webhook_endpoints.tables import webhook_queues

CLAIM = timedelta(seconds=30)
RENEW_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Claim:
    """An endpoint that `holder` has claimed, and how much had come to wait for it until then."""

    tenant_id: UUID
    endpoint_id: UUID
    holder: UUID
    arrivals: int


@statement
def claim_next() -> Any:
    """Of the tenants with the fewest endpoints under way the one that has waited longest.

    However many endpoints of a tenant wait, those of others come next, and none of the tenants of `without` comes now.
    What another process claims just now is passed over.
    """
    queues, others, tenants = webhook_queues, webhook_queues.alias("others"), access_tenants
    under_way = (
        select(others.c.tenant_id, func.count().label("count"))
        .where(others.c.expire_time >= func.clock_timestamp())
        .group_by(others.c.tenant_id)
        .subquery("under_way")
    )
    now = bindparam("now", type_=DateTime(timezone=True))
    free = (
        select(queues.c.tenant_id, queues.c.endpoint_id)
        .join(tenants, tenants.c.tenant_id == queues.c.tenant_id)
        .outerjoin(under_way, under_way.c.tenant_id == queues.c.tenant_id)
        .where(
            tenants.c.active,
            queues.c.enabled,
            queues.c.due_time <= now + tenants.c.clock_offset,
            or_(queues.c.expire_time.is_(None), queues.c.expire_time < func.clock_timestamp()),
            queues.c.tenant_id != all_(bindparam("without", type_=ARRAY(Uuid))),
        )
        .order_by(func.coalesce(under_way.c["count"], 0), queues.c.due_time)
        .limit(1)
        .with_for_update(of=queues, skip_locked=True)
        .cte("free")
    )
    return (
        update(queues)
        .where(queues.c.tenant_id == free.c.tenant_id, queues.c.endpoint_id == free.c.endpoint_id)
        .values(holder=bindparam("holder", type_=Uuid), expire_time=_later())
        .returning(queues.c.tenant_id, queues.c.endpoint_id, queues.c.arrivals)
    )


def _later() -> Any:
    return func.clock_timestamp() + bindparam("duration", type_=Interval)


def _of_holder() -> Any:
    queues = webhook_queues
    return update(queues).where(
        queues.c.tenant_id == bindparam("tenant_id"),
        queues.c.endpoint_id == bindparam("endpoint_id"),
        queues.c.holder == bindparam("holder"),
    )


@statement
def extend_claim() -> Any:
    return _of_holder().values(expire_time=_later()).returning(webhook_queues.c.arrivals)


@statement
def give_back() -> Any:
    return _of_holder().values(holder=null(), expire_time=null())


@statement
def come_to_rest() -> Any:
    """With nothing to do before `due_time`, unless more has come to wait."""
    queues = webhook_queues
    due_time = bindparam("due_time", type_=queues.c.due_time.type)
    has_all = queues.c.arrivals == bindparam("arrivals")
    resting = _of_holder().where(has_all).values(holder=null(), expire_time=null(), due_time=due_time)
    return resting.returning(queues.c.endpoint_id)


async def claim(database: Database, holder: UUID, *, now: datetime, without: Collection[UUID] = ()) -> Claim | None:
    """The next endpoint to send to, of no tenant that is left out; None when there is none. `now` is the system's."""
    values = {"holder": holder, "duration": CLAIM, "without": list(without), "now": now}
    rows = await database.all(ALL_TENANTS, claim_next(), values)
    return Claim(rows[0]["tenant_id"], rows[0]["endpoint_id"], holder, rows[0]["arrivals"]) if rows else None


async def renew(database: Database, held: Claim, duration: timedelta = CLAIM) -> int | None:
    """Keep the claim so much longer; how much has come to wait until now, or None when it is another's."""
    rows = await database.all(held.tenant_id, extend_claim(), values_of(held) | {"duration": duration})
    return int(rows[0]["arrivals"]) if rows else None


async def release(database: Database, held: Claim) -> None:
    """Leave it to whoever comes next."""
    await database.all(held.tenant_id, give_back(), values_of(held))


async def rest(database: Database, held: Claim, due_time: datetime | None) -> bool:
    """Give the claim back until something is due; False when more has come to wait than its holder has seen."""
    values = values_of(held) | {"due_time": due_time, "arrivals": held.arrivals}
    return bool(await database.all(held.tenant_id, come_to_rest(), values))


def values_of(held: Claim) -> dict[str, object]:
    return {"tenant_id": held.tenant_id, "endpoint_id": held.endpoint_id, "holder": held.holder}

"""Every write on webhook deliveries. Each function gathers one transaction's work."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import webhook_endpoints_pb2 as pb
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import Conflict, invalid_field
from crm_kit.events.outbox import emit
from crm_kit.wire import time_from, timestamp
from sqlalchemy import any_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.types import Uuid

from crm_customer.integrations.webhook_deliveries.model import State, WebhookDelivery
from crm_customer.integrations.webhook_deliveries.queries import get_replayed
from crm_customer.integrations.webhook_deliveries.resource import DELIVERIES
from crm_customer.integrations.webhook_deliveries.tables import webhook_deliveries
from crm_customer.integrations.webhook_endpoints.model import WebhookEndpoint
from crm_customer.integrations.webhook_endpoints.resource import ENDPOINTS
from crm_customer.integrations.webhook_endpoints.tables import webhook_queues

# Events of one replay.
MAX_REPLAYED = 10_000
CLOCKS_DIFFER = timedelta(minutes=1)
# What a try changes.
OUTCOME = ("state", "attempt_count", "attempts", "next_attempt_time", "failure_count", "give_up_time", "update_time")


def note(work: UnitOfWork, deliveries: Iterable[WebhookDelivery]) -> None:
    """Note what endpoints are to be told, each event once for each of them, and that something waits."""
    waiting = set[UUID]()
    for each in deliveries:
        row = DELIVERIES.row_of(each)
        work.execute(put_delivery(tuple(row)), **row)
        if each.state is State.PENDING:
            waiting.add(each.endpoint_id)
    arrive(work, waiting)


def arrive(work: UnitOfWork, endpoint_ids: Iterable[UUID]) -> None:
    """Have endpoints looked at now."""
    if ids := list(endpoint_ids):
        work.execute(note_arrival(), endpoint_ids=ids, due_time=work.now)


def mark(work: UnitOfWork, before: WebhookDelivery, after: WebhookDelivery) -> None:
    """Note what came of a try. Conflict when somebody else has tried it meanwhile."""
    row = DELIVERIES.row_of(after)
    work.execute(
        put_outcome(),
        unmet=lambda: Conflict("the delivery was tried by another process"),
        id=before.id,
        attempts_before=before.attempt_count,
        **{name: row[name] for name in OUTCOME},
    )
    if after.state is State.FAILED:
        failed = events.WebhookDeliveryFailed(webhook_delivery=DELIVERIES.message_of(after))
        emit(work, failed, aggregate_type=DELIVERIES.noun, id=after.id, version=after.version)


async def redeliver(work: UnitOfWork, before: WebhookDelivery) -> WebhookDelivery:
    """Have an event sent once more."""
    ENDPOINTS.check_reaches(work.scope)
    endpoint = await ENDPOINTS.get(work, before.endpoint_id)
    endpoint.require_sending("sent to")
    after = before.begin_anew(now=work.now)
    mark(work, before, after)
    arrive(work, [endpoint.id])
    return after


async def replay(
    work: UnitOfWork, endpoint: WebhookEndpoint, request: pb.ReplayWebhookEndpointRequest
) -> pb.ReplayWebhookEndpointResponse:
    """Have all sent once more that an endpoint was to be told in a time."""
    from_time = time_from(request.from_time)
    to_time = time_from(request.to_time) if request.HasField("to_time") else work.now
    if to_time <= from_time:
        raise invalid_field("to_time", "after_from_time", "must be after from_time")
    found = await get_replayed(
        work,
        MAX_REPLAYED,
        endpoint_id=endpoint.id,
        noted_since=from_time - CLOCKS_DIFFER,
        from_time=from_time,
        to_time=to_time,
        event_types=list(request.event_types),
    )
    # Those of one instant are not torn apart: whoever goes on from `next_time` gets them all.
    rest = found[MAX_REPLAYED]["event_time"] if len(found) > MAX_REPLAYED else None
    taken = [row["id"] for row in found if rest is None or row["event_time"] < rest]
    work.execute(begin_anew(), ids=taken, begin_time=work.now)
    if taken:
        arrive(work, [endpoint.id])
    return pb.ReplayWebhookEndpointResponse(
        delivery_count=len(taken), truncated=rest is not None, next_time=timestamp(rest)
    )


@statement
def put_delivery(columns: tuple[str, ...]) -> Any:
    names = ("tenant_id", *columns)
    fresh = insert(webhook_deliveries).values({name: bindparam(name) for name in names})
    deliveries = webhook_deliveries.c
    return fresh.on_conflict_do_nothing(
        index_elements=[deliveries.tenant_id, deliveries.endpoint_id, deliveries.event_id]
    )


@statement
def put_outcome() -> Any:
    deliveries = webhook_deliveries
    return (
        update(deliveries)
        .where(
            deliveries.c.tenant_id == bindparam("tenant_id"),
            deliveries.c.id == bindparam("id"),
            deliveries.c.attempt_count == bindparam("attempts_before"),
        )
        .values({name: bindparam(name, type_=deliveries.c[name].type) for name in OUTCOME})
        .returning(deliveries.c.id)
    )


@statement
def begin_anew() -> Any:
    """As `WebhookDelivery.begin_anew`, for many."""
    deliveries, now = webhook_deliveries, bindparam("begin_time", type_=webhook_deliveries.c.update_time.type)
    return (
        update(deliveries)
        .where(
            deliveries.c.tenant_id == bindparam("tenant_id"),
            deliveries.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
        )
        .values(state=State.PENDING, next_attempt_time=now, update_time=now, failure_count=0, give_up_time=None)
    )


@statement
def note_arrival() -> Any:
    """Locked in one order everywhere, so that two processes do not lock each other out."""
    queues = webhook_queues
    locked = (
        select(queues.c.endpoint_id)
        .where(
            queues.c.tenant_id == bindparam("tenant_id"),
            queues.c.endpoint_id == any_(bindparam("endpoint_ids", type_=ARRAY(Uuid))),
            queues.c.enabled,
        )
        .order_by(queues.c.endpoint_id)
        .with_for_update()
        .cte("locked")
    )
    due_time = bindparam("due_time", type_=queues.c.due_time.type)
    return (
        update(queues)
        .where(queues.c.tenant_id == bindparam("tenant_id"), queues.c.endpoint_id == locked.c.endpoint_id)
        .values(arrivals=queues.c.arrivals + 1, due_time=func.least(queues.c.due_time, due_time))
    )

"""Every SELECT on webhook deliveries that their declaration does not make."""

from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.identity.access import Scope
from sqlalchemy import ColumnElement, Select, any_, bindparam, func, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from crm_customer.integrations.webhook_deliveries.model import WebhookDelivery
from crm_customer.integrations.webhook_deliveries.resource import DELIVERIES
from crm_customer.integrations.webhook_deliveries.tables import webhook_deliveries

# Of an endpoint, at a time.
BATCH = 40


def _pending() -> list[ColumnElement[bool]]:
    """Those of an endpoint that wait. Spelled as the index has it."""
    deliveries = webhook_deliveries.c
    return [
        deliveries.tenant_id == bindparam("tenant_id"),
        deliveries.endpoint_id == bindparam("endpoint_id"),
        deliveries.state == literal_column("'PENDING'"),
    ]


@statement
def due_deliveries() -> Select[Any]:
    """The earliest first: those that were never tried are in the order in which they happened."""
    deliveries = webhook_deliveries.c
    due = deliveries.next_attempt_time <= bindparam("now")
    found = DELIVERIES.rows(Scope.ALL).where(*_pending(), due)
    return found.order_by(deliveries.next_attempt_time, deliveries.id).limit(BATCH)


@statement
def next_due() -> Select[Any]:
    return select(func.min(webhook_deliveries.c.next_attempt_time)).where(*_pending())


@statement
def replayed_deliveries(most: int) -> Select[Any]:
    """Those of events between two times, of some types or all, the oldest first, one more than are wanted."""
    deliveries = webhook_deliveries.c
    types = bindparam("event_types", type_=ARRAY(Text))
    return (
        select(deliveries.id, deliveries.event_time)
        .where(
            deliveries.tenant_id == bindparam("tenant_id"),
            deliveries.endpoint_id == bindparam("endpoint_id"),
            # By the index: nothing is noted before it has happened, but clocks of machines differ a little.
            deliveries.create_time >= bindparam("noted_since", type_=deliveries.create_time.type),
            deliveries.event_time >= bindparam("from_time", type_=deliveries.event_time.type),
            deliveries.event_time < bindparam("to_time", type_=deliveries.event_time.type),
            (func.cardinality(types) == 0) | (deliveries.event_type == any_(types)),
        )
        .order_by(deliveries.event_time, deliveries.id)
        .limit(most + 1)
    )


async def get_due(reader: Reader, endpoint_id: UUID) -> list[WebhookDelivery]:
    """What an endpoint is to be sent now, up to so many."""
    return [DELIVERIES.entity_from(row) for row in await reader.all(due_deliveries(), endpoint_id=endpoint_id)]


async def get_next_due(reader: Reader, endpoint_id: UUID) -> datetime | None:
    """When something is to be sent next; None when nothing waits."""
    row = await reader.one(next_due(), endpoint_id=endpoint_id)
    time: datetime | None = row[0] if row else None
    return time


async def get_replayed(reader: Reader, most: int, **asked: Any) -> list[Record]:
    """`id` and `event_time` of what a replay asks for, up to one more than `most`."""
    return await reader.all(replayed_deliveries(most), **asked)

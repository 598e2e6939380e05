"""Every SELECT on webhook endpoints that their declaration does not make."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from crm_kit.database.connections import ALL_TENANTS, Database, Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.identity.access import Scope
from sqlalchemy import Select, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_customer.integrations.webhook_endpoints.model import State, WebhookEndpoint
from crm_customer.integrations.webhook_endpoints.resource import ENDPOINTS
from crm_customer.integrations.webhook_endpoints.tables import webhook_endpoints, webhook_queues, webhook_secrets


@statement
def secrets_of_endpoint() -> Select[Any]:
    """The secret, and the one before while that still signs at `now`."""
    secrets = webhook_secrets.c
    is_over = secrets.old_until_time <= bindparam("now")
    return select(secrets.secret, secrets.old_secret, is_over.label("is_over")).where(
        secrets.tenant_id == bindparam("tenant_id"), secrets.endpoint_id == bindparam("endpoint_id")
    )


@statement
def count_present() -> Select[Any]:
    endpoints = webhook_endpoints.c
    return select(func.count()).where(endpoints.tenant_id == bindparam("tenant_id"), endpoints.state != State.ARCHIVED)


@statement
def queued_endpoints() -> Select[Any]:
    """Which endpoints some tenants have, in which versions."""
    queues = webhook_queues.c
    return select(queues.tenant_id, queues.endpoint_id, queues.version).where(
        queues.tenant_id == any_(bindparam("tenant_ids", type_=ARRAY(Uuid)))
    )


@statement
def version_of_enabled() -> Select[Any]:
    queues = webhook_queues.c
    return select(queues.version).where(
        queues.tenant_id == bindparam("tenant_id"), queues.endpoint_id == bindparam("endpoint_id"), queues.enabled
    )


@statement
def present_endpoints() -> Select[Any]:
    return ENDPOINTS.rows(Scope.ALL).where(webhook_endpoints.c.state != State.ARCHIVED)


async def find_secrets(reader: Reader, endpoint_id: UUID) -> list[bytes]:
    """What signs at the reader's time, as it is stored, the newest first."""
    row = await reader.one(secrets_of_endpoint(), endpoint_id=endpoint_id)
    if row is None:
        return []
    old = [] if row["old_secret"] is None or row["is_over"] else [bytes(row["old_secret"])]
    return [bytes(row["secret"]), *old]


async def present_count(reader: Reader) -> int:
    """How many endpoints of the tenant are not archived."""
    row = await reader.one(count_present())
    return int(row[0]) if row else 0


async def find_version(reader: Reader, endpoint_id: UUID) -> int | None:
    """The version of an endpoint that is enabled; None when it is not."""
    row = await reader.one(version_of_enabled(), endpoint_id=endpoint_id)
    return int(row["version"]) if row else None


async def versions_of(database: Database, tenant_ids: Collection[UUID]) -> list[Record]:
    """`tenant_id`, `endpoint_id` and `version` of the endpoints of these tenants that are not archived."""
    return await database.all(ALL_TENANTS, queued_endpoints(), {"tenant_ids": list(tenant_ids)})


async def get_present(reader: Reader) -> list[WebhookEndpoint]:
    """The endpoints of the tenant that are not archived."""
    return [ENDPOINTS.entity_from(row) for row in await reader.all(present_endpoints())]

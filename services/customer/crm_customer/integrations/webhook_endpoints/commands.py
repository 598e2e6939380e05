"""Every write on webhook endpoints. Each function is one transaction's work."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as events
from crm_kit.database.locks import advisory_lock
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import FailedPrecondition
from crm_kit.outbound_http.addresses import Reach
from crm_kit.thin_events.model import EventType
from google.protobuf.message import Message
from sqlalchemy import bindparam, update
from sqlalchemy.dialects.postgresql import insert

from crm_customer.integrations.webhook_endpoints.model import DisableReason, WebhookEndpoint, require_reach
from crm_customer.integrations.webhook_endpoints.queries import present_count
from crm_customer.integrations.webhook_endpoints.resource import ENDPOINTS
from crm_customer.integrations.webhook_endpoints.rights import require_heard_by
from crm_customer.integrations.webhook_endpoints.tables import webhook_endpoints, webhook_queues, webhook_secrets

# Of a tenant, which are not archived: each event is held against all of them, and noted also for one that is disabled.
MAX_PRESENT = 50
# So long the secret before a rotation signs, too.
OVERLAP = timedelta(hours=24)
Types = Sequence[EventType]


async def create_endpoint(
    work: UnitOfWork, id: UUID, values: dict[str, Any], sealed: bytes, types: Types, *, loopback: bool, reach: Reach
) -> WebhookEndpoint:
    """Create an enabled endpoint from the values of its fields, with its secret as it is stored."""
    endpoint = WebhookEndpoint(
        id=id,
        activator_id=work.actor.user_id,
        secret_time=work.now,
        create_time=work.now,
        update_time=work.now,
        **values,
    )
    check(work, endpoint, types, loopback=loopback, reach=reach)
    await require_room(work)
    created = ENDPOINTS.create(work, endpoint)
    work.insert(webhook_secrets, {"endpoint_id": id, "secret": sealed})
    queue(work, created)
    return created


async def update_endpoint(
    work: UnitOfWork, before: WebhookEndpoint, values: dict[str, Any], types: Types, *, loopback: bool, reach: Reach
) -> WebhookEndpoint:
    """Change some fields of an endpoint; nothing is written when nothing changes."""
    after = before.update(values, by=work.actor.user_id)
    if after.hears_other_than(before):
        check(work, after, types, loopback=loopback, reach=reach)
    return save(work, before, after, events.WebhookEndpointUpdated)


def enable_endpoint(
    work: UnitOfWork, before: WebhookEndpoint, types: Types, *, loopback: bool, reach: Reach
) -> WebhookEndpoint:
    """Have it told again, by the caller's rights; what waited is due."""
    after = before.enable(by=work.actor.user_id)
    check(work, after, types, loopback=loopback, reach=reach)
    return save(work, before, after, events.WebhookEndpointEnabled)


def disable_endpoint(work: UnitOfWork, before: WebhookEndpoint, reason: DisableReason) -> WebhookEndpoint:
    """Have it told nothing more."""
    return save(work, before, before.disable(reason, now=work.now), events.WebhookEndpointDisabled)


def rotate_secret(work: UnitOfWork, before: WebhookEndpoint, sealed: bytes) -> WebhookEndpoint:
    """Give it a new secret, as it is stored; the one that it had signs, too, for a while."""
    after = before.rotate(now=work.now)
    work.execute(replace_secret(), endpoint_id=before.id, secret=sealed, old_until_time=work.now + OVERLAP)
    return save(work, before, after, events.WebhookEndpointSecretRotated)


def archive_endpoint(work: UnitOfWork, before: WebhookEndpoint) -> WebhookEndpoint:
    """Put it away."""
    saved = ENDPOINTS.save(work, before, before.archive(now=work.now), events.WebhookEndpointArchived)
    work.delete(webhook_queues, endpoint_id=saved.id)
    return saved


async def restore_endpoint(work: UnitOfWork, before: WebhookEndpoint) -> WebhookEndpoint:
    """Bring it back, disabled."""
    after = before.restore()
    await require_room(work)
    return save(work, before, after, events.WebhookEndpointRestored)


def save(work: UnitOfWork, before: WebhookEndpoint, after: WebhookEndpoint, event: type[Message]) -> WebhookEndpoint:
    saved = ENDPOINTS.save(work, before, after, event)
    if saved is not before:
        queue(work, saved)
    return saved


def queue(work: UnitOfWork, endpoint: WebhookEndpoint) -> None:
    """Gather what is looked for across tenants; what may wait of an enabled one is looked for at once."""
    due = work.now if endpoint.is_enabled else None
    work.execute(
        put_queue(), endpoint_id=endpoint.id, version=endpoint.version, enabled=endpoint.is_enabled, due_time=due
    )


def set_failing_since(work: UnitOfWork, endpoint_id: UUID, since: datetime | None) -> None:
    """Note since when nothing arrives; None: something does. In a unit that does not save the endpoint as well."""
    work.execute(failing_since(), endpoint_id=endpoint_id, since=since)


def check(work: UnitOfWork, endpoint: WebhookEndpoint, types: Types, *, loopback: bool, reach: Reach) -> None:
    """InvalidArgument, PermissionDenied for what it cannot be, and what the caller may not have it hear."""
    require_reach(endpoint.url, reach)
    require_heard_by(work.actor.access, endpoint.checked(types, loopback=loopback), types)


async def require_room(work: UnitOfWork) -> None:
    """FailedPrecondition when there are as many endpoints as there can be."""
    # Those who add one at the same time are counted one after the other.
    await advisory_lock(work, "webhook endpoints")
    if await present_count(work) >= MAX_PRESENT:
        detail = f"there are {MAX_PRESENT} webhook endpoints already; archive one"
        reason = "WEBHOOK_ENDPOINT_LIMIT_REACHED"
        raise FailedPrecondition(detail, reason=reason, metadata={"most": str(MAX_PRESENT)})


@statement
def replace_secret() -> Any:
    secrets = webhook_secrets
    return (
        update(secrets)
        .where(secrets.c.tenant_id == bindparam("tenant_id"), secrets.c.endpoint_id == bindparam("endpoint_id"))
        .values(secret=bindparam("secret"), old_secret=secrets.c.secret, old_until_time=bindparam("old_until_time"))
    )


@statement
def put_queue() -> Any:
    names = ("tenant_id", "endpoint_id", "version", "enabled", "due_time")
    fresh = insert(webhook_queues).values({name: bindparam(name) for name in names})
    queues = webhook_queues.c
    return fresh.on_conflict_do_update(
        index_elements=[queues.tenant_id, queues.endpoint_id],
        set_={
            "version": fresh.excluded.version,
            "enabled": fresh.excluded.enabled,
            "due_time": fresh.excluded.due_time,
            "arrivals": queues.arrivals + 1,
        },
    )


@statement
def failing_since() -> Any:
    endpoints = webhook_endpoints
    return (
        update(endpoints)
        .where(endpoints.c.tenant_id == bindparam("tenant_id"), endpoints.c.id == bindparam("endpoint_id"))
        .values(failing_since_time=bindparam("since", type_=endpoints.c.failing_since_time.type))
    )

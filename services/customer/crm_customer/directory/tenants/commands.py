"""Every write on tenants. Each function is one transaction's work: row, history, event and projection together."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as events
from crm_kit.clock import system_now
from crm_kit.database.connections import Database
from crm_kit.database.statements import statement
from crm_kit.database.tables import SYSTEM_TENANT
from crm_kit.database.work import UnitOfWork, unit_of_work
from crm_kit.directory.projection import project_tenant
from crm_kit.errors import Conflict
from crm_kit.identity.access import Scope, service_actor
from crm_kit.ids import new_id
from sqlalchemy import bindparam, update
from sqlalchemy.dialects.postgresql import insert

from crm_customer.directory.tenants.model import Tenant, check_slug
from crm_customer.directory.tenants.queries import find_tenant_id, get_tenant, now_on, turn_of_tenant
from crm_customer.directory.tenants.resource import TENANTS
from crm_customer.directory.tenants.rights import check_unmasks
from crm_customer.directory.tenants.tables import tenant_slugs, tenants


async def reserve_slug(database: Database, slug: str) -> UUID:
    """The id of the tenant of this slug, made now unless it was before. The tenant itself may not be there yet."""
    check_slug(slug)
    async with unit_of_work(database, service_actor(SYSTEM_TENANT), scope=Scope.ALL, now=system_now()) as work:
        work.execute(put_slug(), slug=slug, id=new_id())
    id = await find_tenant_id(database, slug)
    assert id is not None, "slugs are never given back"
    return id


def create_tenant(work: UnitOfWork, *, slug: str, display_name: str, sandbox: bool) -> Tenant:
    """Create the tenant that the unit is at work in."""
    tenant = Tenant(
        id=work.tenant_id,
        slug=check_slug(slug),
        display_name=display_name,
        create_time=work.now,
        update_time=work.now,
        sandbox=sandbox,
    )
    TENANTS.create(work, tenant)
    project(work, tenant)
    return tenant


def update_tenant(work: UnitOfWork, before: Tenant, values: dict[str, Any]) -> Tenant:
    """Change some fields of the tenant; nothing is written when nothing changes. Refused as `check_unmasks`."""
    after = replace(before, **values)
    check_unmasks(work.actor.access, before.unmasked_fields, after.unmasked_fields)
    saved = TENANTS.save(work, before, after, events.TenantUpdated)
    project(work, saved)
    return saved


async def advance_test_clock(work: UnitOfWork, duration: timedelta) -> Tenant:
    """Move the clock of a sandbox forward."""
    before = await get_tenant(work)
    after = before.advance(duration)
    # From here on it is later, for the answer and the event too.
    work.now = now_on(after, work)
    saved = TENANTS.save(work, before, after, events.TenantClockAdvanced)
    project(work, saved)
    return saved


def project(work: UnitOfWork, tenant: Tenant) -> None:
    """Gather what this service goes by."""
    project_tenant(
        work,
        id=tenant.id,
        slug=tenant.slug,
        active=tenant.active,
        sandbox=tenant.sandbox,
        clock_offset=tenant.clock_offset,
        time_zone=tenant.time_zone,
        default_region=tenant.default_region,
        change_proposal_days=tenant.change_proposal_days,
        unmasked_fields=tenant.unmasked_fields,
        version=tenant.version,
    )


async def take_turn(work: UnitOfWork) -> None:
    """Let this unit's change of the directory happen alone in its tenant.

    For rules over several rows, such as "one administrator stays" or "no team is below itself": what is read
    after this holds until the commit, or the unit fails as Conflict and is tried again.
    """
    row = await work.one(turn_of_tenant())
    work.execute(
        next_turn(),
        seen_turn=row["turn"] if row else -1,
        unmet=lambda: Conflict("the directory was changed by somebody else at the same time; try again"),
    )


@statement
def put_slug() -> Any:
    row = insert(tenant_slugs).values({name: bindparam(name) for name in ("tenant_id", "slug", "id")})
    return row.on_conflict_do_nothing()


@statement
def next_turn() -> Any:
    return (
        update(tenants)
        .where(tenants.c.tenant_id == bindparam("tenant_id"), tenants.c.turn == bindparam("seen_turn"))
        .values(turn=tenants.c.turn + 1)
        .returning(tenants.c.id)
    )

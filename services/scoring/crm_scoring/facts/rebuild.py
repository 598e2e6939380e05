"""Aggregates made anew from the stored facts, for all tenants: after a change of what is counted."""

import structlog
from crm_kit.clock import TenantClock
from crm_kit.database.connections import ALL_TENANTS, Database
from crm_kit.database.statements import statement
from crm_kit.database.work import unit_of_work
from crm_kit.identity.access import Scope, service_actor
from crm_kit.plumbing import access_tenants
from sqlalchemy import Select, select

from crm_scoring.facts.commands import rebuild_account
from crm_scoring.facts.queries import get_accounts_with_facts
from crm_scoring.scores.commands import ask_rescoring

log = structlog.get_logger()


async def rebuild_all(database: Database, clock: TenantClock) -> None:
    """Rebuild tenant by tenant, account by account. Events may come meanwhile; stopped, it can be begun again."""
    for tenant in await database.all(ALL_TENANTS, known_tenants(), {}):
        actor = service_actor(tenant["tenant_id"])
        now = await clock.now(actor.tenant_id)
        async with unit_of_work(database, actor, scope=Scope.ALL, now=now) as work:
            account_ids = await get_accounts_with_facts(work)
            ask_rescoring(work, delay_seconds=0)
        for account_id in account_ids:
            async with unit_of_work(database, actor, scope=Scope.ALL, now=now) as work:
                await rebuild_account(work, account_id)
                ask_rescoring(work, delay_seconds=0)
        log.info("facts.rebuilt", tenant_id=str(actor.tenant_id), accounts=len(account_ids))


@statement
def known_tenants() -> Select[tuple[object]]:
    """Across tenants, so of the plumbing only."""
    return select(access_tenants.c.tenant_id).order_by(access_tenants.c.tenant_id)

"""Days added up anew from the stored facts, for all tenants: after a change of what is counted."""

import structlog
from crm_kit.background import Tenant, Tenants, each

from crm_scoring.facts.commands import rebuild_account
from crm_scoring.facts.queries import get_accounts_with_facts
from crm_scoring.scores.commands import ask_rescoring

log = structlog.get_logger()


async def rebuild_all(tenants: Tenants) -> None:
    """Rebuild tenant by tenant, account by account. Events may come meanwhile; stopped, it can be begun again."""

    async def rebuild(tenant: Tenant) -> None:
        async with tenants.unit(tenant.id) as work:
            account_ids = await get_accounts_with_facts(work)
        for account_id in account_ids:
            async with tenants.unit(tenant.id) as work:
                await rebuild_account(work, account_id)
                ask_rescoring(work, delay_seconds=0)
        log.info("facts.rebuilt", tenant_id=str(tenant.id), accounts=len(account_ids))

    await each(await tenants.known(), rebuild, name="rebuild")

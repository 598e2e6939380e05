"""Gives the rules that tenants begin with to those that were there before rules were."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from crm_kit.background import PeriodicJob, Tenant, Tenants, each
from crm_kit.database.locks import advisory_lock
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, UnitOfWork, retried
from sqlalchemy import Select, bindparam, select

from crm_customer.records.quality_rules.commands import create_default_rules
from crm_customer.records.quality_rules.tables import quality_rules

log = structlog.get_logger()
NAME = "quality rules of earlier tenants"
TRY_AGAIN_AFTER_SECONDS = 10.0
IsMade = Callable[[Reader], Awaitable[object]]


class RuleProviding:
    """Looks at all tenants once in the life of a process: only a release brings rules to those that have none.

    Whoever has ever had a rule has chosen: archived ones are rules, too. `is_made` is true once a tenant is opened.
    """

    def __init__(self, tenants: Tenants, is_made: IsMade) -> None:
        self._tenants = tenants
        self._is_made = is_made
        self._done = False
        self.job = PeriodicJob(NAME, self._look, every_seconds=TRY_AGAIN_AFTER_SECONDS)

    async def _look(self) -> bool:
        if not self._done:
            await self.provide_all()
            self._done = True
        return False

    async def provide_all(self) -> int:
        """Give rules to the tenants that have none; to how many that was."""
        count = sum(await each(await self._tenants.known(), self.provide, name=NAME))
        if count:
            log.info("quality_rules.provided", count=count)
        return count

    async def provide(self, tenant: Tenant) -> bool:
        """Give rules to a tenant that is opened and has none; whether it got some."""
        return await retried(functools.partial(self._provide, tenant))

    async def _provide(self, tenant: Tenant) -> bool:
        async with self._tenants.unit(tenant.id) as work:
            if await has_rules(work) or not await self._is_made(work):
                return False
            # Of several processes that look at once, one provides.
            await advisory_lock(work, NAME)
            if await has_rules(work):
                return False
            create_default_rules(work)
            return True


async def has_rules(work: UnitOfWork) -> bool:
    """Whether a tenant has, or has had, rules of its own."""
    return await work.one(any_rule()) is not None


@statement
def any_rule() -> Select[Any]:
    return select(quality_rules.c.id).where(quality_rules.c.tenant_id == bindparam("tenant_id")).limit(1)

"""Keeps the built-in roles of all tenants as this release has them."""

import functools

import structlog
from crm_kit.background import PeriodicJob, Tenant, Tenants, each
from crm_kit.database.work import retried
from crm_kit.directory.access import Directory

from crm_customer.directory.roles.commands import renew_built_in_roles
from crm_customer.directory.tenants.queries import find_tenant

log = structlog.get_logger()
TRY_AGAIN_AFTER_SECONDS = 10.0


class RoleRenewal:
    """Renews the roles of all tenants, closed ones too, once in the life of a process: only a release changes them."""

    def __init__(self, tenants: Tenants, directory: Directory) -> None:
        self._tenants = tenants
        self._directory = directory
        self._done = False
        self.job = PeriodicJob("role renewal", self._look, every_seconds=TRY_AGAIN_AFTER_SECONDS)

    async def _look(self) -> bool:
        if not self._done:
            await self.renew_all()
            self._done = True
        return False

    async def renew_all(self) -> int:
        """Renew where something differs; how many roles did."""
        count = sum(await each(await self._tenants.known(), self._renewed, name="role renewal"))
        if count:
            log.info("roles.renewed", count=count)
        return count

    async def _renewed(self, tenant: Tenant) -> int:
        return await retried(functools.partial(self._renew, tenant))

    async def _renew(self, tenant: Tenant) -> int:
        async with self._tenants.unit(tenant.id) as work:
            if await find_tenant(work) is None:
                return 0
            work.after_commit.append(lambda: self._directory.forget(tenant.id))
            return len(await renew_built_in_roles(work))

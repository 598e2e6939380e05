"""Keeps the built-in roles of all tenants as this release has them."""

import asyncio
import functools
from typing import Any
from uuid import UUID

import structlog
from crm_kit.clock import TenantClock
from crm_kit.database.connections import ALL_TENANTS, Database
from crm_kit.database.statements import statement
from crm_kit.database.work import retried, unit_of_work
from crm_kit.directory.access import Directory
from crm_kit.errors import CrmError
from crm_kit.identity.access import Scope, service_actor
from crm_kit.plumbing import access_tenants
from sqlalchemy import Select, select

from crm_customer.directory.roles.commands import renew_built_in_roles
from crm_customer.directory.tenants.queries import find_tenant

log = structlog.get_logger()
TRY_AGAIN_AFTER_SECONDS = 10.0


class RoleRenewal:
    """Once in the life of a process: a release changes the roles, nothing else does."""

    def __init__(self, database: Database, clock: TenantClock, directory: Directory) -> None:
        self._database = database
        self._clock = clock
        self._directory = directory

    async def run(self) -> None:
        """Renew all tenants' roles, then wait to be cancelled."""
        while True:
            try:
                await self.renew_all()
                break
            except CrmError as error:
                log.warning("roles.not_renewed", reason=error.reason)
                await asyncio.sleep(TRY_AGAIN_AFTER_SECONDS)
        await asyncio.Event().wait()

    async def renew_all(self) -> int:
        """Renew where something differs; how many roles did."""
        count = 0
        for row in await self._database.all(ALL_TENANTS, known_tenants(), {}):
            tenant_id: UUID = row["tenant_id"]
            count += await retried(functools.partial(self._renew, tenant_id))
        if count:
            log.info("roles.renewed", count=count)
        return count

    async def _renew(self, tenant_id: UUID) -> int:
        now = await self._clock.now(tenant_id)
        async with unit_of_work(self._database, service_actor(tenant_id), scope=Scope.ALL, now=now) as work:
            if await find_tenant(work) is None:
                return 0
            work.after_commit.append(lambda: self._directory.forget(tenant_id))
            return len(await renew_built_in_roles(work))


@statement
def known_tenants() -> Select[Any]:
    """Across tenants, so of the plumbing only."""
    return select(access_tenants.c.tenant_id).order_by(access_tenants.c.tenant_id)

"""Keeps every tenant's scores as its facts and its day have them."""

import asyncio
import time
from uuid import UUID

import asyncpg
import structlog
from crm_kit.clock import Now, TenantClock, system_now
from crm_kit.database.connections import ALL_TENANTS, Database
from crm_kit.database.work import unit_of_work
from crm_kit.errors import CrmError
from crm_kit.identity.access import Scope, service_actor

from crm_scoring.scores.commands import rescore
from crm_scoring.scores.model import ScoringRules
from crm_scoring.scores.queries import due_tenants

log = structlog.get_logger()
LOOK_EVERY_SECONDS = 0.3
# A large tenant with news all the time takes a fifth of a processor and not all of it.
REST_FACTOR = 4


class Rescoring:
    """Looks for tenants that are due and rescores each; of several processes one takes a tenant."""

    def __init__(self, database: Database, clock: TenantClock, rules: ScoringRules, now: Now = system_now) -> None:
        self._database = database
        self._clock = clock
        self._rules = rules
        self._now = now
        # Until when a tenant is let rest, in monotonic seconds.
        self._rests: dict[UUID, float] = {}

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            try:
                await self.rescore_due()
            except (CrmError, asyncpg.PostgresError, TimeoutError) as error:
                log.warning("rescoring.waiting", error=type(error).__name__)
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def rescore_due(self) -> None:
        """Rescore all tenants that are due. One that fails is tried again later and does not stop the others."""
        self._rests = {tenant_id: until for tenant_id, until in self._rests.items() if until > time.monotonic()}
        for row in await self._database.all(ALL_TENANTS, due_tenants(), {"now": self._now()}):
            tenant_id: UUID = row["tenant_id"]
            if tenant_id in self._rests:
                continue
            started = time.monotonic()
            try:
                await self.rescore(tenant_id)
            except Exception:
                log.exception("rescoring.failed", tenant_id=str(tenant_id))
            ended = time.monotonic()
            self._rests[tenant_id] = ended + REST_FACTOR * (ended - started)

    async def rescore(self, tenant_id: UUID) -> bool:
        """Rescore a tenant; False when somebody else is at it."""
        now = await self._clock.now(tenant_id)
        async with unit_of_work(self._database, service_actor(tenant_id), scope=Scope.ALL, now=now) as work:
            changed = await rescore(work, self._rules)
        if changed is not None:
            log.info("rescoring.done", tenant_id=str(tenant_id), changed=changed)
        return changed is not None

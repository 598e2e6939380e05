"""Keeps every tenant's scores as its facts and its day have them."""

import time
from uuid import UUID

import structlog
from crm_kit.background import PeriodicJob, Tenants, each
from crm_kit.database.connections import ALL_TENANTS

from crm_scoring.scores.commands import rescore
from crm_scoring.scores.queries import due_tenants
from crm_scoring.scores.scoring import ScoringRules

log = structlog.get_logger()
LOOK_EVERY_SECONDS = 0.3
# A large tenant with news all the time takes a fifth of a processor and not all of it.
REST_FACTOR = 4


class Rescoring:
    """Looks for tenants that are due and rescores each; of several processes one takes a tenant."""

    def __init__(self, tenants: Tenants, rules: ScoringRules) -> None:
        self._tenants = tenants
        self._rules = rules
        # Until when a tenant is let rest, in monotonic seconds.
        self._rests: dict[UUID, float] = {}
        # Without a lease: a process that is at a large tenant leaves the others to the next.
        self.job = PeriodicJob("rescoring", self.rescore_due, every_seconds=LOOK_EVERY_SECONDS)

    async def rescore_due(self) -> bool:
        """Rescore all tenants that are due and not at rest."""
        self._rests = {tenant_id: until for tenant_id, until in self._rests.items() if until > time.monotonic()}
        found = await self._tenants.database.all(ALL_TENANTS, due_tenants(), {"now": self._tenants.now()})
        due = [row["tenant_id"] for row in found]
        await each([id for id in due if id not in self._rests], self._rescore_and_rest, name="rescoring")
        return False

    async def _rescore_and_rest(self, tenant_id: UUID) -> None:
        started = time.monotonic()
        try:
            await self.rescore(tenant_id)
        finally:
            ended = time.monotonic()
            self._rests[tenant_id] = ended + REST_FACTOR * (ended - started)

    async def rescore(self, tenant_id: UUID) -> bool:
        """Rescore a tenant; False when somebody else is at it."""
        async with self._tenants.unit(tenant_id) as work:
            changed = await rescore(work, self._rules)
        if changed is not None:
            log.info("rescoring.done", tenant_id=str(tenant_id), changed=changed)
        return changed is not None

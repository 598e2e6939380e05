"""The job by which visits that nobody has told of count as missed, on each tenant's clock.

Each is looked at again when its turn comes, so it may be done by two processes at once, and stop anywhere.
"""

from datetime import timedelta
from functools import partial

from crm_kit.background import PeriodicJob, Tenants, each
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.work import retried
from crm_kit.events.leases import Lease
from crm_kit.identity.access import Scope

from crm_customer.records.visits.commands import miss_visit
from crm_customer.records.visits.model import State
from crm_customer.records.visits.resource import VISITS
from crm_customer.records.visits.timers import A_TENANTS_SHARE, due_timers, move, move_timer

EVERY_SECONDS = 60.0
# So long a visit that could not be settled waits until it is tried again.
TRIED_AGAIN = timedelta(minutes=10)


class Missing:
    """Settles visits in all tenants, see `job`."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants
        lease = Lease(tenants.database, "missed visits")
        self.job = PeriodicJob("missed visits", self.look, every_seconds=EVERY_SECONDS, lease=lease)

    async def look(self) -> bool:
        """Settle what is overdue; True when there may be more."""
        rows = await self._tenants.database.all(ALL_TENANTS, due_timers(), {"now": self._tenants.now()})
        await each(rows, self._settle, name=self.job.name)
        # Those that failed are put off, so there is an end to it.
        return len(rows) >= A_TENANTS_SHARE

    async def _settle(self, row: Record) -> None:
        try:
            await retried(partial(self._attempt, row))
        except Exception:
            await self._put_off(row)
            raise

    async def _put_off(self, row: Record) -> None:
        """Let a visit that cannot be settled wait, so that it keeps none of its tenant's others from that."""
        due_time = self._tenants.now() + row["clock_offset"] + TRIED_AGAIN
        values = {"tenant_id": row["tenant_id"], "visit_id": row["visit_id"], "due_time": due_time}
        await self._tenants.database.all(row["tenant_id"], move(), values)

    async def _attempt(self, row: Record) -> None:
        now = self._tenants.now() + row["clock_offset"]
        async with self._tenants.unit(row["tenant_id"], now) as work:
            visit = await VISITS.find(work, row["visit_id"], scope=Scope.ALL)
            # It may have been told of, or put off, in the meantime.
            if visit is None or visit.state is not State.PLANNED:
                return
            if visit.is_overdue(now):
                miss_visit(work, visit)
            else:
                move_timer(work, visit)

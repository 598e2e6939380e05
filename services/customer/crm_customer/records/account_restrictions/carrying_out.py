"""Restricts and opens accounts by rule that were there before it, or have come to another tier: a few at a time.

Each account says by what it is restricted, so those that are not as the rule has them are found by an index, and it may
stop anywhere, and be done by two processes at once.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from crm_kit.background import PeriodicJob, Tenants, each
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.work import UnitOfWork, retried
from crm_kit.events.leases import Lease

from crm_customer.records.account_restrictions.commands import put_off
from crm_customer.records.account_restrictions.queries import due_restrictions

EVERY_SECONDS = 2.0
# Of one tenant before others have their turn.
BATCHES = 5
# Although nobody asked: an account may have been written by a setting that was just being changed.
LOOK_AGAIN = timedelta(minutes=10)


class CarryingOut:
    """Looks at tenants that are due; `change_some` brings the next accounts to what the rule says, and counts them."""

    def __init__(self, tenants: Tenants, change_some: Callable[[UnitOfWork], Awaitable[int]]) -> None:
        self._tenants = tenants
        self._change_some = change_some
        lease = Lease(tenants.database, "account restrictions")
        self.job = PeriodicJob("account restrictions", self.change_due, every_seconds=EVERY_SECONDS, lease=lease)

    async def change_due(self) -> bool:
        """Change some accounts of each tenant that is due; True when there may be more."""
        due = await self._tenants.database.all(ALL_TENANTS, due_restrictions(), {"now": self._tenants.now()})
        return any(await each(due, self._visit, name=self.job.name))

    async def _visit(self, due: Record) -> bool:
        now = self._tenants.now() + due["clock_offset"]

        async def change_some() -> int:
            async with self._tenants.unit(due["tenant_id"], now) as work:
                changed = await self._change_some(work)
                if not changed:
                    put_off(work, seen_time=due["due_time"], next_time=now + LOOK_AGAIN)
                return changed

        for _ in range(BATCHES):
            if not await retried(change_some):
                return False
        return True

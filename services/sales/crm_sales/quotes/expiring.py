"""The job that marks quotes as expired whose last day has passed, on each tenant's calendar.

Nothing depends on when it does: accepting goes by the day. Each quote is looked at again when its turn comes, so it may
be done by two processes at once, and stop anywhere.
"""

from functools import partial

from crm_kit.background import PeriodicJob, Tenants, each
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.work import retried
from crm_kit.events.leases import Lease
from crm_kit.identity.access import Scope
from crm_kit.zones import day_in

from crm_sales.quotes.commands import expire_quote
from crm_sales.quotes.model import QuoteState
from crm_sales.quotes.resource import QUOTES
from crm_sales.quotes.timers import A_TENANTS_SHARE, due_timers, put_off

EVERY_SECONDS = 60.0


class Expiring:
    """Marks quotes in all tenants, see `job`."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants
        lease = Lease(tenants.database, "expired quotes")
        self.job = PeriodicJob("expired quotes", self.look, every_seconds=EVERY_SECONDS, lease=lease)

    async def look(self) -> bool:
        """Mark what has expired; True when there may be more."""
        rows = await self._tenants.database.all(ALL_TENANTS, due_timers(), {"now": self._tenants.now()})
        await each(rows, self._settle, name=self.job.name)
        # Those that failed are put off, so there is an end to it.
        return len(rows) >= A_TENANTS_SHARE

    async def _settle(self, row: Record) -> None:
        try:
            await retried(partial(self._attempt, row))
        except Exception:
            # It keeps none of its tenant's others from being looked at.
            values = {"tenant_id": row["tenant_id"], "quote_id": row["quote_id"]}
            await self._tenants.database.all(row["tenant_id"], put_off(), values)
            raise

    async def _attempt(self, row: Record) -> None:
        now = self._tenants.now() + row["clock_offset"]
        async with self._tenants.unit(row["tenant_id"], now) as work:
            quote = await QUOTES.find(work, row["quote_id"], scope=Scope.ALL)
            # It may have been accepted or rejected in the meantime.
            if quote is None or quote.state is not QuoteState.SENT:
                return
            if quote.has_expired(day_in(row["time_zone"], now)):
                expire_quote(work, quote)

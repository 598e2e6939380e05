"""The job that sends the mails of a day, on each tenant's clock: when it is morning there.

What is in a mail is marked in the transaction that gathers the mail, so nothing comes twice and nothing is left out,
however often it looks and wherever it dies.
"""

from uuid import UUID

from crm_kit.background import PeriodicJob, Tenant, Tenants, each
from crm_kit.clock import time_zone_of
from crm_kit.events.leases import Lease

from crm_customer.workspace.notifications.commands import send_digest
from crm_customer.workspace.notifications.mails import Mails
from crm_customer.workspace.notifications.model import last_morning
from crm_customer.workspace.notifications.queries import MAX_USERS_OF_LOOK, users_with_digest

EVERY_SECONDS = 60.0


class Digests:
    """Looks in all tenants, in one process at a time; see `job`."""

    def __init__(self, tenants: Tenants, mails: Mails) -> None:
        self._tenants = tenants
        self._mails = mails
        lease = Lease(tenants.database, "notification digests")
        self.job = PeriodicJob("notification digests", self.look, every_seconds=EVERY_SECONDS, lease=lease)

    async def look(self) -> bool:
        """Send what is due; True when there may be more."""
        active = [tenant for tenant in await self._tenants.known() if tenant.active]
        counts = await each(active, self._of_tenant, name="notification digests")
        return any(count == MAX_USERS_OF_LOOK for count in counts)

    async def _of_tenant(self, tenant: Tenant) -> int:
        """How many users have had theirs."""
        async with self._tenants.unit(tenant.id, tenant.now) as work:
            before = last_morning(tenant.now, await time_zone_of(work))
            user_ids = [row["user_id"] for row in await work.all(users_with_digest(), before=before)]

        async def send(user_id: UUID) -> None:
            async with self._tenants.unit(tenant.id, tenant.now) as work:
                await send_digest(work, user_id, before, self._mails)

        return len(await each(user_ids, send, name="notification digests"))

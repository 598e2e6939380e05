"""The job that sends the mails of a day, on each tenant's clock: when it is morning there.

What is in a mail is marked in the transaction that gathers the mail, so nothing comes twice and nothing is left out,
however often it looks and wherever it dies.
"""

from datetime import datetime, timedelta
from uuid import UUID

from crm_kit.background import PeriodicJob, Tenant, Tenants, each
from crm_kit.events.leases import Lease

from crm_customer.workspace.notifications.commands import send_digest
from crm_customer.workspace.notifications.mails import Mails
from crm_customer.workspace.notifications.model import last_morning
from crm_customer.workspace.notifications.queries import MAX_USERS_OF_LOOK, users_with_digest

EVERY_SECONDS = 60.0
# By then what was told before the morning is there to be seen.
SETTLED = timedelta(minutes=10)


class Digests:
    """Looks in all tenants, in one process at a time; see `job`."""

    def __init__(self, tenants: Tenants, mails: Mails) -> None:
        self._tenants = tenants
        self._mails = mails
        # Up to which morning all of a tenant's have gone out: what is told after it belongs into the next mail.
        self._sent: dict[UUID, datetime] = {}
        lease = Lease(tenants.database, "notification digests")
        self.job = PeriodicJob("notification digests", self.look, every_seconds=EVERY_SECONDS, lease=lease)

    async def look(self) -> bool:
        """Send what is due; True when there may be more."""
        due = [tenant for tenant in await self._tenants.known() if tenant.active and self._is_due(tenant)]
        counts = await each(due, self._of_tenant, name="notification digests")
        return any(count == MAX_USERS_OF_LOOK for count in counts)

    def _is_due(self, tenant: Tenant) -> bool:
        """Whether there may be something; a morning as well that is earlier than before, where a zone has changed."""
        return self._sent.get(tenant.id) != last_morning(tenant.now, tenant.time_zone)

    async def _of_tenant(self, tenant: Tenant) -> int:
        """How many users have had theirs."""
        before = last_morning(tenant.now, tenant.time_zone)
        async with self._tenants.unit(tenant.id, tenant.now) as work:
            user_ids = [row["user_id"] for row in await work.all(users_with_digest(), before=before)]

        async def send(user_id: UUID) -> None:
            async with self._tenants.unit(tenant.id, tenant.now) as work:
                await send_digest(work, user_id, before, self._mails)

        sent = len(await each(user_ids, send, name="notification digests"))
        if not user_ids and tenant.now > before + SETTLED:
            self._sent[tenant.id] = before
        return sent

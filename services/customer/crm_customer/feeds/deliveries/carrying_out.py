"""The job that carries deliveries out: what is due of each feed, in one process at a time, on each tenant's clock.

A feed is moved on in one transaction that holds its timer: how its import has ended, what comes too late, which windows
have passed, and when it is looked at next. Beginning is another one, in the name of who activated the feed. Whoever
dies between them leaves a feed that is due, and a delivery that waits or runs, never one that is imported twice.
"""

from collections.abc import Callable
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from crm_kit.background import PeriodicJob, Tenants, each
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.work import retried, unit_of_work
from crm_kit.directory.access import Directory
from crm_kit.errors import Conflict, CrmError, PermissionDenied, Unauthenticated, Unavailable
from crm_kit.events.leases import Lease
from crm_kit.identity.access import Scope

from crm_customer.feeds.commands import require_rights, stop_feed, wake_feed
from crm_customer.feeds.deliveries import commands
from crm_customer.feeds.deliveries.model import FeedDelivery
from crm_customer.feeds.deliveries.moving_on import move_on
from crm_customer.feeds.deliveries.resource import FEED_DELIVERIES
from crm_customer.feeds.queries import A_TENANTS_SHARE, due_feeds
from crm_customer.feeds.resource import FEEDS

log = structlog.get_logger()
NAME = "feeds that are due"
EVERY_SECONDS = 2.0


class CarryingOut:
    """Looks in all tenants; see `job`. `importing` is called when an import was made."""

    def __init__(self, tenants: Tenants, directory: Directory, importing: Callable[[], None]) -> None:
        self._tenants = tenants
        self._directory = directory
        self._importing = importing
        self.job = PeriodicJob(NAME, self.look, every_seconds=EVERY_SECONDS, lease=Lease(tenants.database, NAME))

    async def look(self) -> bool:
        """Move all feeds on that are due; True when there may be more."""
        rows = await self._tenants.database.all(ALL_TENANTS, due_feeds(), {"now": self._tenants.now()})
        done = await each(rows, self._step, name=NAME)
        return len(rows) >= A_TENANTS_SHARE and any(done)

    async def _step(self, row: Record) -> bool:
        """Move a feed on; whether a delivery had its turn."""
        tenant_id, zone = row["tenant_id"], ZoneInfo(row["time_zone"])

        async def attempt() -> FeedDelivery | None:
            now = self._tenants.now() + row["clock_offset"]
            async with self._tenants.unit(tenant_id, now) as work:
                return await move_on(work, row["feed_id"], zone)

        following = await retried(attempt)
        if following is not None:
            await self._begin(tenant_id, following)
        return following is not None

    async def _begin(self, tenant_id: UUID, delivery: FeedDelivery) -> None:
        """Have a delivery imported whose turn it is; what does not allow it becomes its end, or that of the feed."""
        async with self._tenants.unit(tenant_id) as work:
            activator_id = (await FEEDS.get(work, delivery.feed_id)).activator_id
        try:
            await self._start(tenant_id, delivery, activator_id)
        except (Unavailable, Conflict):
            raise
        except (Unauthenticated, PermissionDenied) as error:
            log.info("feeds.stopped", feed_id=str(delivery.feed_id), error=error.detail)
            async with self._tenants.unit(tenant_id) as work:
                await wake_feed(work, delivery.feed_id)
                feed = await FEEDS.get(work, delivery.feed_id)
                # Unless it goes on by the rights of somebody else by now.
                if feed.is_active and feed.activator_id == activator_id:
                    await stop_feed(work, feed)
        except CrmError as error:
            async with self._tenants.unit(tenant_id) as work:
                feed = await FEEDS.get(work, delivery.feed_id)
                await commands.fail_delivery(work, feed, delivery, error)

    async def _start(self, tenant_id: UUID, told: FeedDelivery, activator_id: UUID) -> None:
        """Have it imported. Unauthenticated, PermissionDenied: who activated the feed may do too little now."""
        actor = await self._directory.user(tenant_id, activator_id)
        require_rights(actor.access)
        now = await self._tenants.now_of(tenant_id)
        async with unit_of_work(self._tenants.database, actor, scope=Scope.ALL, now=now) as work:
            await wake_feed(work, told.feed_id)
            feed, delivery = await FEEDS.get(work, told.feed_id), await FEED_DELIVERIES.get(work, told.id)
            # Somebody has changed one of them meanwhile: it is looked at again.
            if delivery.version == told.version and feed.is_active and feed.activator_id == actor.user_id:
                await commands.start_delivery(work, feed, delivery)
                work.after_commit.append(self._importing)

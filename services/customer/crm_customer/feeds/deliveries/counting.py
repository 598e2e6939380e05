"""The jobs that count the rows of deliveries: one of each tenant after the other, small files beside large ones.

A large file takes minutes, and whoever sends some hundred rows does not wait for it. What is counted becomes true at
once, or not at all; a delivery that two processes count is counted once.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import structlog
from crm_kit.background import PeriodicJob, Tenants, each
from crm_kit.custom_fields.definitions import definitions_of
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.work import ReadSession, retried
from crm_kit.errors import Conflict, CrmError, Unavailable
from crm_kit.events.leases import Lease
from crm_kit.identity.access import Scope, service_actor

from crm_customer.feeds.deliveries import commands
from crm_customer.feeds.deliveries.content import count_rows
from crm_customer.feeds.deliveries.model import Counted, FeedDelivery
from crm_customer.feeds.deliveries.queries import uncounted
from crm_customer.feeds.deliveries.resource import FEED_DELIVERIES
from crm_customer.feeds.model import Feed
from crm_customer.feeds.resource import FEEDS
from crm_customer.imports.queries import get_stored_upload
from crm_customer.records.accounts.resource import ACCOUNTS

log = structlog.get_logger()
NAMES = {True: "small deliveries to be counted", False: "large deliveries to be counted"}
EVERY_SECONDS = 2.0
# A file that has taken so many processes down is not read again.
MAX_DEATHS = 2


class Counting:
    """Looks in all tenants for `small` files or for large ones; see `job`.

    `wake` is called when a delivery may have its turn.
    """

    def __init__(self, tenants: Tenants, wake: Callable[[], None], *, small: bool) -> None:
        self._tenants = tenants
        self._wake = wake
        self._small = small
        self._name = NAMES[small]
        lease = Lease(tenants.database, self._name)
        self.job = PeriodicJob(self._name, self.look, every_seconds=EVERY_SECONDS, lease=lease)

    async def look(self) -> bool:
        """Count one delivery of each tenant that has some; True when there may be more."""
        rows = await self._tenants.database.all(ALL_TENANTS, uncounted(small=self._small), {})
        done = await each(rows, self._count, name=self._name)
        if any(done):
            self._wake()
        return any(done)

    async def _count(self, row: Record) -> bool:
        """Count a delivery; False while another process is at it."""
        tenant_id, delivery_id = row["tenant_id"], row["delivery_id"]
        async with self._tenants.unit(tenant_id) as work:
            tries = await commands.claim(work, delivery_id)
        if tries is None:
            return False
        reader = await self._reader(tenant_id)
        delivery = await FEED_DELIVERIES.get(reader, delivery_id)
        feed = await FEEDS.get(reader, delivery.feed_id)
        try:
            if tries > MAX_DEATHS:
                raise crashed()
            async with self._claimed(tenant_id, delivery_id, tries):
                counted = await self._read(reader, feed, delivery)
        except (Unavailable, Conflict, asyncio.CancelledError):
            # Nor has the file taken a process down that ends in order.
            async with self._tenants.unit(tenant_id) as work:
                commands.give_back(work, delivery_id)
            raise
        except CrmError as error:
            log.info("feeds.unreadable", delivery_id=str(delivery_id), reason=error.reason)
            await self._fail(tenant_id, feed, delivery, error)
        else:
            await self._note(tenant_id, delivery, counted)
        return True

    @contextlib.asynccontextmanager
    async def _claimed(self, tenant_id: UUID, delivery_id: UUID, tries: int) -> AsyncIterator[None]:
        """Keep others from a delivery for as long as the block takes."""

        async def renew() -> None:
            while True:
                await asyncio.sleep(commands.RENEW_SECONDS)
                with contextlib.suppress(Unavailable):
                    async with self._tenants.unit(tenant_id) as work:
                        commands.renew(work, delivery_id, tries)

        renewing = asyncio.create_task(renew())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def _read(self, reader: ReadSession, feed: Feed, delivery: FeedDelivery) -> Counted:
        upload = await get_stored_upload(reader, delivery.upload_id)
        custom = await definitions_of(reader, ACCOUNTS.collection, fresh=True)
        columns = [each.column for each in delivery.expected_sums]
        return await count_rows(reader, upload, commands.draft_of(feed, delivery), columns, custom.fields)

    async def _note(self, tenant_id: UUID, delivery: FeedDelivery, counted: Counted) -> None:
        async def attempt() -> None:
            async with self._tenants.unit(tenant_id) as work:
                await commands.count_delivery(work, delivery, counted)

        await retried(attempt)

    async def _fail(self, tenant_id: UUID, feed: Feed, delivery: FeedDelivery, error: CrmError) -> None:
        async def attempt() -> None:
            async with self._tenants.unit(tenant_id) as work:
                await commands.fail_delivery(work, feed, delivery, error)

        await retried(attempt)

    async def _reader(self, tenant_id: UUID) -> ReadSession:
        now = await self._tenants.now_of(tenant_id)
        return ReadSession(self._tenants.database, service_actor(tenant_id), scope=Scope.ALL, now=now)


def crashed() -> CrmError:
    """Why a delivery fails that takes down whoever reads it."""
    return CrmError(
        f"its file was begun {MAX_DEATHS} times, and each time ended whoever read it; split it, or save it anew as "
        ".xlsx without formats and pictures",
        reason="IMPORT_CRASHED",
    )

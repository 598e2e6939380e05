"""Orders on hold, looked at again when credit of their account becomes free.

That it did is noted by the event that says so. A job does the rest in steps of a few orders, without a connection while
it waits for scoring: it may stop anywhere, and goes on after the last order that was looked at.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from uuid import UUID

import structlog
from crm.sales.v1 import events_pb2 as events
from crm_kit.accounts import Accounts
from crm_kit.background import PeriodicJob, Tenants, each
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.work import UnitOfWork, retried
from crm_kit.errors import FailedPrecondition, Unavailable
from crm_kit.events.leases import Lease

from crm_sales.credit.client import CreditClient
from crm_sales.orders.commands import asked, require_live
from crm_sales.orders.model import NOT_CHECKED, ReleaseCause
from crm_sales.orders.resource import ORDERS
from crm_sales.orders.reviews import BATCH, claim, due_reviews, end, go_on, held_after, pause, review_from

log = structlog.get_logger()
EVERY_SECONDS = 2.0
# Accounts at once: each waits for scoring most of the time.
SIDE_BY_SIDE = 4
# With one account, before others have their turn.
MAX_SECONDS = 1.0
# What takes longer has ended with its process.
CLAIMED_FOR = timedelta(minutes=1)


class Holds:
    """Releases orders on hold whose account's credit allows it; right when several processes do so at once."""

    def __init__(self, tenants: Tenants, accounts: Accounts, credit: CreditClient) -> None:
        self._tenants = tenants
        self._accounts = accounts
        self._credit = credit
        lease = Lease(tenants.database, "held orders")
        self.job = PeriodicJob("held orders", self.look, every_seconds=EVERY_SECONDS, lease=lease)

    async def look(self) -> bool:
        """A step with each account whose credit became free; True when there may be more."""
        rows = await self._tenants.database.all(ALL_TENANTS, due_reviews(), {})
        waiting = iter(rows)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(SIDE_BY_SIDE):
                    group.create_task(each(waiting, self._step, name=self.job.name))
        except* Unavailable as errors:
            raise Unavailable("the database does not answer") from errors
        return bool(rows)

    async def _step(self, row: Record) -> None:
        """Look at the next orders of an account: at one at least, or it would never get on."""
        review = review_from(row)
        values = {"account_id": review.account_id, "seen_time": row["look_time"], "duration": CLAIMED_FOR}
        async with self._unit(row) as work:
            if not await work.one(claim(), **values):
                return
            held = await held_after(work, review)
        clock = asyncio.get_running_loop().time
        until = clock() + MAX_SECONDS
        for order in held:
            review = review.past(order)
            if not review.may_fit(order):
                continue
            fits = await self._checked(row, order.id, review.cause)
            if fits is None:
                async with self._unit(row) as work:
                    pause(work, review)
                return
            if not fits:
                review = review.refuse(order)
            if clock() >= until:
                break
        else:
            if len(held) < BATCH:
                async with self._unit(row) as work:
                    end(work, review.account_id)
                return
        async with self._unit(row) as work:
            go_on(work, review)

    async def _checked(self, row: Record, id: UUID, cause: ReleaseCause) -> bool | None:
        """As `_release`; None when that failed, whatever the cause: the orders behind it have their turn."""
        try:
            return await retried(partial(self._release, row, id, cause))
        except Exception:
            log.warning("holds.not_checked", order_id=str(id), exc_info=True)
            return None

    async def _release(self, row: Record, id: UUID, cause: ReleaseCause) -> bool:
        """Release an order if its account's credit allows it; False when that is what refuses it."""
        try:
            async with self._unit(row) as work:
                before = await ORDERS.get(work, id)
                before.require_on_hold()
                await require_live(work, self._accounts, before)
                await work.release()
                if reasons := await asked(self._credit, work.tenant_id, before):
                    if NOT_CHECKED in reasons:
                        raise Unavailable("credit could not be checked")
                    return False
                after = before.release_on_credit(cause, now=work.now, actor_id=work.actor.user_id)
                ORDERS.save(work, before, after, events.OrderReleased)
        except FailedPrecondition:
            # Released or cancelled meanwhile; or its deal is lost or its account archived, so it waits to be cancelled.
            pass
        return True

    def _unit(self, row: Record) -> AbstractAsyncContextManager[UnitOfWork]:
        """One transaction of the service itself, by the tenant's clock."""
        return self._tenants.unit(row["tenant_id"], self._tenants.now() + row["clock_offset"])

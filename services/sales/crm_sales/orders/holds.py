"""Orders on hold, looked at again when credit of their account becomes free."""

import asyncio
from functools import partial
from uuid import UUID

from crm.sales.v1 import events_pb2 as events
from crm_kit.accounts import Accounts
from crm_kit.database.work import UnitOfWork, retried, unit_of_work
from crm_kit.errors import FailedPrecondition, Unavailable
from crm_kit.identity.access import Scope, service_actor
from crm_kit.money import Money

from crm_sales.credit.client import CreditClient
from crm_sales.orders.commands import asked, require_live
from crm_sales.orders.model import NOT_CHECKED, ReleaseCause
from crm_sales.orders.queries import held_amounts
from crm_sales.orders.resource import ORDERS

# Half of what an event may take.
MAX_SECONDS = 5.0


class Holds:
    """Releases orders on hold whose account's credit allows it."""

    def __init__(self, accounts: Accounts, credit: CreditClient) -> None:
        self._accounts = accounts
        self._credit = credit

    async def look_again(self, work: UnitOfWork, account_id: UUID, cause: ReleaseCause) -> None:
        """Release what the account's credit allows now, in the order in which it was placed.

        An order that does not fit leaves a smaller one its chance, and only a smaller one has any. Each is a
        transaction of its own: it may stop anywhere and be begun again. Unavailable when credit cannot be checked, and
        when there are more than are looked at in a few seconds: the rest comes next, and nothing has failed.
        """
        smallest_refused: dict[str, Money] = {}
        clock = asyncio.get_running_loop().time
        end: float | None = None
        for id, amount in await held_amounts(work, account_id):
            if end is not None and clock() >= end:
                raise Unavailable("more orders are on hold than are looked at together; the rest comes next")
            refused = smallest_refused.get(amount.currency_code)
            if refused is not None and amount >= refused:
                continue
            # One at least, or it would never get on.
            end = end or clock() + MAX_SECONDS
            if not await retried(partial(self._look_at, work, id, cause)):
                smallest_refused[amount.currency_code] = amount

    async def _look_at(self, work: UnitOfWork, id: UUID, cause: ReleaseCause) -> bool:
        """Release an order if its account's credit allows it; False when that is what refuses it."""
        actor = service_actor(work.tenant_id)
        try:
            async with unit_of_work(work.database, actor, scope=Scope.ALL, now=work.now) as own:
                before = await ORDERS.get(own, id)
                before.require_on_hold()
                await require_live(own, self._accounts, before)
                await own.release()
                if reasons := await asked(self._credit, own.tenant_id, before):
                    if NOT_CHECKED in reasons:
                        raise Unavailable("credit could not be checked")
                    return False
                after = before.release_on_credit(cause, now=own.now, actor_id=actor.user_id)
                ORDERS.save(own, before, after, events.OrderReleased)
        except FailedPrecondition:
            # Released or cancelled meanwhile; or its deal is lost or its account archived, so it waits to be cancelled.
            pass
        return True

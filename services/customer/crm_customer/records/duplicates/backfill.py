"""Gives keys to accounts that were there before keys were: a few at a time.

Then it goes through all of them once more: a version that does not know of keys may have created, changed or brought
back any of them meanwhile.

How far it is is true together with the keys, so it may stop anywhere, and be done by two processes at once. An account
that somebody changes at the same moment may keep a key of what it was: it is a candidate then that no rule takes.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from crm_kit.background import PeriodicJob, Tenants, each
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.events.leases import Lease
from crm_kit.identity.access import Scope
from crm_kit.resource.reading import in_turns
from sqlalchemy import DateTime, Integer, Select, Uuid, bindparam, delete, select, update

from crm_customer.records.accounts.likeness import account_keys
from crm_customer.records.accounts.model import IN_BUSINESS
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.accounts.tables import accounts
from crm_customer.records.duplicate_rules.keeping import put_keys
from crm_customer.records.duplicate_rules.tables import duplicate_key_backfills

EVERY_SECONDS = 5.0
BATCH = 200
# Of one tenant before others have their turn.
BATCHES = 5
# Until the second time: by then all processes are of a version that knows of keys.
LOOK_AGAIN = timedelta(minutes=10)
INSTANT = DateTime(timezone=True)
BEFORE_ALL = UUID(int=0)


class KeyBackfill:
    """Looks at tenants that are not through, every so often."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants
        lease = Lease(tenants.database, "duplicate keys")
        self.job = PeriodicJob("duplicate keys", self.fill_due, every_seconds=EVERY_SECONDS, lease=lease)

    async def fill_due(self) -> bool:
        """Give keys to some accounts of each tenant; True when there may be more."""
        due = await self._tenants.database.all(ALL_TENANTS, due_backfills(), {"now": self._tenants.now()})
        return any(await each(due, self._visit, name=self.job.name))

    async def _visit(self, due: Record) -> bool:
        last_id = due["last_account_id"]
        for _ in range(BATCHES):
            async with self._tenants.unit(due["tenant_id"]) as work:
                ids = await fill_some(work, last_id)
                if not ids:
                    self._finish(work, due)
                    return False
                last_id = ids[-1]
                work.execute(move_on(), last_account_id=last_id, due_time=due["due_time"])
        return True

    def _finish(self, work: UnitOfWork, due: Record) -> None:
        """Done, if it was the second time."""
        if due["looks_again"]:
            work.execute(forget())
        else:
            work.execute(begin_again(), due_time=self._tenants.now() + LOOK_AGAIN)


async def fill_some(work: UnitOfWork, last_id: UUID | None) -> Sequence[UUID]:
    """Give keys to the next accounts behind one, or the first; their ids."""
    rows = await work.all(next_accounts(), last_id=last_id or BEFORE_ALL, batch=BATCH)
    ids = [row["id"] for row in rows]
    found = await ACCOUNTS.get_many(work, ids, scope=Scope.ALL) if ids else {}
    shown = [account for account in found.values() if account.status in IN_BUSINESS]
    for account, keys in zip(shown, await in_turns(shown, account_keys), strict=True):
        put_keys(work, account.id, (), keys)
    await work.flush_many()
    return ids


@statement
def next_accounts() -> Select[Any]:
    """Needs `last_id` and `batch`."""
    return (
        select(accounts.c.id)
        .where(accounts.c.tenant_id == bindparam("tenant_id"), accounts.c.id > bindparam("last_id", type_=Uuid))
        .order_by(accounts.c.id)
        .limit(bindparam("batch", type_=Integer))
    )


@statement
def due_backfills() -> Select[Any]:
    """Across tenants; `now` is the system's time."""
    table = duplicate_key_backfills.c
    return (
        select(table.tenant_id, table.last_account_id, table.due_time, table.looks_again)
        .where(table.due_time <= bindparam("now", type_=INSTANT))
        .order_by(table.due_time)
        .limit(100)
    )


@statement
def move_on() -> Any:
    table = duplicate_key_backfills
    return (
        update(table)
        .where(table.c.tenant_id == bindparam("tenant_id"))
        .values(last_account_id=bindparam("last_account_id", type_=Uuid), due_time=bindparam("due_time", type_=INSTANT))
    )


@statement
def begin_again() -> Any:
    table = duplicate_key_backfills
    return (
        update(table)
        .where(table.c.tenant_id == bindparam("tenant_id"))
        .values(looks_again=True, last_account_id=None, due_time=bindparam("due_time", type_=INSTANT))
    )


@statement
def forget() -> Any:
    return delete(duplicate_key_backfills).where(duplicate_key_backfills.c.tenant_id == bindparam("tenant_id"))

"""Which accounts tenants restrict by rule, as a process knows it: remembered for a second."""

import time
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from crm_kit.database.connections import Database
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.plumbing import access_tenants
from sqlalchemy import DateTime, Select, bindparam, select

from crm_customer.records.account_kinds import Kind, ValueTier
from crm_customer.records.account_restrictions.model import AccountRestriction
from crm_customer.records.account_restrictions.tables import account_restrictions

REMEMBER_SECONDS = 1.0
REMEMBERED = 10_000


class Remembered:
    """What one process knows of its database. What an account was judged by late is found when all are looked at."""

    def __init__(self) -> None:
        self._known: dict[UUID, tuple[float, AccountRestriction]] = {}

    async def of(self, reader: Reader) -> AccountRestriction:
        """That of the reader's tenant."""
        asked = time.monotonic()
        known = self._known.get(reader.tenant_id)
        if known is None or asked - known[0] > REMEMBER_SECONDS:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            known = self._known[reader.tenant_id] = asked, await get_restriction(reader)
        return known[1]

    def forget(self, tenant_id: UUID) -> None:
        """It has changed: ask again at the next look."""
        self._known.pop(tenant_id, None)


_REMEMBERED: WeakKeyDictionary[Database, Remembered] = WeakKeyDictionary()


def remembered(database: Database) -> Remembered:
    """What this process knows of a database."""
    return _REMEMBERED.setdefault(database, Remembered())


async def restriction_of(reader: Reader) -> AccountRestriction:
    """Which accounts the tenant restricts by rule; a second old at most."""
    return await remembered(reader.database).of(reader)


async def get_restriction(reader: Reader) -> AccountRestriction:
    """The same as it is now."""
    row = await reader.one(restriction())
    if row is None:
        return AccountRestriction()
    kinds, tiers = tuple(map(Kind, row["kinds"])), tuple(map(ValueTier, row["value_tiers"]))
    return AccountRestriction(kinds, tiers, row["version"], row["update_time"])


@statement
def restriction() -> Select[Any]:
    return select(account_restrictions).where(account_restrictions.c.tenant_id == bindparam("tenant_id"))


@statement
def due_restrictions() -> Select[Any]:
    """Tenants at work whose accounts are to be looked at by their clock; `now` is the system's time."""
    tenant, restricted = access_tenants.c, account_restrictions.c
    now = bindparam("now", type_=DateTime(timezone=True)) + tenant.clock_offset
    return (
        select(tenant.tenant_id, tenant.clock_offset, restricted.due_time)
        .join(account_restrictions, restricted.tenant_id == tenant.tenant_id)
        .where(tenant.active, restricted.due_time <= now)
        .order_by(restricted.due_time)
    )

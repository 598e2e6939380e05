"""Work that only one process may do at a time: a row that its holder renews, and another takes over when it lapses."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, func, or_
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.types import Interval, Text, Uuid

from crm_kit.database.connections import ALL_TENANTS, Database
from crm_kit.database.statements import statement
from crm_kit.database.tables import SYSTEM_TENANT
from crm_kit.errors import Conflict, Unavailable
from crm_kit.ids import new_id
from crm_kit.plumbing import leases

# How often somebody who waits for a turn asks.
POLL_SECONDS = 0.05


@statement
def take() -> Any:
    until = func.clock_timestamp() + bindparam("duration", type_=Interval)
    fresh: Insert = insert(leases).values(
        tenant_id=bindparam("tenant_id", type_=Uuid),
        name=bindparam("name", type_=Text),
        holder=bindparam("holder", type_=Uuid),
        expire_time=until,
    )
    free = or_(leases.c.holder == fresh.excluded.holder, leases.c.expire_time < func.clock_timestamp())
    return fresh.on_conflict_do_update(
        index_elements=[leases.c.tenant_id, leases.c.name],
        set_={"holder": fresh.excluded.holder, "expire_time": fresh.excluded.expire_time},
        where=free,
    ).returning(leases.c.holder)


@statement
def remove() -> Any:
    return (
        delete(leases)
        .where(
            leases.c.tenant_id == bindparam("tenant_id", type_=Uuid),
            leases.c.name == bindparam("name", type_=Text),
            leases.c.holder == bindparam("holder", type_=Uuid),
        )
        .returning(leases.c.name)
    )


class Lease:
    """One name to hold. A fresh `holder` id is made for each process."""

    def __init__(self, database: Database, name: str, seconds: float = 5.0) -> None:
        self._database = database
        self._name = name
        self._seconds = seconds
        self._holder: UUID = new_id()

    async def hold(self) -> bool:
        """Take or renew it; False while another process holds it. Call again well before it lapses."""
        return await self._take(self._seconds)

    async def _take(self, seconds: float) -> bool:
        values = {
            "tenant_id": SYSTEM_TENANT,
            "name": self._name,
            "holder": self._holder,
            "duration": timedelta(seconds=seconds),
        }
        return bool(await self._database.all(ALL_TENANTS, take(), values))

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Renew it for as long as the block takes."""
        renewing = asyncio.create_task(self._renew())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._seconds / 3)
            with contextlib.suppress(Unavailable):
                await self.hold()

    async def end(self) -> None:
        """Leave nothing behind of a name that is held once."""
        values = {"tenant_id": SYSTEM_TENANT, "name": self._name, "holder": self._holder}
        await self._database.all(ALL_TENANTS, remove(), values)

    async def release(self) -> None:
        """Let another take it at once."""
        await self._take(0)


@contextlib.asynccontextmanager
async def turn(
    database: Database, name: str, *, seconds: float = 5.0, patience_seconds: float = 5.0
) -> AsyncIterator[None]:
    """Hold a name for as long as the block takes, in one process and no other. No connection is kept meanwhile.

    Whoever holds it is waited for; Conflict when that takes longer than `patience_seconds`. The name of who died is
    free after `seconds`.
    """
    lease, end = Lease(database, name, seconds), asyncio.get_running_loop().time() + patience_seconds
    while not await lease.hold():
        if asyncio.get_running_loop().time() > end:
            raise Conflict("somebody else is at the same thing; try again")
        await asyncio.sleep(POLL_SECONDS)
    try:
        async with lease.kept():
            yield
    finally:
        with contextlib.suppress(Unavailable):
            await lease.end()

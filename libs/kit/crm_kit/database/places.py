"""Places that all tenants share, and that no tenant takes all of."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from uuid import UUID
from weakref import WeakValueDictionary


class PlacesOfTenants:
    """So many places for each tenant."""

    def __init__(self, count: int) -> None:
        self._count = max(1, count)
        # Of those tenants that have or want one now.
        self._of: WeakValueDictionary[UUID | str, asyncio.Semaphore] = WeakValueDictionary()

    def of(self, tenant: UUID | str) -> asyncio.Semaphore:
        """The tenant's places, to be kept by whoever has or wants one."""
        found = self._of.get(tenant)
        if found is None:
            found = self._of[tenant] = asyncio.Semaphore(self._count)
        return found


class Places:
    """So many at a time, first come, first served; of one tenant one fewer, where there are several."""

    def __init__(self, count: int) -> None:
        self._all = asyncio.Semaphore(count)
        self._of_tenants = PlacesOfTenants(count - 1)

    @contextlib.asynccontextmanager
    async def place(self, tenant_id: UUID) -> AsyncIterator[None]:
        """Have a place in the block, after those who came before."""
        async with self._of_tenants.of(tenant_id), self._all:
            yield

"""Places that all tenants share, and that no tenant takes all of."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from uuid import UUID
from weakref import WeakValueDictionary


class Places:
    """So many at a time, first come, first served; of one tenant one fewer, where there are several."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._all = asyncio.Semaphore(count)
        # Those of tenants that have or want a place now.
        self._of: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def place(self, tenant_id: UUID) -> AsyncIterator[None]:
        """Have a place in the block, after those who came before."""
        of_tenant = self._of.get(tenant_id)
        if of_tenant is None:
            of_tenant = self._of[tenant_id] = asyncio.Semaphore(max(1, self._count - 1))
        async with of_tenant, self._all:
            yield

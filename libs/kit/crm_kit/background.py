"""What a service does by itself, in its own name: every so often, tenant by tenant, whatever fails."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import structlog
from sqlalchemy import Select, select

from crm_kit.clock import Now, TenantClock, system_now
from crm_kit.database.connections import ALL_TENANTS, Database
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork, unit_of_work
from crm_kit.errors import Conflict, Unavailable
from crm_kit.events.leases import Lease
from crm_kit.identity.access import Scope, service_actor
from crm_kit.plumbing import access_tenants

log = structlog.get_logger()
Job = Callable[[], Awaitable[None]]
FIRST_RESTART_SECONDS, LAST_RESTART_SECONDS = 1.0, 30.0
Item = TypeVar("Item")
Result = TypeVar("Result")


async def kept_running(job: Job, *, first_seconds: float = FIRST_RESTART_SECONDS) -> None:
    """Run a job that is meant to go on for the life of the process; begin it again whenever it ends or fails.

    What each handles by itself never gets here. The waits between grow from `first_seconds` to half a minute, and begin
    anew after a life that was longer.
    """
    loop, name, seconds = asyncio.get_running_loop(), name_of(job), first_seconds
    while True:
        began = loop.time()
        try:
            await job()
        except Exception:
            log.exception("background.failed", job=name, restart_seconds=seconds)
        else:
            log.error("background.ended", job=name, restart_seconds=seconds)
        if loop.time() - began > LAST_RESTART_SECONDS:
            seconds = first_seconds
        await asyncio.sleep(seconds)
        seconds = min(2 * seconds, LAST_RESTART_SECONDS)


def name_of(job: Job) -> str:
    """What the log calls a job: the name of what it is a method of, or its own."""
    owner = getattr(job, "__self__", None)
    return str(getattr(owner, "name", None) or getattr(job, "__qualname__", type(job).__name__))


class PeriodicJob:
    """Looks for something to do for the life of the process: every so often, and at once when woken.

    `look` does what there is to do now; it answers True when there may be more, and is then called again at once.
    With a lease only one process looks every so often, and another one when that dies; whoever is woken looks in any
    case. So `look` has to be right when two processes do it at once.
    """

    def __init__(
        self, name: str, look: Callable[[], Awaitable[bool]], *, every_seconds: float, lease: Lease | None = None
    ) -> None:
        self.name = name
        self._look = look
        self._every_seconds = every_seconds
        self._lease = lease
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look now: something has changed that `look` goes by."""
        self._woken.set()

    async def run(self) -> None:
        """Go on until cancelled. What fails is logged and tried again when it is time to look again."""
        try:
            while True:
                woken = self._woken.is_set()
                self._woken.clear()
                if not await self._once(woken=woken):
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._every_seconds):
                            await self._woken.wait()
        finally:
            if self._lease is not None:
                with contextlib.suppress(Unavailable):
                    await self._lease.release()

    async def _once(self, *, woken: bool) -> bool:
        try:
            if self._lease is None or woken:
                return await self._look()
            if not await self._lease.hold():
                return False
            async with self._lease.kept():
                return await self._look()
        except Unavailable as error:
            log.warning("background.waiting", job=self.name, error=error.detail)
        except Exception:
            log.exception("background.failed", job=self.name)
        return False


async def each(items: Iterable[Item], act: Callable[[Item], Awaitable[Result]], *, name: str) -> list[Result]:
    """Act on one after the other; what came of those that went well. One that fails is logged and stops no other.

    Conflict is no failure: somebody was quicker, and the next look sees what is left. Unavailable ends it, since the
    others would fare no better.
    """
    results = []
    for item in items:
        try:
            results.append(await act(item))
        except Unavailable:
            raise
        except Conflict:
            continue
        except Exception:
            log.exception("background.item_failed", job=name, item=str(item))
    return results


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant, the time on its clock and where it is. An inactive one is closed, but may be opened again."""

    id: UUID
    active: bool
    now: datetime
    time_zone: str


class Tenants:
    """All tenants, for what a service does in each of them. `now` is the system's time."""

    def __init__(self, database: Database, clock: TenantClock, now: Now = system_now) -> None:
        self.database = database
        self.now = now
        self._clock = clock

    async def known(self) -> list[Tenant]:
        """All that the directory has here, with their time as of now: a test clock may just have been moved."""
        rows = await self.database.all(ALL_TENANTS, known_tenants(), {})
        now = self.now()
        return [Tenant(row["tenant_id"], row["active"], now + row["clock_offset"], row["time_zone"]) for row in rows]

    async def now_of(self, tenant_id: UUID) -> datetime:
        """The time on a tenant's clock."""
        return await self._clock.now(tenant_id)

    @contextlib.asynccontextmanager
    async def unit(self, tenant_id: UUID, now: datetime | None = None) -> AsyncIterator[UnitOfWork]:
        """A unit of work of the service itself in a tenant, at the tenant's time unless another one is given."""
        now = now or await self.now_of(tenant_id)
        async with unit_of_work(self.database, service_actor(tenant_id), scope=Scope.ALL, now=now) as work:
            yield work


@statement
def known_tenants() -> Select[Any]:
    """Across tenants, so of the plumbing only."""
    tenant = access_tenants.c
    return select(tenant.tenant_id, tenant.active, tenant.clock_offset, tenant.time_zone).order_by(tenant.tenant_id)

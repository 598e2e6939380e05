"""Background work of several processes: one of them looks, another goes on where it dies."""

import asyncio
from datetime import datetime, timedelta

from crm_kit.background import PeriodicJob, Tenants
from crm_kit.clock import system_now
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.database.statements import compile_statement
from crm_kit.directory.projection import project_tenant
from crm_kit.events.leases import Lease
from crm_kit.identity.access import SERVICE_USER, Scope
from crm_kit.ids import new_id
from crm_kit.plumbing import leases
from sqlalchemy import select

from tests.service.eventually import eventually
from tests.service.running import Running

HOUR = 3600.0
MOMENT = 0.001


class Process:
    """A job with a lease, as one of several processes has it."""

    def __init__(self, customer: Running, lease: str, *, every_seconds: float = MOMENT) -> None:
        self.looks = 0
        self.job = PeriodicJob(
            "test", self._look, every_seconds=every_seconds, lease=Lease(customer.service.database, lease)
        )

    async def _look(self) -> bool:
        self.looks += 1
        return False

    async def has_looked(self) -> bool:
        return self.looks >= 3


async def test_of_several_processes_one_looks_until_it_ends_and_then_another(customer: Running) -> None:
    name = f"test-{new_id().hex}"
    first, second = Process(customer, name), Process(customer, name)
    running = asyncio.create_task(first.job.run())
    await eventually(first.has_looked)
    waiting = asyncio.create_task(second.job.run())
    before = first.looks

    async def first_goes_on() -> bool:
        return first.looks > before + 3

    await eventually(first_goes_on)
    assert second.looks == 0
    running.cancel()
    await eventually(second.has_looked)
    waiting.cancel()
    await asyncio.gather(running, waiting, return_exceptions=True)


async def test_who_is_woken_looks_whoever_holds_the_lease(customer: Running) -> None:
    name = f"test-{new_id().hex}"
    assert await Lease(customer.service.database, name, seconds=HOUR).hold()
    process = Process(customer, name, every_seconds=HOUR)
    running = asyncio.create_task(process.job.run())
    try:
        process.job.wake()

        async def has_looked() -> bool:
            return process.looks > 0

        await eventually(has_looked)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_lease_is_renewed_for_as_long_as_the_work_takes(customer: Running) -> None:
    name = f"test-{new_id().hex}"
    query = compile_statement(select(leases.c.expire_time).where(leases.c.name == name))

    async def expire_time() -> datetime:
        rows = await customer.service.database.all(ALL_TENANTS, query, {})
        return rows[0]["expire_time"]  # type: ignore[no-any-return]

    lease = Lease(customer.service.database, name, seconds=0.3)
    assert await lease.hold()
    before = await expire_time()
    async with lease.kept():

        async def is_renewed() -> bool:
            return await expire_time() > before

        await eventually(is_renewed)


async def test_a_unit_of_a_tenant_is_on_its_clock_and_in_the_services_name(customer: Running) -> None:
    ahead = timedelta(days=40)
    tenant_id = new_id()
    async with customer.unit_of_work(tenant_id) as work:
        project_tenant(
            work,
            id=tenant_id,
            slug=f"t{tenant_id.hex[-12:]}",
            active=False,
            sandbox=True,
            clock_offset=ahead,
            version=1,
        )
    tenants = Tenants(customer.service.database, customer.service.clock)
    known = {each.id: each for each in await tenants.known()}
    assert not known[tenant_id].active
    assert known[tenant_id].now - system_now() > ahead - timedelta(minutes=1)
    async with tenants.unit(tenant_id) as work:
        assert (work.tenant_id, work.actor.user_id, work.scope) == (tenant_id, SERVICE_USER, Scope.ALL)
        assert work.now - system_now() > ahead - timedelta(minutes=1)
    async with tenants.unit(tenant_id, known[tenant_id].now) as work:
        assert work.now == known[tenant_id].now

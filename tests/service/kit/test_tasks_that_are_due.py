"""Tasks that are not done: who is reminded, and who is told that the time has passed, once, on the tenant's clock."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.database.work import unit_of_work
from crm_kit.identity.access import Scope, service_actor
from crm_kit.ids import new_id
from crm_kit.tasks.model import Moment
from crm_kit.tasks.telling import due_timers, tell_once

from tests.service.customer.customers import new_account
from tests.service.eventually import eventually
from tests.service.notices import raised, told
from tests.service.running import Running, User
from tests.service.tasking import READER, Mine, Task, ToDo, deactivate


class House:
    """A sandbox whose clock is put forward, with somebody who owns an account and somebody who has tasks at it."""

    def __init__(self, customer: Running) -> None:
        self.customer, self.todo = customer, ToDo(customer)
        self._version = 1

    async def open(self) -> "House":
        tenant = self.tenant_id = await self.customer.tenant(sandbox=True)
        self.owner = await self.customer.user(tenant)
        self.boss = await self.customer.user(tenant)
        self.doer = await self.customer.user(tenant, grants=READER)
        self.account = await new_account(self.customer, self.owner)
        return self

    async def task(self, title: str, **values: Any) -> Task:
        return await self.todo.create(self.boss, self.account.id, title, assignee_id=str(self.doer.id), **values)

    async def advance(self, ahead: timedelta) -> None:
        self._version += 1
        await self.customer.know_tenant(self.tenant_id, sandbox=True, clock_offset=ahead, version=self._version)

    async def told(self, user: User, count: int) -> list[str]:
        """The kinds of what somebody was told, once it is so much."""

        async def enough() -> list[str]:
            found = await told(self.customer, user)
            return found if len(found) >= count else []

        return await eventually(enough)

    async def timers(self) -> set[tuple[str, str]]:
        """Those that are due."""
        service = self.customer.service
        now = {"now": Tenants(service.database, service.clock).now()}
        rows = await service.database.all(ALL_TENANTS, due_timers(), now)
        return {(str(row["task_id"]), row["kind"]) for row in rows if row["tenant_id"] == self.tenant_id}


@pytest.fixture
async def house(customer: Running) -> House:
    return await House(customer).open()


async def test_who_has_a_task_is_reminded_and_then_told_that_it_is_overdue_once_each(house: House) -> None:
    now = system_now()
    due, soon = now + timedelta(days=2), now + timedelta(days=1)
    task = await house.task("call", due_time=due, reminder_time=soon)
    done = await house.task("done before", due_time=due, reminder_time=soon)
    moved = await house.task("moved before", due_time=due, reminder_time=soon)
    await house.todo.complete(house.boss, done)
    await house.todo.update(house.boss, moved, cleared=("due_time", "reminder_time"))
    given = ["TASK_ASSIGNED"] * 3
    assert await told(house.customer, house.doer) == given
    await house.advance(timedelta(days=1, minutes=1))
    assert await house.told(house.doer, 4) == [*given, "TASK_REMINDER"]
    await house.advance(timedelta(days=2, minutes=1))
    assert await house.told(house.doer, 5) == [*given, "TASK_REMINDER", "TASK_OVERDUE"]
    assert (await house.todo.get(house.doer, task)).overdue
    assert await Mine(house.customer).counts(house.doer) == (2, 1, 0)
    assert await house.timers() == set()
    # What is set anew is told of anew.
    due, soon = now + timedelta(days=4), now + timedelta(days=3)
    later = await house.todo.update(house.doer, task, due_time=due, reminder_time=soon)
    assert not later.overdue
    await house.advance(timedelta(days=3, minutes=1))
    assert (await house.told(house.doer, 6))[-1] == "TASK_REMINDER"
    await house.advance(timedelta(days=4, minutes=1))
    assert (await house.told(house.doer, 7))[-1] == "TASK_OVERDUE"
    last = (await raised(house.customer, house.tenant_id))[-1]
    assert (last.record_id, last.values["task_id"]) == (house.account.id, task.id)


async def test_where_both_times_have_passed_it_is_told_that_it_is_late_alone(house: House) -> None:
    now = system_now()
    await house.task("call", due_time=now + timedelta(hours=2), reminder_time=now + timedelta(hours=1))
    await house.advance(timedelta(hours=3))
    assert await house.told(house.doer, 2) == ["TASK_ASSIGNED", "TASK_OVERDUE"]

    async def nothing_is_due() -> bool:
        return await house.timers() == set()

    await eventually(nothing_is_due)
    assert await told(house.customer, house.doer) == ["TASK_ASSIGNED", "TASK_OVERDUE"]


async def test_in_place_of_who_has_left_or_may_not_read_it_the_owner_is_told_and_then_the_creator(
    house: House,
) -> None:
    due = system_now() + timedelta(days=1)
    await house.task("call", due_time=due)
    await deactivate(house.customer, house.doer)
    await house.advance(timedelta(days=1, minutes=1))
    assert await house.told(house.owner, 1) == ["TASK_OVERDUE"]
    await house.todo.create(house.boss, house.account.id, "of nobody", due_time=due + timedelta(days=1))
    await deactivate(house.customer, house.owner)
    await house.advance(timedelta(days=2, minutes=1))
    assert await house.told(house.boss, 1) == ["TASK_OVERDUE"]


async def test_a_process_that_dies_while_it_tells_tells_nothing_and_the_next_ones_tell_it_once(house: House) -> None:
    customer, due = house.customer, system_now() + timedelta(days=1)
    task = await house.task("call", due_time=due)
    place = customer.service.task_places["accounts"]

    class DeathError(Exception):
        pass

    async def tell(*, dies: bool = False) -> None:
        """As on a clock on which it is due; that of the tenant shows it is not, so that nobody else tells it."""
        actor = service_actor(house.tenant_id)
        async with unit_of_work(customer.service.database, actor, scope=Scope.ALL, now=due) as work:
            await tell_once(work, place, UUID(task.id), Moment.DEADLINE)
            await work.flush()
            if dies:
                raise DeathError

    with pytest.raises(DeathError):
        await tell(dies=True)
    assert await told(customer, house.doer) == ["TASK_ASSIGNED"]
    await asyncio.gather(*(tell() for _ in range(3)))
    assert await told(customer, house.doer) == ["TASK_ASSIGNED", "TASK_OVERDUE"]
    await house.advance(timedelta(days=2))
    assert await house.timers() == set()


async def test_a_day_ends_where_the_tenant_is(customer: Running) -> None:
    tenant_id = new_id()
    await customer.know_tenant(tenant_id, time_zone="Pacific/Honolulu")
    user = await customer.user(tenant_id)
    account = await new_account(customer, user)
    task = await ToDo(customer).create(user, account.id, due_date="2031-01-31")
    assert task.deadline_time.ToDatetime(tzinfo=UTC) == datetime(2031, 2, 1, 10, tzinfo=UTC)

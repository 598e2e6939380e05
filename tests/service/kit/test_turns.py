"""Names that are held for a moment, in one process and no other."""

import asyncio

import pytest
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.database.statements import compile_statement
from crm_kit.errors import Conflict
from crm_kit.events.leases import Lease, turn
from crm_kit.ids import new_id
from crm_kit.plumbing import leases
from sqlalchemy import bindparam, select

from tests.service.running import Running

HELD = compile_statement(select(leases.c.name).where(leases.c.name == bindparam("name")))


@pytest.fixture
def name() -> str:
    return f"a test {new_id()}"


async def held(sales: Running, name: str) -> bool:
    return bool(await sales.service.database.all(ALL_TENANTS, HELD, {"name": name}))


async def test_a_name_is_held_by_one_at_a_time_and_nothing_is_left_of_it(sales: Running, name: str) -> None:
    inside, most = 0, 0

    async def enter() -> None:
        nonlocal inside, most
        async with turn(sales.service.database, name, patience_seconds=60):
            inside += 1
            most = max(most, inside)
            assert await held(sales, name)
            inside -= 1

    await asyncio.gather(*(enter() for _ in range(10)))
    assert most == 1
    assert not await held(sales, name)


async def test_who_waits_in_vain_is_told_to_try_again_and_takes_nothing_away(sales: Running, name: str) -> None:
    async with turn(sales.service.database, name, seconds=60):
        with pytest.raises(Conflict):
            async with turn(sales.service.database, name, patience_seconds=0):
                raise AssertionError
        assert await held(sales, name)


async def test_the_name_of_who_died_is_free_again(sales: Running, name: str) -> None:
    assert await Lease(sales.service.database, name, seconds=0).hold()
    async with turn(sales.service.database, name, patience_seconds=60):
        assert await held(sales, name)


async def test_a_name_is_free_when_its_block_fails(sales: Running, name: str) -> None:
    with pytest.raises(ZeroDivisionError):
        async with turn(sales.service.database, name):
            raise ZeroDivisionError
    assert not await held(sales, name)

"""Units of work: all or nothing, and what a broken connection means."""

import asyncpg
import pytest
from crm_customer.records.accounts.tables import accounts
from crm_kit.database.statements import compile_statement
from crm_kit.database.statistics import analyze_grown
from crm_kit.errors import Conflict, Unavailable
from crm_kit.ids import new_id
from crm_kit.plumbing import changes
from crm_kit.projections import put_newest
from crm_local.testing import Servers
from crm_sales.accounts.tables import accounts as known_accounts
from sqlalchemy import func, select

from tests.service.running import Running

ROW = {"resource_type": "test", "version": 1, "actor_id": new_id(), "action": "DONE", "fields": []}


async def count(customer: Running, tenant_id: object) -> int:
    query = compile_statement(select(func.count()).select_from(changes))
    rows = await customer.service.database.all(str(tenant_id), query, {})
    return int(rows[0][0])


async def test_rows_are_gathered_and_become_true_together(customer: Running) -> None:
    tenant_id = await customer.tenant()
    async with customer.unit_of_work(tenant_id) as work:
        for _ in range(3):
            work.insert(changes, ROW | {"resource_id": new_id(), "change_time": work.now})
        assert await count(customer, tenant_id) == 0
    assert await count(customer, tenant_id) == 3


async def test_however_many_rows_are_gathered_they_become_true_together(customer: Running) -> None:
    """More than 32,767 parameters, which is what one statement can have."""
    tenant_id = await customer.tenant()
    with pytest.raises(Conflict):
        async with customer.unit_of_work(tenant_id) as work:
            for _ in range(5000):
                work.insert(changes, ROW | {"resource_id": new_id(), "change_time": work.now})
            work.save(accounts, {"id": new_id(), "display_name": "x", "version": 2}, version=1)
    assert await count(customer, tenant_id) == 0
    async with customer.unit_of_work(tenant_id) as work:
        for _ in range(5000):
            work.insert(changes, ROW | {"resource_id": new_id(), "change_time": work.now})
    assert await count(customer, tenant_id) == 5000


@pytest.mark.parametrize("many", [False, True])
async def test_one_row_that_is_not_what_was_read_undoes_them_all(many: bool, customer: Running) -> None:
    tenant_id = await customer.tenant()
    with pytest.raises(Conflict):
        async with customer.unit_of_work(tenant_id) as work:
            for _ in range(3):
                work.insert(changes, ROW | {"resource_id": new_id(), "change_time": work.now})
                work.save(accounts, {"id": new_id(), "display_name": "x", "version": 2}, version=1)
            if many:
                await work.flush_many()
    assert await count(customer, tenant_id) == 0


async def test_what_was_flushed_is_read_by_the_unit_and_by_nobody_else(customer: Running) -> None:
    tenant_id = await customer.tenant()
    query = compile_statement(select(func.count()).select_from(changes))
    async with customer.unit_of_work(tenant_id) as work:
        work.insert(changes, ROW | {"resource_id": new_id(), "change_time": work.now})
        await work.flush()
        assert [row[0] for row in await work.all(query)] == [1]
        assert await count(customer, tenant_id) == 0
    assert await count(customer, tenant_id) == 1


@pytest.mark.parametrize("rows", [1, 24, 25, 26, 60])
async def test_of_rows_that_replace_one_another_the_last_one_stays(rows: int, sales: Running) -> None:
    """Also where several rows go in one statement, which may replace none twice."""
    tenant_id = await sales.tenant()
    ids = [new_id() for _ in range(rows)]
    shown = compile_statement(select(known_accounts.c.id, known_accounts.c.display_name).order_by(known_accounts.c.id))
    async with sales.unit_of_work(tenant_id) as work:
        for version in (1, 2):
            for id in ids:
                row = {"owner_id": None, "owner_team_id": None, "archived": False, "version": version}
                put_newest(work, known_accounts, row | {"id": id, "display_name": f"{version}"})
        await work.flush_many()
        assert [tuple(row) for row in await work.all(shown)] == [(id, "2") for id in sorted(ids)]


@pytest.mark.parametrize("rows", [24, 25, 60])
async def test_a_row_that_is_refused_takes_back_those_that_go_with_it(rows: int, customer: Running) -> None:
    tenant_id = await customer.tenant()
    with pytest.raises(asyncpg.UniqueViolationError):
        async with customer.unit_of_work(tenant_id) as work:
            ids = [new_id() for _ in range(rows)]
            for id in [*ids, ids[-1]]:
                work.insert(changes, ROW | {"resource_id": id, "change_time": work.now})
            await work.flush_many()
    assert await count(customer, tenant_id) == 0


@pytest.mark.parametrize("flushed", [False, True])
async def test_a_connection_that_dies_means_unavailable_and_nothing_written(
    flushed: bool, customer: Running, servers: Servers
) -> None:
    tenant_id = await customer.tenant()
    operator = await asyncpg.connect(servers.superuser_url())
    try:
        with pytest.raises(Unavailable):
            async with customer.unit_of_work(tenant_id) as work:
                pid = await work.one(compile_statement(select(func.pg_backend_pid())))
                assert pid is not None
                work.insert(changes, ROW | {"resource_id": new_id(), "change_time": work.now})
                if flushed:
                    await work.flush()
                await operator.execute("SELECT pg_terminate_backend($1, 5000)", pid[0])
    finally:
        await operator.close()
    assert await count(customer, tenant_id) == 0


async def test_a_table_that_has_just_got_its_first_rows_is_known_to_the_planner(
    customer: Running, servers: Servers
) -> None:
    """By who may not analyze it: the service's role owns no table."""
    tenant_id = await customer.tenant()
    operator = await asyncpg.connect(servers.superuser_url("crm_customer"))
    try:
        # As a new database has it.
        await operator.execute("TRUNCATE changes")
        await operator.execute("ANALYZE changes")
        async with customer.unit_of_work(tenant_id) as work:
            for _ in range(500):
                work.insert(changes, ROW | {"resource_id": new_id(), "change_time": work.now})
            await work.flush_many()
        assert await operator.fetchval("SELECT reltuples FROM pg_class WHERE relname = 'changes'") == 0
        assert await analyze_grown(customer.service.database) >= 1
        assert await operator.fetchval("SELECT reltuples FROM pg_class WHERE relname = 'changes'") == 500
        assert await analyze_grown(customer.service.database) == 0
    finally:
        await operator.close()

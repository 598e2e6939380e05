"""Every table that grows says how long its rows stay, and they go then and not before."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm_kit import plumbing
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.database.statements import compile_statement
from crm_kit.database.tables import Clock, Kept, Retention, tenant_table
from crm_kit.ids import new_id
from crm_kit.plumbing import idempotency_keys
from crm_kit.retention import BATCH, Cleaning, delete_old, tables_with_retention
from crm_local.settings import SERVICES
from crm_local.testing import Servers
from sqlalchemy import Column, Date, DateTime, Integer, MetaData, Table, Uuid, func, update

from tests.factories.rows import fill, required_of
from tests.service.kit.plans import plan_of, scans_of
from tests.service.running import Running

AHEAD = timedelta(days=400)
MOMENT = timedelta(minutes=5)


def tables_of(service: str) -> list[Table]:
    metadata = import_module(f"crm_{service}.tables").metadata
    return [*plumbing.metadata.tables.values(), *metadata.tables.values()]


def undeclared(tables: Sequence[Table], records: Sequence[Table]) -> list[str]:
    """Tables of which nobody has said how long their rows stay."""
    return [table.name for table in tables if table.info["retention"] is None and table not in records]


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> Running:
    running: Running = request.getfixturevalue(request.param)
    return running


def cleaning_of(service: Running) -> Cleaning:
    tenants = Tenants(service.service.database, service.service.clock)
    nouns = {each.table.name: each.noun for each in service.service.resources}
    return Cleaning(tenants, service.service.metadata, nouns)


async def test_every_table_says_how_long_its_rows_stay_unless_they_are_records(service: Running) -> None:
    records = [resource.table for resource in service.service.resources]
    assert undeclared(tables_of(service.service.name), records) == []
    for table in tables_of(service.service.name):
        if isinstance(kept := table.info["retention"], Kept):
            assert kept.why, table.name


def test_a_table_that_says_nothing_is_found() -> None:
    silent = tenant_table("silent", MetaData(), Column("id", Uuid, nullable=False))
    assert undeclared([silent], []) == ["silent"]
    assert undeclared([silent], [silent]) == []


async def test_rows_go_when_their_time_is_over_and_not_before(service: Running, servers: Servers) -> None:
    """By the clock that writes them: the tenant's is more than a year ahead here."""
    name = service.service.name
    tenant_id = await service.tenant(sandbox=True)
    await service.know_tenant(tenant_id, sandbox=True, clock_offset=AHEAD, version=2)
    tables = list(tables_with_retention(plumbing.metadata, service.service.metadata))
    connection = await asyncpg.connect(servers.superuser_url(f"crm_{name}"))
    try:
        now = await connection.fetchval("SELECT clock_timestamp()")
        young: dict[str, Any] = {}
        for table in tables:
            if table.info["retention"].clock is Clock.TENANT:
                there = system_now() + AHEAD
            else:
                # Plumbing is written and judged by the database, which may be on another day than its services.
                there = now if table.info["plumbing"] else system_now()
            limit = there - table.info["retention"].age
            step = timedelta(days=2) if isinstance(column_of(table).type, Date) else MOMENT
            for time in (limit - step, limit - 2 * step, limit + step):
                young[table.name] = await put_row(connection, table, tenant_id, time)
        await cleaning_of(service).clean()
        for table in tables:
            column = column_of(table).name
            query = f"SELECT {column} FROM {table.name} WHERE tenant_id = $1 AND {column} <= $2"
            rows = await connection.fetch(query, tenant_id, young[table.name])
            assert [row[0] for row in rows] == [young[table.name]], table.name
    finally:
        await connection.close()


def column_of(table: Table) -> Column[Any]:
    column: Column[Any] = table.c[table.info["retention"].column]
    return column


async def put_row(connection: asyncpg.Connection, table: Table, tenant_id: UUID, time: datetime) -> Any:
    """Make a row with that time, or day, which is answered; whatever else it must have is made up."""
    column = column_of(table)
    given = time if isinstance(column.type, DateTime) else time.date()
    values = {"tenant_id": f"'{tenant_id}'", column.name: f"'{given.isoformat()}'"}
    # Counted from anywhere: no two of them are alike.
    await fill(connection, table, 1, **values, **dict.fromkeys(integers_of(table), "(random() * 1e9)::int"))
    return given


def integers_of(table: Table) -> list[str]:
    return [name for name in required_of(table, ()) if isinstance(table.c[name].type, Integer)]


async def test_what_is_still_to_be_done_never_goes(sales: Running, servers: Servers) -> None:
    """A handover whose deals could not be given for months, and one that was done then."""
    tenant_id, owner_id = await sales.tenant(), new_id()
    connection = await asyncpg.connect(servers.superuser_url("crm_sales"))
    try:
        for version, ended in ((1, None), (2, AHEAD)):
            await connection.execute(
                "INSERT INTO account_handovers (tenant_id, account_id, version, former_owner_id, owner_id, actor_id,"
                " due_time, end_time) VALUES ($1, $2, $3, $2, $2, $2, now() - $4::interval, now() - $5::interval)",
                tenant_id,
                owner_id,
                version,
                AHEAD,
                ended,
            )
        await cleaning_of(sales).clean()
        rows = await connection.fetch("SELECT version FROM account_handovers WHERE tenant_id = $1", tenant_id)
        assert [row["version"] for row in rows] == [1]
    finally:
        await connection.close()


async def test_rows_are_deleted_batch_by_batch_until_none_is_left(customer: Running, servers: Servers) -> None:
    tenant_id, count = await customer.tenant(), 2 * BATCH + 7
    connection = await asyncpg.connect(servers.superuser_url("crm_customer"))
    try:
        await connection.execute(
            "INSERT INTO inbox SELECT $1, gen_random_uuid(), 'test', now() - interval '15 days'"
            " FROM generate_series(1, $2)",
            tenant_id,
            count,
        )
        await cleaning_of(customer).clean()
        assert await connection.fetchval("SELECT count(*) FROM inbox WHERE tenant_id = $1", tenant_id) == 0
    finally:
        await connection.close()


async def test_what_is_kept_no_longer_is_found_by_an_index(service: Running) -> None:
    database = service.service.database
    for table in tables_with_retention(plumbing.metadata, service.service.metadata):
        tenant_id = new_id()
        tenant = ALL_TENANTS if table.info["plumbing"] else tenant_id
        values = {"before": system_now() - timedelta(days=9999), "tenant_id": tenant_id}
        plan = await plan_of(database, tenant, delete_old(table), values)
        assert "Seq Scan" not in scans_of(plan), f"{table.name}: {plan}"


async def test_a_request_under_a_key_that_is_forgotten_takes_effect_anew(customer: Running) -> None:
    user, key = await customer.user(), new_id().hex
    stub: Any = AccountServiceStub(customer.channel)
    account = accounts_pb2.Account(display_name="一次", kind=accounts_pb2.Account.KIND_ORGANIZATION)
    request = accounts_pb2.CreateAccountRequest(account=account)

    async def create() -> str:
        return str((await stub.CreateAccount(request, metadata=user.with_key(key))).id)

    async def age(by: timedelta) -> None:
        # By the database's clock, as keys are kept.
        old = update(idempotency_keys).values(create_time=func.now() - by)
        await customer.service.database.all(user.tenant_id, compile_statement(old), {})
        await cleaning_of(customer).clean()

    first = await create()
    await age(timedelta(hours=47))
    assert await create() == first
    await age(timedelta(hours=49))
    assert await create() != first


def test_a_retention_has_an_index_of_its_own() -> None:
    column = Column("create_time", DateTime(timezone=True), nullable=False)
    kept = Retention("create_time", timedelta(days=1), Clock.TENANT)
    table = tenant_table("some", MetaData(), Column("id", Uuid, nullable=False), column, retention=kept)
    assert [[each.name for each in index.columns] for index in table.indexes] == [["tenant_id", "create_time"]]

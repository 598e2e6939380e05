"""What migrations leave behind: what the tables say, tenants kept apart, and a way back."""

import asyncio
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from crm_kit import plumbing
from crm_kit.migrating import PLUMBING, VERSION_TABLES, differences, draft, migrate
from crm_local.account import plain_environment
from crm_local.databases import DATABASE_SQL, creation
from crm_local.drafts import draft_migration
from crm_local.failure import LocalFailure
from crm_local.settings import SERVICES
from crm_local.testing import Servers, servers_for_tests
from sqlalchemy import ForeignKeyConstraint, PrimaryKeyConstraint, UniqueConstraint


def folder_of(service: str) -> Path:
    return Path(import_module(f"crm_{service}").__path__[0]) / "migrations"


def tables_of(service: str) -> Any:
    return import_module(f"crm_{service}.tables").metadata


@pytest.mark.parametrize("service", SERVICES)
async def test_migrations_lead_to_what_the_tables_say(service: str, servers: Servers) -> None:
    await servers.migrate(service)
    forgotten = differences(servers.migration_url(service), tables_of(service))
    remedy = f'make migration SERVICE={service} MESSAGE="..." (SERVICE=kit for what crm_kit/plumbing.py has)'
    assert forgotten == [], f"the tables say more than the migrations: {remedy}"


async def test_where_nothing_differs_no_migration_is_drafted(servers: Servers, tmp_path: Path) -> None:
    await servers.migrate("scoring")
    folder = tmp_path / "migrations"
    shutil.copytree(folder_of("scoring"), folder)
    before = sorted(folder.rglob("*.py"))
    assert draft(servers.migration_url("scoring"), folder, tables_of("scoring"), "add nothing") is None
    assert sorted(folder.rglob("*.py")) == before


@pytest.mark.parametrize(
    ("service", "message", "told"),
    [
        ("scoring", "", "MESSAGE=: .*for example `make migration SERVICE="),
        ("scoring", " - ", "MESSAGE= - : "),
        ("scoring", "添加传真", "MESSAGE=添加传真: .*English"),
        ("scoring", 'say """', "MESSAGE=say "),
        ("", "add fax number", "SERVICE=: it has to be one of customer, sales, .*kit"),
    ],
)
async def test_a_migration_that_cannot_be_named_is_refused(service: str, message: str, told: str) -> None:
    with pytest.raises(LocalFailure, match=told):
        await draft_migration(service, message)


@pytest.mark.parametrize("service", SERVICES)
async def test_every_table_forces_row_level_security_and_its_role_owns_nothing(service: str, servers: Servers) -> None:
    await servers.migrate(service)
    connection = await asyncpg.connect(servers.migration_url(service))
    try:
        rows = await connection.fetch(
            "SELECT relname, relrowsecurity AND relforcerowsecurity AS forced, relowner::regrole::text AS owner"
            " FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
    finally:
        await connection.close()
    tables = {row["relname"]: row for row in rows if row["relname"] not in VERSION_TABLES}
    assert len(tables) > len(plumbing.metadata.tables)
    assert [name for name, row in tables.items() if not row["forced"]] == []
    assert {row["owner"] for row in rows} == {f"crm_{service}_owner"}


@pytest.mark.parametrize("service", SERVICES)
def test_every_key_and_index_starts_with_the_tenant(service: str) -> None:
    """But what only plumbing asks across all tenants, and where the tenant is part of the entries."""
    for table in (*plumbing.metadata.tables.values(), *tables_of(service).tables.values()):
        for constraint in table.constraints:
            if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint | ForeignKeyConstraint):
                assert next(iter(constraint.columns)).name == "tenant_id", f"{table.name}: {constraint.name}"
        for index in table.indexes:
            if index.info.get("tenant_inside") or (table.info["plumbing"] and index.info.get("across_tenants")):
                continue
            assert next(iter(index.columns)).name == "tenant_id", f"{table.name}: {index.name}"


@pytest.mark.parametrize("service", SERVICES)
async def test_without_a_tenant_on_the_connection_no_row_is_seen(service: str, servers: Servers) -> None:
    await servers.migrate(service)
    connection = await asyncpg.connect(servers.database_url(service))
    try:
        for name, table in tables_of(service).tables.items():
            assert await connection.fetchval(f"SELECT count(*) FROM {table.name}") == 0, name
    finally:
        await connection.close()


async def test_a_service_reaches_no_database_but_its_own(servers: Servers) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(servers.database_url("sales").removesuffix("/crm_sales") + "/crm_customer")


async def test_every_migration_has_a_way_back() -> None:
    async with servers_for_tests() as servers:
        for service in SERVICES:
            url, folder = servers.migration_url(service), folder_of(service)
            head = migrate(url, folder)
            assert migrate(url, folder, "base") == "base"
            assert await tables_in(url) == VERSION_TABLES
            assert migrate(url, folder) == head


async def test_the_tables_that_every_service_has_are_migrated_first_and_in_one_place(
    servers: Servers,
) -> None:
    urls = await fresh_database(servers, "plumbing_alone")
    url = urls["CRM_MIGRATION_DATABASE_URL"]
    shared = VERSION_TABLES | plumbing.metadata.tables.keys()
    head = migrate(url, PLUMBING.folder)
    assert await tables_in(url) == shared - {"alembic_version"}
    migrate(url, folder_of("sales"))
    assert await tables_in(url) == shared | tables_of("sales").tables.keys()
    assert migrate(url, PLUMBING.folder) == head


async def tables_in(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    try:
        names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    finally:
        await connection.close()
    return {row["tablename"] for row in names}


@pytest.mark.parametrize("service", SERVICES)
async def test_on_a_fresh_database_the_migration_command_alone_lets_the_service_work(
    service: str, servers: Servers
) -> None:
    """As on a cluster: the database as `deploy/postgres/database.sql` makes it, and no secret but the two URLs."""
    urls = await fresh_database(servers, f"fresh_{service}")
    command = (sys.executable, "-m", f"crm_{service}", "migrate")
    ended = await asyncio.to_thread(
        subprocess.run, command, env=plain_environment() | urls, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    role = await asyncpg.connect(urls["CRM_DATABASE_URL"])
    try:
        for table in (*plumbing.metadata.sorted_tables, *tables_of(service).sorted_tables):
            assert await role.fetchval(f"SELECT count(*) FROM {table.name}") == 0
            assert await role.fetchval(
                "SELECT has_table_privilege($1, 'INSERT') AND has_table_privilege($1, 'UPDATE')"
                " AND has_table_privilege($1, 'DELETE') AND NOT has_table_privilege($1, 'TRUNCATE')",
                table.name,
            )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await role.execute("CREATE TABLE mine ()")
    finally:
        await role.close()


async def fresh_database(servers: Servers, name: str) -> dict[str, str]:
    """Run what a database administrator runs; the URLs of a migration."""
    given = {"name": name, "owner": f"{name}_owner", "password": "hush", "owner_password": "hush hush"}
    connection = await asyncpg.connect(servers.superuser_url())
    try:
        for statement in creation(DATABASE_SQL.read_text(), given):
            await connection.execute(statement)
    finally:
        await connection.close()
    at = servers.superuser_url(name).rpartition("@")[2]
    return {
        "CRM_DATABASE_URL": f"postgresql://{name}:hush@{at}",
        "CRM_MIGRATION_DATABASE_URL": f"postgresql://{name}_owner:hush%20hush@{at}",
    }

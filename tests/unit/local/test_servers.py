"""PostgreSQL and NATS for real, as tests of others use them."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import psutil
import psycopg
import pytest
from crm_local.leftovers import wait_ended
from crm_local.nats import NatsServer
from crm_local.port_check import free_ports
from crm_local.settings import GATEWAY, SERVICES
from crm_local.supervisor import Supervisor
from crm_local.testing import FOLDER_PREFIX, Servers, servers_for_tests, sweep


@pytest.fixture(scope="session")
async def servers() -> AsyncIterator[Servers]:
    async with servers_for_tests() as started:
        yield started


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def do(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode())


def with_database(url: str, database: str) -> str:
    return psycopg.conninfo.make_conninfo(url, dbname=database)


@pytest.mark.parametrize("service", SERVICES)
def test_a_role_reaches_its_own_database_and_no_other(servers: Servers, service: str) -> None:
    others = [f"crm_{other}" for other in SERVICES if other != service] + ["postgres", "template1"]
    for url in (servers.database_url(service), servers.migration_url(service)):
        assert rows(url, "SELECT current_database()") == [(f"crm_{service}",)]
        for other in others:
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(with_database(url, other))


def test_a_wrong_password_opens_nothing(servers: Servers) -> None:
    wrong = psycopg.conninfo.make_conninfo(servers.database_url("sales"), password="guessed")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_the_services_role_owns_nothing_and_changes_only_rows(servers: Servers) -> None:
    do(
        servers.migration_url("sales"),
        "CREATE SCHEMA own; CREATE TABLE own.deals (id int GENERATED ALWAYS AS IDENTITY)",
    )
    do(servers.migration_url("sales"), "CREATE TABLE deals (id serial)")
    service = servers.database_url("sales")
    for table in ("deals", "own.deals"):
        do(service, f"INSERT INTO {table} DEFAULT VALUES")
        assert rows(service, f"SELECT id FROM {table}") == [(1,)]
        do(service, f"DELETE FROM {table}")
    for refused in (
        "CREATE TABLE mine ()",
        "CREATE SCHEMA mine",
        "CREATE EXTENSION citext",
        "DROP TABLE deals",
        "ALTER TABLE deals DISABLE ROW LEVEL SECURITY",
        "TRUNCATE deals",
        "CREATE ROLE mine",
        "SET ROLE crm_sales_owner",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            do(service, refused)
    owned = "SELECT count(*) FROM pg_class WHERE relowner = 'crm_sales'::regrole"
    assert rows(servers.superuser_url("crm_sales"), owned) == [(0,)]


def test_row_level_security_holds_the_services_role(servers: Servers) -> None:
    do(
        servers.migration_url("scoring"),
        "CREATE TABLE scores (tenant text); ALTER TABLE scores ENABLE ROW LEVEL SECURITY;"
        "ALTER TABLE scores FORCE ROW LEVEL SECURITY;"
        "CREATE POLICY own ON scores USING (tenant = current_setting('crm.tenant', true))",
    )
    do(servers.superuser_url("crm_scoring"), "INSERT INTO scores VALUES ('a'), ('b')")
    assert rows(servers.database_url("scoring"), "SELECT * FROM scores") == []
    assert rows(servers.migration_url("scoring"), "SELECT * FROM scores") == []


def test_extensions_are_there_and_migrations_may_ask_for_them_or_add_trusted_ones(servers: Servers) -> None:
    owner = servers.migration_url("customer")
    do(owner, "CREATE EXTENSION IF NOT EXISTS pg_trgm; CREATE EXTENSION IF NOT EXISTS citext")
    names = {name for (name,) in rows(owner, "SELECT extname FROM pg_extension")}
    assert names >= {"pg_trgm", "btree_gin", "ltree", "unaccent", "pg_stat_statements", "citext"}
    assert rows(owner, "SELECT count(*) > 0 FROM pg_stat_statements") == [(True,)]


def test_chinese_is_letters_and_order_is_by_code_point(servers: Servers) -> None:
    service = servers.database_url("customer")
    assert rows(service, "SELECT similarity('华鑫电力有限公司', '华鑫电力公司') > 0.3") == [(True,)]
    assert rows(service, "SELECT 'b' < 'C', upper('éж')") == [(False, "ÉЖ")]
    assert rows(service, "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'crm_sales'") == [
        ("UTF8",)
    ]


def test_postgres_listens_on_this_machine_only_and_not_as_root(servers: Servers) -> None:
    process = psutil.Process(servers.sighting("postgres").pid)
    listening = {entry.laddr[0] for entry in process.net_connections() if entry.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}
    assert process.uids().real != 0
    superuser = servers.superuser_url()
    assert rows(superuser, "SHOW unix_socket_directories") == [("",)]
    assert rows(superuser, "SHOW jit") == [("off",)]


async def test_acknowledged_rows_and_messages_survive_the_kill_of_their_server(servers: Servers) -> None:
    await asyncio.to_thread(do, servers.migration_url("customer"), "CREATE TABLE kept (n int)")
    await asyncio.to_thread(do, servers.database_url("customer"), "INSERT INTO kept VALUES (1)")
    client = await nats.connect(servers.nats_url)
    streams = client.jetstream()
    await streams.add_stream(name="KEPT", subjects=["kept"])
    await streams.publish("kept", b"1")
    await client.close()
    for name in ("postgres", "nats"):
        servers.kill(name)
        await servers.ready(name)
        assert servers.sighting(name).restarts >= 1
        assert f"{name} was killed by SIGKILL" in servers.told
    assert await asyncio.to_thread(rows, servers.database_url("customer"), "SELECT n FROM kept") == [(1,)]
    client = await nats.connect(servers.nats_url)
    assert (await client.jetstream().stream_info("KEPT")).state.messages == 1
    await client.close()


async def test_nats_lets_nobody_in_without_the_password(servers: Servers) -> None:
    bare = "nats://" + servers.nats_url.split("@")[1]
    with pytest.raises(nats.errors.Error, match="Authorization Violation"):
        await nats.connect(bare, allow_reconnect=False, max_reconnect_attempts=0)


def test_each_process_gets_the_secrets_it_needs_and_no_more(servers: Servers) -> None:
    customer, sales, gateway = (servers.environment(name) for name in ("customer", "sales", "gateway"))
    assert customer["CRM_DATABASE_URL"] == servers.database_url("customer")
    assert sales["CRM_MIGRATION_DATABASE_URL"] == servers.migration_url("sales")
    assert customer["CRM_PAGE_TOKEN_KEY"] == sales["CRM_PAGE_TOKEN_KEY"] == gateway["CRM_PAGE_TOKEN_KEY"]
    assert "CRM_SIGNING_KEY_SECRET" in customer
    assert "CRM_SIGNING_KEY_SECRET" not in sales.keys() | gateway.keys()
    assert sales["CRM_SALES_KEY"] == servers.environment("scoring")["CRM_SALES_KEY"] == customer["CRM_SALES_KEY"]
    assert "CRM_SALES_KEY" not in servers.environment("service_desk").keys() | gateway.keys()
    assert "CRM_CHANNEL_KEY_SECRET" in servers.environment("service_desk")
    assert "CRM_CHANNEL_KEY_SECRET" not in customer.keys() | sales.keys() | gateway.keys()
    assert not any("DATABASE" in name for name in gateway)
    assert gateway["CRM_CUSTOMER_ADDRESS"] == customer["CRM_LISTEN_ADDRESS"] == sales["CRM_CUSTOMER_ADDRESS"]
    assert customer["CRM_ISSUER"] == f"http://{gateway['CRM_LISTEN_ADDRESS']}"


def test_servers_do_not_outlive_a_killed_test_run_and_its_folder_is_swept(open_folder: Path) -> None:
    source = """
import asyncio
from crm_local.testing import servers_for_tests

async def main():
    async with servers_for_tests() as servers:
        print(servers.folder, *(servers.sighting(name).pid for name in ("postgres", "nats")), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
    environment = os.environ | {"TMPDIR": str(open_folder)}
    open_folder.chmod(0o1777)
    command = [sys.executable, "-c", source]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stdout is not None
        folder, *pids = run.stdout.readline().split()
        processes = [psutil.Process(int(pid)) for pid in pids]
        assert Path(folder).parent == open_folder
        assert sweep(open_folder) == []
        os.kill(run.pid, signal.SIGKILL)
        assert wait_ended(processes, seconds=60) == []
    assert sweep(open_folder) == [Path(folder)]
    assert not list(open_folder.glob(f"{FOLDER_PREFIX}*"))


@pytest.mark.parametrize("password", ["2026-01-01", "12e4", "123", "true"])
async def test_nats_takes_a_password_for_a_password_whatever_it_looks_like(tmp_path: Path, password: str) -> None:
    users = dict.fromkeys(("operator", *SERVICES, GATEWAY), password)
    server, supervisor = NatsServer(tmp_path / "nats", tmp_path / "log", free_ports().nats, users), Supervisor(print)
    try:
        await supervisor.start(server.program())
        for user in users:
            await (await nats.connect(server.url(user), allow_reconnect=False)).close()
    finally:
        await supervisor.stop()

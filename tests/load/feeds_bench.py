"""What feeds and imports cost where there are many: clearing away, finding conflicts, a small file beside a large one.

python -m tests.load.feeds_bench [--imports N] [--accounts N] [--rows N]
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import orjson
from crm_customer.imports.tables import IMPORT_LASTS, imports
from crm_customer.records.accounts.tables import accounts
from crm_kit.database.statements import Statement
from crm_kit.plumbing import changes
from crm_kit.retention import BATCH, delete_history, delete_records, old_records
from crm_local.testing import Platform, platform_for_tests

from tests.factories.rows import fill
from tests.load.meter import machine

WAIT_SECONDS = 1800.0
OLD = "now() - interval '2000 days'"
TENANT = "00000000-0000-7000-8000-00000000feed"


async def timed(act: Callable[[], Awaitable[Any]]) -> tuple[float, Any]:
    """Milliseconds, and what came of it."""
    began = time.perf_counter()
    made = await act()
    return (time.perf_counter() - began) * 1000, made


async def clearing(database: asyncpg.Connection, count: int) -> str:
    """Of so many imports those go that are old, a thousand a time; the others stay."""
    given = {"tenant_id": f"'{TENANT}'", "state": "'SUCCEEDED'", "owner_id": "gen_random_uuid()"}
    young = max(count - 3 * BATCH, 0)
    for rows, time_of in ((young, "now()"), (count - young, OLD)):
        if rows:
            await fill(database, imports, rows, **given, finish_time=time_of)
    ids = f"SELECT id FROM imports WHERE tenant_id = '{TENANT}' AND finish_time < now() - interval '1000 days'"
    await database.execute(
        "INSERT INTO changes (tenant_id, resource_type, resource_id, version, change_time, actor_id, action, fields)"
        f" SELECT '{TENANT}', 'import', old.id, n, now(), old.id, 'ADVANCED', '[]'"
        f" FROM ({ids}) AS old, generate_series(1, 5) AS n"
    )
    await database.execute("ANALYZE imports, changes")
    before = await database.fetchval("SELECT now()") - IMPORT_LASTS
    values: dict[str, Any] = {"tenant_id": UUID(TENANT), "before": before}
    found_ms, found = await timed(lambda: run(database, old_records(imports), values))
    values |= {"ids": [row["id"] for row in found], "noun": "import"}

    async def history() -> int:
        gone = 0
        while rows := len(await run(database, delete_history(), values)):
            gone += rows
        return gone

    history_ms, gone = await timed(history)
    deleted_ms, deleted = await timed(lambda: run(database, delete_records(imports), values))
    assert (len(found), gone, len(deleted)) == (BATCH, 5 * BATCH, BATCH), (len(found), gone, len(deleted))
    none_ms, none = await timed(lambda: run(database, old_records(imports), values | {"before": before - 2000 * DAY}))
    assert not none
    kept = await database.fetchval("SELECT pg_relation_size('imports_retention_index') / 1048576")
    return (
        f"{count:,} imports: {BATCH} old ones found in {found_ms:.1f} ms, their {gone:,} lines of history deleted in "
        f"{history_ms:.0f} ms, they in {deleted_ms:.0f} ms; nothing to do in {none_ms:.1f} ms; index {kept} MiB; "
        f"tables {changes.name}, {imports.name}"
    )


DAY = IMPORT_LASTS / 400


async def run(database: asyncpg.Connection, statement: Statement, values: dict[str, Any]) -> list[asyncpg.Record]:
    return list(await database.fetch(statement.sql, *statement.arguments(values)))


async def conflicts(platform: Platform, web: httpx.AsyncClient, database: asyncpg.Connection, count: int) -> str:
    """How long it takes to list and count accounts of which a source says something else: many, few, none."""
    tenant_id = await database.fetchval("SELECT tenant_id FROM accounts LIMIT 1")
    fields = (
        "CASE WHEN n % 30000 = 0 THEN '{website}'::text[] WHEN n % 3 = 0 THEN '{industry}'::text[]"
        " ELSE '{}'::text[] END"
    )
    given = {
        "tenant_id": f"'{tenant_id}'",
        "status": "'ACTIVE'",
        "kind": "'ORGANIZATION'",
        "conflicting_fields": fields,
    }
    given |= {
        "owner_id": f"'{await database.fetchval('SELECT owner_id FROM accounts WHERE owner_id IS NOT NULL LIMIT 1')}'"
    }
    await fill(database, accounts, count, **given, custom="'{}'", version="1")
    await database.execute("ANALYZE accounts")
    told = []
    for asked in ("conflicting_fields:industry", "conflicting_fields:website", "conflicting_fields:nothing"):
        times = []
        for path in ("/v1/accounts", "/v1/accounts:count"):
            ms = []
            for _ in range(5):
                taken, answer = await timed(partial(web.get, path, params={"filter": asked, **SIZE[path]}))
                assert answer.is_success, answer.text
                ms.append(taken)
            times.append(sorted(ms)[2])
        told.append(f"{asked}: list {times[0]:.0f} ms, count {times[1]:.0f} ms")
    return f"{count:,} accounts, a third in conflict: " + "; ".join(told)


SIZE = {"/v1/accounts": {"page_size": "50"}, "/v1/accounts:count": {}}


async def beside(web: httpx.AsyncClient, rows: int) -> str:
    """How long a large file takes to be counted, and a small one that comes just after it."""
    feed = (
        await web.post("/v1/feeds", json={"display_name": "大文件", "external_source": "big", "mode": "UPDATE"})
    ).json()
    other = (
        await web.post("/v1/feeds", json={"display_name": "小文件", "external_source": "few", "mode": "UPDATE"})
    ).json()
    for each in (feed, other):
        (await web.post(f"/v1/feeds/{each['id']}:pause", json={})).raise_for_status()
    lines = ["客户编号,客户名称,余额,备注", *(f"B-{at},客户 {at},{at}.5,{'备注' * 10}" for at in range(rows)), ""]
    upload = (await web.post("/v1/uploads?file_name=big.csv", content="\n".join(lines).encode())).json()
    began = time.perf_counter()
    sent = {"delivery_id": "big", "data_date": "2026-03-01", "upload_id": upload["id"], "expected_rows": rows}
    large = (await web.post(f"/v1/feeds/{feed['id']}/deliveries", json=sent)).json()
    few = {"delivery_id": "few", "data_date": "2026-03-01", "rows": [{"客户编号": "F-1", "客户名称": "小"}]}
    small = (await web.post(f"/v1/feeds/{other['id']}:deliverRows", json=few)).json()
    took: dict[str, float] = {}
    while len(took) < 2:
        for name, each in (("small", small), ("large", large)):
            now = (await web.get(f"/v1/feed-deliveries/{each['id']}")).json()
            if now["state"] != "RECEIVED":
                took.setdefault(name, time.perf_counter() - began)
        assert time.perf_counter() - began < WAIT_SECONDS
        await asyncio.sleep(0.05)
    megabytes = upload["received_bytes"] / 1e6
    return (
        f"a file of {rows:,} rows ({megabytes:.1f} MB) is counted after {took['large']:.1f} s,"
        f" one row that was sent just after it after {took['small']:.1f} s"
    )


async def bench(options: argparse.Namespace) -> None:
    async with platform_for_tests() as platform:
        database = await asyncpg.connect(platform.superuser_url("crm_customer"))
        async with httpx.AsyncClient(base_url=platform.rest_url, trust_env=False, timeout=120) as web:
            token = (await web.post("/v1/auth:token", json=platform.demo_login)).raise_for_status().json()
            web.headers["authorization"] = f"Bearer {token['access_token']}"
            print(orjson.dumps(machine()).decode(), flush=True)
            print(await beside(web, options.rows), flush=True)
            print(await conflicts(platform, web, database, options.accounts), flush=True)
            print(await clearing(database, options.imports), flush=True)
        await database.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--imports", type=int, default=1_000_000)
    parser.add_argument("--accounts", type=int, default=300_000)
    parser.add_argument("--rows", type=int, default=200_000)
    asyncio.run(bench(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

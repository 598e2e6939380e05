"""How well duplicates are found, how long a check takes before an account is created, and a scan, among a million.

python -m tests.load.duplicates_bench [--accounts N] [--checks N] [--companies N]

Judged on companies of words that the rules were not tuned on. The check is timed by REST, as a form asks it: of what
is there and of what is new. Writes build/duplicates_bench.json; ends with 1 when a bar is missed.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import orjson
from crm_customer.records.duplicate_rules.blocking import keys_of
from crm_customer.records.duplicate_rules.facts import Facts
from crm_kit.collation.keys import collation_key
from crm_kit.ids import new_id
from crm_local.testing import platform_for_tests

from tests.factories.companies import UNSEEN, Writer, homophones
from tests.load.bars import Bar
from tests.load.duplicates_quality import matches, quality, report
from tests.load.meter import machine

RESULT = Path("build/duplicates_bench.json")
MAX_MILLISECONDS = 20.0
SCAN_SECONDS_A_MILLION = 600.0
# Of fewer accounts what a scan takes besides counts for too much.
LEAST = 20_000
WARM_UP = 30
CHUNK = 10_000
# So many more brands than the vocabulary has are those of a million companies.
MANY = replace(UNSEEN, characters="".join(each[:3] for each in homophones().values()))
COLUMNS = (
    *("tenant_id", "id", "kind", "display_name", "display_name_key", "status", "roles", "region_code", "addresses"),
    *("phone_numbers", "emails", "emails_key", "owner_id", "external_ids", "tags", "consents", "version"),
    *("create_time", "update_time"),
)


def account_row(tenant_id: UUID, owner_id: UUID, facts: Facts) -> tuple[Any, ...]:
    """A row of the table of accounts."""
    now = datetime.now(UTC)
    places = zip(facts.cities or (None,), facts.lines or (None,), strict=True)
    addresses = [{"city": city, "line": line} for city, line in places if city or line]
    name, emails = facts.names[-1], list(facts.emails)
    return (
        *(tenant_id, new_id(), "ORGANIZATION", name, collation_key(name), "ACTIVE", [], facts.region_code),
        *(orjson.dumps(addresses).decode(), list(facts.phone_numbers), emails, emails, owner_id, "[]", [], "[]", 1),
        *(now, now),
    )


async def fill(url: str, tenant_id: UUID, owner_id: UUID, records: Iterator[Facts]) -> float:
    """Write accounts and their keys, as the write path would have; how long the keys took, in us an account."""
    connection: Any = await asyncpg.connect(url, command_timeout=3600)
    spent, count = 0.0, 0
    try:
        await connection.execute("SET session_replication_role = replica")
        while some := list(islice(records, CHUNK)):
            rows = [account_row(tenant_id, owner_id, each) for each in some]
            began = time.process_time()
            keys = [(tenant_id, key, row[1]) for row, each in zip(rows, some, strict=True) for key in keys_of(each)]
            spent, count = spent + time.process_time() - began, count + len(some)
            await connection.copy_records_to_table("accounts", records=rows, columns=COLUMNS)
            columns = ("tenant_id", "key", "account_id")
            await connection.copy_records_to_table("duplicate_keys", records=keys, columns=columns)
        await connection.execute("VACUUM (ANALYZE) accounts")
        await connection.execute("VACUUM (ANALYZE) duplicate_keys")
    finally:
        await connection.close()
    return 1e6 * spent / count


def asked(facts: Facts) -> dict[str, Any]:
    """What a form sends."""
    known = {"region_code": facts.region_code, "phone_numbers": facts.phone_numbers, "emails": facts.emails}
    addresses = [{"city": each} for each in facts.cities]
    return {"account": {"kind": "ORGANIZATION", "display_name": facts.names[-1], "addresses": addresses} | known}


@dataclass(frozen=True, slots=True)
class Measured:
    """Checks in ms, sorted, of what is there and of what is new; us of keys an account; a scan in s, and its pairs."""

    checks: dict[str, list[float]]
    of_keys: float
    scan: float
    pairs: int


async def scanned(web: httpx.AsyncClient) -> float:
    """How long a scan takes, in seconds."""
    began = time.perf_counter()
    begun = await web.post("/v1/duplicate-pairs:scan", json={})
    begun.raise_for_status()
    while True:
        job = (await web.get(f"/v1/jobs/accounts/{begun.json()['id']}")).json()
        if job["finish_time"]:
            assert job["state"] == "SUCCEEDED", job
            return time.perf_counter() - began
        await asyncio.sleep(0.5)


async def measured(accounts: int, number: int) -> Measured:
    """Fill a tenant, check, and scan."""
    async with (
        platform_for_tests() as platform,
        httpx.AsyncClient(base_url=platform.rest_url, trust_env=False, timeout=60) as web,
    ):
        token = (await web.post("/v1/auth:token", json=platform.demo_login)).json()["access_token"]
        web.headers["authorization"] = f"Bearer {token}"
        me, tenant = (await web.get("/v1/users:me")).json()["user"], (await web.get("/v1/tenant")).json()
        records = (each.facts for each in Writer(MANY, 5).records(accounts))
        url = platform.superuser_url("crm_customer")
        of_keys = await fill(url, UUID(tenant["id"]), UUID(me["id"]), islice(records, accounts))
        # The same companies again: those of the first ones were written.
        there = [each.facts for each in islice(Writer(MANY, 5).records(accounts), 20 * (number + WARM_UP))][::20]
        new = [each.facts for each in islice(Writer(MANY, 6).records(accounts), number + WARM_UP)]
        times: dict[str, list[float]] = {}
        for what, drafts in (("of one that is there", there), ("of a new one", new)):
            spent = []
            for facts in drafts:
                began = time.perf_counter()
                answer = await web.post("/v1/accounts:findDuplicates", json=asked(facts))
                spent.append(1000 * (time.perf_counter() - began))
                answer.raise_for_status()
                assert answer.json()["duplicates"] or what != "of one that is there", facts
            times[what] = sorted(spent[WARM_UP:])
        spent_on_scan = await scanned(web)
        count = (await web.get("/v1/duplicate-pairs:count")).json()["count"]
        return Measured(times, of_keys, spent_on_scan, count)


def bars_of(companies: int, accounts: int, number: int) -> list[Bar]:
    """All that is claimed, measured."""
    records = list(Writer(UNSEEN, 2).records(companies))
    compared = matches(records)
    print(report(records, compared))
    found = quality(records, compared)
    bars = [
        Bar("F1", found.f1, 0.90, at_least=True),
        Bar("precision", found.precision, 0.93, at_least=True),
    ]
    seen = asyncio.run(measured(accounts, number))
    print(f"{accounts:,} accounts; their keys took {seen.of_keys:.0f} us of the processor each")
    print(f"the scan found {seen.pairs:,} pairs")
    bars.append(Bar("scan", seen.scan, SCAN_SECONDS_A_MILLION * max(accounts, LEAST) / 1_000_000, "s"))
    for what, ordered in seen.checks.items():
        for name, share in (("p50", 50), ("p99", 99)):
            bars.append(Bar(f"check {what}, {name}", ordered[len(ordered) * share // 100], MAX_MILLISECONDS, "ms"))
    return bars


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tests.load.duplicates_bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--checks", type=int, default=500)
    parser.add_argument("--companies", type=int, default=10_000)
    given = parser.parse_args(arguments)
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    bars = bars_of(given.companies, given.accounts, given.checks)
    for bar in bars:
        bound = "at least" if bar.at_least else "at most"
        print(f"{'held' if bar.held else 'MISSED'}: {bar.what} {bar.measured:.3f} {bar.unit}, {bound} {bar.limit:.2f}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_bytes(orjson.dumps({"machine": machine(), "plan": vars(given), "bars": [asdict(bar) for bar in bars]}))
    return 0 if all(bar.held for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

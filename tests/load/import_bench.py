"""How fast a spreadsheet of customers is imported, until every service has caught up with it, and what that costs.

python -m tests.load.import_bench [--rows N]

Wall times depend on what else the machine does; CPU seconds a row hardly do. The servers run without fsync.
"""

import argparse
import asyncio
import contextlib
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import nats
import orjson
from crm_kit.events.streams import STREAM
from crm_local.settings import SERVICES
from crm_local.testing import Platform, platform_for_tests

from tests.factories.spreadsheet import make_customer_spreadsheet
from tests.load.account_json import CREATED
from tests.load.events import emptied
from tests.load.meter import cpu_seconds, machine, peak_mebibytes
from tests.load.stage import connected

PROCESSES = ("customer", "sales", "service_desk", "scoring", "gateway", "postgres", "nats")
BAD_IN_THOUSAND = 5
ASK_SECONDS = 0.2
READ_SECONDS = 0.05
WAIT_SECONDS = 3600.0
RESULT = Path("build/import_bench.json")


@dataclass(frozen=True, slots=True)
class ImportRate:
    """Rows a second until the import and until all services were done; by process CPU microseconds a row and memory.

    `reads` are latencies, in ms, of GETs of an account meanwhile. The peaks of memory are in MiB, since the start.
    """

    rows: int
    imported_seconds: float
    caught_up_seconds: float
    cpu_while_importing: Mapping[str, float]
    cpu: Mapping[str, float]
    peak: Mapping[str, float]
    reads: Mapping[str, float]
    load: float

    @property
    def text(self) -> str:
        """As a table."""
        total = sum(self.cpu.values())
        lines = [
            f"{self.rows:,} rows, load {self.load:.1f}",
            f"{self.rows / self.imported_seconds:,.0f} rows/s until imported",
            f"{self.rows / self.caught_up_seconds:,.0f} rows/s until all have caught up",
            f"CPU {total:.0f} us a row, so {2e6 / total:,.0f} rows/s on two cores",
            f"GET meanwhile: p50 {self.reads['p50']:.1f} ms, p99 {self.reads['p99']:.1f} ms",
            "",
            f"{'process':<14}{'us a row':>10}{'importing':>11}{'peak MiB':>10}",
        ]
        lines += [
            f"{name:<14}{self.cpu[name]:>10.0f}{self.cpu_while_importing[name]:>11.0f}{self.peak[name]:>10.0f}"
            for name in self.cpu
        ]
        return "\n".join(lines)


async def import_rate(platform: Platform, content: bytes, rows: int) -> ImportRate:
    """Have a spreadsheet of `rows` rows imported and everybody hear of it."""
    async with httpx.AsyncClient(base_url=platform.rest_url, trust_env=False, timeout=60) as client:
        token = (await client.post("/v1/auth:token", json=platform.demo_login)).raise_for_status().json()
        client.headers["authorization"] = f"Bearer {token['access_token']}"
        await caught_up(platform)
        sent = await client.post("/v1/uploads", content=content, params={"file_name": "customers.xlsx"})
        job = {"upload_id": sent.raise_for_status().json()["id"], "mode": "CREATE"}
        pids = {name: platform.sighting(name).pid for name in PROCESSES}
        before, started = spent(pids), time.perf_counter()
        async with reading(client) as reads:
            made = (await client.post("/v1/imports", json=job)).raise_for_status().json()
            await succeeded(client, made["id"])
            imported, importing = time.perf_counter() - started, spent(pids)
            await caught_up(platform)
            seconds, after = time.perf_counter() - started, spent(pids)
    await check_projected(platform, rows)
    return ImportRate(
        rows=rows,
        imported_seconds=imported,
        caught_up_seconds=seconds,
        cpu_while_importing={name: 1e6 * (importing[name] - before[name]) / rows for name in pids},
        cpu={name: 1e6 * (after[name] - before[name]) / rows for name in pids},
        peak={name: peak_mebibytes(pid) for name, pid in pids.items()},
        reads={"p50": 1000 * quantile(reads, 0.5), "p99": 1000 * quantile(reads, 0.99)},
        load=os.getloadavg()[0],
    )


def spent(pids: Mapping[str, int]) -> dict[str, float]:
    """CPU seconds of the processes until now."""
    return {name: cpu_seconds(pid) for name, pid in pids.items()}


async def succeeded(client: httpx.AsyncClient, id: str) -> None:
    """Wait for the end of an import; RuntimeError when it is not a good one."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            job = (await client.get(f"/v1/imports/{id}")).raise_for_status().json()
            if job["state"] == "SUCCEEDED":
                return
            if job["state"] not in {"QUEUED", "RUNNING"}:
                raise RuntimeError(f"the import ended as {job['state']}: {job['failure']}")
            await asyncio.sleep(ASK_SECONDS)


@contextlib.asynccontextmanager
async def reading(client: httpx.AsyncClient) -> Any:
    """Reads an account again and again as long as the block runs; the seconds that each answer took."""
    account = (await client.post("/v1/accounts", json=CREATED)).raise_for_status().json()
    seconds: list[float] = []

    async def read() -> None:
        while True:
            started = time.perf_counter()
            (await client.get(f"/v1/accounts/{account['id']}")).raise_for_status()
            seconds.append(time.perf_counter() - started)
            await asyncio.sleep(READ_SECONDS)

    reader = asyncio.create_task(read())
    try:
        yield seconds
    finally:
        reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reader


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


async def caught_up(platform: Platform) -> None:
    """Wait until no event waits in an outbox, and none at the broker for a consumer."""
    client = await nats.connect(platform.nats_url)
    try:
        for service in SERVICES:
            async with connected(platform.superuser_url(f"crm_{service}")) as connection:
                await emptied(connection, seconds=WAIT_SECONDS)
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                consumers = await client.jetstream().consumers_info(STREAM)
                if not any(each.num_pending or each.num_ack_pending for each in consumers):
                    return
                await asyncio.sleep(ASK_SECONDS)
    finally:
        await client.close()


async def check_projected(platform: Platform, rows: int) -> None:
    """AssertionError unless the rows are there and every service that keeps accounts knows all of them."""
    counts = {}
    for service in SERVICES:
        async with connected(platform.superuser_url(f"crm_{service}")) as connection:
            counts[service] = await connection.fetchval("SELECT count(*) FROM accounts")
    assert len(set(counts.values())) == 1, counts
    assert counts["customer"] >= rows - rows * BAD_IN_THOUSAND // 1000, counts


async def measure(rows: int) -> ImportRate:
    """Build everything, measure, take everything down again."""
    made = make_customer_spreadsheet(rows=rows, bad_rows=rows * BAD_IN_THOUSAND // 1000, seed=1)
    content = await asyncio.to_thread(made.xlsx)
    async with platform_for_tests() as platform:
        return await import_rate(platform, content, rows)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tests.load.import_bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    given = parser.parse_args(arguments)
    on = machine()
    print(", ".join(f"{name} {value}" for name, value in on.items()), flush=True)
    rate = asyncio.run(measure(given.rows))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_bytes(orjson.dumps({"machine": on} | asdict(rate), option=orjson.OPT_INDENT_2))
    print(rate.text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What people do all day, beside what the best program in use today spends on it: search, 360, opportunity, order.

python -m tests.load.daily_bench [--rows N] [--rounds N]

The whole platform runs; a cost is that of all its processes, of a write until every service has heard of it. Writes
build/daily_bench.json.
"""

import argparse
import asyncio
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, cast
from urllib.parse import quote

import httpx
import orjson
from crm_local.port_check import free_ports
from crm_local.settings import SERVICES
from crm_local.testing import Platform, platform_for_tests

from tests.factories.spreadsheet import make_customer_spreadsheet
from tests.load.bars import Bar, bar_line
from tests.load.import_bench import PROCESSES, caught_up, spent, succeeded
from tests.load.meter import machine
from tests.load.stage import HOST, UNLIMITED, Stage, stage
from tests.load.traffic import NUMBER, Job

RESULT = Path("build/daily_bench.json")
CONNECTIONS = 12
SEARCHES = ("上海", "科技", "dianli", "有限公司", "华")
ORDERS_A_ROUND = 300
# CPU ms per request, application and database, of the best of Odoo 17, Frappe CRM, Tryton, Django-CRM and Request
# Tracker; nobody has measured their 360 views and orders.
BEST_OF_OTHERS = {"search": 9.6, "opportunity": 11.0}
SHARE_OF_OTHERS = {"search": 1 / 5, "opportunity": 1 / 10}


@dataclass
class Work:
    """Requests of one kind to send, and what has been measured of them: CPU ms each by process, round by round."""

    requests: tuple[str, ...]
    costs: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def total(self) -> float:
        return median(map(sum, zip(*self.costs.values(), strict=True)))


class DailyBench:
    """One run."""

    def __init__(self, built: Stage, platform: Platform, seconds: float) -> None:
        self._stage = built
        self._platform = platform
        self._seconds = seconds
        self._pids = {name: platform.sighting(name).pid for name in PROCESSES}
        self._number = 0
        self._port = 0
        self._headers = ""

    async def run(self, rows: int, rounds: int) -> dict[str, Work]:
        """Fill, then measure each kind of work in turn."""
        gateway = await self._front()
        self._pids["gateway"] = gateway
        token = await self._token()
        self._headers = f"host: {HOST}:{self._port}\r\nauthorization: Bearer {token}\r\n"
        async with httpx.AsyncClient(
            base_url=f"http://{HOST}:{self._port}",
            headers={"authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=60,
        ) as client:
            await filled(client, self._platform, rows)
            ids = [each["id"] for each in (await got(client, "/v1/accounts", page_size=200))["accounts"]]
            works = {
                "search": Work(tuple(self._get(f"/v1/accounts:search?query={quote(each)}") for each in SEARCHES)),
                "360": Work(tuple(self._get(f"/v1/accounts/{each}/360") for each in ids)),
                "opportunity": Work(tuple(self._post("/v1/opportunities", opportunity(each)) for each in ids)),
            }
            placed = Work(())
            for turn in range(rounds):
                print(f"round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
                for name, work in works.items():
                    await self._measure(work, writes=name == "opportunity")
                # An order is placed once.
                placed.requests = await self._drafts(client, ids)
                await self._measure(placed, writes=True, most=ORDERS_A_ROUND)
        return works | {"order": placed}

    async def _front(self) -> int:
        """A gateway without limits in front of the platform; its process."""
        self._port = free_ports().gateway
        variables = self._platform.environment("gateway") | UNLIMITED
        variables |= {"CRM_LISTEN_ADDRESS": f"{HOST}:{self._port}"}
        variables |= {f"CRM_{each.upper()}_ADDRESS": self._platform.address(each) for each in SERVICES}
        return (await self._stage.gateway("gateway", variables, self._port)).pid

    async def _token(self) -> str:
        async with httpx.AsyncClient(base_url=f"http://{HOST}:{self._port}", trust_env=False, timeout=60) as client:
            answer = await client.post("/v1/auth:token", json=self._platform.demo_login)
            return cast("str", answer.raise_for_status().json()["access_token"])

    async def _drafts(self, client: httpx.AsyncClient, ids: Sequence[str]) -> tuple[str, ...]:
        """New orders, and the requests that place them."""
        requests = []
        for index in range(ORDERS_A_ROUND):
            made = (await client.post("/v1/orders", json=order(ids[index % len(ids)]))).raise_for_status().json()
            requests.append(self._post(f"/v1/orders/{made['id']}:place", {}))
        return tuple(requests)

    async def _measure(self, work: Work, *, writes: bool, most: int = 100_000) -> None:
        await caught_up(self._platform)
        before = spent(self._pids)
        job = Job(self._port, work.requests, CONNECTIONS, self._seconds, most, first_number=self._number)
        self._number += 100_000
        answers = (await self._stage.load(job)).answers
        if writes:
            await caught_up(self._platform)
        after = spent(self._pids)
        for name in self._pids:
            work.costs[name].append(1000 * (after[name] - before[name]) / answers)

    def _get(self, path: str) -> str:
        return f"GET {path} HTTP/1.1\r\n{self._headers}\r\n"

    def _post(self, path: str, values: object) -> str:
        body = orjson.dumps(values).decode()
        head = f"content-type: application/json\r\ncontent-length: {len(body.encode())}\r\n"
        return f"POST {path} HTTP/1.1\r\n{self._headers}{head}\r\n{body}"


def opportunity(account_id: str) -> dict[str, Any]:
    """As people enter one."""
    return {
        "account_id": account_id,
        "display_name": f"变压器采购 {NUMBER.decode()}",
        "amount": {"amount": "185000", "currency_code": "CNY"},
        "expected_close_date": "2060-12-31",
        "next_step": "Send the offer.",
    }


def order(account_id: str) -> dict[str, Any]:
    """An order of one line, small enough for any limit."""
    line = {"product": "Fuse 16 A", "quantity": "2", "unit_price": money("1.50"), "tax_percent": "13"}
    return {"account_id": account_id, "currency_code": "CNY", "lines": [line]}


def money(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency_code": "CNY"}


async def got(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    return (await client.get(path, params=query)).raise_for_status().json()


async def filled(client: httpx.AsyncClient, platform: Platform, rows: int) -> None:
    """Import so many customers, and wait until every service knows them."""
    print(f"import {rows} customers", file=sys.stderr, flush=True)
    content = await asyncio.to_thread(make_customer_spreadsheet(rows=rows, bad_rows=0, seed=1).xlsx)
    sent = await client.post("/v1/uploads", content=content, params={"file_name": "customers.xlsx"})
    job = {"upload_id": sent.raise_for_status().json()["id"], "mode": "CREATE"}
    made = (await client.post("/v1/imports", json=job)).raise_for_status().json()
    await succeeded(client, made["id"])
    await caught_up(platform)


def bars_of(works: dict[str, Work]) -> list[Bar]:
    """What is known of others, and the share of it that ours may spend."""
    return [
        Bar(f"{name}: CPU, against the best in use today", works[name].total, best * SHARE_OF_OTHERS[name], "ms")
        for name, best in BEST_OF_OTHERS.items()
    ]


def printed(works: dict[str, Work]) -> str:
    """By process, then against the bars."""
    lines = [f"{'CPU ms each':<14}" + "".join(f"{name:>14}" for name in PROCESSES) + f"{'all':>9}"]
    for name, work in works.items():
        lines.append(
            f"{name:<14}" + "".join(f"{median(work.costs[each]):>14.3f}" for each in PROCESSES) + f"{work.total:>9.3f}"
        )
    return "\n".join([*lines, "", *map(bar_line, bars_of(works))])


async def measured(rows: int, rounds: int, seconds: float) -> dict[str, Work]:
    """Build everything, measure, take everything down again."""
    async with stage(platform_for_tests) as built:
        return await DailyBench(built, cast("Platform", built.servers), seconds).run(rows, rounds)


def main(arguments: Sequence[str]) -> int:
    """Measure and report; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="tests.load.daily_bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args(arguments)
    on = machine()
    print(", ".join(f"{name} {value}" for name, value in on.items()), flush=True)
    works = asyncio.run(measured(given.rows, given.rounds, 2.0))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_bytes(orjson.dumps({"machine": on, "works": {name: each.costs for name, each in works.items()}}))
    print(printed(works))
    return int(not all(bar.held for bar in bars_of(works)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

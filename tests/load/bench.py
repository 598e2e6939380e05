"""The first table of the quality bars, measured on accounts: ours beside a bare and a naive program of the same hops.

python -m tests.load.bench [--quick] [--rows N] [--rounds N]      (or: make bench)

All figures come from one run on one machine. Programs take turns, round by round, so that noise hits all alike;
what is compared is the median over the rounds of the ratio within each. Writes build/bench.json.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from tests.load.account_json import CREATED
from tests.load.bars import Figures, bars_of, printed
from tests.load.events import delays_between, delivered, relay_rate
from tests.load.filling import fill_accounts, some_ids
from tests.load.meter import Cost, machine, resident_mebibytes
from tests.load.stage import Stage, Subject, stage
from tests.load.traffic import Job, Outcome

RESULT = Path("build/bench.json")
FEW_ROWS = 1000
CONNECTIONS = 12
OPEN_LOOP_CONNECTIONS = 64
DEEP_PAGE = 1000
PAGE = "/v1/accounts?page_size=50"
MOST = 100_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything."""

    rows: int
    rounds: int
    seconds: float
    half_load_seconds: float
    backlog: int


QUICK = Plan(rows=1_000_000, rounds=3, seconds=1.5, half_load_seconds=5.0, backlog=10_000)
WHOLE = Plan(rows=1_000_000, rounds=9, seconds=4.0, half_load_seconds=20.0, backlog=50_000)


def requests(subject: Subject, operation: str, path: str = PAGE) -> tuple[str, ...]:
    """The requests of an operation as they go over the wire."""
    headers = "".join(f"{name}: {value}\r\n" for name, value in subject.headers.items())
    end = f"host: 127.0.0.1:{subject.port}\r\n{headers}"
    match operation:
        case "GET":
            return tuple(f"GET /v1/accounts/{id} HTTP/1.1\r\n{end}\r\n" for id in subject.ids)
        case "LIST":
            return (f"GET {path} HTTP/1.1\r\n{end}\r\n",)
    body = json.dumps(CREATED, ensure_ascii=False)
    size = len(body.encode())
    return (
        f"POST /v1/accounts HTTP/1.1\r\n{end}content-type: application/json\r\ncontent-length: {size}\r\n\r\n{body}",
    )


class Bench:
    """One run."""

    def __init__(self, stage: Stage, plan: Plan) -> None:
        self._stage = stage
        self._plan = plan
        self._number = 0

    async def run(self) -> Figures:
        """Everything, in the order in which it disturbs what follows least."""
        plan, on = self._plan, machine()
        url = await self._stage.make_compared_database()
        say("starting the programs")
        # Named for the rows they hold: the many have no broker, the few have theirs.
        many = await self._stage.ours("ours", "customer", broker=False)
        say("relay")
        relay = await self._relay()
        few = await self._stage.ours("ours-few", "scoring", broker=True)
        bare, naive = await self._stage.compared("bare"), await self._stage.compared("naive")
        memory = await self._memory(few)
        say(f"filling {plan.rows} accounts, twice")
        for subject, rows in ((many, plan.rows), (few, FEW_ROWS), (bare, plan.rows)):
            await fill_accounts(
                subject.database_url, rows, owner_id=subject.user_id, tenant_id=subject.tenant_id
            )
            subject.ids = await some_ids(subject.database_url, rows)
        naive.ids = bare.ids
        assert naive.database_url == url
        await same_answers(many, bare, naive)
        costs = await self._costs({"ours": many, "few": few, "bare": bare, "naive": naive})
        deep = await self._deep_pages(many)
        rates = {name: median(outcome.answers / outcome.seconds for _, outcome in costs[name, "ours"]) for name in OPERATIONS}
        say("half load")
        half = {name: await self._half_load(many, name, rates[name]) for name in OPERATIONS}
        delays = await self._delays(few, costs)
        return Figures(
            machine=on,
            plan=asdict(plan),
            costs={f"{operation} {name}": [asdict(cost) for cost, _ in each] for (operation, name), each in costs.items()},
            half_load={name: asdict(each) for name, each in half.items()},
            deep_page=deep,
            relay=relay,
            delays=asdict(delays),
            memory=memory,
            throughput=rates,
        )


def say(what: str) -> None:
    print(f"  {datetime.now(UTC):%H:%M:%S} {what}", file=sys.stderr, flush=True)

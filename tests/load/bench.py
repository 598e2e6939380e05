"""The first table of the quality bars, measured on accounts: ours beside a bare and a naive program of the same hops.

python -m tests.load.bench [--whole] [--rows N] [--rounds N]

All figures come from one run on one machine. Programs take turns, round by round, so that noise hits all alike;
what is compared is the median over the rounds of the ratio within each. Writes build/bench.json.
"""

import argparse
import asyncio
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import httpx
import orjson

from tests.load.account_json import CREATED, LEAST
from tests.load.bars import OPERATIONS, Figures, HalfLoad, as_json, bars_of, printed
from tests.load.events import delays_since, delivered, now_of, relay_rate
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
RECKONED = (
    *("completeness", "missing_fields", "next_stale_time", "field_checks", "conflicting_fields"),
    *("team_member_ids", "team_member_names"),
    *("restricted", "restricted_by", "restriction_reason"),
)
MAX_REQUESTS = 100_000
REST_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything. Many short rounds agree from run to run, where a few long ones catch different noise."""

    rows: int
    rounds: int
    seconds: float
    half_load_rounds: int
    half_load_seconds: float
    backlog: int


QUICK = Plan(rows=1_000_000, rounds=11, seconds=0.7, half_load_rounds=5, half_load_seconds=4.0, backlog=10_000)
WHOLE = Plan(rows=1_000_000, rounds=21, seconds=2.0, half_load_rounds=9, half_load_seconds=10.0, backlog=50_000)


def requests(subject: Subject, operation: str, path: str = PAGE) -> tuple[str, ...]:
    """The requests of an operation as they go over the wire."""
    headers = "".join(f"{name}: {value}\r\n" for name, value in subject.headers.items())
    end = f"host: 127.0.0.1:{subject.port}\r\n{headers}"
    if operation == "GET":
        return tuple(f"GET /v1/accounts/{id} HTTP/1.1\r\n{end}\r\n" for id in subject.ids)
    if operation == "LIST":
        return (f"GET {path} HTTP/1.1\r\n{end}\r\n",)
    body = orjson.dumps(CREATED).decode()
    head = f"content-type: application/json\r\ncontent-length: {len(body.encode())}\r\n"
    return (f"POST /v1/accounts HTTP/1.1\r\n{end}{head}\r\n{body}",)


class Bench:
    """One run."""

    def __init__(self, stage: Stage, plan: Plan) -> None:
        self._stage = stage
        self._plan = plan
        self._number = 0
        self._costs: dict[str, dict[str, list[Cost]]] = {name: defaultdict(list) for name in OPERATIONS}
        self._speeds: dict[tuple[str, str], list[float]] = defaultdict(list)

    async def run(self) -> Figures:
        """Everything, in the order in which it disturbs what follows least."""
        plan, on, stage = self._plan, machine(), self._stage
        say("start")
        await stage.make_compared_database()
        ours = await stage.ours("ours", "customer", broker=False)
        say("relay")
        relay = await relay_rate(stage, "customer", plan.backlog)
        few = await stage.ours("few", "scoring", broker=True)
        bare, naive = await stage.compared("bare"), await stage.compared("naive")
        await asyncio.sleep(REST_SECONDS)
        memory = {
            "gateway": resident_mebibytes(few.gateway.pid),
            "customer service": resident_mebibytes(few.service.pid),
        }
        say(f"fill with {plan.rows} accounts")
        await self._fill(ours, few, bare, naive)
        await same_answers(ours, bare, naive)
        await self._reads({"ours": ours, "few": few, "bare": bare, "naive": naive})
        deep_page = await self._deep_page(ours)
        await self._writes({"ours": ours, "delivered": few, "bare": bare, "naive": naive})
        speeds = {name: median(self._speeds[name, "ours"]) for name in OPERATIONS}
        say("half load")
        half_load: HalfLoad = {name: {"ours": [], "bare": []} for name in OPERATIONS}
        for _ in range(plan.half_load_rounds):
            for name in OPERATIONS:
                for program, subject in (("ours", ours), ("bare", bare)):
                    most = median(self._speeds[name, program])
                    half_load[name][program].append(asdict(await self._half_load(subject, name, most)))
        since = await now_of(few.database_url)
        await self._half_load(few, "POST", median(self._speeds["POST", "delivered"]))
        await delivered(few.database_url)
        delays = await delays_since(few.database_url, since)
        return Figures(
            machine=on,
            plan=asdict(plan),
            costs={name: dict(costs) for name, costs in self._costs.items()},
            requests_per_second=speeds,
            half_load=half_load,
            deep_page=deep_page,
            relay=asdict(relay) | {"per_core": relay.per_core},
            delays=asdict(delays),
            resident_mebibytes=memory,
        )

    async def _fill(self, ours: Subject, few: Subject, bare: Subject, naive: Subject) -> None:
        for subject, rows in ((ours, self._plan.rows), (few, FEW_ROWS), (bare, self._plan.rows)):
            await fill_accounts(subject.database_url, rows, owner_id=subject.user_id, tenant_id=subject.tenant_id)
            subject.ids = await some_ids(subject.database_url, rows)
        # The two share their tables.
        naive.ids = bare.ids

    async def _reads(self, subjects: dict[str, Subject]) -> None:
        """GET and LIST of all programs in turn."""
        for name, subject, operation in self._turns(subjects, ("GET", "LIST")):
            cost, outcome = await self._measured(subject, operation)
            self._costs[operation][name].append(cost)
            self._speeds[operation, name].append(outcome.answers / outcome.seconds)

    async def _writes(self, subjects: dict[str, Subject]) -> None:
        """POST of all programs in turn; of one, until its events have had their effect."""
        loop = asyncio.get_running_loop()
        for name, subject, operation in self._turns(subjects, ("POST",)):
            started, before = loop.time(), self._stage.spent(subject)
            _, outcome = await self._measured(subject, operation)
            if name == "delivered":
                await delivered(subject.database_url)
            cost = self._stage.spent(subject).since(before).milliseconds_each(outcome.answers)
            self._costs[operation][name].append(cost)
            self._speeds[operation, name].append(outcome.answers / (loop.time() - started))

    def _turns(self, subjects: dict[str, Subject], operations: Sequence[str]) -> Iterable[tuple[str, Subject, str]]:
        """Round by round; each round begins with another program."""
        order = list(subjects.items())
        for turn in range(self._plan.rounds):
            say(f"{' and '.join(operations)}, round {turn + 1} of {self._plan.rounds}")
            for operation in operations:
                for index in range(len(order)):
                    name, subject = order[(index + turn) % len(order)]
                    yield name, subject, operation

    async def _measured(
        self, subject: Subject, operation: str, path: str = PAGE, seconds: float | None = None
    ) -> tuple[Cost, Outcome]:
        """CPU per request in ms under a closed loop, after a short one that nobody counts."""
        whole = self._job(subject, operation, path, seconds or self._plan.seconds)
        await self._stage.load(replace(whole, seconds=0.3, most=500, first_number=self._next(500)))
        before = self._stage.spent(subject)
        outcome = await self._stage.load(whole)
        return self._stage.spent(subject).since(before).milliseconds_each(outcome.answers), outcome

    async def _deep_page(self, subject: Subject) -> list[tuple[Cost, Cost]]:
        """The first page and a deep one in turn: their costs."""
        say("deep page")
        path = await deep_path(subject, min(DEEP_PAGE, self._plan.rows // 50 - 1))
        pairs = []
        for _ in range(self._plan.rounds):
            first, _ = await self._measured(subject, "LIST")
            deep, _ = await self._measured(subject, "LIST", path)
            pairs.append((first, deep))
        return pairs

    async def _half_load(self, subject: Subject, operation: str, most_a_second: float) -> Outcome:
        """Half of what the program can do, at an even rate."""
        job = self._job(subject, operation, PAGE, self._plan.half_load_seconds)
        return await self._stage.load(replace(job, connections=OPEN_LOOP_CONNECTIONS, rate=most_a_second / 2))

    def _job(self, subject: Subject, operation: str, path: str, seconds: float) -> Job:
        sent = requests(subject, operation, path)
        return Job(subject.port, sent, CONNECTIONS, seconds, MAX_REQUESTS, first_number=self._next(MAX_REQUESTS))

    def _next(self, numbers: int) -> int:
        self._number += numbers
        return self._number % 100_000_000


async def deep_path(subject: Subject, page: int) -> str:
    """The path of the page of 50 after `page` pages, found by following page tokens."""
    token, left = "", page * 50
    async with httpx.AsyncClient(base_url=subject.url, headers=subject.headers, trust_env=False, timeout=10) as client:
        while left > 0:
            size = min(200, left)
            answer = await client.get("/v1/accounts", params={"page_size": str(size), "page_token": token})
            token, left = answer.raise_for_status().json()["next_page_token"], left - size
    return f"{PAGE}&page_token={token}"


async def same_answers(*subjects: Subject) -> None:
    """Refuse to compare programs that do not serve the same: every field and, of a new account, every value.

    But for what ours tells of an account besides, at its own cost.
    """
    told = []
    for subject in subjects:
        async with httpx.AsyncClient(base_url=subject.url, headers=subject.headers, trust_env=False) as client:
            made = (await client.post("/v1/accounts", json=CREATED)).raise_for_status().json()
            read = (await client.get(f"/v1/accounts/{made['id']}")).raise_for_status().json()
            least = (await client.post("/v1/accounts", json=LEAST)).raise_for_status().json()
            page = (await client.get(PAGE)).raise_for_status().json()
        for own in ("id", "create_time", "update_time", "owner_id"):
            read[own] = least[own] = ""
        for answer in (read, least, *page["accounts"]):
            for reckoned in RECKONED:
                answer.pop(reckoned, None)
        assert len(page["accounts"]) == 50, f"{subject.name} lists {len(page['accounts'])} accounts"
        told.append((read, least, [sorted(each) for each in page["accounts"]]))
    for subject, each in zip(subjects[1:], told[1:], strict=True):
        if each != told[0]:
            raise SystemExit(f"{subject.name} answers otherwise than {subjects[0].name}:\n{each[:2]}\n{told[0][:2]}")


def say(what: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {what}", file=sys.stderr, flush=True)


def plan_of(arguments: Sequence[str]) -> Plan:
    """How much is asked for."""
    parser = argparse.ArgumentParser(prog="tests.load.bench", description="Measure accounts against the bars.")
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="a few minutes in all (the default)")
    extent.add_argument("--whole", action="store_true", help="more and longer rounds")
    parser.add_argument("--rows", type=int, help="accounts in the tables, from 1,000 on; 1,000,000 if not given")
    parser.add_argument("--rounds", type=int, help="how often the programs take turns")
    given = parser.parse_args(arguments)
    plan = WHOLE if given.whole else QUICK
    rows = max(FEW_ROWS, given.rows or plan.rows)
    return replace(plan, rows=rows, rounds=max(1, given.rounds or plan.rounds))


async def measured(plan: Plan) -> Figures:
    """Build everything, measure, take everything down again."""
    async with stage() as built:
        return await Bench(built, plan).run()


def main(arguments: Sequence[str]) -> int:
    """Measure and report; 1 when a bar is missed, 130 when somebody lost patience."""
    try:
        figures = asyncio.run(measured(plan_of(arguments)))
    except KeyboardInterrupt:
        return 130
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_bytes(orjson.dumps(as_json(figures), option=orjson.OPT_INDENT_2))
    print(printed(figures))
    return int(not all(bar.held for bar in bars_of(figures)))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

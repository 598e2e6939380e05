"""What a cluster has to stand: each trial gives what did not hold, and figures."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from crm_local.cluster.cluster import Cluster

from tests.chaos.cycles import READS
from tests.chaos.disturbances import Killer
from tests.chaos.reckoning import present, reckon
from tests.chaos.report import printed
from tests.chaos.run import SETTLE_SECONDS, Plan, run_with
from tests.chaos.writing import Client, Ledger, Writer
from tests.cluster.platform import ClusterPlatform
from tests.e2e.story.people import PATIENCE_SECONDS, NotAsTold
from tests.e2e.story.play import play
from tests.e2e.story.teller import Teller

REST_SECONDS = 0.05
REQUEST_SECONDS = 10.0
STORY_ROWS, STORY_BAD_ROWS = 500, 37


@dataclass
class Outcome:
    """What came of a trial: `problems` is empty when all held."""

    problems: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    told: str = ""


@dataclass
class Trials:
    """All trials write into the ledger's tenant, and what it promises is looked up at the end of each."""

    cluster: Cluster
    writers: int
    broker_away_seconds: float
    chaos: Plan
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def by_name(self) -> dict[str, Callable[[], Awaitable[Outcome]]]:
        """In their order: after the story there are records that no ledger knows."""
        return {
            "chaos": self.stand_chaos,
            "restart": self.restart_under_load,
            "broker": self.broker_away,
            "story": self.story,
        }

    async def stand_chaos(self) -> Outcome:
        """One process killed after the other, and two and three at once, PostgreSQL and NATS among them."""
        platform, plan = self._platform, self.chaos
        report = await run_with(platform, plan, lambda chance: Killer(platform, chance, plan.processes))
        self.ledger = report.ledger
        # The rule and the webhook end with it.
        self.ledger.told_user_id, self.ledger.heard = "", None
        return Outcome(report.problems, report.as_json(), printed(report))

    async def restart_under_load(self) -> Outcome:
        """Every pod of every deployment is replaced while people read and write; none of them may notice."""

        async def restart() -> None:
            for deployment in self.cluster.deployments:
                await deployment.restart()

        outcome = await self._under_load(restart)
        outcome.problems += [f"{name} had to be killed" for each in self.cluster.deployments for name in each.killed]
        return outcome

    async def broker_away(self) -> Outcome:
        """NATS is away and people go on; when it is back all services hear what happened."""
        nats, keeper = self.cluster.data.nats, self.cluster.data.keepers["nats"]

        async def away() -> None:
            await keeper.stop()
            await asyncio.sleep(self.broker_away_seconds)
            await keeper.start(nats.program())

        return await self._under_load(away)

    async def story(self) -> Outcome:
        """The platform's main job."""
        told = io.StringIO()
        teller = Teller(told)
        login = self.cluster.demo_login
        try:
            await play(
                self.cluster.rest_url,
                login["password"],
                rows=STORY_ROWS,
                bad_rows=STORY_BAD_ROWS,
                teller=teller,
                rights_seconds=PATIENCE_SECONDS,
            )
        except (NotAsTold, httpx.HTTPError) as failure:
            return Outcome([f"the story ends: {failure or type(failure).__name__}"], {}, told.getvalue())
        return Outcome([], {"steps": teller.steps, "seconds": round(teller.seconds, 1)})

    @property
    def _platform(self) -> ClusterPlatform:
        return ClusterPlatform(self.cluster)

    async def _under_load(self, event: Callable[[], Awaitable[None]]) -> Outcome:
        """Writers and readers from before the event to after it: not one try of theirs may fail."""
        # Each signs in: one token of all would be asked to slow down.
        clients = [Client(self._platform) for _ in range(self.writers + 1)]
        stop, reads = asyncio.Event(), Reads()
        self.ledger.before = self.ledger.before or await present(self._platform)
        before, acknowledged = self.ledger.again.copy(), sum(self.ledger.acknowledged.values())
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            for client in clients:
                await client.sign_in()
            reader, *writers = clients
            async with asyncio.TaskGroup() as tasks:
                for number, writer in enumerate(writers):
                    tasks.create_task(Writer(writer, self.ledger, number).run(stop))
                tasks.create_task(read(reader, reads, stop))
                tasks.create_task(read_anew(self.cluster.rest_url, reads, stop))
                try:
                    await event()
                finally:
                    stop.set()
        finally:
            for client in clients:
                await client.close()
        seconds = loop.time() - began
        found, settled = await reckon(self._platform, self.ledger, seconds=SETTLE_SECONDS)
        repeated = self.ledger.again - before
        problems = [f"tried again {times} times: {told}" for told, times in repeated.most_common()]
        return Outcome(
            [*problems, *self.ledger.refused, *reads.failed[:20], *found.told],
            {
                "seconds": round(seconds, 1),
                "writes": sum(self.ledger.acknowledged.values()) - acknowledged,
                "reads": reads.answered,
                "failed": repeated.total() + len(reads.failed),
                "missing": sum(found.missing.values()),
                "doubled": sum(found.doubled.values()),
                "settled_seconds": round(settled, 1),
            },
        )


@dataclass
class Reads:
    """What became of the reads."""

    answered: int = 0
    failed: list[str] = field(default_factory=list)

    def count(self, path: str, status: int | str) -> None:
        self.answered += 1
        if status != httpx.codes.OK:
            self.failed.append(f"GET {path}: {status}")


async def read(client: Client, reads: Reads, stop: asyncio.Event) -> None:
    """Lists of each service, one after the other, over connections that are kept."""
    while not stop.is_set():
        for path in READS:
            try:
                reads.count(path, (await client.send("GET", path)).status_code)
            except httpx.HTTPError as error:
                reads.count(path, repr(error))
            await asyncio.sleep(REST_SECONDS)


async def read_anew(url: str, reads: Reads, stop: asyncio.Event) -> None:
    """What needs no token and has no limit of rate, each time over another connection."""
    while not stop.is_set():
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=REQUEST_SECONDS) as http:
            try:
                reads.count("/health/live", (await http.get("/health/live")).status_code)
            except httpx.HTTPError as error:
                reads.count("/health/live", repr(error))
        await asyncio.sleep(REST_SECONDS)

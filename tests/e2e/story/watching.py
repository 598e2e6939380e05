"""Somebody who watches the stream of events from the beginning of the story to its end."""

import asyncio
import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import orjson

from tests.e2e.story.people import PATIENCE_SECONDS, PAUSE_SECONDS, Json, Person, hold
from tests.e2e.story.scene import Scene

AGAIN_SECONDS = 1.0
# What has to have been seen of the people and things that the story is about.
TOLD = {
    "import.finished",
    "account.created",
    "contact.created",
    "lead.claimed",
    "lead.converted",
    "opportunity.won",
    "approval.submitted",
    "approval.approved",
    "order.placed",
    "payment.received",
    "case.created",
    "case.closed",
}


@dataclass
class Watcher:
    """Reads on from the last event whenever the stream ends, as a front end does."""

    person: Person
    url: str
    told: list[Json] = field(default_factory=list)
    resets: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _last_id: str = ""

    async def run(self) -> None:
        """Watch until cancelled."""
        async with httpx.AsyncClient(base_url=self.url, timeout=PATIENCE_SECONDS) as http:
            while True:
                try:
                    await self._read(http)
                except httpx.TransportError:
                    await asyncio.sleep(AGAIN_SECONDS)

    async def _read(self, http: httpx.AsyncClient) -> None:
        headers = {"authorization": f"Bearer {self.person.token}"}
        if self._last_id:
            headers["last-event-id"] = self._last_id
        async with http.stream("GET", "/v1/events", headers=headers) as answer:
            hold(answer.is_success, f"GET /v1/events by {self.person.name}: {answer.status_code}")
            name = ""
            async for line in answer.aiter_lines():
                kind, _, value = line.partition(": ")
                if kind == "id":
                    self._last_id = value
                elif kind == "event":
                    name = value
                elif kind == "data":
                    self._take(name, orjson.loads(value))

    def _take(self, name: str, data: Json) -> None:
        self.resets += name == "reset"
        if name == "ready":
            self.ready.set()
        if "." in name:
            self.told.append(data)

    async def has_seen(self, scene: Scene) -> None:
        """The chapter at the end: all that the story is about was told, each version of each record once, in order."""
        tell = scene.teller
        tell.chapter("The stream of events")
        tell.step(self.person.name, "has watched all of it live")
        end = time.monotonic() + PATIENCE_SECONDS
        while missing := TOLD - {each["type"] for each in self.told}:
            hold(time.monotonic() < end, f"not seen: {', '.join(sorted(missing))}")
            await asyncio.sleep(PAUSE_SECONDS)
        hold(self.resets == 0, f"{self.resets} resets")
        versions: dict[tuple[str, str], list[int]] = defaultdict(list)
        for each in self.told:
            # A notification that says the same again while it is unread is told again in its version.
            if each["collection"] == "notifications":
                continue
            # An approval is told at the record that it is about, and has versions of its own; a job is of no record.
            id = each.get("approval_id") or each.get("job_id") or each["record_id"]
            versions[each["collection"], id].append(each["version"])
        torn = {record: seen for record, seen in versions.items() if seen != list(range(seen[0], seen[0] + len(seen)))}
        hold(not torn, f"versions are missing, double or out of order: {torn}")
        for record in (("accounts", scene.account_id), ("opportunities", scene.opportunity_id)):
            hold(versions[record][0] == 1, f"{record} was not seen from its beginning")
        frequent = Counter(each["type"] for each in self.told).most_common(3)
        tell.found(f"{len(self.told)} events of {len(versions)} records, each version once and in order")
        tell.detail(", ".join(f"{name} {count}" for name, count in frequent))


@contextlib.asynccontextmanager
async def watching(person: Person, url: str) -> AsyncIterator[Watcher]:
    """Somebody who watches from now on."""
    watcher = Watcher(person, url)
    tasks = [asyncio.create_task(each) for each in (watcher.run(), watcher.ready.wait())]
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.result()
        yield watcher
    finally:
        for each in tasks:
            each.cancel()

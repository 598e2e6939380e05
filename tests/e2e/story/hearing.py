"""A program that is told by a webhook, beside the one who watches the stream: both are told the same."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from standardwebhooks import Webhook

from tests.e2e.story.people import PATIENCE_SECONDS, PAUSE_SECONDS, Json, Person, hold
from tests.e2e.story.scene import Scene
from tests.e2e.story.watching import TOLD, Watcher
from tests.service.customer.webhooks.receiving import Answer, Received, receiving

COLLECTIONS = (
    *("imports", "accounts", "contacts", "leads", "opportunities"),
    *("orders", "payments", "credit_limits", "cases"),
)
DONE = 204


@dataclass
class Hearer:
    """Takes what is signed with the endpoint's secret, by the package that others use for it, and nothing else."""

    secret: str = ""
    told: dict[str, Json] = field(default_factory=dict)

    async def take(self, received: Received) -> Answer:
        said = Webhook(self.secret).verify(received.body, received.headers)
        self.told[said["data"]["id"]] = said["data"]
        return DONE, {}, b""

    async def has_heard(self, scene: Scene, watcher: Watcher) -> None:
        """The chapter at the end: what the stream told of these collections came by the webhook, and the other way."""
        tell = scene.teller
        tell.step("An ERP", "was told the same by a webhook")
        end = time.monotonic() + PATIENCE_SECONDS
        while differing := self._differing(watcher):
            hold(time.monotonic() < end, f"{len(differing)} events came one way only: {sorted(differing)[:5]}")
            await asyncio.sleep(PAUSE_SECONDS)
        missing = TOLD - {each["type"] for each in self.told.values()}
        hold(not missing, f"not heard: {', '.join(sorted(missing))}")
        tell.found(f"{len(self.told)} messages, each signed, none but those that the stream told of")

    def _differing(self, watcher: Watcher) -> set[str]:
        of_these = (each for each in watcher.told if each["collection"] in COLLECTIONS)
        # As a job an import is told to who has begun it; programs hear of it as an import.
        watched = {each["id"] for each in of_these if each.get("kind") != "IMPORT"}
        return watched ^ self.told.keys()


@contextlib.asynccontextmanager
async def hearing(admin: Person, run: str) -> AsyncIterator[Hearer]:
    """A receiver on this machine that is told from now on, and no longer than the block takes."""
    hearer = Hearer()
    async with receiving() as receiver:
        receiver.answering = hearer.take
        endpoint = await admin.post(
            "/v1/webhook-endpoints",
            {"display_name": f"ERP {run}", "url": receiver.url, "collections": [*COLLECTIONS]},
        )
        hearer.secret = endpoint["secret"]
        try:
            yield hearer
        finally:
            await admin.send("POST", f"/v1/webhook-endpoints/{endpoint['id']}:archive", json={})

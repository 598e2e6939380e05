"""How soon whose telephone rings knows who it is, among a million addresses: from the delivery of a signed event on.

python -m tests.load.calls_bench [--addresses N] [--calls N]

All runs on one machine, as `make run` starts it. Writes build/calls_bench.json; ends with 1 when a bar is missed.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import orjson
from crm_kit.ids import new_id
from crm_local.testing import platform_for_tests
from standardwebhooks.webhooks import Webhook

from tests.load.bars import Bar
from tests.load.meter import machine

RESULT = Path("build/calls_bench.json")
MAX_MILLISECONDS = 50.0
PATIENCE_SECONDS = 60.0
# So long before the next telephone rings: what is measured is one call, and not how many at once.
PAUSE_SECONDS = 0.05
WARM_UP = 30
# Each an account with one number of its own.
FILL = """
WITH made AS (SELECT md5('account' || i)::uuid AS id, i FROM generate_series(0, $2::integer - 1) AS i),
held AS (
    INSERT INTO address_holders (tenant_id, id, is_contact, account_ids, present, version)
    SELECT $1::uuid, id, false, ARRAY[id], true, 1 FROM made
),
numbered AS (
    INSERT INTO addresses (tenant_id, holder_id, version, address)
    SELECT $1::uuid, id, 1, '+86139' || to_char(i, 'FM00000000') FROM made
)
INSERT INTO accounts (tenant_id, id, display_name, version)
SELECT $1::uuid, id, '华信电力有限公司', 1 FROM made
"""


@dataclass
class Ringing:
    """A telephone system that has calls ring, and the agent who reads the stream of events; times in ms."""

    web: httpx.AsyncClient
    agent: httpx.AsyncClient
    channel_id: str
    secret: str
    user_id: str
    addresses: int
    answers: list[float] = field(default_factory=list)
    events: list[float] = field(default_factory=list)
    screens: list[float] = field(default_factory=list)
    _heard: dict[str, float] = field(default_factory=dict)
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def listen(self, ready: asyncio.Event) -> None:
        """Read the stream of what rings, for good."""
        async with self.agent.stream("GET", "/v1/events", params={"types": "call.rang"}, timeout=None) as answer:
            async for line in answer.aiter_lines():
                if line == "event: ready":
                    ready.set()
                if line.startswith('data: {"id"'):
                    async with self._moved:
                        self._heard[orjson.loads(line[6:])["record_id"]] = time.perf_counter()
                        self._moved.notify_all()

    async def ring(self, number: int) -> None:
        """One call of a customer: deliver it, hear of it, and show the screen."""
        now, id = datetime.now(UTC), new_id().hex
        data = {
            "source_id": id,
            "happen_time": now.isoformat(),
            "direction": "INBOUND",
            "from_number": f"139{number:08d}",
            "user_id": self.user_id,
        }
        body = json.dumps({"type": "call.ringing", "data": data})
        signature = Webhook(self.secret).sign(id, now, body)
        headers = {
            "content-type": "application/json",
            "webhook-id": id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
        }
        began = time.perf_counter()
        answer = await self.web.post(f"/v1/channels/{self.channel_id}:deliver", content=body, headers=headers)
        self.answers.append(1000 * (time.perf_counter() - began))
        answer.raise_for_status()
        call_id = answer.json()["call_id"]
        async with asyncio.timeout(PATIENCE_SECONDS), self._moved:
            await self._moved.wait_for(lambda: call_id in self._heard)
        self.events.append(1000 * (self._heard.pop(call_id) - began))
        asked = time.perf_counter()
        screen = await self.agent.get(f"/v1/calls/{call_id}/screen")
        self.screens.append(1000 * (time.perf_counter() - asked))
        screen.raise_for_status()
        assert screen.json()["call"]["match"] == "KNOWN", screen.text


async def measured(addresses: int, calls: int) -> Ringing:
    """Start everything, fill it, and have so many calls ring one after the other."""
    async with (
        platform_for_tests() as platform,
        httpx.AsyncClient(base_url=platform.rest_url, trust_env=False, timeout=60) as web,
        httpx.AsyncClient(base_url=platform.rest_url, trust_env=False, timeout=60) as agent,
    ):
        token = (await web.post("/v1/auth:token", json=platform.demo_login)).json()["access_token"]
        agent.headers["authorization"] = f"Bearer {token}"
        me = (await agent.get("/v1/users:me")).json()["user"]
        tenant = (await agent.get("/v1/tenant")).json()
        await fill(platform.superuser_url("crm_service_desk"), UUID(tenant["id"]), addresses)
        channel = (await agent.post("/v1/channels", json={"display_name": "bench", "kind": "TELEPHONE"})).json()
        rotated = (await agent.post(f"/v1/channels/{channel['id']}:rotateSecret", json={})).json()
        ringing = Ringing(web, agent, channel["id"], rotated["secret"], me["id"], addresses)
        ready = asyncio.Event()
        listening = asyncio.create_task(ringing.listen(ready))
        await asyncio.wait_for(ready.wait(), PATIENCE_SECONDS)
        chosen = random.Random(1)
        for _ in range(WARM_UP + calls):
            await ringing.ring(chosen.randrange(addresses))
            await asyncio.sleep(PAUSE_SECONDS)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        return ringing


async def fill(url: str, tenant_id: UUID, addresses: int) -> None:
    """Write accounts with a number each, as their events would have."""
    connection: Any = await asyncpg.connect(url, command_timeout=900)
    try:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(FILL, tenant_id, addresses)
        await connection.execute("ANALYZE address_holders, addresses, accounts")
    finally:
        await connection.close()


def bars_of(ringing: Ringing) -> list[Bar]:
    """The median and the slowest of a hundred, of each."""
    found = []
    timed = {
        "delivery to answer": ringing.answers,
        "delivery to the agent's event": ringing.events,
        "screen": ringing.screens,
    }
    for what, times in timed.items():
        ordered = sorted(times[WARM_UP:])
        for name, share in (("p50", 50), ("p99", 99)):
            found.append(Bar(f"{what}, {name}", ordered[len(ordered) * share // 100], MAX_MILLISECONDS, "ms"))
    return found


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tests.load.calls_bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--addresses", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=300)
    given = parser.parse_args(arguments)
    ringing = asyncio.run(measured(given.addresses, given.calls))
    bars = bars_of(ringing)
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    for bar in bars:
        print(f"{'held' if bar.held else 'MISSED'}: {bar.what} {bar.measured:.1f} {bar.unit}, at most {bar.limit:.0f}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_bytes(orjson.dumps({"machine": machine(), "plan": vars(given), "bars": [asdict(bar) for bar in bars]}))
    return 0 if all(bar.held for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

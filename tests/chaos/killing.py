"""Kill one process after the other under load, and see how long until everything serves again."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from signal import Signals

import httpx
from crm_local.testing import Platform

from tests.chaos.writing import Client

# One read through each service, and what tells that its database and broker are there.
READS = ("/v1/accounts?page_size=1", "/v1/leads?page_size=1", "/v1/cases?page_size=1", "/v1/scores?page_size=1")
SERVING = "SERVING"
STEP_SECONDS = 0.02
GIVE_UP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Cycle:
    """One kill. `ready_seconds` is None when it was not ready again in a minute."""

    process: str
    ready_seconds: float | None


async def cycles_of(
    platform: Platform, client: Client, *, cycles: int, seconds: float, processes: Sequence[str], seed: int
) -> list[Cycle]:
    """Kill `cycles` times, or until the time is up."""
    chance, loop = random.Random(seed), asyncio.get_running_loop()
    end = loop.time() + seconds
    done: list[Cycle] = []
    order: list[str] = []
    while len(done) < cycles and loop.time() < end:
        if not order:
            order = chance.sample(list(processes), k=len(processes))
        process = order.pop()
        # Any moment will do, as long as it is another one each time.
        await asyncio.sleep(chance.uniform(0.05, 0.8))
        began = loop.time()
        platform.kill(process, Signals.SIGKILL)
        done.append(Cycle(process, await ready_again(platform, client, process, began)))
    return done


async def ready_again(platform: Platform, client: Client, process: str, began: float) -> float | None:
    """Seconds until the process is back and every service, asked from the outside, serves and says it is ready."""
    loop = asyncio.get_running_loop()
    try:
        await platform.ready(process, GIVE_UP_SECONDS)
        while not await all_serve(client):
            if loop.time() - began > GIVE_UP_SECONDS:
                return None
            await asyncio.sleep(STEP_SECONDS)
    except TimeoutError:
        return None
    return loop.time() - began


async def all_serve(client: Client) -> bool:
    """Whether the gateway says of all services that they serve, and a read of each is answered."""
    try:
        health = await client.send("GET", "/health/ready")
        if health.status_code != 200 or set(health.json()["services"].values()) != {SERVING}:
            return False
        answers = [await client.send("GET", path) for path in READS]
    except (httpx.HTTPError, ValueError):
        return False
    return all(answer.status_code == 200 for answer in answers)

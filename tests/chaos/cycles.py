"""Disturb the platform again and again under load, and see how long until everything serves again."""

import asyncio
import random
from dataclasses import dataclass

import httpx

from tests.chaos.disturbances import Disturbance, Killer
from tests.chaos.target import Target
from tests.chaos.writing import Client

# One read through each service, and what tells that its database and broker are there.
READS = ("/v1/accounts?page_size=1", "/v1/leads?page_size=1", "/v1/cases?page_size=1", "/v1/scores?page_size=1")
SERVING = "SERVING"
STEP_SECONDS = 0.02
GIVE_UP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Cycle:
    """One disturbance. `ready_seconds` is from its end on; None when it was not ready again in a minute."""

    disturbance: str
    ready_seconds: float | None


async def cycles_of(
    platform: Target, client: Client, disturber: Killer, chance: random.Random, *, cycles: int, seconds: float
) -> list[Cycle]:
    """Disturb `cycles` times, or until the time is up."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    done: list[Cycle] = []
    deck: list[Disturbance] = []
    while len(done) < cycles and loop.time() < end:
        deck = deck or disturber.deck()
        disturbance = deck.pop()
        # Any moment will do, as long as it is another one each time.
        await asyncio.sleep(chance.uniform(0.05, 0.8))
        await disturbance.run()
        done.append(Cycle(disturbance.name, await ready_again(platform, client, disturbance, loop.time())))
    return done


async def ready_again(platform: Target, client: Client, after: Disturbance, began: float) -> float | None:
    """Seconds until the processes are back and every service, asked from the outside, serves and says it is ready."""
    loop = asyncio.get_running_loop()
    try:
        for process in after.restarted:
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
        health = await client.send("GET", "/health/services")
        if health.status_code != 200 or set(health.json()["services"].values()) != {SERVING}:
            return False
        answers = [await client.send("GET", path) for path in READS]
    except (httpx.HTTPError, ValueError):
        return False
    return all(answer.status_code == 200 for answer in answers)

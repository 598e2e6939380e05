"""How each process is, asked right now: the runner sees whether one has ended, but not whether it answers."""

import asyncio
from collections.abc import Sequence

from crm_local.probes import grpc_health, http_ready, nats_ready, postgres_ready
from crm_local.settings import GATEWAY
from crm_local.supervisor import Sighting, State

NOT_SERVING = "not serving"
NO_ANSWER = "no answer"


async def asked(sightings: Sequence[Sighting], postgres_url: str) -> list[str]:
    """The state of each process: READY only when it says so itself, within a few seconds.

    NOT_SERVING says a service that misses something, such as its database; NO_ANSWER has one that hangs.
    """
    return await asyncio.gather(*(_state(one, postgres_url) for one in sightings))


async def _state(one: Sighting, postgres_url: str) -> str:
    if one.state != State.READY:
        return one.state
    host, _, port = one.address.rpartition(":")
    match one.name:
        case "postgres":
            answer: bool | None = await postgres_ready(postgres_url)() or None
        case "nats":
            answer = await nats_ready(host, int(port))() or None
        case _ if one.name == GATEWAY:
            answer = await http_ready(host, int(port), "/health/ready")() or None
        case _:
            answer = await grpc_health(host, int(port))
    return {True: State.READY, False: NOT_SERVING, None: NO_ANSWER}[answer]

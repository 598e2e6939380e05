"""How many events a second a projection takes in: a backlog of changed accounts, until all have had their effect.

python -m tests.load.consumer_bench [--events N] [--tenants N] [--rounds N]
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from signal import Signals
from statistics import median
from uuid import UUID

import nats
from crm.customer.v1 import events_pb2
from crm.event.v1 import event_pb2
from crm_kit.events.outbox import TYPE_URL
from crm_kit.events.streams import STREAM, ensure_stream
from crm_kit.events.subjects import subject_of
from crm_kit.ids import new_id
from google.protobuf.json_format import ParseDict
from nats.js import JetStreamContext

from tests.load.account_json import CREATED
from tests.load.events import answered
from tests.load.meter import cpu_seconds, machine
from tests.load.stage import Stage, connected, stage

CHUNK = 500
WARM_UP = 200


@dataclass(frozen=True, slots=True)
class ConsumerRate:
    """Events a second by the clock, and the CPU seconds of the consumers, the database and the broker."""

    events: int
    seconds: float
    consumer_cpu: float
    database_cpu: float
    broker_cpu: float

    @property
    def per_core(self) -> float:
        return self.events / self.consumer_cpu

    @property
    def text(self) -> str:
        spent = (self.consumer_cpu, self.database_cpu, self.broker_cpu)
        consumer, database, broker = (1e6 * each / self.events for each in spent)
        return (
            f"{self.per_core:,.0f} events/s a core, {self.events / self.seconds:,.0f}/s by the clock; "
            f"CPU an event: consumer {consumer:.0f} us, database {database:.0f} us, broker {broker:.0f} us"
        )


def account_events(tenants: Sequence[UUID], first: int, count: int) -> list[tuple[str, bytes]]:
    """Events of accounts that are all different, of the tenants in turn, and what they travel on."""
    made = []
    for number in range(first, first + count):
        tenant_id, account_id, event_id = tenants[number % len(tenants)], new_id(), new_id()
        payload = ParseDict({"account": CREATED | {"id": str(account_id)}}, events_pb2.AccountUpdated())
        event = event_pb2.Event(
            id=str(event_id),
            tenant_id=str(tenant_id),
            actor_id=str(tenant_id),
            aggregate_type="account",
            aggregate_id=str(account_id),
            aggregate_version=2,
        )
        event.payload.Pack(payload, type_url_prefix=TYPE_URL)
        made.append((subject_of(events_pb2.AccountUpdated.DESCRIPTOR.full_name, tenant_id), event.SerializeToString()))
    return made


async def published(stream: JetStreamContext, tenants: Sequence[UUID], count: int) -> None:
    """Put so many events on the stream."""
    for first in range(0, count, CHUNK):
        some = account_events(tenants, first, min(CHUNK, count - first))
        await asyncio.gather(*(stream.publish(*each) for each in some))


async def consumer_rate(stage: Stage, tenants: Sequence[UUID], events: int) -> ConsumerRate:
    """Have consumers that are alone take in a backlog. The schema of scoring must be there and no service at work."""
    postgres, broker = (stage.servers.sighting(name).pid for name in ("postgres", "nats"))
    client = await nats.connect(stage.servers.nats_url)
    stream = client.jetstream(timeout=30)
    await ensure_stream(stream)
    await stream.purge_stream(STREAM)
    async with connected(stage.servers.superuser_url("crm_scoring")) as connection:
        await connection.execute("TRUNCATE inbox, accounts")
        consumers = await stage.run_consumers("scoring")
        # Some first, so that what is measured is warm.
        await published(stream, tenants, WARM_UP)
        await answered(connection, f"SELECT count(*) = {WARM_UP} FROM accounts", 60)
        consumers.send(Signals.SIGSTOP)
        await published(stream, tenants, events)
        before = [cpu_seconds(pid) for pid in (consumers.pid, postgres, broker)]
        started = time.perf_counter()
        consumers.send(Signals.SIGCONT)
        await answered(connection, f"SELECT count(*) = {WARM_UP + events} FROM accounts", 600)
        seconds = time.perf_counter() - started
        spent = [cpu_seconds(pid) - was for pid, was in zip((consumers.pid, postgres, broker), before, strict=True)]
        assert await connection.fetchval("SELECT count(*) FROM inbox") == WARM_UP + events
    await stage.stop(consumers)
    await stream.delete_consumer(STREAM, "bench")
    await client.close()
    return ConsumerRate(events, seconds, *spent)


async def measure(events: int, tenants: int, rounds: int) -> list[ConsumerRate]:
    """Build everything, measure, take everything down again."""
    async with stage() as built:
        await built.servers.migrate("scoring")
        ids = [new_id() for _ in range(tenants)]
        rates = []
        for number in range(rounds):
            rates.append(await consumer_rate(built, ids, events))
            print(f"round {number + 1}: {rates[-1].text}", flush=True)
        return rates


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tests.load.consumer_bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--tenants", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args(arguments)
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    rates = asyncio.run(measure(given.events, given.tenants, given.rounds))
    middle = median(rate.per_core for rate in rates)
    print(f"median of {len(rates)} rounds, {given.tenants} tenants: {middle:,.0f} events/s a core")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

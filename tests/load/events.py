"""How fast events leave, and how long they take from the commit to their consumer."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.load.meter import cpu_seconds
from tests.load.stage import Stage, connected

# No consumer asks for this subject.
BACKLOG = """
INSERT INTO outbox (tenant_id, id, subject, aggregate_id, aggregate_version, event)
SELECT '{tenant}', gen_random_uuid(), 'crm.events.bench.Passed.{tenant}', gen_random_uuid(), 1,
    decode(repeat('ab', 700), 'hex')
FROM generate_series(1, $1::integer)
"""
TENANT = "00000000-0000-0000-0000-0000000000be"
NOTHING_WAITS = "SELECT NOT EXISTS (SELECT FROM outbox WHERE publish_time IS NULL)"
ALL_SEEN = """
SELECT NOT EXISTS (
    SELECT FROM outbox LEFT JOIN inbox ON inbox.tenant_id = outbox.tenant_id AND inbox.event_id = outbox.id
    WHERE inbox.event_id IS NULL AND outbox.subject LIKE 'crm.events.customer.AccountCreated.%'
)
"""
ASK_SECONDS = 0.2
DELAYS = """
SELECT count(*) AS events,
    percentile_cont(ARRAY[0.5, 0.99, 1.0]) WITHIN GROUP (
        ORDER BY extract(epoch FROM seen.create_time - left_.create_time)
    ) AS seconds
FROM outbox AS left_ JOIN inbox AS seen ON seen.tenant_id = left_.tenant_id AND seen.event_id = left_.id
WHERE left_.create_time >= $1
"""


@dataclass(frozen=True, slots=True)
class RelayRate:
    """Events a second by the clock, and a second of CPU of the relay and of the database."""

    events: int
    seconds: float
    relay_cpu: float
    database_cpu: float

    @property
    def per_core(self) -> float:
        return self.events / self.relay_cpu


@dataclass(frozen=True, slots=True)
class Delays:
    """From the transaction that made an event true to the transaction of its effect, in ms."""

    events: int
    p50: float
    p99: float
    longest: float


async def relay_rate(stage: Stage, database: str, events: int) -> RelayRate:
    """Have a relay that is alone move a backlog. The schema must be there, no service at work on it."""
    relay = await stage.run_relay(database)
    postgres = stage.servers.sighting("postgres").pid
    async with connected(stage.servers.superuser_url(f"crm_{database}")) as connection:
        # One event through: it holds the lease and is warm.
        await connection.execute(BACKLOG.format(tenant=TENANT), 1)
        await emptied(connection, seconds=60)
        async with connection.transaction():
            await connection.execute(BACKLOG.format(tenant=TENANT), events)
            await connection.execute("SELECT pg_notify('outbox', '')")
            before = cpu_seconds(relay.pid), cpu_seconds(postgres)
            started = time.perf_counter()
        await emptied(connection, seconds=120)
        seconds = time.perf_counter() - started
        rate = RelayRate(events, seconds, cpu_seconds(relay.pid) - before[0], cpu_seconds(postgres) - before[1])
        await connection.execute("DELETE FROM outbox")
    await stage.stop(relay)
    return rate


async def emptied(connection: Any, *, seconds: float) -> None:
    """Wait until all is published; TimeoutError when that takes longer."""
    await answered(connection, NOTHING_WAITS, seconds)


async def delivered(url: str, *, seconds: float = 60.0) -> None:
    """Wait until every event has had its effect; TimeoutError when that takes longer."""
    async with connected(url) as connection:
        await emptied(connection, seconds=seconds)
        await answered(connection, ALL_SEEN, seconds)


async def answered(connection: Any, question: str, seconds: float) -> None:
    """Wait until the database says yes. It is asked seldom: asking costs it time that is being measured."""
    async with asyncio.timeout(seconds):
        while (answer := await connection.fetchval(question)) is not True:
            assert answer is False
            await asyncio.sleep(ASK_SECONDS)


async def now_of(url: str) -> datetime:
    """The database's time."""
    async with connected(url) as connection:
        now: datetime = await connection.fetchval("SELECT now()")
    return now


async def delays_since(url: str, since: datetime) -> Delays:
    """Delays of all events since then; they must have arrived."""
    async with connected(url) as connection:
        row = await connection.fetchrow(DELAYS, since)
    p50, p99, longest = (1000 * float(each) for each in row["seconds"])
    return Delays(row["events"], p50, p99, longest)

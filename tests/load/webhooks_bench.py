"""What webhooks cost: events noted and messages sent a second a core, and how long one waits beside those that hang.

python -m tests.load.webhooks_bench [--events N] [--rows N]

Writes build/webhooks_bench.json; ends with 1 when a bar is missed.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from uuid import UUID

import orjson
from crm.customer.v1 import accounts_pb2, events_pb2
from crm.event.v1 import event_pb2
from crm_customer.app import SETTINGS, build
from crm_customer.integrations.webhook_deliveries.queries import due_deliveries
from crm_customer.integrations.webhook_deliveries.resource import DELIVERIES
from crm_customer.integrations.webhook_endpoints.commands import create_endpoint
from crm_customer.integrations.webhook_endpoints.keeping import SigningSecrets
from crm_customer.settings import CustomerSettings
from crm_kit.clock import system_now
from crm_kit.database.connections import Database
from crm_kit.database.statements import compile_statement
from crm_kit.database.work import ReadSession, unit_of_work
from crm_kit.events.outbox import TYPE_URL
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.outbound_http.addresses import LOOPBACK, Reach
from crm_kit.paging import PageTokens
from crm_kit.readiness import end
from crm_kit.service import Service
from crm_kit.settings import read_settings
from crm_kit.thin_events.types import known_event_types
from crm_kit.wire import timestamp
from crm_local.testing import servers_for_tests
from sqlalchemy import select, text

from tests.load.meter import machine
from tests.service.eventually import eventually
from tests.service.running import Running, Tokens, User, environment

RESULT = Path("build/webhooks_bench.json")
NO_CHANNEL: Any = None
RECORDS = 50
# A tenant's message is sent within a second of its event, whoever hangs beside it.
MAX_WAIT_MILLISECONDS = 1000.0
OTHER_EVENTS = 40
TRIES = 30
PENDING = text("SELECT count(*) FROM webhook_deliveries WHERE tenant_id = :tenant_id AND state = 'PENDING'")


async def receive(port: Any, hangs: bool) -> None:
    """A receiver in a process of its own: it answers at once, or never."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0])
                await reader.readexactly(length)
                if hangs:
                    await asyncio.Event().wait()
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                await writer.drain()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def receiver(port: Any, hangs: bool) -> None:
    asyncio.run(receive(port, hangs))


@contextlib.contextmanager
def receiving(*, hangs: bool = False) -> Iterator[str]:
    """The address of a receiver."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=receiver, args=(theirs, hangs), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/"
    finally:
        process.kill()
        process.join()


@dataclass(frozen=True, slots=True)
class Bench:
    """A service of which only webhooks are at work."""

    service: Service
    settings: CustomerSettings

    @property
    def database(self) -> Database:
        return self.service.database

    async def tenant(self, url: str = "", endpoints: int = 0) -> User:
        """A new tenant whose endpoints are all told of accounts at this address."""
        user = await Running(self.service, Tokens(), NO_CHANNEL).user()
        actor = await self.service.directory.user(user.tenant_id, user.id)
        secrets = SigningSecrets(self.settings.signing_key_secret)
        values = {"display_name": "a receiver", "url": url, "collections": ("accounts",)}
        for _ in range(endpoints):
            id = new_id()
            async with unit_of_work(self.database, actor, scope=Scope.ALL, now=system_now()) as work:
                _, sealed = secrets.make(work, id)
                types = known_event_types().all
                await create_endpoint(work, id, dict(values), sealed, types, loopback=True, reach=Reach(LOOPBACK))
        return user

    async def note(self, user: User, count: int) -> float:
        """Hear so many events of a tenant, those of each record one after the other; CPU seconds of this process."""
        (consumers,) = self.service.more_consumers
        ids = [new_id() for _ in range(RECORDS)]
        started = time.process_time()

        async def of_record(id: UUID) -> None:
            for version in range(1, count // RECORDS + 1):
                await consumers.apply(event_of(user, id, version))

        places = asyncio.Semaphore(6)

        async def in_turn(id: UUID) -> None:
            async with places:
                await of_record(id)

        await asyncio.gather(*map(in_turn, ids))
        return time.process_time() - started

    @contextlib.asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """The sender of the service at work."""
        (send,) = [job for job in self.service.jobs if getattr(job, "__self__", None).__class__.__name__ == "Sender"]
        task = asyncio.ensure_future(send())
        try:
            yield
        finally:
            await end([task])

    async def sent(self, user: User) -> None:
        """Until nothing of a tenant waits."""

        async def is_done() -> bool:
            rows = await self.database.all(user.tenant_id, compile_statement(PENDING), {"tenant_id": user.tenant_id})
            return not rows[0][0]

        await eventually(is_done, seconds=600)

    async def waits(self, user: User, count: int) -> list[float]:
        """How long after each of some events its message has arrived, in ms; one after the other."""
        (consumers,) = self.service.more_consumers
        found = []
        for version in range(1, count + 1):
            started = time.monotonic()
            await consumers.apply(event_of(user, new_id(), version))
            await self.sent(user)
            found.append(1000 * (time.monotonic() - started))
        return found


def event_of(user: User, account_id: UUID, version: int) -> event_pb2.Event:
    """That an account has changed."""
    event = event_pb2.Event(
        id=str(new_id()),
        tenant_id=str(user.tenant_id),
        actor_id=str(user.id),
        aggregate_type="account",
        aggregate_id=str(account_id),
        aggregate_version=version,
        occur_time=timestamp(system_now()),
        changed_fields=["display_name"],
    )
    account = accounts_pb2.Account(id=str(account_id), display_name="华信电力有限公司")
    event.payload.Pack(events_pb2.AccountUpdated(account=account), type_url_prefix=TYPE_URL)
    return event


@contextlib.asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    """PostgreSQL, and a customer service that does nothing but tell endpoints."""
    async with servers_for_tests() as servers:
        await servers.migrate("customer")
        with environment(servers.environment("customer")):
            settings = read_settings(SETTINGS)
        service = build(settings)
        await service.database.open()
        try:
            yield Bench(service, settings)
        finally:
            for close in (*service.closers, service.database.close):
                await close()


FILL = text("""
INSERT INTO webhook_deliveries (tenant_id, id, endpoint_id, event_id, event_type, collection, record_id, record_version,
    event_time, content, state, attempt_count, attempts, next_attempt_time, failure_count, give_up_time, version,
    create_time, update_time)
SELECT :tenant_id, gen_random_uuid(), e.id, gen_random_uuid(), 'account.updated', 'accounts', gen_random_uuid(), 1,
    t.time, '{"time": ""}', CASE WHEN n % 1000 = 0 THEN 'FAILED' ELSE 'SUCCEEDED' END, 1, '[]', NULL, 0, NULL, 1,
    t.time, t.time
FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) n,
    LATERAL (SELECT now() - n * interval '2 seconds' AS time) t,
    LATERAL (SELECT id FROM webhook_endpoints WHERE tenant_id = :tenant_id ORDER BY id OFFSET n % 4 LIMIT 1) e
""")


async def beside_rows(at: Bench, url: str, rows: int) -> dict[str, float]:
    """What it takes, in ms, to find what people and senders look for beside so many deliveries of one tenant."""
    user = await at.tenant(url, 4)
    for first in range(0, rows, 50_000):
        values = {"tenant_id": user.tenant_id, "first": first, "last": min(first + 50_000, rows) - 1}
        await at.database.all(user.tenant_id, compile_statement(FILL), values)
    actor = await at.service.directory.user(user.tenant_id, user.id)
    reader = ReadSession(at.database, actor, scope=Scope.ALL, now=system_now())
    ids = await reader.all(compile_statement(select(text("id FROM webhook_endpoints"))))
    endpoint, tokens = ids[0]["id"], PageTokens(at.settings.page_token_key.encode())
    found = {
        f"ms to find what is due of an endpoint, beside {rows} rows": await timed(
            lambda: reader.all(due_deliveries(), endpoint_id=endpoint)
        )
    }
    for name, filter in (
        ("the newest", ""),
        ("the newest of an endpoint", f'endpoint_id = "{endpoint}"'),
        ("those of an endpoint that failed", f'endpoint_id = "{endpoint}" AND state = FAILED'),
        ("those of a record", f'record_id = "{new_id()}"'),
    ):
        found[f"ms to list {name}, beside {rows} rows"] = await timed(
            partial(DELIVERIES.listing.page, reader, Asked(filter), tokens)
        )
    return found


@dataclass(frozen=True, slots=True)
class Asked:
    """As a List request."""

    filter: str
    page_size: int = 50
    page_token: str = ""
    order_by: str = ""


async def timed(act: Any) -> float:
    """The median of some tries, in ms."""
    took = []
    for _ in range(TRIES):
        started = time.perf_counter()
        await act()
        took.append(1000 * (time.perf_counter() - started))
    return median(took)


async def measure(events: int, rows: int) -> dict[str, float]:
    """Build everything, measure, take everything down again."""
    found: dict[str, float] = {}
    async with bench() as at:
        with receiving() as quick, receiving(hangs=True) as slow:
            nobody = await at.tenant()
            await at.note(nobody, 500)
            found["µs of CPU for an event of a tenant without endpoints"] = 1e6 * await at.note(nobody, events) / events
            one = await at.tenant(quick, 1)
            found["events noted a second a core"] = events / await at.note(one, events)
            started, clock = time.process_time(), time.monotonic()
            async with at.sending():
                await at.sent(one)
                found["messages sent a second a core"] = events / (time.process_time() - started)
                found["messages sent a second to one endpoint"] = events / (time.monotonic() - clock)
                other = await at.tenant(quick, 1)
                alone = await at.waits(other, OTHER_EVENTS)
                hanging = await at.tenant(slow, 8)
                await at.note(hanging, RECORDS * 10)
                beside = await at.waits(other, OTHER_EVENTS)
            for name, waits in (("alone", alone), ("beside a tenant with 8 endpoints that hang", beside)):
                cuts = quantiles(waits, n=100)
                found |= {f"ms until a message has arrived, {name}, p50": cuts[49], f"ms, {name}, p99": cuts[98]}
            if rows:
                found |= await beside_rows(at, quick, rows)
    return found


def is_held(name: str, value: float) -> bool:
    """Whether a figure is within its bar; most have none."""
    return value <= MAX_WAIT_MILLISECONDS if "hang" in name and "p99" in name else True


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tests.load.webhooks_bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=5_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args(arguments)
    on = machine()
    print(", ".join(f"{name} {value}" for name, value in on.items()))
    found = asyncio.run(measure(given.events, given.rows))
    for name, value in found.items():
        print(f"{value:12,.1f}  {name}{'' if is_held(name, value) else '  MISSED'}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_bytes(orjson.dumps({"machine": on, "figures": found}, option=orjson.OPT_INDENT_2))
    return int(not all(is_held(*each) for each in found.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

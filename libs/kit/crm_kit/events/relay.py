"""Carries outbox rows to JetStream: woken by NOTIFY, and polling as well where NOTIFY does not work.

One relay per service is active, by lease. A row is marked only after the broker acknowledged it, so a crash at
any point sends it again, and the broker drops the repetition by its message id. An event that the broker takes at
no time is stepped over: it becomes a dead letter, and those behind it are sent.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from sqlalchemy import any_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Interval, Uuid

from crm_kit.database.connections import ALL_TENANTS, Database, Record
from crm_kit.database.failures import UNAVAILABLE
from crm_kit.database.statements import statement
from crm_kit.database.write_statements import OUTBOX_CHANNEL
from crm_kit.errors import Unavailable
from crm_kit.events.dead_letters import put_unsendable
from crm_kit.events.leases import Lease
from crm_kit.events.publishing import Message, Outcome, Publisher
from crm_kit.plumbing import outbox

log = structlog.get_logger()
BATCH = 500
# So much may be in hand at once, however large events are; one more event may exceed it.
BATCH_BYTES = 4_000_000
POLL_SECONDS = 1.0
# A broker that went down may have lost what it had not written to its disk: NATS writes every two minutes.
LOST = timedelta(minutes=2)


@statement
def unpublished() -> Any:
    """The oldest, as many as make a batch."""
    size = func.octet_length(outbox.c.event)
    oldest = (
        select(outbox.c.tenant_id, outbox.c.id, outbox.c.subject, outbox.c.event, size.label("size"))
        .where(outbox.c.publish_time.is_(None))
        .order_by(outbox.c.id)
        .limit(BATCH)
        .subquery()
    )
    before = (func.sum(oldest.c.size).over(order_by=oldest.c.id, rows=(None, 0)) - oldest.c.size).label("before")
    counted = select(oldest, before).subquery()
    return (
        select(counted.c.tenant_id, counted.c.id, counted.c.subject, counted.c.event, counted.c.size)
        .where(counted.c.before < BATCH_BYTES)
        .order_by(counted.c.id)
    )


@statement
def mark_published() -> Any:
    ids = bindparam("ids", type_=ARRAY(Uuid))
    # The condition lets it use the index of those that are not published.
    waiting = outbox.c.publish_time.is_(None)
    return update(outbox).where(waiting, outbox.c.id == any_(ids)).values(publish_time=func.now())


@statement
def mark_unpublished() -> Any:
    """For `republish`: what was published lately goes out again; consumers know it by its id."""
    since = func.now() - bindparam("age", type_=Interval)
    return update(outbox).where(outbox.c.publish_time > since).values(publish_time=None)


class Relay:
    """Run `run()` as a task for the life of the process."""

    name = "relay"

    def __init__(self, database: Database, url: str, nats: Client) -> None:
        self._database = database
        self._url = url
        self._nats = nats
        self._publisher = Publisher(nats)
        self._lease = Lease(database, "relay")
        self._woken = asyncio.Event()
        # Which of the client's connections the last batch went over; none yet.
        self._connection = -1

    async def run(self) -> None:
        """Publish until cancelled; failures are logged and tried again."""
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._listen())
            try:
                while True:
                    try:
                        await self._drain()
                    except (Unavailable, NatsError, TimeoutError) as error:
                        log.warning("relay.waiting", error=type(error).__name__)
                        await asyncio.sleep(0.5)
                    await self._wait()
            finally:
                listening.cancel()
                with contextlib.suppress(Unavailable):
                    await self._lease.release()

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._woken.wait()
        self._woken.clear()

    async def _drain(self) -> None:
        """Publish batch after batch until nothing is left, or another process is the relay."""
        while await self._lease.hold():
            await self._send_again_what_may_be_lost()
            rows = await self._database.all(ALL_TENANTS, unpublished(), {})
            if not rows:
                return
            outcomes = await self._publish(rows)
            await self._note(rows, outcomes)
            if Outcome.UNANSWERED in outcomes:
                raise NatsError
            if len(rows) < BATCH and sum(row["size"] for row in rows) < BATCH_BYTES:
                # All that was there; who adds to it wakes us.
                return

    async def _send_again_what_may_be_lost(self) -> None:
        """After a new connection: the broker may have been down. What it still has, it knows by its id."""
        connection = self._nats.stats["reconnects"]
        if connection != self._connection:
            await self._database.all(ALL_TENANTS, mark_unpublished(), {"age": LOST})
            self._connection = connection

    async def _publish(self, rows: Sequence[Record]) -> list[Outcome]:
        """Send in order, wait for all acknowledgements together."""
        return await self._publisher.publish([Message(row["subject"], row["event"], str(row["id"])) for row in rows])

    async def _note(self, rows: Sequence[Record], outcomes: Sequence[Outcome]) -> None:
        """Mark what need not be sent again: the broker has it, or there is a dead letter of it."""
        for row, outcome in zip(rows, outcomes, strict=True):
            if outcome is Outcome.TOO_LARGE:
                await self._give_up(row)
        done = [row["id"] for row, outcome in zip(rows, outcomes, strict=True) if outcome is not Outcome.UNANSWERED]
        if done:
            await self._database.all(ALL_TENANTS, mark_published(), {"ids": done})

    async def _give_up(self, row: Record) -> None:
        reason = f"the event has {row['size']} bytes, more than the broker takes (max_payload {self._nats.max_payload})"
        values = {"tenant_id": row["tenant_id"], "id": row["id"], "reason": reason}
        await self._database.all(ALL_TENANTS, put_unsendable(), values)
        log.error("relay.dead_letter", event_id=str(row["id"]), subject=row["subject"], reason=reason)

    async def _listen(self) -> None:
        """Hold a connection of our own that hears NOTIFY; open it again whenever it breaks."""
        while True:
            broken = asyncio.Event()
            try:
                connection = await asyncpg.connect(self._url, timeout=5)
                connection.add_termination_listener(lambda _, event=broken: event.set())
                await connection.add_listener(OUTBOX_CHANNEL, lambda *_: self._woken.set())
                self._woken.set()
                try:
                    await broken.wait()
                finally:
                    await connection.close(timeout=1)
            except (*UNAVAILABLE, asyncpg.PostgresError, TimeoutError):
                await asyncio.sleep(1)

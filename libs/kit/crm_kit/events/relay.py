"""Carries outbox rows to JetStream: woken by NOTIFY, and polling as well where NOTIFY does not work.

One relay per service is active, by lease. A row is marked only after the broker acknowledged it, so a crash at
any point sends it again, and the broker drops the repetition by its message id.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy, StreamConfig
from sqlalchemy import any_, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Interval, Uuid

from crm_kit.database.connections import ALL_TENANTS, UNAVAILABLE, Database, Record
from crm_kit.database.statements import statement
from crm_kit.database.work import OUTBOX_CHANNEL
from crm_kit.errors import Unavailable
from crm_kit.events.leases import Lease
from crm_kit.events.publishing import Message, Publisher
from crm_kit.plumbing import inbox, outbox

log = structlog.get_logger()
STREAM = "CRM"
BATCH = 500
POLL_SECONDS = 1.0
KEEP_PUBLISHED = timedelta(hours=6)
KEEP_INBOX = timedelta(days=14)
PURGE_EVERY_SECONDS = 600


async def ensure_stream(stream: JetStreamContext) -> None:
    """Create the stream of all events, or bring its settings up to date."""
    config = StreamConfig(
        name=STREAM,
        subjects=["crm.events.>"],
        retention=RetentionPolicy.LIMITS,
        max_age=14 * 24 * 3600,
        duplicate_window=600,
    )
    try:
        await stream.update_stream(config)
    except NatsError:
        await stream.add_stream(config)


@statement
def unpublished() -> Any:
    return (
        select(outbox.c.tenant_id, outbox.c.id, outbox.c.subject, outbox.c.event)
        .where(outbox.c.publish_time.is_(None))
        .order_by(outbox.c.id)
        .limit(BATCH)
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


@statement
def purge_outbox() -> Any:
    return delete(outbox).where(outbox.c.publish_time < func.now() - bindparam("age", type_=Interval))


@statement
def purge_inbox() -> Any:
    return delete(inbox).where(inbox.c.create_time < func.now() - bindparam("age", type_=Interval))


class Relay:
    """Run `run()` as a task for the life of the process."""

    def __init__(self, database: Database, url: str, nats: Client) -> None:
        self._database = database
        self._url = url
        self._publisher = Publisher(nats)
        self._lease = Lease(database, "relay")
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Publish until cancelled; failures are logged and tried again."""
        loop = asyncio.get_running_loop()
        purge_at = 0.0
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._listen())
            try:
                while True:
                    try:
                        await self._drain()
                        if loop.time() > purge_at:
                            await self._purge()
                            purge_at = loop.time() + PURGE_EVERY_SECONDS
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
            await asyncio.wait_for(self._woken.wait(), POLL_SECONDS)
        self._woken.clear()

    async def _drain(self) -> None:
        """Publish batch after batch until nothing is left, or another process is the relay."""
        while await self._lease.hold():
            rows = await self._database.all(ALL_TENANTS, unpublished(), {})
            if not rows:
                return
            done = await self._publish(rows)
            if done:
                await self._database.all(ALL_TENANTS, mark_published(), {"ids": done})
            if len(done) < len(rows):
                raise NatsError
            if len(rows) < BATCH:
                # All that was there; who adds to it wakes us.
                return

    async def _publish(self, rows: Sequence[Record]) -> list[UUID]:
        """Send in order, wait for all acknowledgements together; the ids that the broker has."""
        stored = await self._publisher.publish([Message(row["subject"], row["event"], str(row["id"])) for row in rows])
        return [row["id"] for row, has_it in zip(rows, stored, strict=True) if has_it]

    async def _purge(self) -> None:
        await self._database.all(ALL_TENANTS, purge_outbox(), {"age": KEEP_PUBLISHED})
        await self._database.all(ALL_TENANTS, purge_inbox(), {"age": KEEP_INBOX})

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
            except (*UNAVAILABLE, TimeoutError):
                await asyncio.sleep(1)

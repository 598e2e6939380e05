"""Whether a service is ready: what it needs answers. Its background work begins when all of it does."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Collection, Iterable

import structlog
from nats.aio.client import Client

from crm_kit.background import Job, kept_running, name_of
from crm_kit.database.connections import Database
from crm_kit.errors import Unavailable
from crm_kit.events.broker import Broker
from crm_kit.rpc.server import Server

log = structlog.get_logger()
CHECK_SECONDS = 1.0
CANCEL_AGAIN_SECONDS = 0.5


async def watch(
    database: Database,
    tables: Collection[str],
    server: Server,
    broker: Broker,
    jobs_with: Callable[[Client], list[Job]],
    ready: asyncio.Event,
) -> None:
    """Keep readiness true: the database answers. Background work starts when the broker does as well.

    Without the broker people can work: what they change is told to others once it is back.
    """
    said: tuple[list[str], bool] | None = None
    working: dict[asyncio.Task[None], str] = {}
    try:
        while True:
            missing = await what_is_missing(database, tables, broker)
            beginning = missing == ["nats"] and not broker.tried
            if (missing, beginning) != said:
                said = missing, beginning
                await server.set_ready(ready=not missing or missing == ["nats"])
                if beginning:
                    log.info("service.beginning", waits_for="nats")
                elif missing:
                    log.warning("service.missing", missing=", ".join(missing))
                else:
                    ready.set()
                    log.info("service.ready")
            if not missing and not working:
                assert broker.client is not None
                jobs = jobs_with(broker.client)
                working = {asyncio.create_task(kept_running(job)): name_of(job) for job in jobs}
            gone = [name for task, name in working.items() if task.done()]
            if gone or (broker.client is not None and broker.client.is_closed):
                # Never expected: not even what begins them again goes on, or the broker has shown us out for good.
                # Better to start anew than to limp.
                log.error("service.background_ended", jobs=gone or [broker.name])
                signal.raise_signal(signal.SIGTERM)
                await asyncio.Event().wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await broker.changed.wait()
            broker.changed.clear()
    finally:
        await end(working)


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: one cancellation is not enough where `wait_for` of Python 3.11 loses it."""
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN_SECONDS)


async def what_is_missing(database: Database, tables: Collection[str], broker: Broker) -> list[str]:
    """Names what does not answer; empty when all is there. The schema is, once it has all the tables."""
    missing = []
    try:
        await database.open()
        if not await database.has_tables(tables):
            missing.append("schema")
    except Unavailable:
        missing.append("database")
    # Last: it may have come while the database was asked.
    return missing if broker.ready else [*missing, "nats"]

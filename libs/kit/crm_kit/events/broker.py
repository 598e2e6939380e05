"""A process's connection to NATS, found again for ever."""

import asyncio

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError

from crm_kit.events.connecting import connect
from crm_kit.events.streams import bring_up_to_date, ensure_stream

log = structlog.get_logger()
AGAIN_SECONDS = 1.0


class Broker:
    """The connection to NATS, found again for ever."""

    name = "broker"

    def __init__(self, url: str, *, keeps_stream: bool = False) -> None:
        self._url = url
        self._keeps_stream = keeps_stream
        self.client: Client | None = None
        # Whether the first attempt is over: until then it is not missing.
        self.tried = False
        # What went wrong since it was there, each told once: it may be away for long.
        self._troubles: set[str] = set()
        # Set whenever it may be worth another look at `ready`.
        self.changed = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Connected, with the stream in place."""
        return self.client is not None and self.client.is_connected

    async def run(self) -> None:
        """Connect as soon as the server and its JetStream are there; the client reconnects by itself after that."""
        while self.client is None:
            try:
                self.client = await self._connect()
                await self._found()
            except (OSError, NatsError, TimeoutError) as error:
                self.tried = True
                self._troubled("broker.missing", error)
                await asyncio.sleep(AGAIN_SECONDS)
        # Waits all the same: work that ends is taken for work that failed.
        await asyncio.Event().wait()

    async def _connect(self) -> Client:
        """A connection with the stream in place, or none at all."""
        client = await connect(self._url, troubled=self._told, lost=self._lost, found=self._found)
        try:
            stream = client.jetstream(timeout=5)
            await ensure_stream(stream)
            if self._keeps_stream:
                await bring_up_to_date(stream)
        except BaseException:
            await client.close()
            raise
        return client

    async def _told(self, error: Exception) -> None:
        if self.ready:
            self._troubles.clear()
        self._troubled("broker.trouble", error)

    def _troubled(self, event: str, error: Exception) -> None:
        name = type(error).__name__
        if name not in self._troubles:
            self._troubles.add(name)
            log.warning(event, error=name)

    async def _lost(self) -> None:
        if self.client is not None and not self.client.is_closed:
            log.warning("broker.lost")

    async def _found(self) -> None:
        self.tried = True
        self._troubles.clear()
        self.changed.set()
        log.info("broker.connected")

    async def close(self) -> None:
        """Leave the server."""
        if self.client is not None:
            await self.client.close()

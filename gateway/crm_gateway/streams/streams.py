"""All open streams of this process: how many there may be, whose they are, and how they end with it."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Protocol

from crm_kit.thin_events.types import EventTypes

from crm_gateway.channels import Channels
from crm_gateway.exchange import Exchange, Send
from crm_gateway.settings import Settings
from crm_gateway.shares import Share
from crm_gateway.streams.catching_up import CatchingUp
from crm_gateway.streams.choice import Choice
from crm_gateway.streams.endings import Identity
from crm_gateway.streams.feed import Feed
from crm_gateway.streams.follower import Follower
from crm_gateway.streams.stream import CLOSED, CUT_OFF, OpenStream, ReaderGoneError
from crm_gateway.streams.viewers import Viewers

# Whatever a token says: as long as anybody keeps a connection.
MAX_SECONDS = 24 * 3600.0


class Companion(Protocol):
    """Tells readers of streams something besides events."""

    def start(self) -> None:
        """There are streams; it may have been said before."""
        ...

    def stop(self) -> None:
        """There is none any more."""
        ...


class Streams:
    """Opens streams within the limits of the settings, and ends them all when the process leaves."""

    def __init__(self, settings: Settings, types: EventTypes, channels: Channels) -> None:
        self._feed = Feed(settings.nats_url)
        self._follower = Follower(self._feed, types)
        self._catching_up = CatchingUp(self._feed, self._follower, types)
        self.viewers = Viewers(channels)
        self._companions: list[Companion] = []
        self._heartbeat_seconds = settings.stream_heartbeat
        self._of_all = Share(settings.max_streams, "RATE_LIMITED.streams")
        self._of_tenant = Share(settings.max_streams_per_tenant, "RATE_LIMITED.streams")
        self._of_user = Share(settings.max_streams_per_user, "RATE_LIMITED.streams")
        self._open: set[OpenStream] = set()
        self._is_leaving = False

    def accompany(self, companion: Companion) -> None:
        """Have something told besides events while there are streams."""
        self._companions.append(companion)

    def take_place(self, exchange: Exchange, identity: Identity) -> None:
        """Count a stream until its exchange ends; ProblemError RATE_LIMITED when there are too many of them."""
        self._of_user.take(f"{identity.tenant_id} {identity.user_id}", exchange)
        self._of_tenant.take(identity.tenant_id, exchange)
        self._of_all.take("", exchange)

    async def tell(
        self, exchange: Exchange, identity: Identity, choice: Choice, last_id: str | None, send: Send
    ) -> None:
        """Tell a reader what happens until the stream ends, however it does."""
        with contextlib.suppress(ReaderGoneError), self._opened(exchange, identity, choice) as stream:

            async def write(data: bytes) -> None:
                await send({"type": "http.response.body", "body": data, "more_body": True})

            if await stream.run(write, last_id, heartbeat_seconds=self._heartbeat_seconds) == CUT_OFF:
                exchange.cut_off()

    @contextlib.contextmanager
    def _opened(self, exchange: Exchange, identity: Identity, choice: Choice) -> Iterator[OpenStream]:
        viewer = self.viewers.of(identity)
        stream = OpenStream(identity, choice, viewer, self._catching_up)
        viewer.come(stream, exchange.headers[b"authorization"].decode(), exchange.expire_time)
        self._open.add(stream)
        self._follower.start()
        for each in self._companions:
            each.start()
        seconds = min(exchange.expire_time - time.time(), MAX_SECONDS)
        ends = asyncio.get_running_loop().call_later(seconds, stream.end, "TOKEN_EXPIRED")
        gone = asyncio.create_task(_until_gone(exchange, stream))
        if self._is_leaving:
            stream.end(CLOSED)
        try:
            yield stream
        finally:
            gone.cancel()
            ends.cancel()
            self._open.discard(stream)
            if viewer.go(stream):
                self.viewers.forget(identity)
            if not self._open:
                self._stop()

    def _stop(self) -> None:
        self._follower.stop()
        for each in self._companions:
            each.stop()

    def leave(self) -> None:
        """End all: their readers go on elsewhere."""
        self._is_leaving = True
        for stream in self._open:
            stream.end(CLOSED)

    async def close(self) -> None:
        """Leave the broker."""
        self.leave()
        self._stop()
        await self._feed.close()


async def _until_gone(exchange: Exchange, stream: OpenStream) -> None:
    while (await exchange.receive())["type"] != "http.disconnect":
        pass
    stream.end(CLOSED)

"""Beats told to all gateways by the broker: as plain messages, which nobody keeps and no stream has.

A gateway that begins, or was cut off from the broker, knows all who are there again with their next beat.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable

import msgspec
import structlog
from crm_kit.events.connecting import connect
from nats.aio.client import Client
from nats.aio.msg import Msg

from crm_gateway.presence.board import Beat, Board, Present, Record
from crm_gateway.streams.feed import AWAY

log = structlog.get_logger(__name__)
SUBJECT = "crm.presence."
MAX_BYTES = 2000
AGAIN_SECONDS = 5.0


class Presence:
    """Who is at which record. While the broker is away each gateway knows of its own.

    It is connected to when it is first needed. `clock` are seconds that never go back.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._url = url
        self._board = Board()
        self._connecting = asyncio.Lock()
        self._client: Client | None = None
        self._tried = float("-inf")

    async def beat(self, beat: Beat) -> None:
        """Somebody is at a record, or has left it: known here at once, and elsewhere as soon as the broker says so."""
        self._board.hear(beat, self.clock())
        with contextlib.suppress(*AWAY):
            client = await self._connected()
            if client is not None:
                await client.publish(f"{SUBJECT}{beat.tenant_id}", msgspec.json.encode(beat))

    async def others(self, tenant_id: str, record: Record, user_id: str) -> list[Present]:
        """Who is at a record besides the user."""
        with contextlib.suppress(*AWAY):
            await self._connected()
        return self.others_known(tenant_id, record, user_id)

    def users_at(self, tenant_id: str, record: Record) -> set[str]:
        """The ids of those who are at a record."""
        return self._board.users_at(tenant_id, record)

    def others_known(self, tenant_id: str, record: Record, user_id: str) -> list[Present]:
        """As `others`, by what has been heard."""
        return self._board.others(tenant_id, record, user_id, self.clock())

    def watch(self) -> None:
        """Note where somebody comes or goes, for `take_changed`."""
        self._board.watch()

    def unwatch(self) -> None:
        """Note it no more."""
        self._board.unwatch()

    async def take_changed(self) -> list[tuple[str, Record]]:
        """The tenants and records at which somebody has come or gone since it was last asked."""
        with contextlib.suppress(*AWAY):
            await self._connected()
        return self._board.take_changed(self.clock())

    async def close(self) -> None:
        """Leave the broker."""
        if self._client is not None:
            await self._client.close()

    async def _connected(self) -> Client | None:
        """None for a while after it could not be reached: no request waits for it each time."""
        async with self._connecting:
            if self._client is not None and not self._client.is_closed:
                return self._client
            if time.monotonic() < self._tried + AGAIN_SECONDS:
                return None
            self._tried = time.monotonic()
            client = await connect(self._url, troubled=_passed_over)
            await client.subscribe(f"{SUBJECT}*", cb=self._heard)
            await client.flush()
            self._client = client
        return client

    async def _heard(self, message: Msg) -> None:
        beat = beat_from(message)
        if beat is not None:
            self._board.hear(beat, self.clock())


def beat_from(message: Msg) -> Beat | None:
    """What a message says; None for bytes that no gateway has written, or of another tenant than its subject's."""
    if len(message.data) > MAX_BYTES:
        return None
    try:
        beat = msgspec.json.decode(message.data, type=Beat)
    except msgspec.MsgspecError:
        return None
    return beat if message.subject == f"{SUBJECT}{beat.tenant_id}" else None


async def _passed_over(_error: Exception) -> None:
    """Presence is a courtesy: the log has the broker's troubles already."""

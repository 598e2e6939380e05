"""One open stream: what its reader may see of what happens, told in order, until it ends."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence

import structlog

from crm_gateway.streams.catching_up import CatchingUp, TooOldError
from crm_gateway.streams.choice import Choice
from crm_gateway.streams.endings import Identity
from crm_gateway.streams.inbox import Aside, BehindError, Inbox, Reset
from crm_gateway.streams.places import BEGINNING, Place, later, place_from
from crm_gateway.streams.told import Told, frame
from crm_gateway.streams.viewers import NotKnownError, Viewer

log = structlog.get_logger(__name__)
Write = Callable[[bytes], Awaitable[None]]
# After how long a reader comes back: not all at once when a gateway has left.
FIRST_RETRY_MS, MORE_RETRY_MS = 1000, 2000
HEARTBEAT = b": heartbeat\n\n"
# How a stream ends: without a word, by breaking it off, and for any other reason with the event `expired`.
CLOSED, CUT_OFF = "CLOSED", "CUT_OFF"
# Why what came before may be incomplete.
UNKNOWN_PLACE, LOST_PLACE = "TOO_OLD", "LOST"


class ReaderGoneError(Exception):
    """Nobody reads what is written."""


class OpenStream:
    """From its opening to its end. It is `run` once, by whoever answers the request."""

    def __init__(self, identity: Identity, choice: Choice, viewer: Viewer, catching_up: CatchingUp) -> None:
        self.identity = identity
        self._choice = choice
        self._viewer = viewer
        self._catching_up = catching_up
        self._follower = catching_up.follower
        self._inbox = Inbox()
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._writing = asyncio.Lock()
        self._write: Write
        # How far its reader has been told, and how far they know that.
        self._place = self._known_place = BEGINNING
        self._has_told_all = False

    # What happens to it

    def takes(self, told: Told) -> bool:
        return self._choice.takes(told)

    def offer(self, told: Told) -> None:
        self._inbox.put(told)

    def offer_aside(self, aside: Aside) -> None:
        """Tell it where the reader wants to know of such."""
        if self._choice.takes_aside(*aside.key):
            self._inbox.put_aside(aside)

    def reset(self, place: Place) -> None:
        self._inbox.put(Reset(place, LOST_PLACE))

    def end(self, reason: str) -> None:
        """End it, for the first of the reasons that come."""
        if not self._ended.done():
            self._ended.set_result(reason)

    # What its reader is told

    async def run(self, write: Write, last_id: str | None, *, heartbeat_seconds: float) -> str:
        """Tell until it ends, from where the reader was or from now on; how it ended."""
        self._write = write
        await self._send(b"retry: %d\n\n" % (FIRST_RETRY_MS + secrets.randbelow(MORE_RETRY_MS)))
        telling = asyncio.create_task(self._tell(last_id))
        telling.add_done_callback(self._has_stopped)
        try:
            while not (await asyncio.wait([self._ended], timeout=heartbeat_seconds))[0]:
                await self._beat()
        finally:
            self._follower.leave(self)
            telling.cancel()
        reason = self._ended.result()
        if reason not in (CLOSED, CUT_OFF):
            await self._send(frame("expired", {"reason": reason}))
        return reason

    def _has_stopped(self, telling: "asyncio.Task[None]") -> None:
        error = None if telling.cancelled() else telling.exception()
        if isinstance(error, NotKnownError):
            self.end("USER_DEACTIVATED")
        elif error is not None:
            if not isinstance(error, BehindError | ReaderGoneError):
                log.error("events.failed", exc_info=error)
            self.end(CUT_OFF)

    async def _tell(self, last_id: str | None) -> None:
        await self._follower.known()
        if last_id is None:
            self._place = self._follower.join(self)
        else:
            await self._catch_up(place_from(last_id))
        await self._say("ready", {})
        while True:
            self._has_told_all = True
            item = await self._inbox.take()
            self._has_told_all = False
            if isinstance(item, Reset):
                await self._reset(item)
            elif isinstance(item, Aside):
                await self._tell_aside(item)
            else:
                await self._tell_all(item)

    async def _catch_up(self, place: Place | None) -> None:
        """Tell what was missed; a reset where nobody can say what that is."""
        if place is not None:
            self._place = self._known_place = place
            try:
                joined = await self._catching_up.join(self, self._inbox, place, self._tell_all)
            except TooOldError:
                self._follower.leave(self)
                self._inbox.empty()
            else:
                # Another gateway may have been further than this one is.
                self._place = later(self._place, joined)
                return
        await self._reset(Reset(self._follower.join(self), UNKNOWN_PLACE))

    async def _reset(self, reset: Reset) -> None:
        self._place = reset.place
        await self._say("reset", {"reason": reset.reason})

    async def _tell_all(self, told: Sequence[Told]) -> None:
        """Those that the reader may see at this moment."""
        fresh = [each for each in told if each.place.sequence > self._place.sequence]
        if not fresh:
            return
        seen = await self._viewer.seen(fresh)
        visible = [(each, hidden) for each, hidden in zip(fresh, seen, strict=True) if hidden is not None]
        if visible:
            await self._send(b"".join(each.frame(hidden) for each, hidden in visible))
            self._known_place = visible[-1][0].place
        self._place = fresh[-1].place

    async def _tell_aside(self, aside: Aside) -> None:
        if await self._viewer.sees(aside.type, aside.record_id) is not None:
            await self._send(frame(aside.name, aside.data()))

    async def _beat(self) -> None:
        """Keep the connection in use, and have the reader know how far they are where nothing was for them."""
        if self._writing.locked():
            return
        if self._has_told_all and self._inbox.is_empty:
            self._place = later(self._place, self._follower.place)
        if self._place.sequence > self._known_place.sequence:
            await self._say("heartbeat", {})
        else:
            await self._send(HEARTBEAT)

    async def _say(self, name: str, data: dict[str, str]) -> None:
        self._known_place = self._place
        await self._send(frame(name, data, self._place))

    async def _send(self, data: bytes) -> None:
        async with self._writing:
            try:
                await self._write(data)
            except OSError as error:
                raise ReaderGoneError from error

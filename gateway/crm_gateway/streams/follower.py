"""Follows the broker for all streams of this process, as long as there are any."""

import asyncio
from typing import Protocol

import structlog
from crm_kit.thin_events.types import EventTypes

from crm_gateway.streams.endings import Identity, ending_of
from crm_gateway.streams.feed import AWAY, Feed, Passed
from crm_gateway.streams.places import Place
from crm_gateway.streams.told import Told, event_of, told_of

log = structlog.get_logger(__name__)
AGAIN_SECONDS = 0.5


class Listener(Protocol):
    """A stream that is told what happens from where it joined."""

    identity: Identity

    def takes(self, told: Told) -> bool:
        """Whether the stream's reader wants to know of such events."""
        ...

    def offer(self, told: Told) -> None:
        """An event that its reader may see or not, in the broker's order."""
        ...

    def reset(self, place: Place) -> None:
        """What came before the place may be incomplete."""
        ...

    def end(self, reason: str) -> None:
        """Its reader may not go on."""
        ...


class Follower:
    """Offers each event of a tenant to the listeners of that tenant; what concerns nobody costs a look-up."""

    def __init__(self, feed: Feed, types: EventTypes) -> None:
        self._feed = feed
        self._types = types
        self._listeners: dict[str, set[Listener]] = {}
        self._place: Place | None = None
        self._known = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self._is_waiting = False

    def start(self) -> None:
        """Follow from now on, or on from where it was, unless it does already."""
        if self._following is None or self._following.done():
            self._following = asyncio.create_task(self._follow())

    def stop(self) -> None:
        """Nobody listens any more."""
        if self._following is not None:
            self._following.cancel()
        self._following, self._place = None, None
        self._known.clear()

    @property
    def place(self) -> Place:
        """Where it is: all before has been offered. To be asked once it is `known`."""
        assert self._place is not None
        return self._place

    async def known(self) -> None:
        """Wait until the broker has said where its stream ends."""
        await self._known.wait()

    def join(self, listener: Listener) -> Place:
        """Offer the listener what happens from now on; where that is."""
        self._listeners.setdefault(listener.identity.tenant_id, set()).add(listener)
        return self.place

    def leave(self, listener: Listener) -> None:
        """Offer it nothing more."""
        of_tenant = self._listeners.get(listener.identity.tenant_id, set())
        of_tenant.discard(listener)
        if not of_tenant:
            self._listeners.pop(listener.identity.tenant_id, None)

    @property
    def _is_wanted(self) -> bool:
        """Whether the task that runs is the one that follows: Python 3.11 may lose its cancellation."""
        return self._following is asyncio.current_task()

    async def _follow(self) -> None:
        while self._is_wanted:
            try:
                await self._go_on()
            except AWAY as error:
                if not self._is_waiting:
                    # Once, however long it lasts.
                    log.warning("events.waiting", error=type(error).__name__)
                self._is_waiting = True
            except Exception:
                # A defect of ours must not end all streams' hearing: it goes on behind the last message.
                log.exception("events.stumbled")
            await asyncio.sleep(AGAIN_SECONDS)

    async def _go_on(self) -> None:
        """Offer what comes, from where it was; from the end where that is not known or is there no more."""
        place = self._place
        if place is None or not await self._feed.knows(place):
            place = await self._feed.end()
            if not self._is_wanted:
                return
            self._begin_at(place)
        async with self._feed.behind(place) as reading:
            if self._is_waiting:
                log.info("events.going_on")
            self._is_waiting = False
            while True:
                passed = await reading.next()
                if not self._is_wanted:
                    return
                for each in passed:
                    self._pass_on(each)

    def _begin_at(self, place: Place) -> None:
        is_new = self._place is None
        self._place = place
        self._known.set()
        if not is_new:
            log.warning("events.reset")
            for listener in [each for of_tenant in self._listeners.values() for each in of_tenant]:
                listener.reset(place)

    def _pass_on(self, passed: Passed) -> None:
        self._place = passed.place
        try:
            self._offer(passed)
        except Exception:
            # One that cannot be offered must not keep back those behind it.
            log.exception("events.stepped_over", sequence=passed.place.sequence, subject=passed.place.subject)

    def _offer(self, passed: Passed) -> None:
        listeners = self._listeners.get(passed.tenant_id)
        event = event_of(passed.place.subject, passed.data) if listeners else None
        if not listeners or event is None:
            return
        if ending := ending_of(event):
            for listener in listeners:
                if ending.concerns(listener.identity):
                    listener.end(ending.reason)
        if told := told_of(event, passed.place, self._types):
            for listener in listeners:
                if listener.takes(told):
                    listener.offer(told)

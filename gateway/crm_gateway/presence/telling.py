"""Tells the streams of those who are at a record that somebody else has come, gone, or begun to edit it."""

import asyncio
from collections.abc import Mapping
from functools import partial

import structlog
from crm_kit.thin_events.types import EventTypes

from crm_gateway.presence.board import Record
from crm_gateway.presence.sharing import Presence
from crm_gateway.streams.choice import PRESENCE
from crm_gateway.streams.inbox import Aside
from crm_gateway.streams.viewers import Viewers

log = structlog.get_logger(__name__)
EVERY_SECONDS = 0.5
# Records, until others have the loop.
AT_ONCE = 100


class PresenceTelling:
    """Looks every half second while there are streams. Whoever is at the record and may still read it is told."""

    def __init__(self, presence: Presence, viewers: Viewers, types: EventTypes) -> None:
        self._presence = presence
        self._viewers = viewers
        # Any of a collection says who is asked whether one of its records may be read.
        self._types = {each.collection: each for each in types.all if not each.part}
        self._telling: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Tell from now on, unless it does already."""
        if self._telling is None or self._telling.done():
            self._presence.watch()
            self._telling = asyncio.create_task(self._tell())

    def stop(self) -> None:
        """Nobody listens any more."""
        if self._telling is not None:
            self._telling.cancel()
            self._presence.unwatch()
        self._telling = None

    async def _tell(self) -> None:
        # Python 3.11 may lose a cancellation.
        while self._telling is asyncio.current_task():
            await self._tell_changed()
            await asyncio.sleep(EVERY_SECONDS)

    async def _tell_changed(self) -> None:
        for number, (tenant_id, record) in enumerate(await self._presence.take_changed(), 1):
            try:
                self._tell_of(tenant_id, record)
            except Exception:
                # A defect of ours must not keep the others from being told.
                log.exception("presence.stumbled", collection=record.collection)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)

    def _tell_of(self, tenant_id: str, record: Record) -> None:
        type = self._types.get(record.collection)
        if type is None:
            return
        for user_id in self._presence.users_at(tenant_id, record):
            viewer = self._viewers.find(tenant_id, user_id)
            for stream in () if viewer is None else tuple(viewer.streams):
                stream.offer_aside(Aside(PRESENCE, type, record.id, partial(self._told, tenant_id, record, user_id)))

    def _told(self, tenant_id: str, record: Record, user_id: str) -> Mapping[str, object]:
        """As it is by then."""
        present = self._presence.others_known(tenant_id, record, user_id)
        return {"collection": record.collection, "record_id": record.id, "present": present}

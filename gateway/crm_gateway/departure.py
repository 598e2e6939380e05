"""How a gateway leaves without anybody noticing.

HTTP lets either side close a connection that is kept, and whoever sends a request at that moment gets no answer. So
before it closes any, the gateway goes on for a while and says `Connection: close` with each answer: then the clients
close them, each when it knows that nothing is under way.
"""

import asyncio
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn

from crm_gateway.exchange import App

CLOSE = (b"connection", b"close")


class Departure:
    """The application, and after `begin` the same with every answer the last of its connection.

    `end_streams` ends the answers that would go on for ever.
    """

    def __init__(self, app: App, end_streams: Callable[[], None]) -> None:
        self._app = app
        self.end_streams = end_streams
        self.has_begun = False

    def begin(self) -> None:
        self.has_begun = True

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if not self.has_begun or scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_last(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], CLOSE]}
            await send(message)

        await self._app(scope, receive, send_last)


class DepartingServer(uvicorn.Server):
    """Asked to end, it departs for `seconds` first; asked again, it ends at once."""

    def __init__(self, config: uvicorn.Config, departure: Departure, seconds: float) -> None:
        super().__init__(config)
        self._departure = departure
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._departure.has_begun:
            super().handle_exit(sig, frame)
            return
        self._departure.begin()
        # From a signal's handler: the loop may be asleep, or in the middle of something.
        self._loop.call_soon_threadsafe(self._departure.end_streams)
        if self._seconds:
            self._loop.call_soon_threadsafe(self._loop.call_later, self._seconds, super().handle_exit, sig, frame)
        else:
            super().handle_exit(sig, frame)

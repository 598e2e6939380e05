"""Calls to the outside, with bounds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

from crm_kit.outbound_http.addresses import Reach
from crm_kit.outbound_http.replies import Failure, OutboundError, Reply, Send
from crm_kit.outbound_http.resolving import Resolve, resolve


class OutboundHttp:
    """Calls with the same bounds: `seconds` for all of one, and what is read of a body at most.

    `reach` are the addresses that they may go to.
    """

    def __init__(self, *, seconds: float, max_body_bytes: int, reach: Reach, resolve: Resolve = resolve) -> None:
        self._seconds = seconds
        self._max_body_bytes = max_body_bytes
        self._reach = reach
        self._resolve = resolve

    async def send(self, verb: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        """Make one call. OutboundError when nothing came back that could be read in time."""
        async with self.session() as send:
            return await send(verb, url, headers, body)

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Send]:
        """Several calls to the same host, as `send`: a connection that is there is used again."""
        # 2 MB and some time, for those alone who call somebody.
        await asyncio.to_thread(_load)
        from crm_kit.outbound_http.exchanges import exchanges

        async with exchanges(self._reach, self._resolve, max_body_bytes=self._max_body_bytes) as exchange:

            async def send(verb: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
                try:
                    async with asyncio.timeout(self._seconds):
                        return await exchange(verb, url, headers, body)
                except TimeoutError:
                    raise OutboundError(Failure.TIMED_OUT) from None

            yield send


def _load() -> None:
    from crm_kit.outbound_http.exchanges import trust

    trust()

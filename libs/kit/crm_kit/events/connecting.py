"""A connection to the broker that finds its server again for ever, once it has been there."""

from collections.abc import Awaitable, Callable

import nats
from nats.aio.client import Client


async def connect(
    url: str,
    *,
    troubled: Callable[[Exception], Awaitable[None]],
    lost: Callable[[], Awaitable[None]] | None = None,
    found: Callable[[], Awaitable[None]] | None = None,
) -> Client:
    """Connect to NATS. OSError, nats.errors.Error or TimeoutError when it is not there yet.

    It is told what goes wrong, however often it does, and when the server is `lost` and `found` again.
    """
    return await nats.connect(
        url,
        connect_timeout=2,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.5,
        allow_reconnect=True,
        error_cb=troubled,
        disconnected_cb=lost,
        reconnected_cb=found,
    )

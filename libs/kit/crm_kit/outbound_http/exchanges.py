"""One exchange over HTTP/1.1, to an address that was looked at. Imported by `client` when the first call is made."""

import contextlib
import functools
import os
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import certifi
import httpcore

from crm_kit.outbound_http.addresses import Reach
from crm_kit.outbound_http.replies import Failure, OutboundError, Reply, Send
from crm_kit.outbound_http.resolving import Resolve

# Of connections that were used and may be used again, how long.
KEPT_SECONDS = 5.0


@contextlib.asynccontextmanager
async def exchanges(reach: Reach, resolve: Resolve, *, max_body_bytes: int) -> AsyncIterator[Send]:
    """Exchanges over shared connections; each raises OutboundError when there is no answer."""
    network = PinnedNetwork(reach, resolve)
    # Who waits for whom is decided by those who call.
    async with httpcore.AsyncConnectionPool(
        ssl_context=trust(), max_connections=None, keepalive_expiry=KEPT_SECONDS, network_backend=network
    ) as pool:

        async def exchange(verb: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
            # Uncoded: what is small on the wire must not grow here.
            sent = {"accept-encoding": "identity", **headers}
            try:
                async with pool.stream(verb, url, headers=list(sent.items()), content=body or None) as answer:
                    content, whole = await read(answer, max_body_bytes)
                    return Reply(answer.status, headers_of(answer.headers), content, whole)
            except httpcore.ConnectError as error:
                raise OutboundError(failure_of(error)) from error
            except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError) as error:
                raise OutboundError(Failure.BROKEN_OFF) from error

        yield exchange


class PinnedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to none but addresses that were looked at: the name is not asked for again."""

    def __init__(self, reach: Reach, resolve: Resolve) -> None:
        self._reach = reach
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(self, host: str, port: int, *bounds: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise OutboundError(Failure.NAME_NOT_FOUND) from error
        # All of them: whoever owns the name may also have it lead inside now and then.
        if not all(map(self._reach.allows, addresses)):
            raise OutboundError(Failure.ADDRESS_NOT_ALLOWED)
        for address in addresses:
            with contextlib.suppress(httpcore.ConnectError):
                return await self._network.connect_tcp(str(address), port, *bounds, **options)
        raise OutboundError(Failure.NOT_CONNECTED)

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


async def read(answer: httpcore.Response, max_bytes: int) -> tuple[bytes, bool]:
    """The body up to the bound, and whether that is all of it."""
    body = bytearray()
    async for part in answer.aiter_stream():
        body += part
        if len(body) > max_bytes:
            return bytes(body[:max_bytes]), False
    return bytes(body), True


def headers_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


def failure_of(error: httpcore.ConnectError) -> Failure:
    """Connected it is when this comes: what went wrong then is TLS."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return Failure.NOT_TRUSTED
        cause = cause.__cause__ or cause.__context__
    return Failure.NOT_CONNECTED


@functools.cache
def trust() -> ssl.SSLContext:
    """Whom certificates may come from; whoever has an authority of their own says so by SSL_CERT_FILE.

    Made once: reading all of them takes longer than a request.
    """
    return ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or certifi.where())

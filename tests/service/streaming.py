"""Gateways that listen, and readers of their streams of events."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
from crm_gateway.app import Gateway, create_app
from crm_gateway.departure import DepartingServer, Departure
from crm_gateway.listening import uvicorn_config
from crm_gateway.settings import Settings
from crm_gateway.verification import VerifiedCallers
from crm_kit.identity.issuers import verifier_of
from crm_local.testing import Servers

from tests.service.running import Running, User

URL = "/v1/events"
# For what must come: costs time only where a test fails.
PATIENCE_SECONDS = 60.0


@dataclass
class Listening:
    """A gateway that listens."""

    gateway: Gateway
    url: str
    server: DepartingServer
    serving: "asyncio.Task[None]"

    async def leaves(self) -> None:
        """Asked to end, and it has."""
        self.server.handle_exit(signal.SIGTERM, None)
        self.server.should_exit = True
        await self.serving


class Unsignalled(DepartingServer):
    """One of several in this process, whose signals are not theirs."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def listening(servers: Servers, *services: Running, **values: Any) -> AsyncIterator[Listening]:
    """A gateway in front of the services, with these settings."""
    addresses = {f"{each.service.name}_address": each.service.settings.listen_address for each in services}
    nats_url = servers.environment("gateway")["CRM_NATS_URL"]
    settings = Settings(**{"nats_url": nats_url, **addresses, **values})
    one = services[0]
    verifier = verifier_of(one.service.settings.issuer, settings.audience, (), one.tokens.keys)
    gateway = create_app(settings, verifier=VerifiedCallers(verifier))
    departure = Departure(gateway.asgi, gateway.streams.leave)
    server = Unsignalled(uvicorn_config(departure, settings), departure, 0)
    listener = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield Listening(gateway, f"http://127.0.0.1:{listener.getsockname()[1]}", server, serving)
    finally:
        server.should_exit = True
        gateway.streams.leave()
        await serving
        listener.close()


@dataclass(frozen=True)
class Read:
    """An event as its reader has it."""

    name: str
    id: str
    data: dict[str, Any]

    @property
    def brief(self) -> tuple[str, str, int]:
        """What happened to which record, and its version."""
        return self.name, self.data["record_id"], self.data["version"]


class Reader:
    """Reads a stream as browsers do: https://html.spec.whatwg.org/#parsing-an-event-stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.last_id = ""
        self.retry = 0
        self.comments = 0
        self._lines = answer.aiter_lines()

    async def next(self) -> Read | None:
        """The next event, whatever it says; None at the end of the stream."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._next()

    async def _next(self) -> Read | None:
        name, data = "message", ""
        async for line in self._lines:
            field, _, value = line.partition(": ")
            match field:
                case "id":
                    self.last_id = value
                case "event":
                    name = value
                case "data":
                    data += value
                case "retry":
                    self.retry = int(value)
                case "" if data:
                    return Read(name, self.last_id, orjson.loads(data))
                case "" if line:
                    self.comments += 1
        return None

    async def told(self, count: int) -> list[Read]:
        """So many events of records; those of the stream itself are left out."""
        found: list[Read] = []
        while len(found) < count:
            event = await self.next()
            assert event is not None, f"the stream ended after {found}"
            if "." in event.name:
                found.append(event)
        return found

    async def until(self, *names: str) -> list[Read]:
        """All up to and with the first of one of these names."""
        found: list[Read] = []
        while not found or found[-1].name not in names:
            event = await self.next()
            assert event is not None, f"the stream ended after {found}"
            found.append(event)
        return found

    async def ends(self) -> list[Read]:
        """All that comes until the stream ends."""
        found = []
        while (event := await self.next()) is not None:
            found.append(event)
        return found


@contextlib.asynccontextmanager
async def reading(
    gateway: Listening | str,
    user: User | str,
    *,
    last_id: str = "",
    headers: Mapping[str, str] | None = None,
    **parameters: str | Iterable[str],
) -> AsyncIterator[Reader]:
    """An open stream of the user's, or of whoever has the token."""
    url = gateway if isinstance(gateway, str) else gateway.url
    token = user if isinstance(user, str) else user.token
    sent = {"authorization": f"Bearer {token}", **(headers or {})}
    if last_id:
        sent["last-event-id"] = last_id
    asked: Any = {name: value if isinstance(value, str) else list(value) for name, value in parameters.items()}
    async with (
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE_SECONDS) as client,
        client.stream("GET", URL, headers=sent, params=asked) as answer,
    ):
        if answer.is_error:
            await answer.aread()
        yield Reader(answer)

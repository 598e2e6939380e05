"""A receiver of webhooks as somebody else would write it, who verifies with the `standardwebhooks` package."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook

# What is sent back to a message: the status, headers and the body; an answer may be waited for.
Answer = tuple[int, dict[str, str], bytes]
Answering = Callable[["Received"], Awaitable[Answer]]


@dataclass(frozen=True)
class Received:
    """A message as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def said(self) -> Any:
        return json.loads(self.body)

    @property
    def type(self) -> str:
        return str(self.said["type"])

    def verified_by(self, secret: str) -> Any:
        """What it says; WebhookVerificationError unless the secret signed it."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """A server on this machine. `answering` may be changed while it runs."""

    url: str = ""
    answering: Answering = field(default_factory=lambda: says(200))
    received: list[Received] = field(default_factory=list)

    def answers(self, *statuses: int) -> None:
        """The next messages with these statuses, all others with the last of them."""
        left = list(statuses)

        async def answer(_: Received) -> Answer:
            return (left.pop(0) if len(left) > 1 else left[0]), {}, b"thank you"

        self.answering = answer

    @property
    def ids(self) -> list[str]:
        return [each.id for each in self.received]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(_header(line) for line in head[1:] if line)
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                received = Received(headers, body)
                self.received.append(received)
                status, extra, content = await self.answering(received)
                lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}"]
                lines += [f"{name}: {value}" for name, value in extra.items()]
                writer.write("\r\n".join([*lines, "", ""]).encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip()


def says(status: int, body: bytes = b"thank you", **headers: str) -> Answering:
    """The same to everything."""

    async def answer(_: Received) -> Answer:
        return status, {name.replace("_", "-"): value for name, value in headers.items()}, body

    return answer


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver as long as the block takes."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks"
    try:
        yield receiver
    finally:
        server.close()

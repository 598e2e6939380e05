"""A real SMTP server that keeps what it was sent, and says what a test has it say."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, Envelope, Session

OK = "250 OK"


@dataclass
class Inbox:
    """What has arrived, in order. `replies` are what is said to recipients instead of OK."""

    port: int = 0
    mails: list[tuple[tuple[str, ...], EmailMessage]] = field(default_factory=list)
    replies: dict[str, str] = field(default_factory=dict)
    # Mail to these is not answered before `go_on` is set.
    slow: set[str] = field(default_factory=set)
    waiting: list[str] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if (reply := self.replies.get(address)) is not None:
            return reply
        envelope.rcpt_tos.append(address)
        return OK

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.slow & set(envelope.rcpt_tos):
            self.waiting += envelope.rcpt_tos
            await self.go_on.wait()
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.SMTP)
        assert isinstance(message, EmailMessage)
        self.mails.append((tuple(envelope.rcpt_tos), message))
        return OK

    @property
    def recipients(self) -> list[str]:
        return [each for recipients, _ in self.mails for each in recipients]

    def to(self, address: str) -> list[EmailMessage]:
        """What has arrived for somebody."""
        return [message for recipients, message in self.mails if address in recipients]


@contextlib.asynccontextmanager
async def serving_mail(inbox: Inbox) -> AsyncIterator[Inbox]:
    """Serve at the inbox's port, at any free one unless it has had one."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(inbox, hostname="mail.test", loop=loop), "127.0.0.1", inbox.port)
    inbox.port = server.sockets[0].getsockname()[1]
    try:
        yield inbox
    finally:
        inbox.go_on.set()
        server.close()


@contextlib.asynccontextmanager
async def saying(replies: Mapping[str, bytes]) -> AsyncIterator[int]:
    """The port of a server that says these bytes to the lines that contain a key, and else takes everything."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test\r\n")
        while line := (await reader.readline()).decode():
            writer.write(next((reply for key, reply in replies.items() if key in line), OK.encode()) + b"\r\n")
            if line.startswith("DATA"):
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(b"250 OK\r\n")
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1")
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()

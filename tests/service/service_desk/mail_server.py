"""A mail server with one mailbox (pymap), on this machine, and what a person or a mail server does with it.

Servers besides that do what a real one does not, or not when it is asked to.
"""

import asyncio
import contextlib
import imaplib
import ssl
from argparse import ArgumentParser
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from proxyprotocol.reader import ProxyProtocolReader
from pymap.backend.dict import DictBackend
from pymap.imap import IMAPServer, IMAPService
from pysasl.hashing import BuiltinHash

Result = TypeVar("Result")
HOST = "127.0.0.1"
LOGIN, PASSWORD = "service@huaxin.example", 'a pass\\word "quoted" 密码'


@dataclass
class MailServer:
    """Where it is."""

    port: int

    async def deliver(self, *mails: bytes, folder: str = "INBOX", seen: bool = False) -> None:
        """Put mails into a folder."""

        def append(client: imaplib.IMAP4) -> None:
            for each in mails:
                status, told = client.append(folder, r"(\Seen)" if seen else "", "", each)
                assert status == "OK", told

        await self.do(append)

    async def unseen(self, folder: str = "INBOX") -> int:
        """How many mails nobody has seen."""

        def count(client: imaplib.IMAP4) -> int:
            client.select(folder, readonly=True)
            _, found = client.uid("SEARCH", "UNSEEN")
            return len(found[0].split())

        return await self.do(count)

    async def empty(self) -> None:
        """Delete all mails of the inbox."""

        def delete(client: imaplib.IMAP4) -> None:
            client.select("INBOX")
            client.store("1:*", "+FLAGS", r"(\Deleted)")
            client.expunge()

        await self.do(delete)

    async def make_anew(self, folder: str) -> None:
        """Delete a folder, if it is there, and create it: what was numbered in it means something else from now on."""

        def replace(client: imaplib.IMAP4) -> None:
            client.delete(folder)
            client.create(folder)

        await self.do(replace)

    async def do(self, act: Callable[[imaplib.IMAP4], Result]) -> Result:
        """Something over a connection of its own."""

        def work() -> Result:
            with imaplib.IMAP4(HOST, self.port) as client:
                client.authenticate("PLAIN", lambda _: f"\0{LOGIN}\0{PASSWORD}".encode())
                return act(client)

        return await asyncio.to_thread(work)


@contextlib.asynccontextmanager
async def mail_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[MailServer]:
    """A server with an empty mailbox."""
    parser = ArgumentParser()
    IMAPService.add_arguments(parser)
    DictBackend.add_subparser("dict", parser.add_subparsers(dest="backend"))
    parser.set_defaults(debug=False, passlib_cfg=None)
    options = ["--no-tls", "dict", "--demo-user", LOGIN, "--demo-password", PASSWORD]
    backend, config = await DictBackend.init(
        # What is a secret of nobody takes no time to compare.
        parser.parse_args(options),
        hash_context=BuiltinHash(rounds=1),
        invalid_user_sleep=0.0,
    )
    config.apply_context()
    serve = ProxyProtocolReader(config.proxy_protocol).get_callback(IMAPServer(backend.login, config))
    server = await asyncio.start_server(serve, HOST, 0, ssl=tls)
    try:
        yield MailServer(server.sockets[0].getsockname()[1])
    finally:
        server.close()


@contextlib.asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """The port of a server that takes connections and says nothing, ever."""
    writers: list[asyncio.StreamWriter] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.read()

    server = await asyncio.start_server(listen, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for each in writers:
            each.transport.abort()


# What a server says without end, a little at a time.
DRIPPING = b"..."
PLAIN_ANSWERS: Mapping[str, bytes] = {
    "": b"* OK ready\r\n",
    "CAPABILITY": b"* CAPABILITY IMAP4rev1\r\n",
    "SELECT": b"* 2 EXISTS\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT 3] .\r\n",
    "UID SEARCH": b"* SEARCH 1 2\r\n",
}


@dataclass
class ScriptedServer:
    """What it says to a command before its OK, or NO, by how the command begins; `""` is its greeting.

    `asked` are the commands that came.
    """

    answers: Mapping[str, bytes]
    port: int = 0
    asked: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await self._say(writer, self._answer(""))
            while line := (await reader.readline()).decode():
                tag, command = line.strip().split(" ", 1)
                self.asked.append(command)
                told = self._answer(command)
                is_refused = told.startswith(b"NO")
                await self._say(writer, b"" if is_refused else told)
                await self._say(writer, f"{tag} {'NO' if is_refused else 'OK'} .\r\n".encode())
        writer.close()

    def _answer(self, command: str) -> bytes:
        names = sorted((each for each in self.answers if command.startswith(each)), key=len)
        return self.answers[names[-1]] if names and (names[-1] or not command) else b""

    async def _say(self, writer: asyncio.StreamWriter, told: bytes) -> None:
        writer.write(told)
        await writer.drain()
        while told == DRIPPING:
            await asyncio.sleep(0.02)
            writer.write(b".")
            await writer.drain()


@contextlib.asynccontextmanager
async def scripted_server(answers: Mapping[str, bytes]) -> AsyncIterator[ScriptedServer]:
    """A server with two mails that says so, unless it has another answer."""
    scripted = ScriptedServer({**PLAIN_ANSWERS, **answers})
    server = await asyncio.start_server(scripted.serve, HOST, 0)
    try:
        scripted.port = server.sockets[0].getsockname()[1]
        yield scripted
    finally:
        server.close()


def fetched_as(uid: int, mail: bytes, *, literal: int | None = None) -> bytes:
    """How a server hands over a whole mail, whose bytes it may say to be more than they are."""
    told = len(mail) if literal is None else literal
    return f"* 1 FETCH (UID {uid} RFC822.SIZE {len(mail)} BODY[]<0> {{{told}}}\r\n".encode() + mail + b")\r\n"


def fetched_in_pieces(uid: int, mail: bytes, *, most: int, stated: int | None = None) -> dict[str, bytes]:
    """What a server answers that hands over so many bytes at most, whatever it is asked for, by how it is asked.

    It may state another size than the mail has. Of what is behind the end it says that it is nothing.
    """
    size = len(mail) if stated is None else stated
    found = {}
    for first in [*range(0, len(mail), most), len(mail)]:
        head = f"* 1 FETCH (UID {uid} RFC822.SIZE {size} BODY[]<{first}> ".encode()
        some = mail[first : first + most]
        told = f"{{{len(some)}}}\r\n".encode() + some if some else b"NIL"
        found[f"UID FETCH {uid} (UID RFC822.SIZE BODY.PEEK[]<{first}."] = head + told + b")\r\n"
    return found

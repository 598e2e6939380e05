"""One session with a mail server by IMAP (RFC 3501), in a thread: `imaplib` waits for its server.

Whatever the server sends, and however slowly, is bounded: bytes and seconds of a call, after which its thread is free
again. It connects to no address but one that was looked at.
"""

import contextlib
import imaplib
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from crm_kit.outbound_http.addresses import Reach
from crm_kit.outbound_http.resolving import Resolve, resolve

from crm_service_desk.mailboxes.lines import (
    READ_SECONDS,
    Line,
    MailServerError,
    allowed_addresses,
    connected,
    in_background,
    in_thread,
    secured,
)
from crm_service_desk.mailboxes.model import Failure

Result = TypeVar("Result")
# Of a mail, in one call.
MAX_PIECE_BYTES = 700_000
# Of all that a server sends in one call, whose answer is in memory: more than such a piece, or MAX_FOUND numbers, take.
MAX_CALL_BYTES = 1024 * 1024
# Numbers of mails that a server is asked for at once.
MAX_FOUND = 50_000
# Some providers let nobody read who does not say what they are (RFC 2971).
CLIENT = '("name" "Guanxi" "version" "1")'
# Nobody waits for what the server says to it.
LEAVING = b"LEAVING LOGOUT\r\n"
# How bytes come that are few, or none.
WITHOUT_LITERAL = re.compile(rb'\bBODY\[\](?:<\d+>)? (?:NIL|"((?:[^"\\]|\\.)*)")', re.IGNORECASE)
# Digits of a number of IMAP, which has 32 bits.
MAX_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is fetched from; without `trust`, which only a server on this machine may be, without TLS."""

    host: str
    port: int
    login: str
    folder: str
    trust: ssl.SSLContext | None


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as the server opened it: numbers of mails mean the same while `uid_validity` stays.

    The next mail that comes will have the number `uid_next`, or a higher one. `count` mails are there.
    """

    uid_validity: int
    uid_next: int
    count: int

    @property
    def window(self) -> int:
        """How many numbers, from one on, the server can be asked for at once: most are those of mails that are gone."""
        return MAX_FOUND if self.count > MAX_FOUND else self.uid_next


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a mail, and how many the whole has by its server: some reckon those without reading the mail."""

    content: bytes
    stated_bytes: int | None


class Connection(imaplib.IMAP4):
    """A connection to one of these addresses, that takes so many bytes in a call and no more."""

    def __init__(self, server: Server, addresses: Sequence[str], line: Line) -> None:
        self._server = server
        self._addresses = addresses
        self._line = line
        self._left = MAX_CALL_BYTES
        super().__init__(server.host, server.port, timeout=READ_SECONDS)

    def begin_call(self) -> None:
        """What came before, asked for or not, is done with."""
        self._left = MAX_CALL_BYTES
        self.untagged_responses.clear()

    def _create_socket(self, timeout: float | None) -> socket.socket:
        plain = connected(self._line, self._addresses, self._server.port, timeout=timeout)
        trust = self._server.trust
        return plain if trust is None else secured(self._line, plain, trust, self._server.host)

    def read(self, size: int) -> bytes:
        self._take(size)
        return super().read(size)

    def readline(self) -> bytes:
        line = super().readline()
        self._take(len(line))
        return line

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise self.abort("the server sends too much")


class Session:
    """A folder that is open. Calls raise MailServerError when the server does not answer as it should."""

    def __init__(self, connection: Connection, folder: Folder, line: Line) -> None:
        self.folder = folder
        self._connection = connection
        self._line = line

    async def find(self, first: int, last: int, *, unseen: bool) -> list[int]:
        """The numbers of the mails from `first` to `last`, in their order; only those not marked as seen if asked."""
        criteria = [f"UID {first}:{last}", *(["UNSEEN"] if unseen else [])]
        found = await self._call(lambda client: numbers_in(command(client, "SEARCH", *criteria)))
        return [number for number in found if first <= number <= last]

    async def read(self, uid: int, first: int = 0) -> Piece | None:
        """A piece of a mail, from byte `first` on; None when it is not there any more.

        It has MAX_PIECE_BYTES at most, and fewer where the server likes: an empty one says that nothing follows. The
        mail is not marked as seen by that.
        """
        part = f"(UID RFC822.SIZE BODY.PEEK[]<{first}.{MAX_PIECE_BYTES}>)"
        told = await self._call(lambda client: command(client, "FETCH", str(uid), part))
        return piece_in(told, uid, first)

    async def mark_seen(self, uid: int) -> None:
        """Mark a mail as seen, where the server lets us: whoever may only read the folder goes on all the same."""
        if not self._connection.is_readonly:
            await self._call(lambda client: client.uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Seen)"))

    async def _call(self, act: Callable[[Connection], Result]) -> Result:
        def call() -> Result:
            self._connection.begin_call()
            return act(self._connection)

        return await in_thread(call, self._line)


@contextlib.asynccontextmanager
async def opened(server: Server, password: str, reach: Reach, resolve: Resolve = resolve) -> AsyncIterator[Session]:
    """A session in the folder; MailServerError when there is none."""
    addresses, line = await allowed_addresses(server.host, server.port, reach, resolve), Line()
    connection = await in_thread(lambda: Connection(server, addresses, line), line)
    try:
        folder = await in_thread(lambda: enter(connection, server, password), line)
        yield Session(connection, folder, line)
    finally:
        # In the background, since nobody waits for it.
        in_background(lambda: leave(connection, line))


def enter(connection: Connection, server: Server, password: str) -> Folder:
    """Log in and open the folder."""
    log_in(connection, server.login, password)
    # The capabilities of before the login are not always those of after.
    _, told = connection.capability()
    if b"ID" in b" ".join(told).upper().split():
        connection.xatom("ID", CLIENT)
    open_folder(connection, server.folder)
    return Folder(*(number_of(connection, name) for name in ("UIDVALIDITY", "UIDNEXT", "EXISTS")))


def open_folder(connection: Connection, folder: str) -> None:
    """Open a folder to write into it, or where the server lets us only read it, to do that."""
    try:
        status, _ = connection.select(quoted(folder))
    except imaplib.IMAP4.readonly:
        connection.is_readonly = True
        return
    if status != "OK":
        raise MailServerError(Failure.FOLDER_MISSING)


def log_in(connection: Connection, login: str, password: str) -> None:
    """Prove who it is; MailServerError when that is refused."""
    secret = f"\0{login}\0{password}".encode()
    try:
        if "AUTH=PLAIN" in connection.capabilities:
            connection.authenticate("PLAIN", lambda _: secret)
        else:
            # It cannot say anything but ASCII.
            require_ascii(secret)
            connection.login(quoted(login), password)
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as error:
        # A server that cannot ask at this moment says so (RFC 5530).
        is_away = "[UNAVAILABLE]" in str(error).upper()
        raise MailServerError(Failure.BROKEN_OFF if is_away else Failure.LOGIN_REFUSED) from None


def require_ascii(secret: bytes) -> None:
    if not secret.isascii():
        raise MailServerError(Failure.LOGIN_REFUSED)


def leave(connection: Connection, line: Line) -> None:
    """Say that we go, and go: a server that is waited for here can take as long as it likes."""
    with contextlib.suppress(OSError):
        connection.send(LEAVING)
    line.end()
    with contextlib.suppress(OSError):
        connection.shutdown()


def command(connection: Connection, name: str, *arguments: str) -> list[Any]:
    """What the server answers to a command about numbers of mails."""
    status, data = connection.uid(name, *arguments)
    if status != "OK":
        raise MailServerError(Failure.BROKEN_OFF)
    return list(data)


def numbers_in(told: Sequence[Any]) -> list[int]:
    """The numbers of mails in what a server has found, in their order."""
    words = (word for line in told if isinstance(line, bytes) for word in line.split())
    return sorted({int(word) for word in words if word.isdigit() and len(word) <= MAX_DIGITS})


def number_of(connection: Connection, name: str) -> int:
    """A number that the server told when the folder was opened."""
    _, found = connection.response(name)
    text = found[0] if found else None
    if not isinstance(text, bytes) or not text.isdigit() or len(text) > MAX_DIGITS:
        raise MailServerError(Failure.BROKEN_OFF)
    return int(text)


def piece_in(told: Sequence[Any], uid: int, first: int) -> Piece | None:
    """The piece of a mail from byte `first` on, in what a server answers; None where it has no such mail."""
    for each in told:
        if isinstance(each, tuple) and uid_of(each[0]) in (uid, None):
            require_place(each[0], first)
            return Piece(bytes(each[1])[:MAX_PIECE_BYTES], stated_in(told))
    lines = [each for each in told if isinstance(each, bytes) and uid_of(each) == uid]
    for line in lines:
        if found := WITHOUT_LITERAL.search(line):
            if found.group(1):
                require_place(line, first)
            return Piece(re.sub(rb"\\(.)", rb"\1", found.group(1) or b""), stated_in(told))
    # Behind the end of a mail some say nothing of its bytes.
    return Piece(b"", stated_in(told)) if first and lines else None


def require_place(told: bytes, first: int) -> None:
    """MailServerError where bytes are from another place of the mail: some always send it from its beginning."""
    found = re.search(rb"\bBODY\[\]<(\d{1,10})>", told, re.IGNORECASE)
    if int(found.group(1) if found else 0) != first:
        raise MailServerError(Failure.BROKEN_OFF)


def stated_in(told: Sequence[Any]) -> int | None:
    """How many bytes a server says that a mail has, before or behind some of them."""
    lines = b" ".join(each[0] if isinstance(each, tuple) else each for each in told if each)
    size = re.search(rb"\bRFC822\.SIZE (\d{1,10})\b", lines)
    return int(size.group(1)) if size else None


def uid_of(told: bytes) -> int | None:
    """The number of the mail of which a server sends something, where it says so before that."""
    found = re.search(rb"\bUID (\d+)", told)
    return int(found.group(1)) if found else None


def quoted(text: str) -> str:
    """A text as IMAP quotes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

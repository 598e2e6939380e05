"""One session with a mail server by IMAP (RFC 3501), in a thread: `imaplib` waits for its server.

Whatever the server sends, and however slowly, is bounded: bytes and seconds of a call, after which its thread is free
again. It connects to no address but one that was looked at.
"""

import asyncio
import contextlib
import imaplib
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from crm_kit.outbound_http.addresses import Reach
from crm_kit.outbound_http.resolving import Resolve, resolve

from crm_service_desk.mailboxes.model import Failure

Result = TypeVar("Result")
# Of a mail: what is longer is cut, as are the files within it.
MAX_MAIL_BYTES = 700_000
# Of all that a server sends in one call, whose answer is in memory: more than such a mail, or MAX_FOUND numbers, take.
MAX_CALL_BYTES = 1024 * 1024
# Numbers of mails that a server is asked for at once.
MAX_FOUND = 50_000
# A read that gets nothing for so long has failed, and so has a call that takes longer.
READ_SECONDS, CALL_SECONDS = 20.0, 60.0
# Of a name, that are tried one after the other.
MAX_ADDRESSES = 2
# Some providers let nobody read who does not say what they are (RFC 2971).
CLIENT = '("name" "Guanxi" "version" "1")'
# Nobody waits for what the server says to it.
LEAVING = b"LEAVING LOGOUT\r\n"
# Digits of a number of IMAP, which has 32 bits.
MAX_DIGITS = 10
# Of their own: whoever waits for a server that hangs keeps nothing else waiting.
_THREADS = ThreadPoolExecutor(max_workers=64, thread_name_prefix="imap")


class FetchError(Exception):
    """Nothing can be fetched. It never says which address a name has, nor what the server wrote."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.value)
        self.failure = failure


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


class Line:
    """The socket of a session, once there is one; whoever ends it wakes the thread that waits for the server."""

    def __init__(self) -> None:
        self.is_ended = False
        self._socket: socket.socket | None = None

    def take(self, taken: socket.socket) -> None:
        """Have this socket from now on."""
        self._socket = taken
        if self.is_ended:
            self.end()

    def end(self) -> None:
        """Nothing comes or goes any more: a call that waits fails, and so does each that is made later."""
        self.is_ended = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # Not as TLS has it: whoever is about to send would from then on do so in the clear.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


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
        plain = self._plain_socket(timeout)
        self._line.take(plain)
        if self._server.trust is None:
            return plain
        secured = self._server.trust.wrap_socket(
            plain, server_hostname=self._server.host, do_handshake_on_connect=False
        )
        self._line.take(secured)
        try:
            secured.do_handshake()
        except BaseException:
            secured.close()
            raise
        return secured

    def _plain_socket(self, timeout: float | None) -> socket.socket:
        failure = OSError("no address")
        for address in self._addresses:
            if self._line.is_ended:
                break
            try:
                return socket.create_connection((address, self._server.port), timeout)
            except OSError as error:
                failure = error
        raise failure

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
    """A folder that is open. Calls raise FetchError when the server does not answer as it should."""

    def __init__(self, connection: Connection, folder: Folder, line: Line) -> None:
        self.folder = folder
        self._connection = connection
        self._line = line

    async def find(self, first: int, last: int, *, unseen: bool) -> list[int]:
        """The numbers of the mails from `first` to `last`, in their order; only those not marked as seen if asked."""
        criteria = [f"UID {first}:{last}", *(["UNSEEN"] if unseen else [])]
        found = await self._call(lambda client: numbers_in(command(client, "SEARCH", *criteria)))
        return [number for number in found if first <= number <= last]

    async def read(self, uid: int) -> bytes | None:
        """A mail up to the bound; None when it is not there any more. It is not marked as seen by that."""
        part = f"(UID BODY.PEEK[]<0.{MAX_MAIL_BYTES}>)"
        for each in await self._call(lambda client: command(client, "FETCH", str(uid), part)):
            if isinstance(each, tuple) and uid_of(each[0]) in (uid, None):
                return bytes(each[1])[:MAX_MAIL_BYTES]
        return None

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
    """A session in the folder; FetchError when there is none."""
    addresses, line = await allowed_addresses(server, reach, resolve), Line()
    connection = await in_thread(lambda: Connection(server, addresses, line), line)
    try:
        folder = await in_thread(lambda: enter(connection, server, password), line)
        yield Session(connection, folder, line)
    finally:
        # In the background, since nobody waits for it.
        _THREADS.submit(leave, connection, line)


async def allowed_addresses(server: Server, reach: Reach, resolve: Resolve) -> list[str]:
    """Where the name leads; FetchError where one of them may not be called: the name may lead there now and then."""
    try:
        addresses = await resolve(server.host, server.port)
    except (OSError, UnicodeError) as error:
        raise FetchError(Failure.NAME_NOT_FOUND) from error
    if not all(map(reach.allows, addresses)):
        raise FetchError(Failure.ADDRESS_NOT_ALLOWED)
    return [str(each) for each in addresses[:MAX_ADDRESSES]]


async def in_thread(act: Callable[[], Result], line: Line) -> Result:
    """What a call over a line comes to, in its time; FetchError for whatever goes wrong with it."""
    task = asyncio.get_running_loop().run_in_executor(_THREADS, act)
    try:
        async with asyncio.timeout(CALL_SECONDS):
            return await asyncio.shield(task)
    except BaseException as error:
        if not task.done():
            # The thread wakes, and fails: nobody waits for what it has to say.
            line.end()
        task.add_done_callback(lambda each: each.cancelled() or each.exception())
        if isinstance(error, Exception):
            raise FetchError(failure_of(error)) from error
        raise


def failure_of(error: Exception) -> Failure:
    """Why a call went wrong."""
    if isinstance(error, FetchError):
        return error.failure
    if isinstance(error, TimeoutError):
        return Failure.TIMED_OUT
    if isinstance(error, ssl.SSLCertVerificationError):
        return Failure.NOT_TRUSTED
    # Of its own kind an OSError has while there is no connection yet: a network that does not lead there.
    if isinstance(error, ConnectionRefusedError) or type(error) is OSError:
        return Failure.NOT_CONNECTED
    if isinstance(error, OSError | imaplib.IMAP4.error | ValueError):
        return Failure.BROKEN_OFF
    raise error


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
        raise FetchError(Failure.FOLDER_MISSING)


def log_in(connection: Connection, login: str, password: str) -> None:
    """Prove who it is; FetchError when that is refused."""
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
        raise FetchError(Failure.BROKEN_OFF if is_away else Failure.LOGIN_REFUSED) from None


def require_ascii(secret: bytes) -> None:
    if not secret.isascii():
        raise FetchError(Failure.LOGIN_REFUSED)


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
        raise FetchError(Failure.BROKEN_OFF)
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
        raise FetchError(Failure.BROKEN_OFF)
    return int(text)


def uid_of(told: bytes) -> int | None:
    """The number of the mail of which a server sends something, where it says so before that."""
    found = re.search(rb"\bUID (\d+)", told)
    return int(found.group(1)) if found else None


def quoted(text: str) -> str:
    """A text as IMAP quotes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

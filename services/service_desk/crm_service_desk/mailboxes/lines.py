"""Lines to mail servers that tenants name, used from threads: the standard library's clients wait for their servers.

Whatever a server does, the thread that waits for it is free again in bounded time. No address is connected to but one
that was looked at.
"""

import asyncio
import contextlib
import imaplib
import socket
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from crm_kit.outbound_http.addresses import Reach
from crm_kit.outbound_http.resolving import Resolve

from crm_service_desk.mailboxes.model import Failure

Result = TypeVar("Result")
# A read that gets nothing for so long has failed, and so has a call that takes longer.
READ_SECONDS, CALL_SECONDS = 20.0, 60.0
# Of a name, that are tried one after the other.
MAX_ADDRESSES = 2
# Of their own: whoever waits for a server that hangs keeps nothing else waiting.
_THREADS = ThreadPoolExecutor(max_workers=64, thread_name_prefix="mail")


class MailServerError(Exception):
    """A mail server cannot be worked with. It never says which address a name has, nor what the server wrote."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.value)
        self.failure = failure


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


def connected(line: Line, addresses: Sequence[str], port: int, *, timeout: float | None) -> socket.socket:
    """A socket to the first of these addresses that takes the connection; OSError when none does."""
    failure = OSError("no address")
    for address in addresses:
        if line.is_ended:
            break
        try:
            found = socket.create_connection((address, port), timeout)
        except OSError as error:
            failure = error
        else:
            line.take(found)
            return found
    raise failure


def secured(line: Line, plain: socket.socket, trust: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    """The same line under TLS, to a server that proves to be `host`."""
    wrapped = trust.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    line.take(wrapped)
    try:
        wrapped.do_handshake()
    except BaseException:
        wrapped.close()
        raise
    return wrapped


async def allowed_addresses(host: str, port: int, reach: Reach, resolve: Resolve) -> list[str]:
    """Where the name leads; MailServerError where one of them may not be called: it may lead there now and then."""
    try:
        addresses = await resolve(host, port)
    except (OSError, UnicodeError) as error:
        raise MailServerError(Failure.NAME_NOT_FOUND) from error
    if not all(map(reach.allows, addresses)):
        raise MailServerError(Failure.ADDRESS_NOT_ALLOWED)
    return [str(each) for each in addresses[:MAX_ADDRESSES]]


async def in_thread(act: Callable[[], Result], line: Line, *, seconds: float | None = None) -> Result:
    """What a call over a line comes to, in its time; MailServerError for whatever goes wrong with it."""
    task = asyncio.get_running_loop().run_in_executor(_THREADS, act)
    try:
        async with asyncio.timeout(seconds or CALL_SECONDS):
            return await asyncio.shield(task)
    except BaseException as error:
        if not task.done():
            # The thread wakes, and fails: nobody waits for what it has to say.
            line.end()
        task.add_done_callback(lambda each: each.cancelled() or each.exception())
        if isinstance(error, Exception):
            raise MailServerError(failure_of(error)) from error
        raise


def in_background(act: Callable[[], object]) -> None:
    """Have something done in a thread for which nobody waits."""
    _THREADS.submit(act)


def failure_of(error: Exception) -> Failure:
    """Why a call went wrong."""
    if isinstance(error, MailServerError):
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

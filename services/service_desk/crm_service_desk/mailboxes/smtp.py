"""One session with a mail server by SMTP (RFC 5321), in a thread: `smtplib` waits for its server.

As sessions by IMAP it goes to no address but one that was looked at, and ends in bounded time whatever the server does.
"""

import base64
import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from crm_kit.mail.delivery import outcome_of
from crm_kit.mail.model import Outcome
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

# Handing a mail in may take this long, and looking at it, before the server says whether it takes it.
DATA_SECONDS, VERDICT_SECONDS = 240.0, 120.0
# Of a reply: more lines, or longer ones, are no reply.
MAX_LINES, MAX_LINE = 100, 4096
READY, TAKEN, GO_ON, LOGGED_IN = 220, 250, 354, 235
DOT = re.compile(rb"(?m)^\.")


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed in; without `trust`, which only a server on this machine may be, without TLS."""

    host: str
    port: int
    login: str
    trust: ssl.SSLContext | None
    starttls: bool = False


@dataclass(frozen=True, slots=True)
class Letter:
    """What is handed in: from whom, to whom, and the mail in pieces that end with a line each."""

    sender: str
    recipients: tuple[str, ...]
    pieces: Sequence[bytes]


class Connection(smtplib.SMTP):
    """A connection to one of these addresses, which takes replies of bounded length."""

    def __init__(self, server: SmtpServer, addresses: Sequence[str], line: Line, *, name: str) -> None:
        self._server = server
        self._addresses = addresses
        self._line = line
        super().__init__(server.host, server.port, local_hostname=name, timeout=READ_SECONDS)
        self.ehlo_or_helo_if_needed()
        if server.starttls and server.trust is not None:
            self._protect(server.trust)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = connected(self._line, self._addresses, port, timeout=timeout)
        trust = None if self._server.starttls else self._server.trust
        return plain if trust is None else secured(self._line, plain, trust, host)

    def _protect(self, trust: ssl.SSLContext) -> None:
        """Go on under TLS, with all forgotten that was said in the clear."""
        code, _ = self.docmd("STARTTLS")
        if code != READY or self.sock is None:
            raise MailServerError(Failure.BROKEN_OFF)
        self.sock = secured(self._line, self.sock, trust, self._server.host)
        self.file, self.helo_resp, self.ehlo_resp = None, None, None
        self.esmtp_features, self.does_esmtp = {}, False
        self.ehlo_or_helo_if_needed()

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:
            assert self.sock is not None
            self.file = self.sock.makefile("rb")
        said = []
        for _ in range(MAX_LINES):
            line = self.file.readline(MAX_LINE + 1)
            if len(line) > MAX_LINE or not line[:3].isdigit():
                break
            said.append(line[4:].strip())
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(said)
        self.close()
        raise smtplib.SMTPServerDisconnected("what came is no reply")

    def prove(self, password: str) -> None:
        """Log in where the server wants it; MailServerError when that is refused."""
        offered = self.esmtp_features.get("auth", "").upper().split()
        if not offered:
            return
        if "PLAIN" in offered:
            code, _ = self.docmd("AUTH", "PLAIN " + as_base64(f"\0{self._server.login}\0{password}"))
        else:
            self.docmd("AUTH", f"LOGIN {as_base64(self._server.login)}")
            code, _ = self.docmd(as_base64(password))
        if code != LOGGED_IN:
            # What begins with 4 the server cannot say at this moment.
            raise MailServerError(Failure.BROKEN_OFF if code // 100 == 4 else Failure.LOGIN_REFUSED)

    def hand_in(self, letter: Letter) -> Outcome:
        """Hand a letter in; the server's replies by the addresses that it does not take."""
        code, said = self.mail(letter.sender)
        if code != TAKEN:
            return replied(letter.recipients, code, said)
        replies = {each: self.rcpt(each) for each in letter.recipients}
        refused = {each: (code, text(said)) for each, (code, said) in replies.items() if code // 100 != 2}
        left = [each for each in letter.recipients if each not in refused]
        if not left:
            return outcome_of(refused)
        code, said = self._hand_over(letter.pieces)
        if code != TAKEN:
            refused |= dict.fromkeys(left, (code, text(said)))
        return outcome_of(refused)

    def _hand_over(self, pieces: Sequence[bytes]) -> tuple[int, bytes]:
        code, said = self.docmd("DATA")
        if code != GO_ON:
            return code, said
        for piece in pieces:
            self.send(DOT.sub(b"..", piece))
        self.send(b".\r\n")
        assert self.sock is not None
        self.sock.settimeout(VERDICT_SECONDS)
        return self.getreply()


async def send(server: SmtpServer, password: str, letter: Letter, reach: Reach, resolve: Resolve = resolve) -> Outcome:
    """Hand a letter in, and say what the server said; MailServerError when it cannot be spoken to at all."""
    async with _logged_in(server, password, reach, resolve, name=letter.sender.rpartition("@")[2]) as (client, line):
        try:
            return await in_thread(lambda: client.hand_in(letter), line, seconds=DATA_SECONDS)
        except MailServerError as error:
            # Perhaps it has it, and perhaps not: it gets it again, and knows it by its Message-ID.
            return Outcome(later=dict.fromkeys(letter.recipients, f"the server broke off: {error.failure}"))


async def try_login(server: SmtpServer, password: str, reach: Reach, resolve: Resolve = resolve) -> None:
    """Log in, and go; MailServerError when that does not work."""
    async with _logged_in(server, password, reach, resolve, name=server.login.rpartition("@")[2]):
        pass


@contextlib.asynccontextmanager
async def _logged_in(
    server: SmtpServer, password: str, reach: Reach, resolve: Resolve, *, name: str
) -> AsyncIterator[tuple[Connection, Line]]:
    """A connection that is logged in, of a client of that name."""
    addresses, line = await allowed_addresses(server.host, server.port, reach, resolve), Line()
    try:
        client = await in_thread(lambda: Connection(server, addresses, line, name=name or "localhost"), line)
    except BaseException:
        line.end()
        raise
    try:
        await in_thread(lambda: client.prove(password), line)
        yield client, line
    finally:
        # In the background, since nobody waits for it.
        in_background(lambda: _leave(client, line))


def _leave(client: Connection, line: Line) -> None:
    with contextlib.suppress(OSError):
        client.send(b"QUIT\r\n")
    line.end()
    with contextlib.suppress(OSError):
        client.close()


def as_base64(secret: str) -> str:
    return base64.b64encode(secret.encode()).decode()


def text(said: bytes) -> str:
    return said.decode(errors="backslashreplace")


def replied(recipients: Sequence[str], code: int, said: bytes) -> Outcome:
    """The same reply for all of them."""
    return outcome_of(dict.fromkeys(recipients, (code, text(said))))

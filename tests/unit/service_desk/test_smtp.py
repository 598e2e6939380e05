"""Sessions by SMTP: where they may go, whom they trust, what is said before TLS, and how much they take."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from crm_kit.outbound_http.addresses import LOOPBACK, Address, Reach
from crm_service_desk.mailboxes import lines
from crm_service_desk.mailboxes.lines import MailServerError
from crm_service_desk.mailboxes.model import Failure
from crm_service_desk.mailboxes.smtp import MAX_LINE, MAX_LINES, Letter, SmtpServer, send

from tests.service.mailing import Inbox, saying
from tests.unit.certificates import certified

HOST, PASSWORD = "127.0.0.1", "密码 with blanks"
SERVER = SmtpServer("smtp.huaxin.example", 465, "service@huaxin.example", None)
LETTER = Letter("service@huaxin.example", ("chen@kunde.example",), [b"Subject: x\r\n\r\n", b".a\r\n..b\r\n"])
HERE = Reach(LOOPBACK)


async def here(_host: str, _port: int) -> Sequence[Address]:
    return [ip_address(HOST)]


def prove(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    is_right = data.password.decode() == PASSWORD
    # What is not handled here the server answers itself.
    return AuthResult(success=is_right, handled=is_right)


@contextlib.asynccontextmanager
async def served(inbox: Inbox, context: ssl.SSLContext, *, starttls: bool) -> AsyncIterator[int]:
    """The port of a server that asks for the password, under TLS from the beginning or after STARTTLS."""
    loop = asyncio.get_running_loop()
    options: dict[str, Any] = {"tls_context": context, "require_starttls": True} if starttls else {}
    server = await loop.create_server(
        lambda: SMTP(
            inbox,
            hostname="mail.test",
            authenticator=prove,
            auth_required=starttls,
            auth_require_tls=starttls,
            loop=loop,
            **options,
        ),
        HOST,
        0,
        ssl=None if starttls else context,
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def refused(server: SmtpServer, password: str = PASSWORD, reach: Reach = HERE) -> Failure:
    with pytest.raises(MailServerError) as caught:
        await send(server, password, LETTER, reach, here)
    return caught.value.failure


@pytest.mark.parametrize("starttls", [False, True])
async def test_a_letter_goes_under_tls_to_a_server_that_proves_its_name_and_whole(
    tmp_path: Path, starttls: bool
) -> None:
    context, file = certified(["smtp.huaxin.example"], tmp_path)
    inbox = Inbox()
    async with served(inbox, context, starttls=starttls) as port:
        trust = ssl.create_default_context(cafile=file)
        server = replace(SERVER, port=port, trust=trust, starttls=starttls)
        outcome = await send(server, PASSWORD, LETTER, HERE, here)
        assert (outcome.later, outcome.never) == ({}, {})
        ((recipients, mail),) = inbox.mails
        assert recipients == LETTER.recipients
        assert str(mail.get_payload()).splitlines() == [".a", "..b"]
        assert await refused(server, "wrong") is Failure.LOGIN_REFUSED
        assert await refused(replace(server, trust=ssl.create_default_context())) is Failure.NOT_TRUSTED
        assert await refused(replace(server, host="smtp.elsewhere.example")) is Failure.NOT_TRUSTED
    assert len(inbox.mails) == 1


async def test_a_server_that_offers_no_protection_hears_neither_password_nor_letter() -> None:
    heard: list[bytes] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test\r\n")
        while line := await reader.readline():
            heard.append(line)
            said = b"502 no\r\n" if line.startswith(b"STARTTLS") else b"250-mail.test\r\n250 AUTH PLAIN\r\n"
            writer.write(said)
        writer.close()

    server = await asyncio.start_server(converse, HOST)
    port = server.sockets[0].getsockname()[1]
    try:
        trust = ssl.create_default_context()
        assert await refused(replace(SERVER, port=port, trust=trust, starttls=True)) is Failure.BROKEN_OFF
    finally:
        server.close()
    assert {line.split()[0].upper() for line in heard} <= {b"EHLO", b"STARTTLS", b"QUIT"}


@pytest.mark.parametrize("reply", [b"250-x\r\n" * (MAX_LINES + 1) + b"250 x", b"250 " + b"x" * MAX_LINE, b"hello"])
async def test_a_server_that_says_too_much_or_no_reply_is_left(reply: bytes) -> None:
    async with saying({"ehlo": reply}) as port:
        assert await refused(replace(SERVER, port=port)) is Failure.BROKEN_OFF


async def test_a_server_within_is_not_called() -> None:
    async with saying({}) as port:
        assert await refused(replace(SERVER, port=port), reach=Reach()) is Failure.ADDRESS_NOT_ALLOWED


async def test_what_a_server_says_to_each_recipient_is_told_apart() -> None:
    letter = replace(LETTER, recipients=("a@x.example", "b@x.example", "c@x.example"))
    replies = {"a@x": b"250 fine", "b@x": b"450 later", "c@x": b"550 never"}
    async with saying(replies | {"DATA": b"354 go on", "data": b"354 go on"}) as port:
        outcome = await send(replace(SERVER, port=port), PASSWORD, letter, HERE, here)
    assert (outcome.later, outcome.never) == ({"b@x.example": "450 later"}, {"c@x.example": "550 never"})


async def test_a_server_that_hangs_behind_the_letter_may_have_it_and_gets_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("crm_service_desk.mailboxes.smtp.DATA_SECONDS", 0.3)
    assert lines.CALL_SECONDS > 1

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test\r\n")
        while line := await reader.readline():
            if line == b".\r\n":
                await reader.read()
                break
            if line.split(b" ")[0].strip().upper() in {b"EHLO", b"MAIL", b"RCPT"}:
                writer.write(b"250 OK\r\n")
            elif line.strip().upper() == b"DATA":
                writer.write(b"354 go on\r\n")
        writer.close()

    server = await asyncio.start_server(converse, HOST)
    try:
        port = server.sockets[0].getsockname()[1]
        outcome = await send(replace(SERVER, port=port), PASSWORD, LETTER, HERE, here)
    finally:
        server.close()
    assert set(outcome.later) == set(LETTER.recipients)
    assert not outcome.never

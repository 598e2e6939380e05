"""Sessions with mail servers: where they may go, whom they trust, and how much they take."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from crm_kit.outbound_http.addresses import LOOPBACK, Address, Reach
from crm_service_desk.mailboxes import imap, lines
from crm_service_desk.mailboxes.imap import Piece, Server, Session, opened
from crm_service_desk.mailboxes.lines import MailServerError
from crm_service_desk.mailboxes.model import Failure

from tests.service.service_desk.mail_server import (
    DRIPPING,
    HOST,
    LOGIN,
    PASSWORD,
    ScriptedServer,
    fetched_as,
    mail_server,
    scripted_server,
)
from tests.unit.certificates import certified

SERVER = Server("imap.huaxin.example", 993, LOGIN, "INBOX", None)
HERE = Reach(LOOPBACK)


def leading_to(*addresses: str) -> Any:
    async def resolve(_host: str, _port: int) -> Sequence[Address]:
        return [ip_address(each) for each in addresses]

    return resolve


def session_with(served: ScriptedServer) -> contextlib.AbstractAsyncContextManager[Session]:
    return opened(replace(SERVER, port=served.port), "x", HERE, leading_to(HOST))


async def refused(server: Server, reach: Reach, resolve: Any, password: str = PASSWORD) -> Failure:
    with pytest.raises(MailServerError) as caught:
        async with opened(server, password, reach, resolve):
            pass
    return caught.value.failure


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1", "::ffff:10.0.0.7"])
async def test_no_server_is_called_that_has_an_address_within(inside: str) -> None:
    assert await refused(SERVER, Reach(), leading_to("93.184.216.34", inside)) is Failure.ADDRESS_NOT_ALLOWED


async def test_a_name_that_nobody_knows_is_said_to_be_unknown() -> None:
    async def unknown(_host: str, _port: int) -> Sequence[Address]:
        raise OSError("no such name")

    assert await refused(SERVER, HERE, unknown) is Failure.NAME_NOT_FOUND


async def test_a_server_is_trusted_by_its_certificate_and_its_name_alone(tmp_path: Path) -> None:
    context, file = certified(["imap.huaxin.example"], tmp_path)
    trust, resolve = ssl.create_default_context(cafile=file), leading_to(HOST)
    async with mail_server(context) as served:
        server = replace(SERVER, port=served.port, trust=trust)
        async with opened(server, PASSWORD, HERE, resolve) as session:
            assert await session.find(1, session.folder.uid_next, unseen=False) == []
        unknown = replace(server, trust=ssl.create_default_context())
        assert await refused(unknown, HERE, resolve) is Failure.NOT_TRUSTED
        other = replace(server, host="imap.elsewhere.example")
        assert await refused(other, HERE, resolve) is Failure.NOT_TRUSTED


async def test_logins_and_folders_are_quoted_and_told_apart_from_broken_lines() -> None:
    async with mail_server() as served:
        server = replace(SERVER, port=served.port)
        assert await refused(server, HERE, leading_to(HOST), "wrong") is Failure.LOGIN_REFUSED
        odd = replace(server, folder='no "such" \\ folder')
        assert await refused(odd, HERE, leading_to(HOST)) is Failure.FOLDER_MISSING


async def test_a_server_that_sends_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async with mail_server() as served:
        await served.deliver(b"Subject: large\r\n\r\n" + b"x" * 100_000)
        monkeypatch.setattr(imap, "MAX_CALL_BYTES", 20_000)
        async with opened(replace(SERVER, port=served.port), PASSWORD, HERE, leading_to(HOST)) as session:
            (uid,) = await session.find(1, session.folder.uid_next, unseen=True)
            with pytest.raises(MailServerError) as caught:
                await session.read(uid)
    assert caught.value.failure is Failure.BROKEN_OFF


@pytest.mark.parametrize("dripping", ["", "CAPABILITY", "UID SEARCH", "LOGOUT"])
async def test_a_server_that_sends_a_little_for_ever_keeps_no_thread(
    dripping: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadPoolExecutor(max_workers=1) as only_one:
        monkeypatch.setattr(lines, "_THREADS", only_one)
        async with scripted_server({dripping: DRIPPING}) as odd, scripted_server({}) as plain:
            with monkeypatch.context() as hurried:
                hurried.setattr(lines, "CALL_SECONDS", 0.2)
                try:
                    async with session_with(odd) as session:
                        await session.find(1, 2, unseen=False)
                except MailServerError as error:
                    assert error.failure is Failure.TIMED_OUT
                else:
                    assert dripping == "LOGOUT"
            async with session_with(plain) as session:
                assert await session.find(1, 2, unseen=False) == [1, 2]


async def test_who_waits_in_vain_for_a_thread_connects_to_nobody_later(monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadPoolExecutor(max_workers=1) as only_one:
        monkeypatch.setattr(lines, "_THREADS", only_one)
        monkeypatch.setattr(lines, "CALL_SECONDS", 0.05)
        taken = threading.Event()
        only_one.submit(taken.wait)
        async with scripted_server({}) as served:
            assert await refused(replace(SERVER, port=served.port), HERE, leading_to(HOST)) is Failure.TIMED_OUT
            taken.set()
            await asyncio.wrap_future(only_one.submit(lambda: None))
            assert served.asked == []


async def test_a_folder_that_may_only_be_read_is_read() -> None:
    read_only = b"* 2 EXISTS\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT 3] .\r\n* OK [READ-ONLY] .\r\n"
    answers = {"SELECT": read_only, "UID FETCH 1": fetched_as(1, b"Subject: meter\r\n\r\n")}
    async with scripted_server(answers) as served, session_with(served) as session:
        assert await session.read(1) == Piece(b"Subject: meter\r\n\r\n", 18)
        await session.mark_seen(1)
    assert not any("STORE" in each for each in served.asked)


async def test_what_a_server_says_to_be_larger_than_was_asked_for_is_not_read_into_memory() -> None:
    answers = {"UID FETCH 1": fetched_as(1, b"x" * 2_000_000, literal=200_000_000)}
    async with scripted_server(answers) as served, session_with(served) as session:
        with pytest.raises(MailServerError) as caught:
            await session.read(1)
    assert caught.value.failure is Failure.BROKEN_OFF


@pytest.mark.parametrize(
    ("told", "read"),
    [
        (b'(UID 1 BODY[]<4> "a \\"b\\" \\\\")', b'a "b" \\'),
        (b'(UID 1 FLAGS ())\r\n* 1 FETCH (UID 1 BODY[]<4> "--")', b"--"),
        (b'(UID 1 BODY[]<4> "")', b""),
        (b"(UID 1 BODY[] NIL)", b""),
        (b"(UID 1 FLAGS ())", b""),
    ],
)
async def test_few_bytes_are_read_however_they_are_written(told: bytes, read: bytes) -> None:
    async with (
        scripted_server({"UID FETCH 1": b"* 1 FETCH " + told + b"\r\n"}) as served,
        session_with(served) as session,
    ):
        assert await session.read(1, 4) == Piece(read, None)


@pytest.mark.parametrize("place", [b"", b"<0>"])
async def test_bytes_of_another_place_than_was_asked_for_are_not_taken(place: bytes) -> None:
    told = b"* 1 FETCH (UID 1 BODY[]" + place + b" {4}\r\nhead)\r\n"
    async with scripted_server({"UID FETCH 1": told}) as served, session_with(served) as session:
        with pytest.raises(MailServerError) as caught:
            await session.read(1, 4)
    assert caught.value.failure is Failure.BROKEN_OFF


async def test_what_nobody_asked_for_is_not_kept_from_call_to_call() -> None:
    async with (
        scripted_server({"UID SEARCH": b"* 2 EXISTS\r\n" * 40_000 + b"* SEARCH 1 2\r\n"}) as served,
        session_with(served) as session,
    ):
        # More than one call may take, in all.
        for _ in range(4):
            assert await session.find(1, 2, unseen=False) == [1, 2]


@pytest.mark.parametrize("number", [b"none", b"9" * 5000])
async def test_a_folder_without_numbers_that_can_be_is_none_to_fetch_from(number: bytes) -> None:
    answers = {"SELECT": b"* 2 EXISTS\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT " + number + b"] .\r\n"}
    async with scripted_server(answers) as served:
        assert await refused(replace(SERVER, port=served.port), HERE, leading_to(HOST), "x") is Failure.BROKEN_OFF

"""Sessions with mail servers: where they may go, whom they trust, and how much they take."""

import ssl
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from crm_kit.outbound_http.addresses import LOOPBACK, Address, Reach
from crm_service_desk.mailboxes import imap
from crm_service_desk.mailboxes.imap import FetchError, Server, opened
from crm_service_desk.mailboxes.model import Failure

from tests.service.service_desk.mail_server import HOST, LOGIN, PASSWORD, mail_server
from tests.unit.certificates import certified

SERVER = Server("imap.huaxin.example", 993, LOGIN, "INBOX", None)
HERE = Reach(LOOPBACK)


def leading_to(*addresses: str) -> Any:
    async def resolve(_host: str, _port: int) -> Sequence[Address]:
        return [ip_address(each) for each in addresses]

    return resolve


async def refused(server: Server, reach: Reach, resolve: Any, password: str = PASSWORD) -> Failure:
    with pytest.raises(FetchError) as caught:
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
        monkeypatch.setattr(imap, "MAX_SESSION_BYTES", 20_000)
        async with opened(replace(SERVER, port=served.port), PASSWORD, HERE, leading_to(HOST)) as session:
            (uid,) = await session.find(1, session.folder.uid_next, unseen=True)
            with pytest.raises(FetchError) as caught:
                await session.read(uid)
    assert caught.value.failure is Failure.BROKEN_OFF

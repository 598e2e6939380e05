"""Mail that is fetched from a mailbox, from a real server on this machine."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from crm.service_desk.v1 import channels_pb2
from crm.service_desk.v1 import mailboxes_pb2 as pb
from crm.service_desk.v1.mailboxes_pb2_grpc import MailboxServiceStub
from crm_kit.attachments.servicer import bounds_of
from crm_kit.background import Tenants
from crm_kit.events.leases import Lease
from crm_kit.identity.access import Scope
from crm_kit.outbound_http.addresses import reach_of
from crm_service_desk.inbound_messages import intake as intake_module
from crm_service_desk.inbound_messages.filing import FileBounds
from crm_service_desk.mail.parsing import parse_mail
from crm_service_desk.mailboxes import fetching
from crm_service_desk.mailboxes.fetching import Fetching
from crm_service_desk.mailboxes.imap import Session
from crm_service_desk.mailboxes.passwords import Passwords
from crm_service_desk.mailboxes.queries import Due, Position, get_position
from crm_service_desk.outbound_messages.commands import follow_report

from tests.service.eventually import eventually
from tests.service.notices import raised
from tests.service.running import User
from tests.service.service_desk.desk import Desk
from tests.service.service_desk.intake import Intake, intake_of
from tests.service.service_desk.mail_server import (
    HOST,
    LOGIN,
    PASSWORD,
    MailServer,
    fetched_as,
    fetched_in_pieces,
    mail_server,
    scripted_server,
    silent_server,
)

Mailbox = pb.Mailbox


@pytest.fixture
async def intake(desk: Desk) -> Intake:
    return await intake_of(desk)


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mail_server() as started:
        yield started


def mail(number: int, text: str = "It stands still.") -> bytes:
    head = f"From: chen@huaxin.example\r\nMessage-ID: <{number}@huaxin.example>\r\nSubject: meter {number}\r\n\r\n"
    return (head + text).encode()


def api_of(intake: Intake) -> Any:
    return MailboxServiceStub(intake.running.channel)


async def create(intake: Intake, port: int, **fields: Any) -> Mailbox:
    values: dict[str, Any] = {"channel_id": intake.mailbox.id, "host": HOST, "port": port, "login": LOGIN} | fields
    request = pb.CreateMailboxRequest(mailbox=Mailbox(**values))
    answer: Mailbox = await api_of(intake).CreateMailbox(request, metadata=intake.desk.user.metadata)
    return answer


async def set_password(intake: Intake, mailbox: Mailbox, password: str = PASSWORD) -> None:
    """It is fetched at once by that."""
    request = pb.SetMailboxPasswordRequest(id=mailbox.id, password=password)
    await api_of(intake).SetMailboxPassword(request, metadata=intake.desk.user.metadata)


async def state_of(intake: Intake, mailbox: Mailbox) -> Mailbox:
    request = pb.GetMailboxRequest(id=mailbox.id)
    answer: Mailbox = await api_of(intake).GetMailbox(request, metadata=intake.desk.user.metadata)
    return answer


async def subjects(intake: Intake) -> list[str]:
    return sorted(each.subject for each in await intake.waiting())


async def fetched(intake: Intake, count: int) -> list[str]:
    """The subjects of so many messages, once they are there."""

    async def there() -> list[str]:
        found = await subjects(intake)
        return found if len(found) >= count else []

    return await eventually(there)


def fetching_of(intake: Intake, secret: str = "") -> Fetching:
    """One that looks at nothing by itself; with a secret of an installation of its own, if wanted."""
    service = intake.running.service
    settings: Any = service.settings
    return Fetching(
        Tenants(service.database, service.clock),
        service.directory,
        Passwords(secret or settings.channel_key_secret),
        intake_module.Intake(
            follow_report, service.contents, FileBounds.of(**bounds_of(settings)), window=timedelta(days=14)
        ),
        reach_of((), loopback=True),
        loopback=True,
    )


@contextlib.asynccontextmanager
async def kept_from_others(intake: Intake, mailbox: Mailbox) -> AsyncIterator[Due]:
    """What is due of a mailbox from which the running service does not fetch."""
    lease = Lease(intake.running.service.database, f"mailbox {mailbox.id}", 60)
    assert await lease.hold()
    try:
        yield Due(intake.desk.user.tenant_id, UUID(mailbox.id))
    finally:
        await lease.end()


async def position_of(intake: Intake, mailbox: Mailbox) -> Position:
    async with intake.running.unit_of_work(intake.desk.user.tenant_id) as work:
        return await get_position(work, UUID(mailbox.id))


async def set_aside(intake: Intake, mailbox: Mailbox) -> list[pb.SetAsideMail]:
    request = pb.ListSetAsideMailsRequest(id=mailbox.id)
    page = await api_of(intake).ListSetAsideMails(request, metadata=intake.desk.user.metadata)
    return list(page.set_aside_mails)


async def test_what_nobody_has_seen_is_taken_at_first_and_from_then_on_all_that_comes(
    intake: Intake, server: MailServer
) -> None:
    await server.deliver(mail(1), seen=True)
    await server.deliver(mail(2))
    mailbox = await create(intake, server.port)
    await set_password(intake, mailbox)
    assert await fetched(intake, 1) == ["meter 2"]
    # Somebody reads the next before it is fetched: it came all the same.
    await server.deliver(mail(3), seen=True)
    await server.deliver(mail(4))
    await set_password(intake, mailbox)
    assert await fetched(intake, 3) == ["meter 2", "meter 3", "meter 4"]

    async def all_seen() -> bool:
        return await server.unseen() == 0

    await eventually(all_seen)
    assert not (await state_of(intake, mailbox)).failure


async def test_a_mail_is_kept_once_wherever_a_process_dies(
    intake: Intake, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox = await create(intake, server.port)
    async with kept_from_others(intake, mailbox) as due:
        await server.deliver(*(mail(number) for number in range(4)))
        await set_password(intake, mailbox)
        places = ((Session, "find"), (Session, "read"), (Session, "mark_seen"), (Fetching, "_keep"), (Fetching, "_end"))
        for at, (owner, name) in enumerate(places):
            for before in (True, False):
                with monkeypatch.context() as patched:
                    patched.setattr(owner, name, dying(getattr(owner, name), before=before))
                    with contextlib.suppress(asyncio.CancelledError):
                        await fetching_of(intake).fetch(due)
                assert len(set(await subjects(intake))) == len(await subjects(intake)), (at, before)
        await set_password(intake, mailbox)
        await fetching_of(intake).fetch(due)
    assert await subjects(intake) == [f"meter {number}" for number in range(4)]


def dying(method: Any, *, before: bool) -> Any:
    """The method of a process that dies before it, or after it."""

    async def die(*arguments: Any, **named: Any) -> Any:
        if not before:
            await method(*arguments, **named)
        raise asyncio.CancelledError

    return die


async def test_a_folder_that_is_made_anew_is_read_from_its_beginning_and_nothing_kept_twice(
    intake: Intake, server: MailServer
) -> None:
    await server.make_anew("Support")
    await server.deliver(mail(1), mail(2), folder="Support")
    mailbox = await create(intake, server.port, folder="Support")
    await set_password(intake, mailbox)
    await fetched(intake, 2)
    await server.make_anew("Support")
    await server.deliver(mail(2), mail(3), folder="Support")
    await set_password(intake, mailbox)
    assert await fetched(intake, 3) == ["meter 1", "meter 2", "meter 3"]


async def test_a_mail_that_cannot_be_taken_is_put_aside_and_the_others_are_taken(
    intake: Intake, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse_some(raw: bytes, *, digest: str) -> Any:
        if b"meter 2" in raw:
            raise RuntimeError("what nobody has foreseen")
        return parse_mail(raw, digest=digest)

    monkeypatch.setattr(intake_module, "parse_mail", parse_some)
    await server.deliver(mail(1), mail(2), mail(3))
    mailbox = await create(intake, server.port)
    await set_password(intake, mailbox)
    assert await fetched(intake, 2) == ["meter 1", "meter 3"]
    request = pb.ListSetAsideMailsRequest(id=mailbox.id)
    page = await api_of(intake).ListSetAsideMails(request, metadata=intake.desk.user.metadata)
    assert [(each.reason, each.detail) for each in page.set_aside_mails] == [("INTERNAL", "an internal error")]
    # People find it where it is.
    assert await server.unseen() == 1


async def test_a_refused_password_is_said_and_told_once_and_mail_comes_with_the_right_one(
    intake: Intake, server: MailServer
) -> None:
    await server.deliver(mail(1))
    keeper: User = intake.desk.user
    other = await intake.running.user(keeper.tenant_id, grants={"channels.read": Scope.ALL})
    mailbox = await create(intake, server.port)
    for _ in range(2):
        await set_password(intake, mailbox, "wrong")

        async def refused_again() -> bool:
            async with intake.running.unit_of_work(keeper.tenant_id) as work:
                position = await get_position(work, UUID(mailbox.id))
            return position.failure_count > 0

        await eventually(refused_again)
    failing = await state_of(intake, mailbox)
    assert failing.failure == Mailbox.FAILURE_LOGIN_REFUSED
    assert failing.HasField("failing_since_time")
    notices = await raised(intake.running, keeper.tenant_id)
    assert [each.values["outcome"] for each in notices][:1] == ["LOGIN_REFUSED"]
    assert str(keeper.id) in notices[0].user_ids
    assert str(other.id) not in notices[0].user_ids
    await set_password(intake, mailbox)
    await fetched(intake, 1)

    async def well() -> bool:
        return not (await state_of(intake, mailbox)).failure

    await eventually(well)
    assert not (await state_of(intake, mailbox)).HasField("failing_since_time")


async def test_a_server_that_says_nothing_delays_no_mail_of_others(intake: Intake, server: MailServer) -> None:
    other = await intake_of(Desk(intake.running, await intake.running.user(await intake.running.tenant(sandbox=True))))
    async with silent_server() as port:
        for _ in range(6):
            await set_password(intake, await create(intake, port))
        await server.deliver(mail(1))
        await set_password(other, await create(other, server.port))
        assert await fetched(other, 1) == ["meter 1"]


async def test_a_folder_that_is_missing_and_a_server_that_is_away_are_told_apart(
    intake: Intake, server: MailServer
) -> None:
    wanted = {
        (await create(intake, server.port, folder="Nowhere")).id: Mailbox.FAILURE_FOLDER_MISSING,
        (await create(intake, 65535)).id: Mailbox.FAILURE_NOT_CONNECTED,
    }
    for id, failure in wanted.items():
        await set_password(intake, Mailbox(id=id))

        async def failing(id: str = id, failure: int = failure) -> bool:
            return (await state_of(intake, Mailbox(id=id))).failure == failure

        await eventually(failing)


async def test_what_comes_after_a_mailbox_was_emptied_is_taken(intake: Intake, server: MailServer) -> None:
    await server.deliver(mail(1), mail(2))
    mailbox = await create(intake, server.port)
    await set_password(intake, mailbox)
    await fetched(intake, 2)
    await server.empty()
    await server.deliver(mail(3))
    await set_password(intake, mailbox)
    assert await fetched(intake, 3) == ["meter 1", "meter 2", "meter 3"]


async def test_a_server_that_was_away_is_fetched_from_again_by_itself(
    intake: Intake, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # At its time, which is at once here.
    monkeypatch.setattr("crm_service_desk.mailboxes.fetching.wait_after", lambda *_: timedelta(0))
    mailbox = await create(intake, server.port)
    await server.deliver(mail(1))
    async with kept_from_others(intake, mailbox) as due:
        await set_password(intake, mailbox)
        with monkeypatch.context() as away:
            away.setattr(socket, "create_connection", refuse)
            for _ in range(3):
                await fetching_of(intake).fetch(due)
        assert (await state_of(intake, mailbox)).failure == Mailbox.FAILURE_NOT_CONNECTED
        await fetching_of(intake).fetch(due)
    assert await subjects(intake) == ["meter 1"]
    assert not (await state_of(intake, mailbox)).failure


def refuse(*_: object) -> Any:
    raise ConnectionRefusedError


async def test_nothing_is_fetched_for_a_channel_that_is_archived(intake: Intake, server: MailServer) -> None:
    mailbox = await create(intake, server.port)
    request = channels_pb2.ArchiveChannelRequest(id=intake.mailbox.id)
    await intake.channels.ArchiveChannel(request, metadata=intake.desk.user.metadata)
    async with kept_from_others(intake, mailbox) as due:
        await server.deliver(mail(1))
        await set_password(intake, mailbox)
        await fetching_of(intake).fetch(due)
        assert not await intake.waiting()
        restore = channels_pb2.RestoreChannelRequest(id=intake.mailbox.id)
        await intake.channels.RestoreChannel(restore, metadata=intake.desk.user.metadata)
        await set_password(intake, mailbox)
        await fetching_of(intake).fetch(due)
    assert await subjects(intake) == ["meter 1"]
    page = await api_of(intake).ListSetAsideMails(
        pb.ListSetAsideMailsRequest(id=mailbox.id), metadata=intake.desk.user.metadata
    )
    assert not page.set_aside_mails


async def test_few_mails_with_high_numbers_are_found_at_once(intake: Intake) -> None:
    # As of servers that number mails by the time at which they came.
    select = b"* 1 EXISTS\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT 1795860001] .\r\n"
    answers = {
        "SELECT": select,
        "UID SEARCH": b"* SEARCH 1795860000\r\n",
        "UID FETCH": fetched_as(1795860000, mail(1)),
    }
    async with scripted_server(answers) as server:
        mailbox = await create(intake, server.port)
        async with kept_from_others(intake, mailbox) as due:
            await set_password(intake, mailbox, "x")
            await fetching_of(intake).fetch(due)
        assert await subjects(intake) == ["meter 1"]
        assert len([each for each in server.asked if each.startswith("UID SEARCH")]) == 1


async def test_a_server_without_end_of_numbers_has_its_turn_and_no_more(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    select = b"* 99999 EXISTS\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT 4000000000] .\r\n"
    monkeypatch.setattr(fetching, "TURN_SECONDS", 0.0)
    async with scripted_server({"SELECT": select, "UID SEARCH": b"* SEARCH\r\n"}) as server:
        mailbox = await create(intake, server.port)
        async with kept_from_others(intake, mailbox) as due:
            await set_password(intake, mailbox, "x")
            for turn in (1, 2):
                await fetching_of(intake).fetch(due)
                assert (await position_of(intake, mailbox)).last_uid == turn * 50_000


async def test_a_mail_that_a_server_never_hands_over_is_put_aside_at_last(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "wait_after", lambda *_: timedelta(0))
    monkeypatch.setattr(fetching, "MAX_TRIES", 2)
    async with scripted_server({"UID FETCH 1": b"NO", "UID FETCH 2": fetched_as(2, mail(2))}) as server:
        mailbox = await create(intake, server.port)
        async with kept_from_others(intake, mailbox) as due:
            await set_password(intake, mailbox, "x")
            for _ in range(2):
                await fetching_of(intake).fetch(due)
                assert await set_aside(intake, mailbox) == []
            for _ in range(2):
                await fetching_of(intake).fetch(due)
    assert [(each.uid, each.reason) for each in await set_aside(intake, mailbox)] == [("1", "UNAVAILABLE")]
    assert await subjects(intake) == ["meter 2"]
    assert not (await state_of(intake, mailbox)).failure


async def test_a_mail_is_read_to_its_end_in_whatever_pieces_its_server_hands_it_over(intake: Intake) -> None:
    text = "".join(f"line {each}\r\n" for each in range(200))
    with_parts = of_parts("line 199")
    answers = {
        # As it is; by servers that reckon the size without reading the mail; and what they cut off.
        **fetched_in_pieces(1, mail(1, text), most=500),
        **fetched_in_pieces(2, mail(2, text), most=500, stated=100),
        **fetched_in_pieces(3, mail(3, text), most=500, stated=5_000_000),
        **fetched_in_pieces(4, with_parts, most=60, stated=len(with_parts) + 7),
        **fetched_in_pieces(5, with_parts[:-9], most=60, stated=len(with_parts)),
        **fetched_in_pieces(6, b"", most=60, stated=700),
    }
    select = b"* 6 EXISTS\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT 7] .\r\n"
    found = {"SELECT": select, "UID SEARCH": b"* SEARCH 1 2 3 4 5 6\r\n"}
    async with scripted_server(answers | found) as server:
        mailbox = await create(intake, server.port)
        async with kept_from_others(intake, mailbox) as due:
            await set_password(intake, mailbox, "x")
            await fetching_of(intake).fetch(due)
    messages = await intake.waiting()
    assert sorted(each.subject for each in messages) == ["meter 1", "meter 2", "meter 3", "meter of parts"]
    assert all(each.text.endswith("line 199") for each in messages)
    told = [(each.uid, each.reason, each.detail) for each in await set_aside(intake, mailbox)]
    handed, whole = len(with_parts) - 9, len(with_parts)
    assert sorted(told) == [
        ("5", "MAIL_INCOMPLETE", f"the server hands over {handed} bytes of {whole}"),
        ("6", "MAIL_INCOMPLETE", "the server hands over 0 bytes of 700"),
    ]


def of_parts(text: str) -> bytes:
    head = "From: chen@huaxin.example\r\nSubject: meter of parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    return f"{head}--b\r\nContent-Type: text/plain\r\n\r\n{text}\r\n--b--\r\n".encode()


async def test_a_password_of_another_key_is_said_to_be_so_and_delays_no_other_mailbox(
    intake: Intake, server: MailServer
) -> None:
    await server.deliver(mail(1))
    mailbox = await create(intake, server.port)
    async with kept_from_others(intake, mailbox) as due:
        await set_password(intake, mailbox)
        before = await position_of(intake, mailbox)
        await fetching_of(intake, "another secret of others").fetch(due)
        after = await position_of(intake, mailbox)
        assert before.due_time is not None
        assert after.due_time is not None
        assert after.due_time >= before.due_time + timedelta(minutes=2)
        assert (await state_of(intake, mailbox)).failure == Mailbox.FAILURE_KEY_CHANGED
        (notice,) = await raised(intake.running, intake.desk.user.tenant_id)
        assert notice.values["outcome"] == "KEY_CHANGED"
        # Set again, it is one of this installation.
        await set_password(intake, mailbox)
        await fetching_of(intake).fetch(due)
    assert await subjects(intake) == ["meter 1"]
    assert not (await state_of(intake, mailbox)).failure


async def test_a_mailbox_with_which_all_goes_wrong_is_not_the_first_of_every_look(
    intake: Intake, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "LOOK_SECONDS", 0.0)
    mailbox = await create(intake, server.port)
    async with kept_from_others(intake, mailbox) as due:
        await set_password(intake, mailbox)
        ours = fetching_of(intake)
        monkeypatch.setattr(ours, "fetch", broken)
        before = await position_of(intake, mailbox)
        with monkeypatch.context() as patched:
            patched.setattr(fetching, "Lease", Unshared)
            holding = asyncio.create_task(ours._hold(due))
            await asyncio.sleep(0)
        await holding
        after = await position_of(intake, mailbox)
    assert before.due_time is not None
    assert after.due_time is not None
    assert after.due_time >= before.due_time + timedelta(minutes=1)


async def broken(*_: object) -> None:
    raise RuntimeError("what nobody has foreseen")


class Unshared(Lease):
    """A lease that is free, whoever else has it."""

    def __init__(self, database: Any, name: str, seconds: float) -> None:
        super().__init__(database, f"{name} of nobody else", seconds)

"""Files that come with messages: from a real mailbox, through the contract, and by signed deliveries."""

import asyncio
import contextlib
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest
from crm.resource.v1 import events_pb2 as resource_events
from crm.service_desk.v1 import channels_pb2
from crm.service_desk.v1 import inbound_messages_pb2 as pb
from crm_kit.attachments.contents import Contents
from crm_kit.attachments.place import Place
from crm_kit.attachments.purging import purge_attachments
from crm_kit.attachments.queries import parts, room
from crm_kit.database.statements import compile_statement
from crm_kit.errors import Unavailable
from crm_service_desk.inbound_messages import filing
from crm_service_desk.inbound_messages.servicer import InboundMessageServicer
from crm_service_desk.mailboxes.fetching import Fetching
from crm_service_desk.mailboxes.imap import MAX_PIECE_BYTES, Session
from sqlalchemy import bindparam, column, func, select, table

from tests.service.attaching import TEXT, Files, picture, sha256
from tests.service.eventually import eventually
from tests.service.running import refused
from tests.service.service_desk.desk import Desk
from tests.service.service_desk.intake import Intake, became, intake_of
from tests.service.service_desk.mail_server import mail_server
from tests.service.service_desk.test_fetched_mail import (
    create,
    dying,
    fetching_of,
    kept_from_others,
    set_password,
)

File = pb.InboundMessage.File
CHEN = "chen@huaxin.example"
BIG = bytes(range(256)) * 4_200


@pytest.fixture
async def intake(desk: Desk) -> Intake:
    return await intake_of(desk, case_opening=channels_pb2.Channel.CASE_OPENING_EVERYBODY)


def mail(*files: tuple[str, bytes], number: int = 1, head: str = "") -> bytes:
    """A mail with files by name and content."""
    written = EmailMessage()
    written["From"], written["Message-ID"], written["Subject"] = CHEN, f"<{number}@huaxin.example>", "停电"
    written.set_content("see the pictures")
    for name, content in files:
        written.add_attachment(content, "application", "octet-stream", filename=name)
    return head.encode() + written.as_bytes()


def named(message: pb.InboundMessage) -> list[tuple[str, str]]:
    """What came with a message, and why it was not taken."""
    return [(each.name, File.Refusal.Name(each.refusal).removeprefix("REFUSAL_")) for each in message.files]


def files_of(intake: Intake, message: pb.InboundMessage) -> Files:
    """Those at its case, or at itself while it belongs to none."""
    return Files(intake.running, message.case_id or message.id, "cases" if message.case_id else "inbound_messages")


USED = compile_statement(select(room.c.used_bytes).where(room.c.tenant_id == bindparam("tenant_id")))
KEPT = compile_statement(
    select(func.count().label("count"), func.count(func.distinct(parts.c.file_id)).label("files")).where(
        parts.c.tenant_id == bindparam("tenant_id"), parts.c.discard_time.is_(None)
    )
)


STORED = compile_statement(
    select(func.sum(parts.c.size_bytes).label("bytes")).where(parts.c.tenant_id == bindparam("tenant_id"))
)


WAITING = compile_statement(
    select(func.count().label("sessions"))
    .select_from(table("pg_stat_activity", column("datname"), column("wait_event")))
    .where(column("datname") == func.current_database(), column("wait_event") == "advisory")
)


async def is_waited_for(intake: Intake) -> bool:
    """Whether somebody waits for a lock that somebody else has."""
    async with intake.running.unit_of_work(intake.desk.user.tenant_id) as work:
        row = await work.one(WAITING)
        return row is not None and row["sessions"] > 0


async def used(intake: Intake) -> int:
    """How many bytes the tenant's files take."""
    async with intake.running.unit_of_work(intake.desk.user.tenant_id) as work:
        row = await work.one(USED)
        return row["used_bytes"] if row else 0


async def kept_files(intake: Intake) -> int:
    """Of how many files bytes are kept for good."""
    async with intake.running.unit_of_work(intake.desk.user.tenant_id) as work:
        row = await work.one(KEPT)
        assert row is not None
        count: int = row["files"]
        return count


async def test_files_of_a_mail_are_those_of_its_case_whole_and_under_their_names(intake: Intake) -> None:
    image = picture(40, 30)
    message = await intake.mail(mail(("电表.png", image), ("读数.csv", b"day,kWh\n")))
    assert became(message) == ("MATCHED", "NEW_CASE")
    assert named(message) == [("电表.png", "UNSPECIFIED"), ("读数.csv", "UNSPECIFIED")]
    files, user = files_of(intake, message), intake.desk.user
    found = {each.name: each for each in await files.list(user)}
    assert {each.id for each in found.values()} == {each.attachment_id for each in message.files}
    assert [found[each.name].size_bytes for each in message.files] == [each.size_bytes for each in message.files]
    attached = found["电表.png"]
    assert (attached.content_type, attached.has_preview, attached.sha256) == ("image/png", True, sha256(image))
    assert await files.bytes_of(user, attached.id) == image
    assert (await files.read(user, attached.id, pixels=256)).content_type == "image/webp"
    assert await intake.get(message) == message


async def test_what_is_refused_is_named_with_the_reason_and_the_rest_is_taken(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    (servicer,) = (each for each in intake.running.service.servicers if isinstance(each, InboundMessageServicer))
    monkeypatch.setattr(servicer._intake, "_bounds", filing.FileBounds(2_000, 3_000))
    message = await intake.mail(
        mail(
            ("update.exe", b"harmless"),
            ("photo.jpg", b"MZ" + bytes(70)),
            ("contract.pdf", b"no PDF"),
            ("nothing.txt", b""),
            ("large.bin", b"x" * 2_001),
            ("first.bin", b"x" * 2_000),
            ("second.bin", b"x" * 1_500),
            ("third.bin", b"x" * 1_000),
        )
    )
    assert named(message) == [
        ("update.exe", "RUNS"),
        ("photo.jpg", "PROGRAM"),
        ("contract.pdf", "MISMATCH"),
        ("nothing.txt", "EMPTY"),
        ("large.bin", "TOO_LARGE"),
        ("first.bin", "UNSPECIFIED"),
        ("second.bin", "NO_ROOM"),
        ("third.bin", "UNSPECIFIED"),
    ]
    assert message.files[4].size_bytes == 2_001
    assert sorted(each.name for each in await files_of(intake, message).list(intake.desk.user)) == [
        "first.bin",
        "third.bin",
    ]
    assert await used(intake) == 3_000
    # What there was no room for, or was too large, did not go into the store first.
    async with intake.running.unit_of_work(intake.desk.user.tenant_id) as work:
        row = await work.one(STORED)
        assert row is not None
        assert row["bytes"] == 3_000


async def test_a_fifth_of_the_room_is_left_for_what_people_attach() -> None:
    bounds = filing.FileBounds.of(max_bytes=10, max_tenant_bytes=1_000)
    assert (bounds.max_bytes, bounds.max_tenant_bytes) == (10, 800)


async def test_files_wait_with_their_message_and_go_with_it_to_the_case_that_it_is_added_to(desk: Desk) -> None:
    intake = await intake_of(desk)
    users = intake.desk.user
    for verb in ("AssignInboundMessage", "OpenInboundMessageCase"):
        message = await intake.mail(mail(("读数.csv", b"day,kWh\n"), number=len(verb)))
        assert (became(message)[0], message.case_id) == ("UNMATCHED", "")
        waiting = files_of(intake, message)
        (file,) = await waiting.list(users)
        fields: dict[str, Any] = {"case_id": (await desk.create()).id} if verb == "AssignInboundMessage" else {}
        decided = await intake.do(verb, message, **fields)
        assert list(decided.files) == list(message.files)
        assert await waiting.list(users) == []
        at_case = files_of(intake, decided)
        assert [each.id for each in await at_case.list(users)] == [file.id] == [message.files[0].attachment_id]
        assert await at_case.bytes_of(users, file.id) == b"day,kWh\n"
        with refused("NOT_FOUND", "ATTACHMENT_NOT_FOUND"):
            await waiting.read(users, file.id)
    for event in (resource_events.AttachmentAdded, resource_events.AttachmentMoved):
        assert len(await desk.emitted(event)) == 2


async def test_a_file_that_is_on_its_way_to_a_message_goes_to_the_case_that_the_message_is_added_to(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake, by = await intake_of(desk), desk.user

    async def goes_on(waiting: Files, upload: Any, *, meanwhile: Any = None) -> None:
        """The rest of a file; something is done between the check of the upload and the keeping of its bytes."""
        store = Contents.store

        async def slowly(*args: Any) -> Any:
            if meanwhile is not None:
                await meanwhile()
            return await store(*args)

        with monkeypatch.context() as patched:
            patched.setattr(Contents, "store", slowly)
            sent = await waiting.append(by, upload.id, 6, TEXT[6:])
        case = {"collection": "cases", "record_id": case_id}
        assert {"collection": sent.collection, "record_id": sent.record_id} == case
        assert await waiting.upload(by, upload.id) == sent
        assert await waiting.list(by) == []
        at_case = Files(desk.running, case_id, "cases")
        assert upload.id in [each.id for each in await at_case.list(by)]
        assert await at_case.bytes_of(by, upload.id) == TEXT

    for is_at_once in (False, True):
        message, case_id = await intake.mail(mail(number=int(is_at_once))), (await desk.create()).id
        waiting = files_of(intake, message)
        upload = await waiting.begin(by)
        assert not (await waiting.append(by, upload.id, 0, TEXT[:6])).record_id

        async def assign(message: pb.InboundMessage = message, case_id: str = case_id) -> None:
            await intake.do("AssignInboundMessage", message, case_id=case_id)

        if is_at_once:
            await goes_on(waiting, upload, meanwhile=assign)
        else:
            await assign()
            await goes_on(waiting, upload)
        with refused("FAILED_PRECONDITION", "ILLEGAL_STATE") as error:
            await waiting.begin(by)
        assert f"cases/{case_id}" in error.detail


async def test_a_message_is_assigned_only_once_a_file_that_has_just_come_is_there(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake, by = await intake_of(desk), desk.user
    message, case_id = await intake.mail(mail()), (await desk.create()).id
    waiting = files_of(intake, message)
    upload = await waiting.begin(by)
    held_for_files, held, goes_on = Place.held_for_files, asyncio.Event(), asyncio.Event()

    async def slowly(*args: Any) -> Any:
        found = await held_for_files(*args)
        held.set()
        await goes_on.wait()
        return found

    monkeypatch.setattr(Place, "held_for_files", slowly)
    sending = asyncio.create_task(waiting.append(by, upload.id, 0, TEXT))
    await held.wait()
    assigning = asyncio.create_task(intake.do("AssignInboundMessage", message, case_id=case_id))
    await eventually(lambda: is_waited_for(intake))
    goes_on.set()
    assert (await sending).collection == "inbound_messages"
    await assigning
    assert [each.id for each in await Files(desk.running, case_id, "cases").list(by)] == [upload.id]
    assert await waiting.list(by) == []


async def test_a_mail_that_comes_again_brings_its_files_once(intake: Intake) -> None:
    raw = mail(("读数.csv", b"day,kWh\n"))
    first = await intake.mail(raw)
    assert await intake.mail(raw) == first
    assert len(await files_of(intake, first).list(intake.desk.user)) == 1
    assert (await used(intake), await kept_files(intake)) == (len(b"day,kWh\n"), 1)


async def test_files_of_a_large_mail_come_once_wherever_its_process_dies(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with mail_server() as server:
        mailbox = await create(intake, server.port)
        async with kept_from_others(intake, mailbox) as due:
            raw = mail(("电表.bin", BIG), ("读数.csv", b"day,kWh\n"))
            assert len(raw) > 2 * MAX_PIECE_BYTES
            await server.deliver(raw, mail(number=2))
            await set_password(intake, mailbox)
            contents = type(intake.running.service.contents)
            places = ((contents, "store"), (Session, "read"), (filing, "attach"), (Fetching, "_keep"))
            for owner, name in places:
                for before in (True, False):
                    with monkeypatch.context() as patched:
                        patched.setattr(owner, name, dying(getattr(owner, name), before=before))
                        with contextlib.suppress(BaseException):
                            await fetching_of(intake).fetch(due)
            await fetching_of(intake).fetch(due)
    found = await intake.waiting("")
    assert sorted(each.source_id for each in found) == ["<1@huaxin.example>", "<2@huaxin.example>"]
    (message,) = (each for each in found if each.files)
    files, user = files_of(intake, message), intake.desk.user
    content = {each.name: await files.bytes_of(user, each.id) for each in await files.list(user)}
    assert content == {"电表.bin": BIG, "读数.csv": b"day,kWh\n"}
    assert (await used(intake), await kept_files(intake)) == (len(BIG) + 8, 2)


async def test_a_store_that_does_not_answer_has_the_mail_wait_and_no_file_is_lost(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise Unavailable("the file store does not answer")

    async with mail_server() as server:
        mailbox = await create(intake, server.port)
        async with kept_from_others(intake, mailbox) as due:
            await server.deliver(mail(("读数.csv", b"day,kWh\n")))
            await set_password(intake, mailbox)
            with monkeypatch.context() as patched, pytest.raises(Unavailable):
                patched.setattr(type(intake.running.service.contents), "store", away)
                await fetching_of(intake).fetch(due)
            assert (await intake.waiting(""), await server.unseen()) == ([], 1)
            await fetching_of(intake).fetch(due)
    (message,) = await intake.waiting("")
    assert named(message) == [("读数.csv", "UNSPECIFIED")]


async def test_a_file_that_somebody_deletes_stays_named_at_its_message(intake: Intake) -> None:
    async with mail_server() as server:
        await server.deliver(mail(("读数.csv", b"day,kWh\n")))
        await set_password(intake, await create(intake, server.port))

        async def came() -> list[pb.InboundMessage]:
            return await intake.waiting("")

        (message,) = await eventually(came)
    user = intake.desk.user
    (file,) = await files_of(intake, message).list(user)
    await files_of(intake, message).delete(user, file.id)
    assert [each.name for each in (await intake.get(message)).files] == ["读数.csv"]


async def test_records_that_are_removed_take_the_files_of_their_messages_along(desk: Desk) -> None:
    intake = await intake_of(desk)
    message = await intake.mail(mail(("读数.csv", b"day,kWh\n")))
    async with intake.running.unit_of_work(desk.user.tenant_id) as work:
        await purge_attachments(work, "inbound_messages", [UUID(message.id)])
    assert (await used(intake), await kept_files(intake)) == (0, 0)


async def test_who_may_not_read_the_case_reads_no_file_of_its_messages(intake: Intake) -> None:
    message = await intake.mail(mail(("读数.csv", b"day,kWh\n")))
    stranger = await intake.running.user(intake.desk.user.tenant_id, grants={})
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await files_of(intake, message).list(stranger)

"""Mailboxes through their contract."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
from crm.service_desk.v1 import channels_pb2
from crm.service_desk.v1 import mailboxes_pb2 as pb
from crm.service_desk.v1.mailboxes_pb2_grpc import MailboxServiceStub
from crm_kit.identity.access import Scope
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.history import changes_of
from tests.service.running import User, refused
from tests.service.service_desk.desk import Desk
from tests.service.service_desk.intake import Intake, intake_of

if TYPE_CHECKING:
    from crm.service_desk.v1.mailboxes_pb2_grpc import MailboxServiceAsyncStub

Mailbox = pb.Mailbox
Create = Callable[..., Awaitable[Mailbox]]


@pytest.fixture
async def intake(desk: Desk) -> Intake:
    return await intake_of(desk)


@pytest.fixture
def user(intake: Intake) -> User:
    return intake.desk.user


@pytest.fixture
def api(intake: Intake) -> "MailboxServiceAsyncStub":
    return MailboxServiceStub(intake.running.channel)


@pytest.fixture
def create(api: "MailboxServiceAsyncStub", intake: Intake, user: User) -> Create:
    """Creates a mailbox of the mail channel; keywords are its fields, `by` another user, `key` an idempotency key."""

    async def create_mailbox(*, by: User = user, key: str = "", **fields: Any) -> Mailbox:
        values: dict[str, Any] = {"channel_id": intake.mailbox.id, "host": "imap.huaxin.example"}
        values |= {"login": "service@huaxin.example"} | fields
        request = pb.CreateMailboxRequest(mailbox=Mailbox(**values))
        return await api.CreateMailbox(request, metadata=by.with_key(key) if key else by.metadata)

    return create_mailbox


def changed(record: Mailbox, *, etag: str = "", **fields: Any) -> pb.UpdateMailboxRequest:
    mailbox = Mailbox(id=record.id, etag=etag, **fields)
    return pb.UpdateMailboxRequest(mailbox=mailbox, update_mask=FieldMask(paths=list(fields)))


async def test_what_is_created_is_read_back_and_listed(
    api: "MailboxServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create(key="once")
    assert await create(key="once") == created
    assert (created.state, created.port, created.folder) == (Mailbox.STATE_ACTIVE, 993, "INBOX")
    assert not created.HasField("password_time")
    read = await api.GetMailbox(pb.GetMailboxRequest(id=created.id), metadata=user.metadata)
    assert read == created
    assert read.channel_name == "客服邮箱"
    listed = await api.ListMailboxes(
        pb.ListMailboxesRequest(filter='host = "IMAP.huaxin.example"'), metadata=user.metadata
    )
    assert list(listed.mailboxes) == [created]


async def test_a_mailbox_is_of_a_channel_by_which_mail_comes(intake: Intake, create: Create) -> None:
    sms = await intake.channel(kind=channels_pb2.Channel.KIND_SMS)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await create(channel_id=sms.id)
    assert refusal.fields == ["mailbox.channel_id"]
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
        await create(channel_id="0192f0c1-7a5e-7c3b-8f2a-1b2c3d4e5f60")
    assert refusal.fields == ["mailbox.channel_id"]


async def test_servers_that_are_none_and_names_with_line_breaks_are_refused(create: Create) -> None:
    wrong: dict[str, list[Any]] = {
        "host": ["", "0x7f.1", "127.1", "mail example", "imap.example/x", "-"],
        "port": [994, 1000, 65536, 143],
        "login": ["", " a", "a\r\nA1 LOGOUT"],
        "folder": ["收件箱", "INBOX\r\nA1 LOGOUT"],
    }
    for name, values in wrong.items():
        for value in values:
            with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
                await create(**{name: value})
            assert refusal.fields == [f"mailbox.{name}"], value


async def test_a_password_is_never_read_and_is_forgotten_with_another_server_or_login(
    api: "MailboxServiceAsyncStub", intake: Intake, user: User, create: Create
) -> None:
    # Of another port, at which nobody is.
    created = await create(host="127.0.0.1", port=1024)

    async def with_password() -> Mailbox:
        request = pb.SetMailboxPasswordRequest(id=created.id, password="hush")
        return await api.SetMailboxPassword(request, metadata=user.metadata)

    for fields in ({"host": "localhost"}, {"port": 1025}, {"login": "else@huaxin.example"}):
        assert (await with_password()).HasField("password_time")
        after: Any = await api.UpdateMailbox(changed(created, **fields), metadata=user.metadata)
        assert not after.HasField("password_time"), fields
    assert (await with_password()).HasField("password_time")
    kept = await api.UpdateMailbox(changed(created, folder="Support"), metadata=user.metadata)
    assert kept.HasField("password_time")
    archived = await api.ArchiveMailbox(pb.ArchiveMailboxRequest(id=created.id), metadata=user.metadata)
    assert not archived.HasField("password_time")
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await with_password()
    restored = await api.RestoreMailbox(pb.RestoreMailboxRequest(id=created.id), metadata=user.metadata)
    assert (restored.state, restored.HasField("password_time")) == (Mailbox.STATE_ACTIVE, False)
    told = await changes_of(intake.running, "mailboxes", created.id, user.metadata)
    assert "hush" not in str(told)


async def test_mailboxes_are_written_with_the_rights_of_channels_for_all_of_a_tenant(
    api: "MailboxServiceAsyncStub", intake: Intake, user: User, create: Create
) -> None:
    created = await create()
    reader = await intake.running.user(user.tenant_id, grants={"channels.read": Scope.OWN})
    assert (await api.GetMailbox(pb.GetMailboxRequest(id=created.id), metadata=reader.metadata)).id == created.id
    for grants in ({"channels.write": Scope.TEAM}, {"channels.read": Scope.ALL}):
        writer = await intake.running.user(user.tenant_id, grants=grants)
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await create(by=writer)
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            request = pb.SetMailboxPasswordRequest(id=created.id, password="x")
            await api.SetMailboxPassword(request, metadata=writer.metadata)
    stranger = await intake.running.user()
    calls: list[tuple[Any, Any]] = [
        (api.GetMailbox, pb.GetMailboxRequest(id=created.id)),
        (api.ListSetAsideMails, pb.ListSetAsideMailsRequest(id=created.id)),
        (api.SetMailboxPassword, pb.SetMailboxPasswordRequest(id=created.id, password="x")),
    ]
    for call, request in calls:
        with refused("NOT_FOUND", "MAILBOX_NOT_FOUND"):
            await call(request, metadata=stranger.metadata)


async def test_an_update_takes_an_etag_and_leaves_what_is_not_named(
    api: "MailboxServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create()
    moved = await api.UpdateMailbox(changed(created, folder="", etag=created.etag), metadata=user.metadata)
    assert (moved.folder, moved.host, moved.etag) == ("INBOX", created.host, created.etag)
    moved = await api.UpdateMailbox(changed(created, folder="Support", etag=created.etag), metadata=user.metadata)
    with refused("ABORTED", "ETAG_MISMATCH"):
        await api.UpdateMailbox(changed(created, folder="Else", etag=created.etag), metadata=user.metadata)

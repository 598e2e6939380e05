"""Channels through their contract."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
from crm.service_desk.v1 import cases_pb2
from crm.service_desk.v1 import channels_pb2 as pb
from crm.service_desk.v1.channels_pb2_grpc import ChannelServiceStub
from crm_kit.identity.access import Scope
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.history import changes_of
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.service_desk.v1.channels_pb2_grpc import ChannelServiceAsyncStub

Create = Callable[..., Awaitable[pb.Channel]]


@pytest.fixture
async def user(service_desk: Running) -> User:
    return await service_desk.user()


@pytest.fixture
def api(service_desk: Running) -> "ChannelServiceAsyncStub":
    return ChannelServiceStub(service_desk.channel)


@pytest.fixture
def create(api: "ChannelServiceAsyncStub", user: User) -> Create:
    """Creates a channel as `user`; keywords are its fields, `by` another user, `key` an idempotency key."""

    async def create_channel(*, by: User = user, key: str = "", **fields: Any) -> pb.Channel:
        values: dict[str, Any] = {"display_name": "客服邮箱", "kind": pb.Channel.KIND_MAIL} | fields
        request = pb.CreateChannelRequest(channel=pb.Channel(**values))
        return await api.CreateChannel(request, metadata=by.with_key(key) if key else by.metadata)

    return create_channel


def changed(record: pb.Channel, *, etag: str = "", **fields: Any) -> pb.UpdateChannelRequest:
    """An update of these fields."""
    channel = pb.Channel(id=record.id, etag=etag, **fields)
    return pb.UpdateChannelRequest(channel=channel, update_mask=FieldMask(paths=list(fields)))


async def test_what_is_created_is_read_back_and_listed(
    api: "ChannelServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create()
    assert created.state == pb.Channel.STATE_ACTIVE
    assert await api.GetChannel(pb.GetChannelRequest(id=created.id), metadata=user.metadata) == created
    page = await api.ListChannels(pb.ListChannelsRequest(filter="kind = MAIL"), metadata=user.metadata)
    assert list(page.channels) == [created]


async def test_a_new_channel_opens_no_cases_unless_it_is_told_to(create: Create) -> None:
    created = await create()
    assert created.case_opening == pb.Channel.CASE_OPENING_NOBODY
    assert (created.case_kind, created.hourly_limit) == (cases_pb2.Case.KIND_SERVICE_REQUEST, 20)


async def test_addresses_are_kept_as_all_are_compared(create: Create) -> None:
    addresses = ["Service@Huaxin.example", "0755-8666 1234", "service@huaxin.example"]
    created = await create(kind=pb.Channel.KIND_OTHER, addresses=addresses)
    assert list(created.addresses) == ["service@huaxin.example", "+8675586661234"]


async def test_telephones_and_text_messages_have_numbers_and_short_codes_for_addresses(
    api: "ChannelServiceAsyncStub", user: User, create: Create
) -> None:
    numbers = ["0755-8666 1234", "0755-86661234转801", "+8613800138000", "95598", "１０６９０１", "801"]
    for kind in (pb.Channel.KIND_TELEPHONE, pb.Channel.KIND_SMS):
        channel = await create(kind=kind, addresses=numbers)
        assert list(channel.addresses)[:3] == ["+8675586661234", "+8613800138000", "95598"]
        for wrong in ("x@y.example", "sales desk, ground floor", "1" * 21, "+"):
            with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
                await create(kind=kind, addresses=["95598", wrong])
            assert refusal.fields == ["channel.addresses[1]"], wrong
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await api.UpdateChannel(changed(channel, addresses=["x@y.example"]), metadata=user.metadata)
        assert refusal.fields == ["channel.addresses[0]"]
    # Text messages also leave, and come back, under a name.
    assert list((await create(kind=pb.Channel.KIND_SMS, addresses=["HUAXIN"])).addresses) == ["huaxin"]
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await create(kind=pb.Channel.KIND_TELEPHONE, addresses=["HUAXIN"])


async def test_name_and_kind_are_required(create: Create) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await create(display_name="", kind=pb.Channel.KIND_UNSPECIFIED)
    assert set(refusal.fields) == {"channel.display_name", "channel.kind"}


async def test_a_limit_of_no_message_is_refused(create: Create) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await create(hourly_limit=0)
    assert refusal.fields == ["channel.hourly_limit"]


async def test_a_repeated_request_creates_one(create: Create) -> None:
    assert await create(key="once") == await create(key="once")


async def test_an_update_changes_what_the_mask_names_unless_its_etag_is_stale(
    api: "ChannelServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create()
    renamed = await api.UpdateChannel(changed(created, display_name="总机", etag=created.etag), metadata=user.metadata)
    assert (renamed.display_name, renamed.kind) == ("总机", pb.Channel.KIND_MAIL)
    with refused("ABORTED", "ETAG_MISMATCH"):
        await api.UpdateChannel(changed(created, display_name="前台", etag=created.etag), metadata=user.metadata)


async def test_the_kind_stays_as_it_was_given(api: "ChannelServiceAsyncStub", user: User, create: Create) -> None:
    created = await create()
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await api.UpdateChannel(changed(created, kind=pb.Channel.KIND_SMS), metadata=user.metadata)
    assert refusal.fields == ["channel.kind"]


async def test_the_archived_are_left_out_of_lists_and_refuse_changes_until_restored(
    api: "ChannelServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create()
    archived = await api.ArchiveChannel(pb.ArchiveChannelRequest(id=created.id), metadata=user.metadata)
    assert archived.state == pb.Channel.STATE_ARCHIVED
    assert not (await api.ListChannels(pb.ListChannelsRequest(), metadata=user.metadata)).channels
    page = await api.ListChannels(pb.ListChannelsRequest(filter="state = ARCHIVED"), metadata=user.metadata)
    assert list(page.channels) == [archived]
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await api.UpdateChannel(changed(created, display_name="总机"), metadata=user.metadata)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await api.ArchiveChannel(pb.ArchiveChannelRequest(id=created.id), metadata=user.metadata)
    restored = await api.RestoreChannel(pb.RestoreChannelRequest(id=created.id), metadata=user.metadata)
    assert restored.state == pb.Channel.STATE_ACTIVE


async def test_the_history_says_what_was_changed(
    service_desk: Running, api: "ChannelServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create()
    await api.UpdateChannel(changed(created, display_name="总机"), metadata=user.metadata)
    told = await changes_of(service_desk, "channels", created.id, user.metadata)
    assert [each.action for each in told.changes] == ["UPDATED", "CREATED"]
    assert [each.field for each in told.changes[0].fields] == ["display_name"]


async def test_channels_serve_the_whole_tenant_and_are_written_for_all_of_it(
    service_desk: Running, api: "ChannelServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create()
    reader = await service_desk.user(user.tenant_id, grants={"channels.read": Scope.OWN})
    assert await api.GetChannel(pb.GetChannelRequest(id=created.id), metadata=reader.metadata) == created
    writer = await service_desk.user(user.tenant_id, grants={"channels.write": Scope.TEAM})
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await create(by=writer)
    with refused("NOT_FOUND", "CHANNEL_NOT_FOUND"):
        stranger = await service_desk.user()
        await api.GetChannel(pb.GetChannelRequest(id=created.id), metadata=stranger.metadata)

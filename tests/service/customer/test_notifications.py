"""People are told what concerns them, once for a record and kind until they have read it; nobody else learns of it."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from crm.customer.v1 import events_pb2
from crm.customer.v1 import notifications_pb2 as pb
from crm.customer.v1.notifications_pb2_grpc import NotificationServiceStub
from crm.event.v1 import event_pb2
from crm.resource.v1 import resources_pb2
from crm.resource.v1.events_pb2 import NoticeRaised
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm.type.v1 import notice_kind_pb2
from crm_kit.database.statements import compile_statement
from crm_kit.identity.access import SERVICE_USER, Scope
from crm_kit.ids import new_id
from crm_kit.plumbing import outbox
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import select

from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.notifications_pb2_grpc import NotificationServiceAsyncStub


MENTIONED, ASSIGNED = notice_kind_pb2.NOTICE_KIND_MENTIONED, notice_kind_pb2.NOTICE_KIND_RECORD_ASSIGNED
Kind = notice_kind_pb2.NoticeKind


@pytest.fixture
def stub(customer: Running) -> "NotificationServiceAsyncStub":
    return NotificationServiceStub(customer.channel)


def notice(
    *users: User,
    record_id: UUID,
    kind: "Kind.ValueType" = MENTIONED,
    text: str = "",
    name: str = "",
    values: Mapping[str, str] | None = None,
) -> NoticeRaised:
    ids = [str(user.id) for user in users]
    return NoticeRaised(
        user_ids=ids,
        kind=kind,
        collection="orders",
        record_id=str(record_id),
        record_name=name,
        text=text,
        values=values or {},
    )


def as_event(tenant_id: UUID, payload: NoticeRaised, actor_id: UUID = SERVICE_USER) -> event_pb2.Event:
    id = new_id()
    event = event_pb2.Event(
        id=str(id), tenant_id=str(tenant_id), actor_id=str(actor_id), aggregate_id=str(id), aggregate_version=1
    )
    event.payload.Pack(payload)
    return event


async def tell(customer: Running, tenant_id: UUID, payload: NoticeRaised, actor_id: UUID = SERVICE_USER) -> None:
    await customer.service.consumers.apply(as_event(tenant_id, payload, actor_id))


async def listed(stub: "NotificationServiceAsyncStub", user: User, filter: str = "") -> list[pb.Notification]:
    request = pb.ListNotificationsRequest(filter=filter)
    return list((await stub.ListNotifications(request, metadata=user.metadata)).notifications)


async def unread_count(customer: Running, user: User) -> int:
    request = resources_pb2.CountRecordsRequest(collection="notifications", filter="read = false")
    return (await ResourceServiceStub(customer.channel).CountRecords(request, metadata=user.metadata)).count


async def told(customer: Running, tenant_id: UUID, name: str) -> list[event_pb2.Event]:
    query = select(outbox.c.event).where(outbox.c.tenant_id == tenant_id, outbox.c.subject.contains(f".{name}."))
    rows = await customer.service.database.all(tenant_id, compile_statement(query.order_by(outbox.c.id)), {})
    return [event_pb2.Event.FromString(row["event"]) for row in rows]


async def test_everybody_whom_it_concerns_is_told(customer: Running, stub: "NotificationServiceAsyncStub") -> None:
    writer = await customer.user(name="王芳")
    one, two = await customer.user(writer.tenant_id), await customer.user(writer.tenant_id)
    record_id = new_id()
    raised = notice(one, two, record_id=record_id, name="华信电力", text="看一下", values={"what_en": "Order"})
    await tell(customer, writer.tenant_id, raised, writer.id)
    for user in (one, two):
        (found,) = await listed(stub, user)
        assert (found.user_id, found.record_id, found.record_title) == (str(user.id), str(record_id), "华信电力")
        assert (found.actor_id, found.actor_name) == (str(writer.id), "王芳")
        assert (found.title, found.text) == ("You are mentioned: Order 华信电力", "看一下")
        assert (found.read, found.count) == (False, 1)
    assert await listed(stub, writer) == []


async def test_an_event_that_comes_twice_tells_once(customer: Running, stub: "NotificationServiceAsyncStub") -> None:
    user = await customer.user()
    event = as_event(user.tenant_id, notice(user, record_id=new_id()))
    for _ in range(2):
        await customer.service.consumers.apply(event)
    assert [each.count for each in await listed(stub, user)] == [1]
    assert len(await told(customer, user.tenant_id, "NotificationCreated")) == 1


async def test_who_is_not_active_or_not_of_the_tenant_is_left_out(
    customer: Running, stub: "NotificationServiceAsyncStub"
) -> None:
    user, gone, stranger = await customer.user(), await customer.user(), await customer.user()
    gone = await customer.user(user.tenant_id)
    await customer.change_user(gone, active=False)
    await tell(customer, user.tenant_id, notice(user, gone, stranger, record_id=new_id()))
    assert len(await listed(stub, user)) == 1
    assert await listed(stub, stranger) == []
    assert len(await told(customer, user.tenant_id, "NotificationCreated")) == 1


async def test_what_is_told_again_while_it_is_unread_is_added_to_it(
    customer: Running, stub: "NotificationServiceAsyncStub"
) -> None:
    user, record_id = await customer.user(), new_id()
    for text in ("one", "two", "three"):
        await tell(customer, user.tenant_id, notice(user, record_id=record_id, text=text))
    await tell(customer, user.tenant_id, notice(user, record_id=record_id, kind=ASSIGNED))
    await tell(customer, user.tenant_id, notice(user, record_id=new_id()))
    found = {(each.kind, each.record_id): each for each in await listed(stub, user)}
    assert len(found) == 3
    again = found[MENTIONED, str(record_id)]
    assert (again.count, again.text) == (3, "three")
    assert await unread_count(customer, user) == 3
    assert len(await told(customer, user.tenant_id, "NotificationRepeated")) == 2
    await stub.MarkNotificationRead(pb.MarkNotificationReadRequest(id=again.id), metadata=user.metadata)
    await tell(customer, user.tenant_id, notice(user, record_id=record_id, text="four"))
    (fresh,) = await listed(stub, user, f"read = false AND record_id = {record_id} AND kind = MENTIONED")
    assert (fresh.count, fresh.id != again.id) == (1, True)


async def test_nobody_else_finds_it_whatever_they_may_do(
    customer: Running, stub: "NotificationServiceAsyncStub"
) -> None:
    user = await customer.user(grants={})
    administrator = await customer.user(user.tenant_id)
    await tell(customer, user.tenant_id, notice(user, record_id=new_id()))
    (own,) = await listed(stub, user)
    assert await listed(stub, administrator) == []
    assert await unread_count(customer, administrator) == 0
    with refused("NOT_FOUND", "NOTIFICATION_NOT_FOUND"):
        await stub.GetNotification(pb.GetNotificationRequest(id=own.id), metadata=administrator.metadata)
    with refused("NOT_FOUND", "NOTIFICATION_NOT_FOUND"):
        await stub.MarkNotificationRead(pb.MarkNotificationReadRequest(id=own.id), metadata=administrator.metadata)
    generic = ResourceServiceStub(customer.channel)
    request = resources_pb2.BatchCheckRecordsRequest(collection="notifications", ids=[own.id])
    assert not (await generic.BatchCheckRecords(request, metadata=administrator.metadata)).readable
    # By which a stream of events goes.
    assert [each.id for each in (await generic.BatchCheckRecords(request, metadata=user.metadata)).readable] == [own.id]
    everything = Timestamp()
    everything.FromDatetime(datetime.now(UTC) + timedelta(days=1))
    marking = pb.MarkAllNotificationsReadRequest(until_time=everything)
    answer = await stub.MarkAllNotificationsRead(marking, metadata=administrator.metadata)
    assert answer.marked_count == 0
    assert await unread_count(customer, user) == 1


async def test_one_is_marked_as_read_once(customer: Running, stub: "NotificationServiceAsyncStub") -> None:
    user = await customer.user()
    await tell(customer, user.tenant_id, notice(user, record_id=new_id()))
    (unread,) = await listed(stub, user)
    request = pb.MarkNotificationReadRequest(id=unread.id, etag=unread.etag)
    read = await stub.MarkNotificationRead(request, metadata=user.metadata)
    assert read.read
    assert read.read_time.ToMilliseconds() >= unread.create_time.ToMilliseconds()
    again = await stub.MarkNotificationRead(request, metadata=user.metadata)
    assert again.read_time == read.read_time
    assert await unread_count(customer, user) == 0
    (event,) = await told(customer, user.tenant_id, "NotificationRead")
    assert events_pb2.NotificationRead.FromString(event.payload.value).notification.id == unread.id


async def test_all_are_marked_that_were_told_until_an_instant(
    customer: Running, stub: "NotificationServiceAsyncStub"
) -> None:
    user, record_id = await customer.user(), new_id()
    for kind, id in ((MENTIONED, record_id), (ASSIGNED, record_id), (MENTIONED, new_id())):
        await tell(customer, user.tenant_id, notice(user, record_id=id, kind=kind))
    newest = (await listed(stub, user))[0]

    async def marked(until: Timestamp, **of: Any) -> int:
        request = pb.MarkAllNotificationsReadRequest(until_time=until, **of)
        return (await stub.MarkAllNotificationsRead(request, metadata=user.metadata)).marked_count

    before = Timestamp()
    before.FromDatetime(newest.notice_time.ToDatetime() - timedelta(microseconds=1))
    assert await marked(newest.notice_time, kind=ASSIGNED) == 1
    assert await marked(newest.notice_time, collection="cases", record_id=str(record_id)) == 0
    assert await marked(newest.notice_time, collection="orders", record_id=str(record_id)) == 1
    assert await marked(before) == 0
    assert await unread_count(customer, user) == 1
    assert await marked(newest.notice_time) == 1
    assert await unread_count(customer, user) == 0
    assert len(await told(customer, user.tenant_id, "NotificationRead")) == 3
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await marked(newest.notice_time, collection="orders")
    assert refusal.fields == ["record_id"]


async def test_many_notices_at_once_lose_none(customer: Running, stub: "NotificationServiceAsyncStub") -> None:
    """Told in parallel, to the same people in another order each time."""
    first = await customer.user()
    people = [first, *[await customer.user(first.tenant_id, grants={"x.read": Scope.OWN}) for _ in range(3)]]
    record_id = new_id()
    raised = [notice(*people[turn:], *people[:turn], record_id=record_id) for turn in range(4)] * 2
    await asyncio.gather(*(tell(customer, first.tenant_id, each) for each in raised))
    for user in people:
        assert [each.count for each in await listed(stub, user)] == [8]

"""Everybody chooses what they are told, and whether by mail; what comes by mail comes once, in their language."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import pytest
from crm.customer.v1 import notification_preferences_pb2 as pb
from crm.customer.v1.notification_preferences_pb2_grpc import NotificationPreferenceServiceStub
from crm.customer.v1.notifications_pb2_grpc import NotificationServiceStub
from crm.type.v1 import notice_kind_pb2
from crm_customer.directory.user_settings.model import Language, UserSettings
from crm_customer.directory.user_settings.tables import user_settings
from crm_customer.workspace.notifications.digests import Digests
from crm_customer.workspace.notifications.mails import Mails
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from crm_kit.database.connections import ALL_TENANTS, Record, row_of
from crm_kit.database.statements import compile_statement
from crm_kit.directory.projection import project_user
from crm_kit.ids import new_id
from crm_kit.mail import gathering
from crm_kit.mail.gathering import set_up_mail
from crm_kit.mail.model import MAX_TEXT
from crm_kit.plumbing import outgoing_mails
from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import delete, select

from tests.service.clocks import until_noon
from tests.service.customer.test_notifications import listed, notice, tell, unread_count
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.notifications_pb2_grpc import NotificationServiceAsyncStub


Preference: TypeAlias = pb.NotificationPreference
Choice: TypeAlias = pb.NotificationPreference.Choice
MENTIONED, ASSIGNED = notice_kind_pb2.NOTICE_KIND_MENTIONED, notice_kind_pb2.NOTICE_KIND_RECORD_ASSIGNED
OVERDUE = notice_kind_pb2.NOTICE_KIND_TASK_OVERDUE
NEVER, AT_ONCE, DAILY = Preference.MAIL_NEVER, Preference.MAIL_AT_ONCE, Preference.MAIL_DAILY


@pytest.fixture
def stub(customer: Running) -> "NotificationServiceAsyncStub":
    return NotificationServiceStub(customer.channel)


@pytest.fixture
async def posting(customer: Running) -> AsyncIterator[Running]:
    """The service with a mail server; nothing is sent, so that a test sees what was gathered."""
    set_up_mail(customer.service.database)
    yield customer
    gathering._WITH_SERVER.discard(customer.service.database)
    await customer.service.database.all(ALL_TENANTS, compile_statement(delete(outgoing_mails)), {})


async def choose(customer: Running, user: User, *choices: Choice, **fields: Any) -> Preference:
    wanted = Preference(choices=choices, **fields)
    mask = FieldMask(paths=["choices", *(name for name in fields if name != "etag")])
    request = pb.UpdateNotificationPreferenceRequest(notification_preference=wanted, update_mask=mask)
    stub = NotificationPreferenceServiceStub(customer.channel)
    return await stub.UpdateNotificationPreference(request, metadata=user.metadata)


async def mails_of(customer: Running, tenant_id: UUID) -> list[Record]:
    query = select(outgoing_mails).where(outgoing_mails.c.tenant_id == tenant_id).order_by(outgoing_mails.c.id)
    return await customer.service.database.all(ALL_TENANTS, compile_statement(query), {})


def chosen(kind: Any, mail: Any, *, in_app: bool = True) -> Choice:
    return Choice(kind=kind, in_app=in_app, mail=mail)


async def test_who_has_chosen_nothing_is_told_in_the_app_alone(
    posting: Running, stub: "NotificationServiceAsyncStub"
) -> None:
    user = await posting.user()
    preferences = NotificationPreferenceServiceStub(posting.channel)
    found = await preferences.GetNotificationPreference(pb.GetNotificationPreferenceRequest(), metadata=user.metadata)
    assert (found.id, list(found.choices), found.etag) == (str(user.id), [], "v1")
    await tell(posting, user.tenant_id, notice(user, record_id=new_id()))
    assert len(await listed(stub, user)) == 1
    assert await mails_of(posting, user.tenant_id) == []


async def test_choices_are_the_users_own(customer: Running) -> None:
    user = await customer.user()
    other = await customer.user(user.tenant_id)
    saved = await choose(customer, user, chosen(MENTIONED, NEVER, in_app=False))
    assert (saved.id, saved.etag) == (str(user.id), "v2")
    again = await choose(customer, user, chosen(MENTIONED, NEVER, in_app=False))
    assert again.etag == "v2"
    stub = NotificationPreferenceServiceStub(customer.channel)
    others = await stub.GetNotificationPreference(pb.GetNotificationPreferenceRequest(), metadata=other.metadata)
    assert list(others.choices) == []
    with refused("ABORTED", "ETAG_MISMATCH"):
        await choose(customer, user, etag="v1")


async def test_a_kind_or_a_record_is_chosen_once(customer: Running) -> None:
    user, record_id = await customer.user(), str(new_id())
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await choose(customer, user, chosen(MENTIONED, NEVER), chosen(MENTIONED, NEVER))
    assert refusal.fields == ["notification_preference.choices[1].kind"]
    muted = Preference.MutedRecord(collection="orders", record_id=record_id)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await choose(customer, user, muted_records=[muted, muted])
    assert refusal.fields == ["notification_preference.muted_records[1].record_id"]


async def test_nothing_is_told_of_a_muted_record_or_a_kind_that_is_off(
    posting: Running, stub: "NotificationServiceAsyncStub"
) -> None:
    user, muted_id = await posting.user(), new_id()
    muted = Preference.MutedRecord(collection="orders", record_id=str(muted_id))
    await choose(
        posting, user, chosen(MENTIONED, AT_ONCE), chosen(ASSIGNED, NEVER, in_app=False), muted_records=[muted]
    )
    await tell(posting, user.tenant_id, notice(user, record_id=muted_id))
    await tell(posting, user.tenant_id, notice(user, record_id=new_id(), kind=ASSIGNED))
    assert await listed(stub, user) == []
    assert await mails_of(posting, user.tenant_id) == []


async def test_nothing_is_told_of_the_tasks_of_a_muted_record(
    posting: Running, stub: "NotificationServiceAsyncStub"
) -> None:
    user, muted_id, other_id = await posting.user(), new_id(), new_id()
    muted = Preference.MutedRecord(collection="orders", record_id=str(muted_id))
    await choose(posting, user, chosen(OVERDUE, AT_ONCE), muted_records=[muted])
    for id in (muted_id, other_id):
        at = {"collection": "orders", "record_id": str(id), "title": "call"}
        task = notice(user, record_id=new_id(), kind=OVERDUE, values=at)
        task.collection = "tasks"
        await tell(posting, user.tenant_id, task)
    (told,) = await listed(stub, user)
    assert told.values["record_id"] == str(other_id)
    assert len(await mails_of(posting, user.tenant_id)) == 1


async def test_who_has_muted_a_record_is_asked_for_its_approvals_all_the_same(
    posting: Running, stub: "NotificationServiceAsyncStub"
) -> None:
    user, muted_id = await posting.user(), new_id()
    muted = Preference.MutedRecord(collection="orders", record_id=str(muted_id))
    await choose(posting, user, muted_records=[muted])
    at = {"collection": "orders", "record_id": str(muted_id), "verb": "Confirm"}
    asked = notice(user, record_id=new_id(), kind=notice_kind_pb2.NOTICE_KIND_APPROVAL_WAITING, values=at)
    asked.collection = "approvals"
    await tell(posting, user.tenant_id, asked)
    assert [each.kind for each in await listed(stub, user)] == [notice_kind_pb2.NOTICE_KIND_APPROVAL_WAITING]


async def test_mail_comes_at_once_and_again_when_what_was_unread_is_read(
    posting: Running, stub: "NotificationServiceAsyncStub"
) -> None:
    user, record_id = await posting.user(), new_id()
    await choose(posting, user, chosen(MENTIONED, AT_ONCE))
    for text in ("一", "二"):
        raised = notice(user, record_id=record_id, name="华信\n电力", text=text, values={"what_zh": "订单"})
        await tell(posting, user.tenant_id, raised)
    (mail,) = await mails_of(posting, user.tenant_id)
    assert mail["subject"] == "有人提到您：订单 华信 电力"
    assert mail["text"].startswith("有人提到您：订单 华信\n电力\n一\n")
    assert mail["recipients"] == [f"{user.id.hex[-12:]}@example.test"]


async def test_mail_is_in_the_language_that_its_reader_has_set(posting: Running) -> None:
    user = await posting.user()
    await choose(posting, user, chosen(MENTIONED, AT_ONCE))
    async with posting.unit_of_work(user.tenant_id) as work:
        work.insert(
            user_settings, row_of(UserSettings(user.id, Language.EN, create_time=work.now, update_time=work.now))
        )
    await tell(posting, user.tenant_id, notice(user, record_id=new_id(), name="Huaxin"))
    (mail,) = await mails_of(posting, user.tenant_id)
    assert mail["subject"] == "You are mentioned: Huaxin"


async def test_mail_without_the_app_comes_every_time(posting: Running, stub: "NotificationServiceAsyncStub") -> None:
    user, record_id = await posting.user(), new_id()
    await choose(posting, user, chosen(MENTIONED, AT_ONCE, in_app=False))
    for _ in range(2):
        await tell(posting, user.tenant_id, notice(user, record_id=record_id))
    assert len(await mails_of(posting, user.tenant_id)) == 2
    # It is of no use in the app, unless the daily mail needs it.
    assert await listed(stub, user) == []
    assert await unread_count(posting, user) == 0


async def test_of_all_that_a_job_gives_somebody_there_is_one_mail_also_without_the_app(posting: Running) -> None:
    user, job_id = await posting.user(), new_id()
    await choose(posting, user, chosen(ASSIGNED, AT_ONCE, in_app=False))
    for count in (250, 0, 3):
        raised = notice(user, record_id=job_id, kind=ASSIGNED, values={"outcome": "TOGETHER"})
        raised.count = count
        await tell(posting, user.tenant_id, raised)
    assert len(await mails_of(posting, user.tenant_id)) == 1


async def test_who_asks_for_mail_that_cannot_come_is_told_so(customer: Running) -> None:
    user = await customer.user()
    with refused("FAILED_PRECONDITION", "MAIL_NOT_SET_UP"):
        await choose(customer, user, chosen(MENTIONED, DAILY))


async def test_who_has_no_address_is_told_so(posting: Running) -> None:
    user = await posting.user()
    async with posting.unit_of_work(user.tenant_id) as work:
        values: dict[str, Any] = {"active": True, "team_id": None, "role_ids": [], "version": 2}
        project_user(work, id=user.id, login="wang", display_name="王芳", **values)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await choose(posting, user, chosen(MENTIONED, DAILY))
    assert refusal.fields == ["notification_preference.choices"]
    assert "wang" in refusal.detail


# --- the mail of the day


def digests_at(customer: Running, now: datetime) -> Digests:
    tenants = Tenants(customer.service.database, customer.service.clock, lambda: now)
    return Digests(tenants, Mails("https://crm.example.org/"))


async def test_what_was_told_before_the_morning_comes_in_one_mail_once(posting: Running) -> None:
    tenant_id, ahead = await posting.tenant(sandbox=True), until_noon()
    await posting.know_tenant(tenant_id, sandbox=True, clock_offset=ahead, version=2)
    user, other = await posting.user(tenant_id), await posting.user(tenant_id)
    await choose(posting, user, chosen(MENTIONED, DAILY, in_app=False), chosen(ASSIGNED, DAILY))
    record_id = new_id()
    await tell(posting, user.tenant_id, notice(user, other, record_id=record_id, name="华信"))
    await tell(posting, user.tenant_id, notice(user, other, record_id=new_id(), kind=ASSIGNED))
    # Eight in the morning where the tenant is, in Shanghai, is midnight UTC; what its clock shows is so far ahead.
    today = (system_now() + ahead).date()
    morning = datetime.combine(today + timedelta(days=1), datetime.min.time(), UTC) - ahead
    await digests_at(posting, morning - timedelta(seconds=1)).look()
    assert await mails_of(posting, user.tenant_id) == []
    for _ in range(2):
        await digests_at(posting, morning + timedelta(minutes=1)).look()
    (mail,) = await mails_of(posting, user.tenant_id)
    assert mail["subject"] == "您的每日通知"
    assert f"https://crm.example.org/orders/{record_id}" in mail["text"]
    assert "已分配给您" in mail["text"]
    # The next day there is nothing to tell.
    await digests_at(posting, morning + timedelta(days=1)).look()
    assert len(await mails_of(posting, user.tenant_id)) == 1


async def test_a_tenant_that_has_had_its_mails_is_looked_at_again_the_next_morning(
    posting: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, visited = await posting.user(), list[UUID]()
    await choose(posting, user, chosen(MENTIONED, DAILY))
    today = system_now().date()
    noon = datetime.combine(today + timedelta(days=2), datetime.min.time(), UTC) + timedelta(hours=4)
    tenants = Tenants(posting.service.database, posting.service.clock, lambda: noon)
    unit = tenants.unit

    def visiting(tenant_id: UUID, now: datetime | None = None) -> Any:
        visited.append(tenant_id)
        return unit(tenant_id, now)

    monkeypatch.setattr(tenants, "unit", visiting)
    digests = Digests(tenants, Mails("https://crm.example.org/"))
    await digests.look()
    assert user.tenant_id in visited
    visited.clear()
    await tell(posting, user.tenant_id, notice(user, record_id=new_id()))
    noon += timedelta(hours=19)
    await digests.look()
    assert user.tenant_id not in visited
    noon += timedelta(hours=2)
    await digests.look()
    assert len(await mails_of(posting, user.tenant_id)) == 1


async def test_a_day_of_long_texts_comes_as_far_as_a_mail_holds_it(posting: Running) -> None:
    user = await posting.user()
    await choose(posting, user, chosen(MENTIONED, DAILY))
    for number in range(60):
        await tell(posting, user.tenant_id, notice(user, record_id=new_id(), text=f"{number} " + "长" * 1990))
    await digests_at(posting, system_now() + timedelta(days=2)).look()
    (mail,) = await mails_of(posting, user.tenant_id)
    assert len(mail["text"]) <= MAX_TEXT
    # The newest come first, and that there are more is said.
    assert "59 长" in mail["text"] and "20 长" in mail["text"] and "\n0 长" not in mail["text"]
    assert "更多通知请在系统中查看" in mail["text"]

"""What adapters bring that have no user here, signed as Standard Webhooks has it."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from crm.service_desk.v1 import channels_pb2
from crm.service_desk.v1 import signed_deliveries_pb2 as pb
from crm.service_desk.v1.signed_deliveries_pb2_grpc import SignedDeliveryServiceStub
from crm_kit.clock import system_now
from crm_kit.database.connections import Database
from crm_kit.ids import new_id
from standardwebhooks.webhooks import Webhook

from tests.service.attaching import Files, picture
from tests.service.history import changes_of
from tests.service.running import refused
from tests.service.service_desk.desk import Desk
from tests.service.service_desk.intake import Intake, intake_of
from tests.service.web import gateway

Channel = channels_pb2.Channel
STRANGER = {"source_id": "sms-1", "from_address": "13800138000", "text": "今天早上起停电"}


@pytest.fixture
async def intake(desk: Desk) -> Intake:
    return await intake_of(desk, kind=Channel.KIND_SMS)


@pytest.fixture
async def web(intake: Intake) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(intake.running) as client:
        yield client


async def rotated(intake: Intake, *, key: str = "", **fields: Any) -> Channel:
    """The channel with the secret that it was given now."""
    user = intake.desk.user
    request = channels_pb2.RotateChannelSecretRequest(id=intake.mailbox.id, **fields)
    return await intake.channels.RotateChannelSecret(request, metadata=user.with_key(key) if key else user.metadata)


def body_of(data: Mapping[str, Any], type: str = "message.received") -> str:
    return json.dumps({"type": type, "timestamp": "2026-01-01T00:00:00Z", "data": data}, ensure_ascii=False)


def headers_of(secret: str, body: str, *, id: str = "msg_1", time: datetime | None = None) -> dict[str, str]:
    """As an adapter makes them."""
    time = (time or system_now()).astimezone(UTC)
    signature = Webhook(secret).sign(id, time, body)
    signed = {"webhook-id": id, "webhook-timestamp": str(int(time.timestamp())), "webhook-signature": signature}
    return {"content-type": "application/json"} | signed


async def deliver(
    web: httpx.AsyncClient, channel_id: str, secret: str, data: Mapping[str, Any], *, type: str = "message.received"
) -> httpx.Response:
    body = body_of(data, type)
    url = f"/v1/channels/{channel_id}:deliver"
    return await web.post(url, content=body.encode(), headers=headers_of(secret, body))


async def test_a_signed_message_is_kept_and_judged_as_one_of_a_user(intake: Intake, web: httpx.AsyncClient) -> None:
    secret = (await rotated(intake)).secret
    answer = await deliver(web, intake.mailbox.id, secret, STRANGER)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["reason"]) == ("UNMATCHED", "UNKNOWN_SENDER")
    (kept,) = await intake.waiting()
    assert kept.id == answer.json()["inbound_message_id"]
    # The number as the tenant's region has it.
    assert (kept.source_id, kept.from_address, kept.text) == ("sms-1", "+8613800138000", "今天早上起停电")


async def test_files_come_with_a_signed_message_in_base64_and_what_is_none_is_refused_by_its_place(
    intake: Intake, web: httpx.AsyncClient
) -> None:
    secret, content = (await rotated(intake)).secret, picture(4, 3)
    files = [{"name": "电表.png", "content": b64encode(content).decode()}, {"name": "run.bat", "content": "eA=="}]
    answer = await deliver(web, intake.mailbox.id, secret, STRANGER | {"files": files})
    assert answer.status_code == 200, answer.text
    (kept,) = await intake.waiting()
    attached = Files(intake.running, kept.id, "inbound_messages")
    (file,) = await attached.list(intake.desk.user)
    assert await attached.bytes_of(intake.desk.user, file.id) == content
    assert [(each.name, each.attachment_id) for each in kept.files] == [("电表.png", file.id), ("run.bat", "")]
    for wrong in ("no list", [{"name": "a.txt"}], [{"name": "..", "content": ""}], [{"name": "a.txt", "content": "%"}]):
        refusal = await deliver(web, intake.mailbox.id, secret, STRANGER | {"files": wrong})
        assert refusal.status_code == 422, wrong
        assert refusal.json()["errors"][0]["field"].startswith("data.files"), wrong


async def test_what_is_brought_again_is_answered_with_what_is_kept(intake: Intake, web: httpx.AsyncClient) -> None:
    secret = (await rotated(intake)).secret
    answers = [await deliver(web, intake.mailbox.id, secret, STRANGER) for _ in range(3)]
    assert len({each.text for each in answers}) == 1
    assert len(await intake.waiting()) == 1


async def test_a_signed_mail_is_read_as_one_of_a_user(intake: Intake, web: httpx.AsyncClient) -> None:
    intake.mailbox = await intake.channel()
    secret = (await rotated(intake)).secret
    mail = b"From: chen@huaxin.example\r\nMessage-ID: <1@huaxin.example>\r\nSubject: meter\r\n\r\nIt stands still."
    answer = await deliver(web, intake.mailbox.id, secret, {"mail": b64encode(mail).decode()}, type="mail.received")
    assert answer.status_code == 200, answer.text
    (kept,) = await intake.waiting()
    assert (kept.source_id, kept.subject, kept.text) == ("<1@huaxin.example>", "meter", "It stands still.")


async def test_mail_comes_by_channels_of_mail_alone(intake: Intake, web: httpx.AsyncClient) -> None:
    secret = (await rotated(intake)).secret
    for raw in (b"Subject: meter\r\n\r\nFrom nobody.", b"From: chen@huaxin.example\r\n\r\nHello."):
        answer = await deliver(web, intake.mailbox.id, secret, {"mail": b64encode(raw).decode()}, type="mail.received")
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["field"], error["rule"]) == (422, "data.channel_id", "mailbox_channel")
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await intake.mail(raw)
        assert refusal.fields == ["channel_id"]
    assert await intake.waiting() == []


async def test_whoever_withholds_who_they_are_joins_no_conversation(intake: Intake, web: httpx.AsyncClient) -> None:
    everybody = Channel.CASE_OPENING_EVERYBODY
    intake.mailbox = await intake.channel(kind=Channel.KIND_SMS, case_opening=everybody)
    secret = (await rotated(intake)).secret
    for number, sender in enumerate(("unknown", "Unknown", "Anonymous", "anonymous")):
        data = STRANGER | {"source_id": f"sms-{number}", "from_address": sender}
        answer = await deliver(web, intake.mailbox.id, secret, data)
        assert answer.json()["reason"] == "NEW_CASE", answer.text
    again = [STRANGER | {"source_id": f"sms-{number}"} for number in (8, 9)]
    answers = [(await deliver(web, intake.mailbox.id, secret, each)).json()["reason"] for each in again]
    assert answers == ["NEW_CASE", "THREAD"]


async def test_whatever_does_not_hold_is_refused_alike_and_keeps_nothing(
    intake: Intake, web: httpx.AsyncClient
) -> None:
    secret = (await rotated(intake)).secret
    without = await intake.channel(kind=Channel.KIND_SMS)
    body, now = body_of(STRANGER), system_now()
    good = headers_of(secret, body)
    own, other = intake.mailbox.id, headers_of("whsec_" + b64encode(b"x" * 32).decode(), body)
    tries: dict[str, tuple[str, dict[str, str], str]] = {
        "another secret": (own, other, body),
        "a changed body": (own, good, body.replace("sms-1", "sms-2")),
        "another id": (own, good | {"webhook-id": "msg_2"}, body),
        "too old": (own, headers_of(secret, body, time=now - timedelta(minutes=6)), body),
        "of the future": (own, headers_of(secret, body, time=now + timedelta(minutes=6)), body),
        "no time": (own, good | {"webhook-timestamp": "now"}, body),
        "no number of this world": (own, good | {"webhook-timestamp": "9" * 90}, body),
        "no signature": (own, good | {"webhook-signature": ""}, body),
        "another version": (own, good | {"webhook-signature": good["webhook-signature"].replace("v1,", "v2,")}, body),
        "a channel without a secret": (without.id, good, body),
        "no channel": (str(new_id()), good, body),
    }
    told = set()
    for name, (channel_id, headers, content) in tries.items():
        answer = await web.post(f"/v1/channels/{channel_id}:deliver", content=content.encode(), headers=headers)
        assert answer.status_code == 401, name
        problem = answer.json()
        told.add((problem["reason"], problem["title"], problem["detail"], str(problem.get("errors"))))
    assert len(told) == 1
    bare = await web.post(f"/v1/channels/{own}:deliver", json=json.loads(body))
    assert (bare.status_code, bare.json()["detail"]) == (401, next(iter(told))[2])
    assert not await intake.waiting()


async def test_as_much_is_looked_up_of_a_channel_that_there_is_not(
    intake: Intake, web: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, other = body_of(STRANGER), "whsec_" + b64encode(b"x" * 32).decode()
    await rotated(intake)
    without = await intake.channel(kind=Channel.KIND_SMS)
    asked: list[UUID] = []
    look_up = Database.all

    async def counted(database: Database, tenant: Any, query: Any, values: Any) -> Any:
        if "channel_id" in values:
            asked.append(values["channel_id"])
        return await look_up(database, tenant, query, values)

    monkeypatch.setattr(Database, "all", counted)
    for channel_id in (intake.mailbox.id, without.id, str(new_id())):
        url = f"/v1/channels/{channel_id}:deliver"
        answer = await web.post(url, content=body.encode(), headers=headers_of(other, body))
        assert answer.status_code == 401
        assert asked == [UUID(channel_id)] * 2, channel_id
        asked.clear()


async def test_the_secret_of_another_channel_signs_nothing(intake: Intake, web: httpx.AsyncClient) -> None:
    await rotated(intake)
    stranger = await intake_of(
        Desk(intake.running, await intake.running.user(await intake.running.tenant(sandbox=True))),
        kind=Channel.KIND_SMS,
    )
    secret = (await rotated(stranger)).secret
    assert (await deliver(web, intake.mailbox.id, secret, STRANGER)).status_code == 401
    assert (await deliver(web, stranger.mailbox.id, secret, STRANGER)).status_code == 200
    assert not await intake.waiting()
    assert len(await stranger.waiting()) == 1


async def test_the_secret_before_a_rotation_holds_for_a_day_unless_it_is_ended_at_once(
    intake: Intake, web: httpx.AsyncClient
) -> None:
    first = (await rotated(intake)).secret
    second = (await rotated(intake)).secret
    assert [(await deliver(web, intake.mailbox.id, each, STRANGER)).status_code for each in (first, second)] == [
        200
    ] * 2
    await intake.running.know_tenant(
        intake.desk.user.tenant_id, sandbox=True, clock_offset=timedelta(hours=24), version=2
    )
    assert [(await deliver(web, intake.mailbox.id, each, STRANGER)).status_code for each in (first, second)] == [
        401,
        200,
    ]
    third = (await rotated(intake, end_old=True)).secret
    assert [(await deliver(web, intake.mailbox.id, each, STRANGER)).status_code for each in (second, third)] == [
        401,
        200,
    ]


async def test_a_secret_is_shown_once_and_kept_nowhere_readable(intake: Intake) -> None:
    before = await rotated(intake, key="once")
    assert before.secret.startswith("whsec_")
    again = await rotated(intake, key="once")
    assert (again.secret, again.etag) == ("", before.etag)
    read = await intake.channels.GetChannel(
        channels_pb2.GetChannelRequest(id=before.id), metadata=intake.desk.user.metadata
    )
    assert read.secret == ""
    assert read.secret_time == before.secret_time
    told = await changes_of(intake.running, "channels", before.id, intake.desk.user.metadata)
    assert {field.field for field in told.changes[0].fields} == {"secret_time"}


async def test_an_archived_channel_takes_nothing_more(intake: Intake, web: httpx.AsyncClient) -> None:
    secret = (await rotated(intake)).secret
    request = channels_pb2.ArchiveChannelRequest(id=intake.mailbox.id)
    await intake.channels.ArchiveChannel(request, metadata=intake.desk.user.metadata)
    answer = await deliver(web, intake.mailbox.id, secret, STRANGER)
    assert (answer.status_code, answer.json()["reason"]) == (409, "ILLEGAL_STATE")
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await rotated(intake)


async def test_what_means_no_message_is_refused_by_field(intake: Intake, web: httpx.AsyncClient) -> None:
    secret = (await rotated(intake)).secret
    wrong: dict[str, tuple[Any, str]] = {
        "data.source_id": (STRANGER | {"source_id": ""}, "message.received"),
        "data.text": (STRANGER | {"text": {"html": "x"}}, "message.received"),
        "data.texts": (STRANGER | {"texts": "x"}, "message.received"),
        "data.sent_time": (STRANGER | {"sent_time": "yesterday"}, "message.received"),
        "data.to_addresses": (STRANGER | {"to_addresses": ["a"] * 101}, "message.received"),
        "data.channel_id": (STRANGER | {"channel_id": str(new_id())}, "message.received"),
        "data.mail": ({"mail": "not base64"}, "mail.received"),
        "data.subject": ({"mail": "YQ==", "subject": "x"}, "mail.received"),
        "type": (STRANGER, "message.lost"),
        "data": ([], "message.received"),
    }
    for field, (data, type) in wrong.items():
        answer = await deliver(web, intake.mailbox.id, secret, data, type=type)
        assert answer.status_code in (400, 422), (field, answer.text)
        assert [each["field"] for each in answer.json()["errors"]] == [field], answer.text
    for content in ("[]", "{", "\ufeff{}"):
        headers = headers_of(secret, content)
        answer = await web.post(f"/v1/channels/{intake.mailbox.id}:deliver", content=content.encode(), headers=headers)
        assert [each["field"] for each in answer.json()["errors"]] == ["payload"], answer.text
    for name, value in {"state": "MATCHED", "case_id": str(new_id()), "text": "a\0b", "source_id": "\0"}.items():
        answer = await deliver(web, intake.mailbox.id, secret, STRANGER | {name: value})
        assert answer.status_code in (400, 422), (name, answer.text)
        assert [each["field"] for each in answer.json()["errors"]] == [f"data.{name}"], answer.text
    assert not await intake.waiting()


async def test_a_signed_delivery_can_be_handed_over_by_grpc(intake: Intake) -> None:
    secret, body = (await rotated(intake)).secret, body_of(STRANGER)
    headers = headers_of(secret, body)
    request = pb.ReceiveSignedDeliveryRequest(
        channel_id=intake.mailbox.id,
        payload=body.encode(),
        webhook_id=headers["webhook-id"],
        webhook_timestamp=headers["webhook-timestamp"],
        webhook_signature=f"v1,{'A' * 43}= {headers['webhook-signature']}",
    )
    stub: Any = SignedDeliveryServiceStub(intake.running.channel)
    assert (await stub.ReceiveSignedDelivery(request)).inbound_message_id
    request.webhook_signature = "v1a," + headers["webhook-signature"]
    with refused("UNAUTHENTICATED", "UNAUTHENTICATED"):
        await stub.ReceiveSignedDelivery(request)

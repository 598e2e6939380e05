"""What telephone systems bring of calls, signed as Standard Webhooks has it."""

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from crm.service_desk.v1 import channels_pb2
from crm.service_desk.v1.calls_pb2 import Call

from tests.service.running import refused
from tests.service.service_desk.desk import Desk
from tests.service.service_desk.telephony import CHENS, OURS, Telephony, stands, telephony_of
from tests.service.service_desk.test_replies_by_mail import write
from tests.service.service_desk.test_signed_deliveries import deliver, headers_of
from tests.service.web import bearer, gateway


@pytest.fixture
async def phones(desk: Desk) -> Telephony:
    return await telephony_of(desk)


@pytest.fixture
async def web(phones: Telephony) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(phones.running) as client:
        yield client


async def secret_of(phones: Telephony, channel_id: str) -> str:
    request = channels_pb2.RotateChannelSecretRequest(id=channel_id)
    return (await phones.intake.channels.RotateChannelSecret(request, metadata=phones.desk.user.metadata)).secret


def data_of(phones: Telephony, second: float, **fields: Any) -> Mapping[str, Any]:
    """What an adapter knows of a call of Chen's."""
    time = phones.event("RINGING", "1", second).happen_time.ToJsonString()
    known = {"source_id": "1764320000.42", "happen_time": time, "direction": "INBOUND"}
    return known | {"from_number": "138 0013 8000", "to_number": "0755-86661234"} | fields


async def test_signed_events_of_a_call_are_one_call(phones: Telephony, web: httpx.AsyncClient) -> None:
    secret = await secret_of(phones, phones.channel.id)
    recording = "https://recordings.example/1.mp3"
    parts = {
        "call.ivr": data_of(phones, 0, menu_choice="报修"),
        "call.ringing": data_of(phones, 2, extension="801", queue="售后"),
        "call.answered": data_of(phones, 7, extension="801"),
        "call.ended": data_of(phones, 67, cause="COMPLETED"),
        "call.recording": data_of(phones, 70, recording_url=recording),
    }
    answers = [
        await deliver(web, phones.channel.id, secret, data, type=type)
        for type, data in [*parts.items(), *reversed(parts.items())]
    ]
    assert [each.status_code for each in answers] == [200] * 10, answers[0].text
    (id,) = {each.json()["call_id"] for each in answers}
    call = await phones.get(Call(id=id))
    assert (stands(call)[0], call.talk_seconds, call.recording_url) == ("ENDED", 60, recording)
    assert (call.from_number, call.to_number, call.user_id) == (CHENS, OURS, str(phones.wang.id))


async def test_what_means_nothing_of_a_call_is_refused_by_field_as_it_was_sent(
    phones: Telephony, web: httpx.AsyncClient
) -> None:
    secret = await secret_of(phones, phones.channel.id)
    wrong: dict[str, tuple[Mapping[str, Any], str]] = {
        "data.source_id": (data_of(phones, 0, source_id=""), "call.ringing"),
        "data.happen_time": (data_of(phones, -3_000_000), "call.ringing"),
        "data.direction": (data_of(phones, 0, direction="SIDEWAYS"), "call.ringing"),
        "data.menu_choice": (data_of(phones, 0), "call.ivr"),
        "data.cause": (data_of(phones, 0, cause="EXPIRED"), "call.ended"),
        "data.recording_url": (data_of(phones, 0, recording_url="https://elsewhere.example/1"), "call.recording"),
        "data.queue": (data_of(phones, 0, queue="售后\0"), "call.ringing"),
        "data.type": (data_of(phones, 0, type="TYPE_ENDED"), "call.ringing"),
        "data.colour": (data_of(phones, 0, colour="red"), "call.ringing"),
        "type": (data_of(phones, 0), "call.transferred"),
    }
    for field, (data, type) in wrong.items():
        answer = await deliver(web, phones.channel.id, secret, data, type=type)
        assert answer.status_code in (400, 422), (field, answer.text)
        assert [each["field"] for each in answer.json()["errors"]] == [field], answer.text
    answer = await deliver(web, phones.channel.id, secret, data_of(phones, 0, source_id="17\0"), type="call.ringing")
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"], error["rule"]) == (422, "data.source_id", "string.nul")
    assert await phones.listed() == []


async def test_what_an_enum_and_an_instant_can_be_is_told_to_adapters(
    phones: Telephony, web: httpx.AsyncClient
) -> None:
    secret = await secret_of(phones, phones.channel.id)
    causes = "COMPLETED, ABANDONED, NO_ANSWER, BUSY, REJECTED, FAILED, VOICEMAIL"
    for cause, told in (("DEAD", f"expected one of {causes}"), ("EXPIRED", f"must be one of {causes}")):
        answer = await deliver(web, phones.channel.id, secret, data_of(phones, 0, cause=cause), type="call.ended")
        assert answer.json()["detail"] == f"data.cause: {told}"
        # A program with a user is told the same.
        event = {**data_of(phones, 0, cause=cause), "type": "ENDED"}
        asked = {"channel_id": phones.channel.id, "event": event}
        answer = await web.post("/v1/calls:receive", json=asked, headers=bearer(phones.intake.adapter))
        assert answer.json()["errors"][0]["detail"].endswith(causes), answer.text
    without = {name: value for name, value in data_of(phones, 0).items() if name != "direction"}
    for data, english, chinese in (
        (data_of(phones, 0, direction="入呼"), "expected one of INBOUND, OUTBOUND", "应为以下之一：INBOUND, OUTBOUND"),
        (without, "must be one of INBOUND, OUTBOUND", "应为以下之一：INBOUND, OUTBOUND"),
    ):
        for language, told in (("en", english), ("zh", chinese)):
            web.headers["accept-language"] = language
            answer = await deliver(web, phones.channel.id, secret, data, type="call.ringing")
            assert answer.json()["detail"] == f"data.direction: {told}"
    web.headers["accept-language"] = "en"
    answer = await deliver(web, phones.channel.id, secret, data_of(phones, 0, happen_time="昨天"), type="call.ringing")
    assert answer.json()["detail"] == "data.happen_time: expected an RFC 3339 instant such as 2026-01-31T09:30:00Z"
    empty = {"source_id": "1764320000.42"}
    answer = await deliver(web, phones.channel.id, secret, empty, type="call.ended")
    assert answer.json()["detail"] == (
        "data.happen_time: is required; data.direction: must be one of INBOUND, OUTBOUND"
    )


async def test_by_telephones_no_messages_come_or_go(phones: Telephony, web: httpx.AsyncClient) -> None:
    secret, id = await secret_of(phones, phones.channel.id), phones.channel.id
    english = "is a channel of telephones, by which calls go, and no messages"
    message = {"source_id": "1", "from_address": CHENS, "text": "今天早上起停电"}
    for language, told in (("en", english), ("zh", "是电话渠道，只能接打电话，不能收发消息")):
        web.headers["accept-language"] = language
        answer = await deliver(web, id, secret, message)
        assert (answer.status_code, answer.json()["detail"]) == (422, f"data.channel_id: {told}")
    mail = {"mail": b64encode(b"From: chen@huaxin.example\r\n\r\nHello.").decode()}
    answer = await deliver(web, id, secret, mail, type="mail.received")
    assert [each["field"] for each in answer.json()["errors"]] == ["data.channel_id"]
    case = await phones.desk.create()
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await write(phones.intake, case.id, channel_id=id, to_addresses=[CHENS])
    assert refusal.fields == ["outbound_message.channel_id"]
    assert "by which calls go" in refusal.detail
    body = '{"type": "messages.take", "data": {}}'
    answer = await web.post(f"/v1/channels/{id}:take", content=body, headers=headers_of(secret, body))
    assert [each["field"] for each in answer.json()["errors"]] == ["channel_id"]
    assert await phones.intake.waiting() == []


async def test_calls_come_by_telephones_alone(phones: Telephony, web: httpx.AsyncClient) -> None:
    mailbox = await phones.intake.channel()
    secret = await secret_of(phones, mailbox.id)
    answer = await deliver(web, mailbox.id, secret, data_of(phones, 0), type="call.ringing")
    assert answer.status_code in (400, 422)
    assert "telephones" in answer.json()["detail"]

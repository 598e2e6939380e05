"""Answers that adapters take from their channel, signed, and what they report on them."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from crm.service_desk.v1 import cases_pb2, channels_pb2
from crm.service_desk.v1 import events_pb2 as events
from crm.service_desk.v1 import outbound_messages_pb2 as pb
from crm_service_desk.outbound_messages import taking
from crm_service_desk.outbound_messages.queries import Due

from tests.service.attaching import TEXT, Files, picture, sha256
from tests.service.running import refused
from tests.service.service_desk.desk import Desk
from tests.service.service_desk.intake import Intake, intake_of
from tests.service.service_desk.test_replies_by_mail import api, get, name_of, sending_of, write
from tests.service.service_desk.test_signed_deliveries import deliver, headers_of, rotated
from tests.service.web import gateway

NUMBER = "+8613800138000"
Outbound = pb.OutboundMessage


@pytest.fixture
async def intake(desk: Desk) -> Intake:
    opening = channels_pb2.Channel.CASE_OPENING_EVERYBODY
    kind = channels_pb2.Channel.KIND_SMS
    return await intake_of(desk, kind=kind, addresses=["+8675586661234"], case_opening=opening)


@pytest.fixture
async def web(intake: Intake) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(intake.running) as client:
        yield client


async def asked(intake: Intake) -> str:
    """The case that a text message of a customer has opened."""
    return (await intake.bring(from_address=NUMBER, subject="", source_id="sms-1")).case_id


async def ask(web: httpx.AsyncClient, intake: Intake, secret: str, data: Any, type: str = "messages.take") -> Any:
    body = json.dumps({"type": type, "data": data})
    url = f"/v1/channels/{intake.mailbox.id}:take"
    return await web.post(url, content=body.encode(), headers=headers_of(secret, body))


async def take(web: httpx.AsyncClient, intake: Intake, secret: str, **data: Any) -> list[dict[str, Any]]:
    answer = await ask(web, intake, secret, data)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["deliveries"]
    return found


async def report(
    web: httpx.AsyncClient, intake: Intake, secret: str, taken: dict[str, Any], kind: str, **more: Any
) -> httpx.Response:
    data = {"outbound_message_id": taken["outbound_message_id"], "attempt": taken["attempt"]} | more
    return await deliver(web, intake.mailbox.id, secret, data, type=f"message.{kind}")


async def test_an_adapter_takes_what_waits_once_and_its_reports_reply_to_the_case_once(
    intake: Intake, web: httpx.AsyncClient
) -> None:
    secret = (await rotated(intake)).secret
    case_id = await asked(intake)
    message = await write(intake, case_id)
    (created,) = await intake.desk.emitted(events.OutboundMessageCreated)
    assert created.outbound_message.id == message.id
    both = await asyncio.gather(*(take(web, intake, secret) for _ in range(2)))
    ((taken,),) = [each for each in both if each]
    assert (taken["to_addresses"], taken["text"], taken["attempt"]) == ([NUMBER], message.text, 1)
    assert taken["from_address"] == "+8675586661234"
    assert name_of(await get(intake, message)) == "SENDING"
    for kind, came_to in (("delivered", "DELIVERED"), ("sent", "DELIVERED"), ("delivered", "DELIVERED")):
        answer = await report(web, intake, secret, taken, kind)
        assert (answer.status_code, answer.json()["outbound_state"]) == (200, came_to), answer.text
    log = await intake.desk.log(cases_pb2.Case(id=case_id))
    assert log.count("PUBLIC_REPLY") == 1
    assert await take(web, intake, secret) == []


async def test_what_an_adapter_does_not_report_on_is_given_out_again(
    intake: Intake, web: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = (await rotated(intake)).secret
    message = await write(intake, await asked(intake))
    monkeypatch.setattr(taking, "LEASE", taking.LEASE * 0)
    (first,) = await take(web, intake, secret)
    (second,) = await take(web, intake, secret)
    assert (first["attempt"], second["attempt"]) == (1, 2)
    # The first attempt has failed, and nobody minds: the second is under way.
    late = await report(web, intake, secret, first, "failed", detail="expired")
    assert late.json()["outbound_state"] == "SENDING"
    failed = await report(web, intake, secret, second, "failed", detail="unknown number")
    assert failed.json()["outbound_state"] == "FAILED"
    found = await get(intake, message)
    assert (found.failure, found.failure_detail) == (Outbound.FAILURE_REFUSED, "unknown number")
    assert await take(web, intake, secret) == []
    request = pb.RetryOutboundMessageRequest(id=message.id)
    await api(intake).RetryOutboundMessage(request, metadata=intake.desk.user.metadata)
    (third,) = await take(web, intake, secret)
    assert third["attempt"] == 3


async def test_a_failure_that_is_heard_before_or_after_the_arrival_does_not_count(
    intake: Intake, web: httpx.AsyncClient
) -> None:
    secret, case_id = (await rotated(intake)).secret, await asked(intake)
    for kinds in (("delivered", "failed"), ("failed", "delivered")):
        message = await write(intake, case_id, text=" then ".join(kinds))
        (taken,) = await take(web, intake, secret)
        for kind in kinds:
            detail = {"detail": "handset switched off"} if kind == "failed" else {}
            answer = await report(web, intake, secret, taken, kind, **detail)
            assert answer.status_code == 200, answer.text
        found = await get(intake, message)
        came_to = (name_of(found), list(found.refused_addresses), found.failure, found.failure_detail)
        assert came_to == ("DELIVERED", [], Outbound.FAILURE_UNSPECIFIED, "")
    # The one that was heard in time said so, and by its own words; the late one said nothing.
    (failed,) = await intake.desk.emitted(events.OutboundMessageFailed)
    assert failed.outbound_message.text == "failed then delivered"
    request = cases_pb2.ListCaseEventsRequest(id=case_id)
    log = await intake.desk.cases.ListCaseEvents(request, metadata=intake.desk.user.metadata)
    notes = [each.text for each in log.events if each.text.startswith("(not delivered")]
    assert notes == [f"(not delivered to {NUMBER}: handset switched off) failed then delivered"]


async def test_files_of_an_answer_are_read_by_links_that_its_adapter_gets_with_it(desk: Desk) -> None:
    opening = channels_pb2.Channel.CASE_OPENING_EVERYBODY
    intake = await intake_of(desk, kind=channels_pb2.Channel.KIND_WECHAT, addresses=["huaxin"], case_opening=opening)
    by, secret = desk.user, (await rotated(intake)).secret
    case_id = (await intake.bring(from_address="chen", source_id="1")).case_id
    attached = Files(desk.running, case_id, "cases")
    image = picture(40, 30)
    kept, gone = await attached.attach(by, image, "电表.png"), await attached.attach(by, TEXT)
    await write(intake, case_id, attachment_ids=[kept.id])
    async with gateway(desk.running) as web:
        (taken,) = await take(web, intake, secret)
        (file,) = taken["files"]
        told = (file["name"], file["content_type"], file["size_bytes"], file["sha256"])
        assert told == ("电表.png", "image/png", len(image), sha256(image))
        # Whoever has the link needs no token, and reads that file alone.
        assert (await web.get(file["path"])).content == image
        assert (await web.get(file["path"].replace(kept.id, gone.id))).status_code == 422
        await report(web, intake, secret, taken, "sent")
        without = await write(intake, case_id, attachment_ids=[kept.id, gone.id])
        await attached.delete(by, gone.id)
        assert await take(web, intake, secret) == []
    found = await get(intake, without)
    assert (name_of(found), found.failure) == ("FAILED", Outbound.FAILURE_FILE_MISSING)


async def test_by_text_messages_no_files_go(intake: Intake) -> None:
    case_id = await asked(intake)
    file = await Files(intake.running, case_id, "cases").attach(intake.desk.user)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await write(intake, case_id, attachment_ids=[file.id])
    assert refusal.fields == ["outbound_message.attachment_ids"]
    assert "SMS" in refusal.detail


async def test_what_nobody_takes_for_two_days_has_failed(intake: Intake, web: httpx.AsyncClient) -> None:
    await rotated(intake)
    message = await write(intake, await asked(intake))
    await sending_of(intake, hours=47).send(Due(intake.desk.user.tenant_id, UUID(message.id)))
    assert name_of(await get(intake, message)) == "QUEUED"
    sending = sending_of(intake, hours=49)
    await sending.send(Due(intake.desk.user.tenant_id, UUID(message.id)))
    found = await get(intake, message)
    assert (name_of(found), found.failure) == ("FAILED", Outbound.FAILURE_TRIED_TOO_LONG)


async def test_whoever_answers_goes_on_in_the_case_in_which_they_were_written_to(intake: Intake) -> None:
    case = await intake.desk.create()
    message = await write(intake, case.id, channel_id=intake.mailbox.id, to_addresses=["138 0013 8000"])
    assert list(message.to_addresses) == [NUMBER]
    answer = await intake.bring(from_address=NUMBER, subject="", source_id="sms-9")
    assert answer.case_id == case.id


async def test_what_is_no_report_and_no_request_is_refused_by_name(intake: Intake, web: httpx.AsyncClient) -> None:
    secret = (await rotated(intake)).secret
    message = await write(intake, await asked(intake))
    (taken,) = await take(web, intake, secret, limit=1)
    good = {"outbound_message_id": message.id, "attempt": 1}
    for data, field in (
        ({"attempt": 1}, "data.outbound_message_id"),
        (good | {"attempt": True}, "data.attempt"),
        (good | {"attempt": 2}, "data.attempt"),
        (good | {"outbound_message_id": "00000000-0000-0000-0000-000000000001"}, "data.outbound_message_id"),
        (good | {"detail": "only of what failed"}, "data.detail"),
        (good | {"note": ""}, "data.note"),
    ):
        answer = await deliver(web, intake.mailbox.id, secret, data, type="message.sent")
        assert answer.status_code == 422, answer.text
        assert [each["field"] for each in answer.json()["errors"]] == [field]
    for data, type in (({"limit": 21}, "messages.take"), ({"most": 1}, "messages.take"), ({}, "message.sent")):
        assert (await ask(web, intake, secret, data, type)).status_code == 422
    stolen = await ask(web, intake, "whsec_" + "A" * 43 + "=", {})
    assert stolen.status_code == 401
    other = await intake.channel(kind=channels_pb2.Channel.KIND_SMS)
    mine, intake.mailbox = intake.mailbox, other
    foreign = (await rotated(intake)).secret
    assert (await report(web, intake, foreign, taken, "sent")).status_code == 422
    intake.mailbox = mine
    assert name_of(await get(intake, message)) == "SENDING"


async def test_what_waited_for_one_that_nobody_took_is_there_for_two_days_behind_it(
    intake: Intake, web: httpx.AsyncClient
) -> None:
    await rotated(intake)
    case_id = await asked(intake)
    first, second = [await write(intake, case_id, text=text) for text in ("first", "second")]
    sending, tenant_id = sending_of(intake, hours=49), intake.desk.user.tenant_id
    # Whichever comes first.
    for message in (second, first, second, second):
        await sending.send(Due(tenant_id, UUID(message.id)))
    assert [name_of(await get(intake, each)) for each in (first, second)] == ["FAILED", "QUEUED"]
    assert (await get(intake, second)).failure == 0
    await sending_of(intake, hours=49 + 49).send(Due(tenant_id, UUID(second.id)))
    assert name_of(await get(intake, second)) == "FAILED"

"""Where answers go, in which order they leave, and mailboxes that cannot send."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from crm.service_desk.v1 import channels_pb2, mailboxes_pb2
from crm.service_desk.v1 import outbound_messages_pb2 as pb
from crm.service_desk.v1.mailboxes_pb2_grpc import MailboxServiceStub
from crm_kit.clock import system_now
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_service_desk.outbound_messages.queries import MAX_LOOKED_AT, Due, crowded_tenants, due_messages

from tests.service.eventually import eventually
from tests.service.kit.plans import indexes_in, plan_of, scans_of
from tests.service.mailing import Inbox, saying, serving_mail
from tests.service.notices import raised
from tests.service.running import refused
from tests.service.service_desk.desk import Desk
from tests.service.service_desk.intake import Intake, became, intake_of
from tests.service.service_desk.mail_server import PASSWORD
from tests.service.service_desk.test_replies_by_mail import (
    CHEN,
    OURS,
    Outbound,
    api,
    asked,
    came_to,
    get,
    mailbox,
    name_of,
    place_of,
    put_off,
    sending_of,
    write,
)


@pytest.fixture
async def intake(desk: Desk) -> Intake:
    opening = channels_pb2.Channel.CASE_OPENING_EVERYBODY
    return await intake_of(desk, addresses=[OURS], case_opening=opening)


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    async with serving_mail(Inbox()) as served:
        yield served


async def test_an_answer_goes_to_where_its_sender_wants_it_and_not_to_who_let_a_program_write(
    intake: Intake, inbox: Inbox
) -> None:
    await mailbox(intake, inbox.port)
    raw = f"From: {CHEN}\nReply-To: Office <Office@kunde.example>\nMessage-ID: <1@kunde.example>\n\nhello"
    question = await intake.mail(raw.encode())
    assert question.reply_to_address == "office@kunde.example"
    grants = {"outbound_messages.write": Scope.ALL, "outbound_messages.read": Scope.ALL, "cases.write": Scope.ALL}
    agent = await intake.running.user(intake.desk.user.tenant_id, grants=grants)
    message = await write(intake, question.case_id, by=agent)
    assert list(message.to_addresses) == ["office@kunde.example"]
    # A program that answers in the case is nobody who wrote in it.
    away = f"From: robot@else.example\nIn-Reply-To: {message.source_id}\nMessage-ID: <2@x>\nAuto-Submitted: yes\n\nx"
    assert became(await intake.mail(away.encode())) == ("MATCHED", "THREAD")
    assert list((await write(intake, question.case_id, by=agent)).to_addresses) == ["office@kunde.example"]
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await write(intake, question.case_id, by=agent, to_addresses=["robot@else.example"])
    # Answers to ourselves would never arrive.
    ours = f"From: {CHEN}\nReply-To: {OURS}\nIn-Reply-To: {message.source_id}\nMessage-ID: <3@x>\n\nagain"
    assert (await intake.mail(ours.encode())).case_id == question.case_id
    assert list((await write(intake, question.case_id, by=agent)).to_addresses) == [CHEN]


async def test_answers_of_a_case_leave_in_their_order_and_what_waits_is_tried_at_once_when_somebody_says_so(
    intake: Intake, inbox: Inbox
) -> None:
    await mailbox(intake, inbox.port)
    question, other = await asked(intake), await asked(intake, from_address="li@kunde.example", subject="meter")
    first = await put_off(intake, inbox, question.case_id)
    second = await write(intake, question.case_id, text="second")
    third = await write(intake, question.case_id, text="third")
    assert [each.failure for each in (second, third)] == [Outbound.FAILURE_EARLIER_WAITS] * 2
    # Those of other cases do not wait for them.
    await came_to(intake, await write(intake, other.case_id), "SENT")
    await sending_of(intake, hours=1).send(Due(first.tenant_id, UUID(second.id)))
    assert name_of(await get(intake, second)) == "QUEUED"
    cancel = pb.CancelOutboundMessageRequest(id=second.id)
    await api(intake).CancelOutboundMessage(cancel, metadata=intake.desk.user.metadata)
    # It would be tried in a minute at the earliest.
    retry = pb.RetryOutboundMessageRequest(id=str(first.message_id))
    await api(intake).RetryOutboundMessage(retry, metadata=intake.desk.user.metadata)
    sent = await came_to(intake, third, "SENT")
    assert (sent.failure, name_of(await get(intake, Outbound(id=str(first.message_id))))) == (0, "SENT")
    assert [mail.get_content().strip() for mail in inbox.to(CHEN)] == ["您好，故障已经排除。", "third"]


COPIES = """
INSERT INTO outbound_messages SELECT (jsonb_populate_record(message, jsonb_build_object(
    'id', 'ffffffff-0000-7000-8000-' || lpad(to_hex(number), 12, '0'), 'source_id', 'copy ' || number))).*
FROM outbound_messages AS message, generate_series(1, $2) AS number WHERE message.id = $1 RETURNING id
"""
# As 0007 wrote, too: without the case.
QUEUED = """
INSERT INTO outbound_queue (tenant_id, message_id, channel_id, by_mailbox, due_time, end_time)
SELECT tenant_id, id, channel_id, true, now() - interval '1 hour', now() + interval '1 day'
FROM outbound_messages WHERE id = ANY($1)
"""


async def copied(intake: Intake, message: Outbound, count: int) -> list[UUID]:
    """As many others behind it in its case, by a version that knows no order, all due for an hour."""
    async with intake.running.service.database.connection(intake.desk.user.tenant_id) as connection:
        rows = await connection.fetch(COPIES, UUID(message.id), count)
        found = [row["id"] for row in rows]
        await connection.execute(QUEUED, found)
        return found


async def test_answers_that_wait_for_others_hide_none_however_many_they_are(intake: Intake, inbox: Inbox) -> None:
    await mailbox(intake, inbox.port)
    question, other = await asked(intake), await asked(intake, from_address="li@kunde.example", subject="meter")
    first = await put_off(intake, inbox, question.case_id)
    second = await write(intake, question.case_id, text="second")
    began, copies = system_now(), await copied(intake, second, 2 * MAX_LOOKED_AT)
    await came_to(intake, await write(intake, other.case_id), "SENT")
    assert inbox.to(CHEN) == []
    # What hid others is looked at again in a minute.
    for each in (copies[0], copies[-1]):
        place = await place_of(intake, Due(first.tenant_id, each))
        assert place is not None
        assert place.is_held
        assert began < place.due_time < system_now() + timedelta(minutes=1)


async def test_a_tenant_that_cannot_be_put_in_order_holds_up_no_other(
    intake: Intake, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mailbox(intake, inbox.port)
    due = await put_off(intake, inbox, (await asked(intake)).case_id)
    broken, sending = new_id(), sending_of(intake, hours=1)
    whole = sending._tenants.unit

    def unit(tenant_id: UUID, now: Any = None) -> Any:
        if tenant_id == broken:
            raise ValueError("whatever it is")
        return whole(tenant_id, now)

    async def told(*_: Any, **__: Any) -> list[UUID]:
        return [broken]

    monkeypatch.setattr(sending._tenants, "unit", unit)
    for name in ("get_unordered", "get_crowded"):
        monkeypatch.setattr(f"crm_service_desk.outbound_messages.sending.{name}", told)
    assert not await sending.look()
    await asyncio.gather(*sending._tasks.values())
    assert await place_of(intake, due) is None
    assert len(inbox.to(CHEN)) == 1


async def test_looking_for_what_is_due_reads_no_more_than_there_is_to_see(intake: Intake) -> None:
    database, binds = intake.running.service.database, {"due_by": system_now(), "without": []}
    for statement in (due_messages(), crowded_tenants()):
        plan = await plan_of(database, ALL_TENANTS, statement, binds)
        assert "outbound_queue_tenant_due_index" in indexes_in(plan)
        # All that waits is not held against all that waits.
        assert not {"Hash", "Hash Join", "Merge Join", "Materialize"} & set(scans_of(plan))


async def test_what_failed_or_has_reached_somebody_holds_nothing_up(intake: Intake, inbox: Inbox) -> None:
    await mailbox(intake, inbox.port)
    question = await asked(intake)
    inbox.replies |= {CHEN: "550 5.1.1 gone", "li@kunde.example": "450 4.2.1 come again"}
    failed = await write(intake, question.case_id)
    partly = await write(intake, question.case_id, to_addresses=["wu@kunde.example"], cc_addresses=["li@kunde.example"])
    last = await write(intake, question.case_id, to_addresses=["wu@kunde.example"], text="last")
    await came_to(intake, last, "SENT")
    assert [name_of(await get(intake, each)) for each in (failed, partly)] == ["FAILED", "SENT"]
    # To the other one it is tried on, in a minute.
    place = await place_of(intake, Due(intake.desk.user.tenant_id, UUID(partly.id)))
    assert place is not None
    assert place.due_time - system_now() < timedelta(minutes=2)


async def test_a_mailbox_that_cannot_send_says_so_and_those_who_look_after_it_are_told_once(intake: Intake) -> None:
    tenant_id = intake.desk.user.tenant_id
    stub: Any = MailboxServiceStub(intake.running.channel)
    metadata = intake.desk.user.metadata

    async def boxes(filter: str) -> list[mailboxes_pb2.Mailbox]:
        request = mailboxes_pb2.ListMailboxesRequest(filter=filter)
        return list((await stub.ListMailboxes(request, metadata=metadata)).mailboxes)

    async with saying({"ehlo": b"250-mail.test\r\n250 AUTH PLAIN", "AUTH": b"535 5.7.8 no"}) as port:
        box = await mailbox(intake, port)
        question = await asked(intake)
        message = await write(intake, question.case_id)
        failing = "sending_failure = LOGIN_REFUSED"
        (found,) = await eventually(lambda: boxes(failing))
        assert (found.id, found.HasField("sending_failing_since_time")) == (box.id, True)
        due = Due(tenant_id, UUID(message.id))
        for hours in (1, 3, 6):
            await sending_of(intake, hours=hours).send(due)
    told = [each for each in await raised(intake.running, tenant_id) if each.values["outcome"] == "SENDING"]
    assert [(each.record_id, list(each.user_ids)) for each in told] == [(box.id, [str(intake.desk.user.id)])]
    # A new password is a new beginning, and a mail that leaves the end of it.
    request = mailboxes_pb2.SetMailboxPasswordRequest(id=box.id, password=PASSWORD)
    await stub.SetMailboxPassword(request, metadata=metadata)
    assert await boxes(failing) == []
    async with serving_mail(Inbox(port=port)):
        await sending_of(intake, hours=12).send(due)
    assert name_of(await get(intake, message)) == "SENT"
    assert [each.id for each in await boxes("NOT sending_failure:*")] == [box.id]


async def test_what_waited_for_an_earlier_one_has_its_two_days_behind_it(intake: Intake, inbox: Inbox) -> None:
    await mailbox(intake, inbox.port)
    question = await asked(intake)
    first = await put_off(intake, inbox, question.case_id)
    second = await write(intake, question.case_id, text="second")
    waits = Due(first.tenant_id, UUID(second.id))
    sending = sending_of(intake, hours=53)
    await sending.send(waits)
    assert name_of(await get(intake, second)) == "QUEUED"
    await sending.send(first)
    given_up = await get(intake, Outbound(id=str(first.message_id)))
    assert (name_of(given_up), given_up.failure) == ("FAILED", Outbound.FAILURE_TRIED_TOO_LONG)
    inbox.replies[CHEN] = "451 4.7.1 greylisted"
    await sending.send(waits)
    tried = await get(intake, second)
    assert (name_of(tried), tried.failure, tried.attempt_count) == ("QUEUED", Outbound.FAILURE_PUT_OFF, 1)
    await sending_of(intake, hours=53 + 47).send(waits)
    assert name_of(await get(intake, second)) == "QUEUED"
    await sending_of(intake, hours=53 + 49).send(waits)
    assert name_of(await get(intake, second)) == "FAILED"


@pytest.mark.parametrize("wanted", ["undisclosed", "the office <no one@kunde.example>", "a@b", "<>"])
async def test_where_no_mail_can_go_no_answer_goes(intake: Intake, inbox: Inbox, wanted: str) -> None:
    await mailbox(intake, inbox.port)
    question = await intake.mail(f"From: {CHEN}\nReply-To: {wanted}\nMessage-ID: <1@x>\n\nhello".encode())
    message = await write(intake, question.case_id)
    assert list((await came_to(intake, message, "SENT")).to_addresses) == [CHEN]


async def test_a_refused_login_is_not_tried_by_every_answer_that_is_written_meanwhile(intake: Intake) -> None:
    tenant_id, metadata = intake.desk.user.tenant_id, intake.desk.user.metadata
    soon = timedelta(minutes=15)

    async def wait_of(message: Outbound) -> timedelta:
        place = await place_of(intake, Due(tenant_id, UUID(message.id)))
        assert place is not None
        return place.due_time - system_now()

    async with saying({"ehlo": b"250-mail.test\r\n250 AUTH PLAIN", "AUTH": b"535 5.7.8 no"}) as port:
        box = await mailbox(intake, port)
        first = await write(intake, (await asked(intake)).case_id)

        async def refused_once() -> bool:
            return (await get(intake, first)).failure == Outbound.FAILURE_SERVER_AWAY

        await eventually(refused_once)
        other = await write(intake, (await asked(intake, from_address="li@kunde.example", subject="meter")).case_id)
        for message in (first, other):
            request = pb.RetryOutboundMessageRequest(id=message.id)
            await api(intake).RetryOutboundMessage(request, metadata=metadata)
            assert await wait_of(message) > soon
        assert [(await get(intake, each)).attempt_count for each in (first, other)] == [1, 0]
    stub: Any = MailboxServiceStub(intake.running.channel)
    password = mailboxes_pb2.SetMailboxPasswordRequest(id=box.id, password=PASSWORD)
    async with serving_mail(Inbox(port=port)):
        await stub.SetMailboxPassword(password, metadata=metadata)
        await api(intake).RetryOutboundMessage(pb.RetryOutboundMessageRequest(id=first.id), metadata=metadata)
        await came_to(intake, first, "SENT")

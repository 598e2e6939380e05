"""Answers that leave by mail: a real SMTP server on this machine, and a real mailbox to which reports come back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import grpc
import pytest
from crm.service_desk.v1 import cases_pb2, channels_pb2, mailboxes_pb2
from crm.service_desk.v1 import outbound_messages_pb2 as pb
from crm.service_desk.v1.mailboxes_pb2_grpc import MailboxServiceStub
from crm.service_desk.v1.outbound_messages_pb2_grpc import OutboundMessageServiceStub
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from crm_kit.errors import Conflict
from crm_kit.identity.access import Scope
from crm_kit.outbound_http.addresses import reach_of
from crm_kit.rpc.status import reason_of
from crm_service_desk.mailboxes.passwords import Passwords
from crm_service_desk.outbound_messages import sending
from crm_service_desk.outbound_messages.queries import Due, Place, find_place
from crm_service_desk.outbound_messages.sending import Sending

from tests.service.attaching import Files
from tests.service.eventually import eventually
from tests.service.mailing import Inbox, saying, serving_mail
from tests.service.notices import raised
from tests.service.running import User, refused, violations_of
from tests.service.service_desk.desk import Desk, state, state_of
from tests.service.service_desk.intake import Intake, became, intake_of
from tests.service.service_desk.mail_server import HOST, LOGIN, PASSWORD, mail_server

OURS, CHEN = "service@huaxin.example", "chen@kunde.example"
Outbound = pb.OutboundMessage


@pytest.fixture
async def intake(desk: Desk) -> Intake:
    opening = channels_pb2.Channel.CASE_OPENING_EVERYBODY
    return await intake_of(desk, addresses=[OURS], case_opening=opening)


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    async with serving_mail(Inbox()) as served:
        yield served


def api(intake: Intake) -> Any:
    return OutboundMessageServiceStub(intake.running.channel)


async def mailbox(intake: Intake, smtp_port: int, *, port: int = 1) -> mailboxes_pb2.Mailbox:
    """One that sends by that server, with its password; nothing answers where mail would be fetched unless told."""
    stub: Any = MailboxServiceStub(intake.running.channel)
    values: dict[str, Any] = {"channel_id": intake.mailbox.id, "host": HOST, "port": max(port, 1024), "login": LOGIN}
    box = mailboxes_pb2.Mailbox(**values, smtp_host=HOST, smtp_port=smtp_port)
    metadata = intake.desk.user.metadata
    created: mailboxes_pb2.Mailbox = await stub.CreateMailbox(
        mailboxes_pb2.CreateMailboxRequest(mailbox=box), metadata=metadata
    )
    request = mailboxes_pb2.SetMailboxPasswordRequest(id=created.id, password=PASSWORD)
    await stub.SetMailboxPassword(request, metadata=metadata)
    return created


async def write(intake: Intake, case_id: str, *, by: User | None = None, key: str = "", **fields: Any) -> Outbound:
    values: dict[str, Any] = {"case_id": case_id, "text": "您好，故障已经排除。"} | fields
    request = pb.CreateOutboundMessageRequest(outbound_message=Outbound(**values))
    user = by or intake.desk.user
    answer: Outbound = await api(intake).CreateOutboundMessage(
        request, metadata=user.with_key(key) if key else user.metadata
    )
    return answer


async def get(intake: Intake, message: Outbound) -> Outbound:
    request = pb.GetOutboundMessageRequest(id=message.id)
    answer: Outbound = await api(intake).GetOutboundMessage(request, metadata=intake.desk.user.metadata)
    return answer


async def came_to(intake: Intake, message: Outbound, *names: str) -> Outbound:
    """The message once it is in one of these states."""

    async def there() -> Any:
        found = await get(intake, message)
        return found if name_of(found) in names else None

    found: Outbound = await eventually(there)
    return found


def name_of(message: Outbound) -> str:
    return Outbound.State.Name(message.state).removeprefix("STATE_")


async def asked(intake: Intake, **fields: Any) -> Any:
    """A mail of a customer, which opens a case."""
    message = await intake.bring(**{"from_address": CHEN} | fields)
    assert became(message) == ("MATCHED", "NEW_CASE")
    return message


async def test_an_answer_leaves_by_the_channel_and_what_answers_it_finds_its_case(intake: Intake, inbox: Inbox) -> None:
    await intake.desk.promise(first_response=60, resolution=600)
    await mailbox(intake, inbox.port)
    question = await asked(intake, thread_references=["<40@kunde.example>"], source_id="<41@kunde.example>")
    case = await intake.desk.get(cases_pb2.Case(id=question.case_id))
    assert state_of(case, "FIRST_RESPONSE") == "RUNNING"
    message = await write(intake, question.case_id)
    assert (list(message.to_addresses), message.subject) == ([CHEN], f"Re: 停电 [{case.number}]")
    sent = await came_to(intake, message, "SENT")
    ((recipients, mail),) = inbox.mails
    assert recipients == (CHEN,)
    assert str(mail["From"]) == f"客服邮箱 <{OURS}>"
    assert (mail["Subject"], mail["Message-ID"]) == (message.subject, message.source_id)
    assert (mail["In-Reply-To"], mail["References"]) == ("<41@kunde.example>", "<40@kunde.example> <41@kunde.example>")
    assert "Auto-Submitted" not in mail
    assert mail.get_content().strip() == message.text
    assert sent.HasField("sent_time")
    # The case was replied to by who wrote, when it was sent.
    case = await intake.desk.get(case)
    assert state_of(case, "FIRST_RESPONSE") == "MET"
    assert (await intake.desk.log(case))[-2:] == ["PUBLIC_REPLY", "OPENED"]
    # A program of the customer's names nothing but our mail; somebody else names it in a mail without the number.
    answer = await intake.bring(
        from_address="li@kunde.example", subject="thanks", thread_references=[message.source_id]
    )
    assert (became(answer), answer.case_id) == (("MATCHED", "THREAD"), case.id)


async def test_files_of_the_case_go_with_it_whole_under_their_names(intake: Intake, inbox: Inbox) -> None:
    await mailbox(intake, inbox.port)
    question = await asked(intake)
    files, user = Files(intake.running, question.case_id, "cases"), intake.desk.user
    content = bytes(range(256)) * 3000
    first = await files.attach(user, content, "报价 final.bin")
    second = await files.attach(user, b".\r\n.dots\r\n", "dots.txt")
    message = await write(
        intake, question.case_id, text=".begins with a dot\n..two", attachment_ids=[first.id, second.id]
    )
    await came_to(intake, message, "SENT")
    ((_, mail),) = inbox.mails
    body, *parts = list(mail.iter_parts())
    assert body.get_content().splitlines() == message.text.splitlines()
    assert [each.get_filename() for each in parts] == ["报价 final.bin", "dots.txt"]
    assert [each.get_payload(decode=True) for each in parts] == [content, b".\r\n.dots\r\n"]
    other = await asked(intake, source_id="<other@kunde.example>")
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await write(intake, other.case_id, attachment_ids=[first.id])


async def test_only_the_customer_and_who_wrote_can_be_written_to_without_a_right_to_more(
    intake: Intake, inbox: Inbox
) -> None:
    await mailbox(intake, inbox.port)
    account_id = await intake.account(emails=["office@kunde.example"])
    await intake.contact(account_id, emails=["wang@kunde.example"])
    question = await asked(intake)
    request = cases_pb2.UpdateCaseRequest(case=cases_pb2.Case(id=question.case_id, account_id=account_id))
    request.update_mask.paths.append("account_id")
    await intake.desk.cases.UpdateCase(request, metadata=intake.desk.user.metadata)
    grants = {"outbound_messages.write": Scope.ALL, "outbound_messages.read": Scope.ALL, "cases.write": Scope.ALL}
    agent = await intake.running.user(intake.desk.user.tenant_id, grants=grants)
    for address in (CHEN, "Office@kunde.example", "wang@kunde.example"):
        await write(intake, question.case_id, by=agent, to_addresses=[address])
    for name in ("to_addresses", "cc_addresses"):
        stranger: dict[str, Any] = {name: ["rival@else.example"]}
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await write(intake, question.case_id, by=agent, **stranger)
        assert (reason_of(caught.value), caught.value.code()) == (
            "PERMISSION_DENIED",
            grpc.StatusCode.PERMISSION_DENIED,
        )
    own = await intake.running.user(
        intake.desk.user.tenant_id, grants=grants | {"outbound_messages.any_address": Scope.OWN}
    )
    with pytest.raises(grpc.aio.AioRpcError):
        await write(intake, question.case_id, by=own, to_addresses=["rival@else.example"])
    await write(intake, question.case_id, to_addresses=["partner@else.example"])


async def test_what_cannot_leave_is_refused_by_the_field_that_is_wrong(intake: Intake, inbox: Inbox) -> None:
    question = await asked(intake)
    silent = await intake.desk.create()

    async def wrong(case_id: str, **fields: Any) -> str:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await write(intake, case_id, **fields)
        (violation,) = violations_of(caught.value)
        return str(violation.field)

    assert await wrong(question.case_id) == "outbound_message.channel_id"
    await mailbox(intake, inbox.port)
    assert await wrong(silent.id) == "outbound_message.channel_id"
    assert await wrong(silent.id, channel_id=intake.mailbox.id) == "outbound_message.to_addresses"
    assert await wrong(question.case_id, to_addresses=["nobody"]) == "outbound_message.to_addresses[0]"
    assert await wrong(question.case_id, to_addresses=[OURS]) == "outbound_message.to_addresses[0]"
    sms = await intake.channel(kind=channels_pb2.Channel.KIND_SMS)
    fields = {"channel_id": sms.id, "to_addresses": ["+8613800138000"]}
    assert await wrong(question.case_id, subject="x", **fields) == "outbound_message.subject"
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await write(intake, question.case_id, subject="two\r\nBcc: lines@x.example")
    assert inbox.mails == []


async def test_what_the_server_refuses_for_good_fails_and_its_writer_is_told_and_can_send_it_again(
    intake: Intake, inbox: Inbox
) -> None:
    await mailbox(intake, inbox.port)
    question = await asked(intake)
    inbox.replies[CHEN] = "550 5.1.1 no such user"
    writer = await intake.running.user(intake.desk.user.tenant_id)
    message = await write(intake, question.case_id, by=writer)
    failed = await came_to(intake, message, "FAILED")
    assert (failed.failure, failed.failure_detail) == (Outbound.FAILURE_REFUSED, "550 5.1.1 no such user")
    assert list(failed.refused_addresses) == [CHEN]
    (notice,) = await raised(intake.running, writer.tenant_id)
    assert list(notice.user_ids) == [str(writer.id)]
    case = cases_pb2.Case(id=question.case_id)
    assert (await intake.desk.log(case))[-1] == "INTERNAL_NOTE"
    del inbox.replies[CHEN]
    request = pb.RetryOutboundMessageRequest(id=message.id)
    await api(intake).RetryOutboundMessage(request, metadata=writer.metadata)
    sent = await came_to(intake, message, "SENT")
    assert (list(sent.refused_addresses), sent.failure, sent.attempt_count) == ([], 0, 2)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await api(intake).RetryOutboundMessage(request, metadata=writer.metadata)


async def test_who_is_taken_has_it_at_once_and_the_rest_is_tried_until_it_is_given_up(
    intake: Intake, inbox: Inbox
) -> None:
    await mailbox(intake, inbox.port)
    question = await asked(intake)
    inbox.replies |= {"li@kunde.example": "450 4.2.1 come again", "wu@kunde.example": "550 5.1.1 gone"}
    message = await write(intake, question.case_id, cc_addresses=["li@kunde.example", "wu@kunde.example"])
    sent = await came_to(intake, message, "SENT")
    assert list(sent.refused_addresses) == ["wu@kunde.example"]
    due = Due(intake.desk.user.tenant_id, UUID(message.id))
    inbox.replies.clear()
    await sending_of(intake, hours=1).send(due)
    assert inbox.recipients == [CHEN, "li@kunde.example"]
    assert await place_of(intake, due) is None
    assert (await intake.desk.log(cases_pb2.Case(id=question.case_id))).count("PUBLIC_REPLY") == 1


async def test_for_two_days_it_is_tried_and_then_given_up(intake: Intake, inbox: Inbox) -> None:
    await mailbox(intake, inbox.port)
    question = await asked(intake)
    due = await put_off(intake, inbox, question.case_id)
    await sending_of(intake, hours=49).send(due)
    given_up = await get(intake, Outbound(id=str(due.message_id)))
    assert (name_of(given_up), given_up.failure) == ("FAILED", Outbound.FAILURE_TRIED_TOO_LONG)
    assert await place_of(intake, due) is None


async def test_a_process_that_dies_anywhere_sends_at_least_once_under_one_message_id_and_replies_once(
    intake: Intake, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mailbox(intake, inbox.port)
    question = await asked(intake)
    for owner, name in ((Sending, "_turn"), (Sending, "_attempt"), (Sending, "_note")):
        for before in (True, False):
            due = await put_off(intake, inbox, question.case_id)
            with monkeypatch.context() as patched:
                patched.setattr(owner, name, dying(getattr(owner, name), before=before))
                with contextlib.suppress(asyncio.CancelledError):
                    await sending_of(intake, hours=1).send(due)
            # Its claim lapses.
            await sending_of(intake, hours=2).send(due)
            found = await get(intake, Outbound(id=str(due.message_id)))
            assert name_of(found) == "SENT", (name, before)
            times = [str(mail["Message-ID"]) for _, mail in inbox.mails].count(found.source_id)
            assert times == (2 if (name, before) in {("_attempt", False), ("_note", True)} else 1), (name, before)
    log = await intake.desk.log(cases_pb2.Case(id=question.case_id))
    assert log.count("PUBLIC_REPLY") == 6


async def test_two_processes_send_a_message_once(intake: Intake, inbox: Inbox) -> None:
    await mailbox(intake, inbox.port)
    question = await asked(intake)
    due = await put_off(intake, inbox, question.case_id)
    tries = [sending_of(intake, hours=1).send(due) for _ in range(3)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert len(inbox.mails) == 1
    assert all(each is None or isinstance(each, Conflict) for each in answers)


async def test_what_waits_can_be_cancelled_and_what_is_on_its_way_cannot(intake: Intake, inbox: Inbox) -> None:
    await mailbox(intake, inbox.port)
    question = await asked(intake)
    due = await put_off(intake, inbox, question.case_id)
    cancel = pb.CancelOutboundMessageRequest(id=str(due.message_id))
    cancelled = await api(intake).CancelOutboundMessage(cancel, metadata=intake.desk.user.metadata)
    assert name_of(cancelled) == "CANCELLED"
    assert await place_of(intake, due) is None
    await sending_of(intake, hours=1).send(due)
    assert inbox.mails == []
    inbox.slow.add(CHEN)
    slow = await write(intake, question.case_id)
    await came_to(intake, slow, "SENDING")
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        cancel = pb.CancelOutboundMessageRequest(id=slow.id)
        await api(intake).CancelOutboundMessage(cancel, metadata=intake.desk.user.metadata)
    inbox.go_on.set()
    await came_to(intake, slow, "SENT")


async def test_a_server_that_is_away_has_all_of_its_channel_wait_and_none_of_it_fail(intake: Intake) -> None:
    async with saying({"ehlo": b"250-mail.test\r\n250 AUTH PLAIN", "AUTH": b"535 5.7.8 no"}) as port:
        await mailbox(intake, port)
        question = await asked(intake)
        message = await write(intake, question.case_id)

        async def waits() -> bool:
            found = await get(intake, message)
            return found.failure == Outbound.FAILURE_SERVER_AWAY and name_of(found) == "QUEUED"

        await eventually(waits)
    found = await get(intake, message)
    assert found.failure_detail == "LOGIN_REFUSED"
    place = await place_of(intake, Due(intake.desk.user.tenant_id, UUID(message.id)))
    assert place is not None
    # Servers lock out who comes again and again.
    assert place.due_time - system_now() > timedelta(minutes=20)


def bounce(message: Outbound, *, action: str = "failed", recipient: str = CHEN, whole: bool = True) -> bytes:
    """What a mail server sends back (RFC 3464), with the mail that it returns or its header alone."""
    returned = f"From: {OURS}\nMessage-ID: {message.source_id}\nSubject: x\n\n" + ("Hello" if whole else "")
    kind = "message/rfc822" if whole else "text/rfc822-headers"
    return "\n".join(
        (
            "From: MAILER-DAEMON@kunde.example",
            f"To: {OURS}",
            "Subject: Undelivered Mail Returned to Sender",
            f"Message-ID: <dsn-{message.id}-{action}@kunde.example>",
            'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
            "",
            "--b",
            "",
            "It could not be delivered.",
            "--b",
            "Content-Type: message/delivery-status",
            "",
            "Reporting-MTA: dns; mx.kunde.example",
            "",
            f"Final-Recipient: rfc822; {recipient}",
            f"Action: {action}",
            "Status: 5.2.2",
            "Diagnostic-Code: smtp; 552 5.2.2 mailbox full",
            "",
            "--b",
            f"Content-Type: {kind}",
            "",
            returned,
            "--b--",
        )
    ).encode()


async def test_a_report_that_comes_back_into_the_mailbox_marks_the_message_and_opens_no_case(
    intake: Intake, inbox: Inbox
) -> None:
    async with mail_server() as server:
        await mailbox(intake, inbox.port, port=server.port)
        question = await asked(intake)
        writer = await intake.running.user(intake.desk.user.tenant_id)
        message = await write(intake, question.case_id, by=writer)
        await came_to(intake, message, "SENT")
        await server.deliver(bounce(message))
        request = mailboxes_pb2.ListMailboxesRequest()
        stub: Any = MailboxServiceStub(intake.running.channel)
        (box,) = (await stub.ListMailboxes(request, metadata=intake.desk.user.metadata)).mailboxes
        again = mailboxes_pb2.SetMailboxPasswordRequest(id=box.id, password=PASSWORD)
        await stub.SetMailboxPassword(again, metadata=intake.desk.user.metadata)
        returned = await came_to(intake, message, "BOUNCED")
    assert (returned.failure, returned.failure_detail) == (Outbound.FAILURE_RETURNED, "552 5.2.2 mailbox full")
    assert list(returned.refused_addresses) == [CHEN]
    (notice,) = await raised(intake.running, writer.tenant_id)
    assert list(notice.user_ids) == [str(writer.id)]
    (report,) = await intake.waiting("reason = DELIVERY_REPORT")
    assert report.case_id == question.case_id
    log = await intake.desk.log(cases_pb2.Case(id=question.case_id))
    assert log[-1] == "INTERNAL_NOTE"


async def test_reports_that_come_twice_late_or_on_nothing_of_ours_do_no_harm(intake: Intake, inbox: Inbox) -> None:
    await mailbox(intake, inbox.port)
    question = await asked(intake)
    message = await write(intake, question.case_id)
    await came_to(intake, message, "SENT")
    delayed = await intake.mail(bounce(message, action="delayed"))
    assert became(delayed) == ("MATCHED", "DELIVERY_REPORT")
    assert name_of(await get(intake, message)) == "SENT"
    # A stranger's report on a mail that we never sent, and one by another channel on one that we did.
    foreign = Outbound(id=message.id, source_id="<x@elsewhere.example>")
    assert became(await intake.mail(bounce(foreign, action="delivered"))) == ("IGNORED", "AUTOMATIC")
    first = await intake.mail(bounce(message, whole=False))
    assert [became(each) for each in (first, await intake.mail(bounce(message, whole=False)))] == [
        ("MATCHED", "DELIVERY_REPORT")
    ] * 2
    assert name_of(await get(intake, message)) == "BOUNCED"
    log = await intake.desk.log(cases_pb2.Case(id=question.case_id))
    assert log.count("INTERNAL_NOTE") == 1
    other = await write(intake, question.case_id)
    await came_to(intake, other, "SENT")
    elsewhere = await intake.channel()
    intake.mailbox = elsewhere
    assert became(await intake.mail(bounce(other)))[1] != "DELIVERY_REPORT"
    assert name_of(await get(intake, other)) == "SENT"


async def test_a_create_that_is_repeated_sends_once(intake: Intake, inbox: Inbox) -> None:
    await mailbox(intake, inbox.port)
    question = await asked(intake)
    first = await write(intake, question.case_id, key="once")
    second = await write(intake, question.case_id, key="once")
    assert first.id == second.id
    await came_to(intake, first, "SENT")
    assert len(inbox.mails) == 1
    assert state(await intake.desk.get(cases_pb2.Case(id=question.case_id))) == "OPEN"


# --- below the contract


def sending_of(intake: Intake, *, hours: int) -> Sending:
    """One that looks at nothing by itself, and is so many hours ahead: what was put off is due for it alone."""
    service = intake.running.service
    settings: Any = service.settings
    return Sending(
        Tenants(service.database, service.clock, lambda: system_now() + timedelta(hours=hours)),
        Passwords(settings.channel_key_secret),
        service.contents,
        reach_of((), loopback=True),
        loopback=True,
    )


async def put_off(intake: Intake, inbox: Inbox, case_id: str) -> Due:
    """A message that the running service has put off for some minutes; the server would take it now."""
    inbox.replies[CHEN] = "451 4.7.1 greylisted"
    message = await write(intake, case_id)

    async def waits() -> bool:
        found = await get(intake, message)
        return found.failure == Outbound.FAILURE_PUT_OFF and name_of(found) == "QUEUED"

    await eventually(waits)
    del inbox.replies[CHEN]
    return Due(intake.desk.user.tenant_id, UUID(message.id))


async def place_of(intake: Intake, due: Due) -> Place | None:
    async with intake.running.unit_of_work(due.tenant_id) as work:
        return await find_place(work, due.message_id)


def dying(method: Any, *, before: bool) -> Any:
    """The method of a process that dies before it, or after it."""

    async def die(*arguments: Any, **named: Any) -> Any:
        if not before:
            await method(*arguments, **named)
        raise asyncio.CancelledError

    return die


async def test_mail_of_a_channel_whose_domain_is_not_ascii_leaves(intake: Intake, inbox: Inbox) -> None:
    intake.mailbox = await intake.channel(
        addresses=["service@华信.example"], case_opening=channels_pb2.Channel.CASE_OPENING_EVERYBODY
    )
    await mailbox(intake, inbox.port)
    question = await asked(intake)
    message = await write(intake, question.case_id)
    sent = await came_to(intake, message, "SENT")
    ((_, mail),) = inbox.mails
    assert mail["Message-ID"] == sent.source_id
    assert sent.source_id.isascii()
    assert "service@" + "华信".encode("idna").decode() + ".example" in str(mail["From"])


async def test_who_may_change_all_cases_writes_to_customers_within_the_scope_of_messages(
    intake: Intake, inbox: Inbox
) -> None:
    await mailbox(intake, inbox.port)
    question = await asked(intake)
    grants = {"outbound_messages.write": Scope.OWN, "cases.write": Scope.ALL}
    agent = await intake.running.user(intake.desk.user.tenant_id, grants=grants)
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await write(intake, question.case_id, by=agent)


async def test_a_message_that_cannot_be_put_into_a_mail_waits_and_says_so(
    intake: Intake, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mailbox(intake, inbox.port)
    question = await asked(intake)

    def broken(*_: Any) -> Any:
        raise AttributeError("nobody has thought of that")

    monkeypatch.setattr(sending, "compose", broken)
    message = await write(intake, question.case_id)

    async def waits() -> bool:
        found = await get(intake, message)
        return (name_of(found), found.failure) == ("QUEUED", Outbound.FAILURE_PUT_OFF)

    await eventually(waits)
    monkeypatch.undo()
    await sending_of(intake, hours=1).send(Due(intake.desk.user.tenant_id, UUID(message.id)))
    assert name_of(await get(intake, message)) == "SENT"


async def test_nothing_leaves_by_a_channel_that_was_put_away_until_it_is_back(intake: Intake, inbox: Inbox) -> None:
    await mailbox(intake, inbox.port)
    question = await asked(intake)
    due = await put_off(intake, inbox, question.case_id)
    metadata = intake.desk.user.metadata
    await intake.channels.ArchiveChannel(channels_pb2.ArchiveChannelRequest(id=intake.mailbox.id), metadata=metadata)
    await sending_of(intake, hours=1).send(due)
    found = await get(intake, Outbound(id=str(due.message_id)))
    assert (name_of(found), found.failure, inbox.mails) == ("QUEUED", Outbound.FAILURE_NO_MAILBOX, [])
    await intake.channels.RestoreChannel(channels_pb2.RestoreChannelRequest(id=intake.mailbox.id), metadata=metadata)
    await sending_of(intake, hours=3).send(due)
    assert len(inbox.mails) == 1

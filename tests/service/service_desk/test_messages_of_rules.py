"""What automation rules write to customers, and that it never goes round and round."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from crm.resource.v1 import automation_rules_pb2 as rules_pb2
from crm.service_desk.v1 import cases_pb2, channels_pb2
from crm.service_desk.v1 import outbound_messages_pb2 as pb
from crm_kit.automation.rules.model import StopReason
from crm_kit.automation.running import LIMITS
from crm_kit.automation.runs.model import State
from crm_kit.identity.access import Scope
from crm_service_desk.outbound_messages import automatic
from crm_service_desk.outbound_messages.automatic import ANSWERS_WITHIN, answers_program
from crm_service_desk.outbound_messages.queries import Newest

from tests.service.automating import (
    FAILED,
    PARTLY_DONE,
    STOPPED_LOOP,
    SUCCEEDED,
    Rules,
    action,
    create,
    looked,
    notify,
    on,
    reaches,
    settled,
)
from tests.service.mailing import Inbox, serving_mail
from tests.service.running import refused
from tests.service.service_desk.desk import Desk, state_of
from tests.service.service_desk.intake import Intake, became, intake_of
from tests.service.service_desk.test_replies_by_mail import CHEN, OURS, api, asked, came_to, mailbox

AUTOMATIC = "AUTOMATIC_MESSAGE_REFUSED"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
RECORDED = "CUSTOMER_MESSAGE_RECORDED"


@pytest.fixture
async def intake(desk: Desk) -> Intake:
    opening = channels_pb2.Channel.CASE_OPENING_EVERYBODY
    return await intake_of(desk, addresses=[OURS], case_opening=opening)


@pytest.fixture
async def inbox(intake: Intake) -> AsyncIterator[Inbox]:
    async with serving_mail(Inbox()) as served:
        await mailbox(intake, served.port)
        yield served


def rules_of(intake: Intake) -> Rules:
    return Rules(intake.running.channel, "cases")


def writes(text: str = "已收到: {{record.title}} {{record.number}}", **values: Any) -> Any:
    """What a rule writes to who wrote in the case."""
    return create("outbound_messages", case_id="{{record.id}}", text=text, **values)


async def written(intake: Intake) -> list[pb.OutboundMessage]:
    """All that was written, once it has left, in its order."""
    await settled(intake.running, intake.desk.user.tenant_id)
    request = pb.ListOutboundMessagesRequest(order_by="create_time")
    page = await api(intake).ListOutboundMessages(request, metadata=intake.desk.user.metadata)
    return [await came_to(intake, each, "SENT", "FAILED") for each in page.outbound_messages]


async def test_a_rule_acknowledges_what_opens_a_case_and_says_that_it_is_a_program(
    intake: Intake, inbox: Inbox
) -> None:
    await intake.desk.promise(first_response=60, resolution=600)
    user, rules = intake.desk.user, rules_of(intake)
    rule = await rules.active(user, writes(), filter="channel = EMAIL")
    question = await asked(intake, source_id="<41@kunde.example>")
    (message,) = await written(intake)
    (run,) = await rules.runs_of(user, rule)
    assert (run.state, [each.created_id for each in run.effects]) == (SUCCEEDED, [message.id])
    case = await intake.desk.get(cases_pb2.Case(id=question.case_id))
    ((recipients, mail),) = inbox.mails
    assert (recipients, mail["Auto-Submitted"], mail["X-Auto-Response-Suppress"]) == ((CHEN,), "auto-replied", "All")
    assert mail.get_content().strip() == f"已收到: 停电 {case.number}"
    assert (mail["In-Reply-To"], str(mail["From"])) == ("<41@kunde.example>", f"客服邮箱 <{OURS}>")
    assert (message.automatic, message.writer_id) == (True, str(user.id))
    # The customer has heard of a program: what was promised is that somebody looks after them.
    assert state_of(case, "FIRST_RESPONSE") == "RUNNING"
    assert (await intake.desk.log(case))[-1] == "INTERNAL_NOTE"
    # Nothing was opened by hand or by telephone that would have to be acknowledged by mail.
    await intake.desk.create()
    assert len(await written(intake)) == 1


async def test_closing_a_case_tells_its_customer_and_a_person_writes_as_before(intake: Intake, inbox: Inbox) -> None:
    user, rules = intake.desk.user, rules_of(intake)
    await rules.active(user, writes("工单已关闭"), trigger=on("CLOSED"))
    question = await asked(intake)
    case = await intake.desk.do("OpenCase", cases_pb2.Case(id=question.case_id))
    await intake.desk.do("ResolveCase", case, resolution="new fuse")
    await intake.desk.do("CloseCase", case)
    (message,) = await written(intake)
    assert (message.text, message.automatic) == ("工单已关闭", True)
    assert [mail.get_content().strip() for mail in inbox.to(CHEN)] == ["工单已关闭"]


async def test_two_programs_that_say_what_they_are_answer_each_other_not_once(
    intake: Intake, inbox: Inbox, desk: Desk
) -> None:
    """Two tenants, each of which acknowledges whatever comes, by the same rules."""
    other_desk = Desk(desk.running, await desk.running.user(await desk.running.tenant(sandbox=True)))
    other = await intake_of(other_desk, addresses=[CHEN], case_opening=channels_pb2.Channel.CASE_OPENING_EVERYBODY)
    await mailbox(other, inbox.port)
    for each in (intake, other):
        await rules_of(each).active(each.desk.user, writes(), trigger=on("CREATED", RECORDED, "NOTE_ADDED"))
    await asked(intake)
    (message,) = await written(intake)
    (mail,) = inbox.to(CHEN)
    arrived = await other.mail(mail.as_bytes())
    assert (became(arrived), arrived.automatic) == (("IGNORED", "AUTOMATIC"), True)
    assert await written(other) == []
    # Also where it is a part of a conversation, and an answer of a program comes back into ours.
    raw = f"From: {CHEN}\nMessage-ID: <away@x>\nIn-Reply-To: {message.source_id}\nAuto-Submitted: auto-replied\n\naway"
    assert became(await intake.mail(raw.encode())) == ("MATCHED", "THREAD")
    assert len(await written(intake)) == 1
    # The note of what a rule wrote sets no rule off, that of what the other program wrote is not answered.
    runs = [(each.event, each.state, each.reason) for each in await rules_of(intake).runs(intake.desk.user)]
    assert runs == [
        ("NOTE_ADDED", FAILED, AUTOMATIC),
        ("NOTE_ADDED", STOPPED_LOOP, "AUTOMATION_LOOP"),
        ("CREATED", SUCCEEDED, ""),
    ]


async def test_a_program_that_does_not_say_what_it_is_gets_so_many_answers_a_day_and_no_more(
    intake: Intake, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 3
    monkeypatch.setattr(automatic, "MAX_A_DAY", most)
    user, rules = intake.desk.user, rules_of(intake)
    rule = await rules.active(user, writes(), trigger=on("CREATED", RECORDED))
    await asked(intake)
    answered = 0
    while len(messages := await written(intake)) > answered:
        answered += 1
        # It answers each mail as a person would.
        await intake.bring(from_address=CHEN, thread_references=[messages[-1].source_id])
        assert answered <= most
    assert (answered, len(inbox.to(CHEN))) == (most, most)
    last = (await rules.runs_of(user, rule))[0]
    assert (last.state, last.reason) == (FAILED, AUTOMATIC)
    assert CHEN in last.detail
    # Others are answered, and people write to whom they like.
    await intake.bring(from_address="li@kunde.example")
    assert (await written(intake))[-1].to_addresses == ["li@kunde.example"]


async def test_what_a_program_wrote_is_not_answered_by_itself_when_somebody_opens_a_case_of_it(
    desk: Desk,
) -> None:
    intake = await intake_of(desk, addresses=[OURS])
    async with serving_mail(Inbox()) as inbox:
        await mailbox(intake, inbox.port)
        rules, user = rules_of(intake), desk.user
        rule = await rules.active(user, writes(channel_id=intake.mailbox.id, to_addresses=[CHEN]))
        report = await intake.bring(from_address=CHEN, automatic=True)
        await intake.do("OpenInboundMessageCase", report)
        assert await written(intake) == []
        (run,) = await rules.runs_of(user, rule)
        assert (run.state, run.reason) == (FAILED, AUTOMATIC)


async def test_a_rule_writes_with_the_rights_of_who_activated_it(intake: Intake, inbox: Inbox) -> None:
    grants = {"cases.read": Scope.ALL, "cases.write": Scope.ALL, "automation_rules.write": Scope.ALL}
    without = await intake.running.user(intake.desk.user.tenant_id, grants=grants)
    rules = rules_of(intake)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await rules.active(without, writes())
    grants |= {"outbound_messages.write": Scope.ALL, "outbound_messages.read": Scope.ALL, "channels.read": Scope.ALL}
    agent = await intake.running.user(intake.desk.user.tenant_id, grants=grants)
    rule = await rules.active(agent, writes(to_addresses=["rival@else.example"]))
    await asked(intake)
    assert await written(intake) == []
    (run,) = await rules.runs_of(agent, rule)
    assert (run.state, run.reason) == (FAILED, "PERMISSION_DENIED")
    assert inbox.mails == []


async def test_trying_a_rule_sends_nothing_and_counts_nothing(
    intake: Intake, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules, user = rules_of(intake), intake.desk.user
    await asked(intake)
    draft = await rules.create(user, writes())
    monkeypatch.setattr(automatic, "MAX_A_DAY", 1)
    for _ in range(2):
        tried = await rules.tried(user, draft, record_count=5)
        assert [each.possible for each in tried.matches] == [True]
    assert (await written(intake), inbox.mails) == ([], [])


@pytest.mark.parametrize(
    ("newest", "is_people", "answers"),
    [
        (None, False, False),
        (Newest(False, NOW), True, False),
        (Newest(True, NOW), True, True),
        (Newest(True, NOW - ANSWERS_WITHIN), True, False),
        (Newest(True, NOW - timedelta(days=300)), False, True),
    ],
)
def test_what_is_written_soon_behind_a_program_answers_it(
    newest: Newest | None, is_people: bool, answers: bool
) -> None:
    assert answers_program(newest, is_people=is_people, now=NOW) is answers


async def test_what_others_bring_about_stops_no_rule(
    intake: Intake, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(automatic, "MAX_A_DAY", 1)
    monkeypatch.setitem(LIMITS, State.FAILED, (2, StopReason.FAILURES))
    user, rules = intake.desk.user, rules_of(intake)
    rule = await rules.active(user, writes())
    await asked(intake)
    for _ in range(3):
        await intake.bring(from_address=CHEN)
    # Nor do those who cannot be answered at all.
    for number in range(3):
        await intake.mail(f"From: printer\nMessage-ID: <p{number}@x>\nSubject: toner\n\nlow".encode())
    assert len(await written(intake)) == 1
    runs = await rules.runs_of(user, rule)
    assert [(each.state, each.reason) for each in runs] == [*[(FAILED, AUTOMATIC)] * 6, (SUCCEEDED, "")]
    assert (await rules.get(user, rule)).state == rules_pb2.AutomationRule.STATE_ACTIVE


async def test_a_reminder_that_sets_itself_off_by_its_own_note_is_stopped(intake: Intake, inbox: Inbox) -> None:
    user, rules = intake.desk.user, rules_of(intake)
    rule = await rules.active(user, writes(), trigger=reaches("update_time", at="", offset_minutes=5))
    await asked(intake)
    for _ in range(3):
        await intake.desk.advance(timedelta(minutes=6))
        await looked(intake.running)
    assert len(await written(intake)) == 1
    runs = [(each.state, each.reason) for each in await rules.runs_of(user, rule)]
    assert runs == [(STOPPED_LOOP, "AUTOMATION_LOOP"), (SUCCEEDED, "")]


async def test_a_message_that_is_refused_keeps_a_rule_from_nothing_else(
    intake: Intake, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(automatic, "MAX_A_DAY", 1)
    user, rules = intake.desk.user, rules_of(intake)
    note = action("addNote", text="{{record.title}}")
    rule = await rules.active(user, note, writes(), writes("二"), notify("{{record.number}}", user))
    first = await asked(intake)
    second = await intake.bring(from_address=CHEN)
    # Everything is handled once more: what was left out stays so, and nothing is done twice.
    (message,) = await written(intake)
    assert len(inbox.to(CHEN)) == 1
    newest, oldest = await rules.runs_of(user, rule)
    assert [(each.state, each.failed_action, each.reason) for each in (oldest, newest)] == [
        (PARTLY_DONE, 3, AUTOMATIC),
        (PARTLY_DONE, 2, AUTOMATIC),
    ]
    assert [(each.verb, bool(each.reason)) for each in oldest.effects] == [
        ("addNote", False),
        ("create", False),
        ("create", True),
        ("notify", False),
    ]
    assert (oldest.effects[1].created_id, oldest.effects[2].created_id) == (message.id, "")
    assert [bool(each.reason) for each in newest.effects] == [False, True, True, False]
    assert CHEN in newest.effects[1].detail
    logs = [await intake.desk.log(cases_pb2.Case(id=each.case_id)) for each in (first, second)]
    # Of the first case the note of the rule, and that of what was written; of the second the rule's alone.
    assert [each.count("INTERNAL_NOTE") for each in logs] == [2, 1]


async def test_a_rule_of_which_nothing_was_done_has_failed_and_another_refusal_undoes_all(
    intake: Intake, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(automatic, "MAX_A_DAY", 1)
    user, rules = intake.desk.user, rules_of(intake)
    spending = await rules.active(user, writes())
    await asked(intake)
    assert len(await written(intake)) == 1
    await rules.does("Deactivate", user, spending)
    nothing = await rules.active(user, writes(), writes("二"))
    broken = await rules.active(user, writes(), action("addNote", text="x"), action("close"))
    question = await intake.bring(from_address=CHEN)
    assert len(await written(intake)) == 1
    (run,) = await rules.runs_of(user, nothing)
    assert (run.state, run.failed_action, run.reason, list(run.effects)) == (FAILED, 1, AUTOMATIC, [])
    (run,) = await rules.runs_of(user, broken)
    assert (run.state, run.failed_action, run.reason) == (FAILED, 3, "ILLEGAL_STATE")
    assert "INTERNAL_NOTE" not in await intake.desk.log(cases_pb2.Case(id=question.case_id))

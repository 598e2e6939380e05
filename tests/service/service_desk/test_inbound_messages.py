"""Inbound messages through their contract."""

import asyncio
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from crm.customer.v1.contacts_pb2 import Contact
from crm.service_desk.v1 import cases_pb2, channels_pb2, events_pb2
from crm.service_desk.v1 import inbound_messages_pb2 as pb
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_service_desk.addresses.tables import addresses
from sqlalchemy import bindparam, select

from tests.service.running import Running, refused
from tests.service.service_desk.desk import Desk, state
from tests.service.service_desk.intake import Intake, became, intake_of

KNOWN, EVERYBODY = channels_pb2.Channel.CASE_OPENING_KNOWN_SENDERS, channels_pb2.Channel.CASE_OPENING_EVERYBODY
CHEN = "chen@huaxin.example"


@pytest.fixture
async def intake(desk: Desk) -> Intake:
    return await intake_of(desk)


@pytest.fixture
async def opening(desk: Desk) -> Intake:
    """A mailbox that opens cases for everybody."""
    return await intake_of(desk, case_opening=EVERYBODY)


async def case_of(intake: Intake, message: pb.InboundMessage) -> cases_pb2.Case:
    return await intake.desk.get(cases_pb2.Case(id=message.case_id))


async def said_on(intake: Intake, case_id: str) -> list[tuple[str, str]]:
    """The lines of a case that say something."""
    request = cases_pb2.ListCaseEventsRequest(id=case_id)
    answer = await intake.desk.cases.ListCaseEvents(request, metadata=intake.desk.user.metadata)
    kinds = cases_pb2.CaseEvent.Kind
    return [(kinds.Name(each.kind).removeprefix("KIND_"), each.text) for each in answer.events if each.text]


# --- kept once


async def test_a_message_is_read_back_as_it_was_answered(intake: Intake) -> None:
    sent = await intake.bring(from_name="陈晨", to_addresses=["service@huaxin.example"])
    assert await intake.get(sent) == sent
    assert sent.channel_name == "客服邮箱"


async def test_a_message_that_comes_again_is_kept_once_and_answered_alike(opening: Intake) -> None:
    first = await opening.bring(source_id="<1@x>", text="first")
    again = await opening.bring(source_id="<1@x>", text="changed on the way")
    assert again == first
    assert len(await opening.desk.emitted(events_pb2.CaseCreated)) == 1


async def test_a_message_that_comes_ten_times_at_once_opens_one_case(opening: Intake) -> None:
    brought = await asyncio.gather(*(opening.bring(source_id="<1@x>") for _ in range(10)))
    assert len({each.id for each in brought}) == 1
    assert len(await opening.desk.emitted(events_pb2.CaseCreated)) == 1
    assert len(await opening.desk.emitted(events_pb2.InboundMessageCreated)) == 1


async def test_the_same_id_in_another_channel_is_another_message(intake: Intake) -> None:
    other = await intake.channel(kind=channels_pb2.Channel.KIND_SMS)
    first = await intake.bring(source_id="1")
    assert (await intake.bring(source_id="1", channel_id=other.id)).id != first.id


async def test_a_channel_that_is_not_there_is_named(intake: Intake) -> None:
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
        await intake.bring(channel_id=str(new_id()))
    assert refusal.fields == ["inbound_message.channel_id"]


async def test_an_archived_channel_takes_no_messages_but_answers_for_those_it_has(intake: Intake) -> None:
    kept = await intake.bring(source_id="<1@x>")
    request = channels_pb2.ArchiveChannelRequest(id=intake.mailbox.id)
    await intake.channels.ArchiveChannel(request, metadata=intake.desk.user.metadata)
    assert await intake.bring(source_id="<1@x>") == kept
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await intake.bring(source_id="<2@x>")


# --- whose it is


async def test_a_known_sender_is_named_and_waits_where_the_channel_opens_no_cases(intake: Intake) -> None:
    account_id = await intake.account()
    contact_id = await intake.contact(account_id, emails=["Chen@Huaxin.example"])
    message = await intake.bring(from_address=" chen@huaxin.EXAMPLE".strip())
    assert became(message) == ("UNMATCHED", "KNOWN_SENDER")
    assert (message.contact_id, message.account_id) == (contact_id, account_id)
    assert (message.contact_name, message.account_name) == ("陈晨", "华信电力")
    assert await intake.waiting() == [message]


async def test_a_telephone_number_is_known_however_it_is_written(intake: Intake) -> None:
    account_id = await intake.account(phone_numbers=["+8675586661234;ext=801"])
    message = await intake.bring(from_address="(0755) 8666-1234")
    assert (message.account_id, message.from_address) == (account_id, "+8675586661234")


async def test_nobody_passes_for_a_customer_by_a_number_in_their_name(intake: Intake) -> None:
    await intake.account(phone_numbers=["+8613800138000"])
    message = await intake.bring(from_address="访客13800138000")
    assert (became(message), message.account_id) == (("UNMATCHED", "UNKNOWN_SENDER"), "")


async def test_an_address_of_two_customers_waits_for_a_person(opening: Intake) -> None:
    for _ in range(2):
        await opening.contact(await opening.account(), emails=[CHEN])
    message = await opening.bring(from_address=CHEN)
    assert became(message) == ("UNMATCHED", "AMBIGUOUS_SENDER")
    assert (message.contact_id, message.account_id) == ("", "")


async def test_the_address_of_a_switchboard_means_the_account_of_all_who_have_it(intake: Intake) -> None:
    account_id = await intake.account(phone_numbers=["+8675586661234"])
    for _ in range(2):
        await intake.contact(account_id, phone_numbers=["+8675586661234"])
    message = await intake.bring(from_address="+8675586661234")
    assert (message.account_id, message.contact_id) == (account_id, "")


async def test_an_address_that_was_taken_away_means_nobody_whatever_order_events_come_in(intake: Intake) -> None:
    account_id, id = await intake.account(), new_id()
    await intake.contact(account_id, id=id, version=2)
    await intake.contact(account_id, id=id, version=1, emails=[CHEN])
    assert became(await intake.bring(from_address=CHEN)) == ("UNMATCHED", "UNKNOWN_SENDER")
    await intake.contact(account_id, id=id, version=3, emails=[CHEN])
    assert (await intake.bring(from_address=CHEN)).contact_id == str(id)
    assert await addresses_of(intake, id) == [(3, CHEN)]


async def addresses_of(intake: Intake, holder_id: UUID) -> list[tuple[int, str]]:
    table = addresses
    query = select(table.c.version, table.c.address).where(
        table.c.tenant_id == bindparam("tenant_id"), table.c.holder_id == bindparam("holder_id")
    )
    rows = await intake.desk.rows(query, holder_id=holder_id)
    return [(row["version"], row["address"]) for row in rows]


async def test_an_archived_contact_is_nobody(intake: Intake) -> None:
    await intake.contact(await intake.account(), emails=[CHEN], status=Contact.STATUS_ARCHIVED)
    assert became(await intake.bring(from_address=CHEN)) == ("UNMATCHED", "UNKNOWN_SENDER")


# --- which case it belongs to


async def test_a_new_request_opens_a_case_of_its_sender(desk: Desk) -> None:
    intake = await intake_of(desk, case_opening=KNOWN, case_kind=cases_pb2.Case.KIND_REPAIR)
    account_id = await intake.account()
    contact_id = await intake.contact(account_id, emails=[CHEN])
    message = await intake.bring(from_address=CHEN, subject="  停电\n 两小时 ", text="七号楼")
    assert became(message) == ("MATCHED", "NEW_CASE")
    case = await case_of(intake, message)
    assert (case.title, case.description) == ("停电 两小时", "七号楼")
    assert (case.kind, case.channel) == (cases_pb2.Case.KIND_REPAIR, cases_pb2.Case.CHANNEL_EMAIL)
    assert (case.account_id, case.contact_id) == (account_id, contact_id)
    assert became(await intake.bring()) == ("UNMATCHED", "UNKNOWN_SENDER")


async def test_an_answer_is_added_to_the_case_of_what_it_answers(opening: Intake) -> None:
    first = await opening.bring(source_id="<1@x>")
    answer = await opening.bring(thread_references=["<0@elsewhere>", "<1@x>"], text="还没来电")
    assert (became(answer), answer.case_id) == (("MATCHED", "THREAD"), first.case_id)
    further = await opening.bring(thread_references=[answer.source_id], text="来了")
    assert further.case_id == first.case_id
    assert await said_on(opening, first.case_id) == [
        ("CUSTOMER_MESSAGE", "还没来电"),
        ("CUSTOMER_MESSAGE", "来了"),
    ]


async def test_nobody_draws_the_answers_to_a_message_into_a_case_of_theirs(opening: Intake) -> None:
    theirs = await opening.bring(source_id="<1@x>", from_address=CHEN)
    own = await opening.bring(source_id="<2@x>")
    drawing = await opening.bring(thread_references=["<1@x>", "<2@x>"])
    assert drawing.case_id == own.case_id
    assert (await opening.bring(thread_references=["<1@x>"], from_address=CHEN)).case_id == theirs.case_id
    quiet = await opening.channel(case_opening=channels_pb2.Channel.CASE_OPENING_NOBODY, hourly_limit=1)
    first = await opening.bring(source_id="<1@x>", channel_id=quiet.id, from_address=CHEN)
    await opening.do("OpenInboundMessageCase", first)
    await opening.bring(channel_id=quiet.id)
    waiting = await opening.bring(channel_id=quiet.id, thread_references=["<1@x>"])
    assert became(waiting) == ("UNMATCHED", "TOO_MANY")
    assigned = await opening.do("AssignInboundMessage", waiting, case_id=own.case_id)
    await opening.desk.advance(timedelta(hours=2))
    answer = partial(opening.bring, channel_id=quiet.id)
    to_assigned = await answer(thread_references=[waiting.source_id], from_address="a@x.example")
    to_theirs = await answer(thread_references=["<1@x>"], from_address="b@x.example")
    assert to_assigned.case_id == assigned.case_id
    assert to_theirs.case_id == (await opening.get(first)).case_id


async def test_two_who_refer_to_what_we_never_had_meet_in_one_case(opening: Intake) -> None:
    first = await opening.bring(thread_references=["<0@elsewhere>"])
    assert (await opening.bring(thread_references=["<0@elsewhere>"])).case_id == first.case_id


async def test_answers_that_come_at_once_are_all_on_the_case(opening: Intake) -> None:
    first = await opening.bring(source_id="<1@x>")
    texts = [f"answer {number}" for number in range(8)]
    await asyncio.gather(*(opening.bring(thread_references=["<1@x>"], text=each) for each in texts))
    assert sorted(text for _, text in await said_on(opening, first.case_id)) == texts


async def test_two_that_begin_a_chat_at_once_open_one_case(desk: Desk) -> None:
    intake = await intake_of(desk, kind=channels_pb2.Channel.KIND_CHAT, case_opening=EVERYBODY)
    brought = await asyncio.gather(*(intake.bring(from_address="visitor-7") for _ in range(4)))
    assert len({each.case_id for each in brought}) == 1
    assert len(await desk.emitted(events_pb2.CaseCreated)) == 1


async def test_an_answer_ends_waiting_for_the_customer(opening: Intake) -> None:
    first = await opening.bring(source_id="<1@x>")
    case = await opening.desk.do("OpenCase", await case_of(opening, first))
    await opening.desk.do("WaitForCustomer", case)
    await opening.bring(thread_references=["<1@x>"])
    assert state(await case_of(opening, first)) == "OPEN"


async def test_an_answer_soon_after_the_end_reopens_the_case_and_a_late_one_opens_another(opening: Intake) -> None:
    first = await opening.bring(source_id="<1@x>")
    case = await opening.desk.do("OpenCase", await case_of(opening, first))
    await opening.desk.do("ResolveCase", case, resolution="new fuse")
    soon = await opening.bring(thread_references=["<1@x>"])
    assert (soon.case_id, state(await case_of(opening, first))) == (first.case_id, "REOPENED")
    await opening.desk.do("ResolveCase", case, resolution="another fuse")
    await opening.desk.advance(timedelta(days=15))
    late = await opening.bring(thread_references=["<1@x>"])
    assert became(late) == ("MATCHED", "NEW_CASE")
    assert late.case_id != first.case_id
    assert (await opening.bring(thread_references=["<1@x>"])).case_id == late.case_id


async def test_an_answer_on_a_cancelled_case_is_not_swallowed(opening: Intake) -> None:
    first = await opening.bring(source_id="<1@x>")
    await opening.desk.do("CancelCase", await case_of(opening, first), cause="spam")
    again = await opening.bring(thread_references=["<1@x>"])
    assert (became(again), again.case_id == first.case_id) == (("MATCHED", "NEW_CASE"), False)


async def test_the_number_of_a_case_counts_for_its_customer_alone(opening: Intake) -> None:
    account_id = await opening.account()
    contact_id = await opening.contact(account_id, emails=[CHEN])
    first = await opening.bring(from_address=CHEN)
    number = (await case_of(opening, first)).number
    own = await opening.bring(from_address=CHEN, subject=f"Re: [{number.lower()}] 停电")
    assert (became(own), own.case_id, own.contact_id) == (("MATCHED", "CASE_NUMBER"), first.case_id, contact_id)
    foreign = await opening.bring(subject=f"Re: {number}")
    assert became(foreign) == ("UNMATCHED", "FOREIGN_CASE_NUMBER")
    assert foreign.case_id == ""


@pytest.mark.parametrize(("days", "believed"), [(-2, False), (-0.5, True), (2, False)], ids=["long", "soon", "future"])
async def test_the_time_that_a_message_names_is_believed_within_a_day(
    opening: Intake, days: float, believed: bool
) -> None:
    first = await opening.bring(source_id="<1@x>")
    await opening.desk.advance(timedelta(days=3))
    named = first.create_time.ToDatetime() + timedelta(days=3 + days)
    answer = await opening.bring(thread_references=["<1@x>"], sent_time=named)
    request = cases_pb2.ListCaseEventsRequest(id=first.case_id)
    told = await opening.desk.cases.ListCaseEvents(request, metadata=opening.desk.user.metadata)
    expected = answer.sent_time if believed else answer.create_time
    assert told.events[-1].occur_time == expected


# --- loops, and what programs write


async def test_what_a_program_writes_opens_no_case(opening: Intake) -> None:
    message = await opening.bring(automatic=True)
    assert (became(message), message.case_id) == (("IGNORED", "AUTOMATIC"), "")
    assert not await opening.waiting()


async def test_an_automatic_answer_is_a_note_on_its_case_and_ends_no_waiting(opening: Intake) -> None:
    first = await opening.bring(source_id="<1@x>")
    case = await opening.desk.do("OpenCase", await case_of(opening, first))
    await opening.desk.do("WaitForCustomer", case)
    away = await opening.bring(thread_references=["<1@x>"], automatic=True, text="I am away")
    assert (became(away), away.case_id) == (("MATCHED", "THREAD"), first.case_id)
    assert await said_on(opening, first.case_id) == [("INTERNAL_NOTE", "I am away")]
    assert state(await case_of(opening, first)) == "WAITING_CUSTOMER"


async def test_what_comes_from_our_own_address_in_any_channel_is_ignored(opening: Intake) -> None:
    await opening.channel(addresses=["Sales@Ours.example"])
    message = await opening.bring(from_address="sales@ours.example")
    assert became(message) == ("IGNORED", "OWN_ADDRESS")


async def test_one_too_many_of_a_sender_within_an_hour_waits_and_a_later_one_is_taken_up(desk: Desk) -> None:
    intake = await intake_of(desk, case_opening=EVERYBODY, hourly_limit=2)
    results = await asyncio.gather(*(intake.bring() for _ in range(5)))
    reasons = sorted(became(each)[1] for each in results)
    assert reasons == ["NEW_CASE", "NEW_CASE", "TOO_MANY", "TOO_MANY", "TOO_MANY"]
    assert became(await intake.bring(from_address="other@elsewhere.example"))[1] == "NEW_CASE"
    await desk.advance(timedelta(hours=1, minutes=1))
    assert became(await intake.bring())[1] == "NEW_CASE"


# --- by people


async def test_a_person_adds_a_message_to_a_case_and_what_answers_it_follows(intake: Intake) -> None:
    message, case = await intake.bring(text="是我"), await intake.desk.create()
    assigned = await intake.do("AssignInboundMessage", message, case_id=case.id)
    assert (became(assigned), assigned.case_id) == (("MATCHED", "BY_HAND"), case.id)
    assert await said_on(intake, case.id) == [("CUSTOMER_MESSAGE", "是我")]
    assert (await intake.bring(thread_references=[message.source_id])).case_id == case.id
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await intake.do("AssignInboundMessage", message, case_id=case.id)


async def test_two_who_assign_a_message_at_once_tell_one_case(intake: Intake) -> None:
    message = await intake.bring()
    cases = [await intake.desk.create() for _ in range(2)]
    await asyncio.gather(
        *(intake.do("AssignInboundMessage", message, case_id=case.id) for case in cases), return_exceptions=True
    )
    said = [await said_on(intake, case.id) for case in cases]
    assert sorted(map(len, said)) == [0, 1]


async def test_a_person_opens_a_case_for_a_message_of_another_kind(intake: Intake) -> None:
    message = await intake.bring()
    kind = cases_pb2.Case.KIND_COMPLAINT
    opened = await intake.do("OpenInboundMessageCase", message, kind=kind)
    assert became(opened) == ("MATCHED", "BY_HAND")
    case = await case_of(intake, opened)
    assert (case.kind, case.title, case.creator_id) == (kind, "停电", str(intake.desk.user.id))
    assert not await intake.waiting()


async def test_a_message_is_ignored_and_taken_up_again(intake: Intake) -> None:
    message = await intake.bring()
    ignored = await intake.do("IgnoreInboundMessage", message)
    assert became(ignored) == ("IGNORED", "BY_HAND")
    assert not await intake.waiting()
    assert became(await intake.do("OpenInboundMessageCase", message)) == ("MATCHED", "BY_HAND")


async def test_a_case_that_the_caller_may_not_change_is_not_found(intake: Intake) -> None:
    message, case = await intake.bring(), await intake.desk.create()
    grants = {"inbound_messages.write": Scope.ALL, "cases.write": Scope.OWN}
    agent = await intake.running.user(intake.desk.user.tenant_id, grants=grants)
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await intake.do("AssignInboundMessage", message, by=agent, case_id=case.id)


async def test_a_cancelled_case_is_told_nothing(intake: Intake) -> None:
    message = await intake.bring()
    case = await intake.desk.do("CancelCase", await intake.desk.create(), cause="spam")
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await intake.do("AssignInboundMessage", message, case_id=case.id)


# --- who may


async def test_who_sees_a_case_sees_its_messages_and_none_that_wait(opening: Intake, service_desk: Running) -> None:
    matched, quiet = await opening.bring(), await opening.channel()
    lone = await opening.bring(channel_id=quiet.id)
    grants = {"inbound_messages.read": Scope.OWN, "cases.write": Scope.OWN}
    agent = await service_desk.user(opening.desk.user.tenant_id, grants=grants)
    with refused("NOT_FOUND", "INBOUND_MESSAGE_NOT_FOUND"):
        await opening.get(matched, by=agent)
    await opening.desk.do("AssignCase", await case_of(opening, matched), assignee_id=str(agent.id))
    assert (await opening.get(matched, by=agent)).id == matched.id
    with refused("NOT_FOUND", "INBOUND_MESSAGE_NOT_FOUND"):
        await opening.get(lone, by=agent)
    request = pb.ListInboundMessagesRequest()
    page = await opening.messages.ListInboundMessages(request, metadata=agent.metadata)
    assert [each.id for each in page.inbound_messages] == [matched.id]


async def test_what_may_concern_any_case_takes_a_scope_that_reaches_all(intake: Intake, service_desk: Running) -> None:
    grants = {"inbound_messages.receive": Scope.TEAM}
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await intake.bring(by=await service_desk.user(intake.desk.user.tenant_id, grants=grants))


async def test_the_adapter_brings_messages_and_reads_none(intake: Intake) -> None:
    message = await intake.bring()
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await intake.get(message, by=intake.adapter)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await intake.do("IgnoreInboundMessage", message, by=intake.adapter)
    with refused("NOT_FOUND", "INBOUND_MESSAGE_NOT_FOUND"):
        await intake.get(message, by=await intake.running.user())

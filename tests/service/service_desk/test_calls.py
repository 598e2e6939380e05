"""Calls through their contract."""

import asyncio
import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from crm.customer.v1.accounts_pb2 import Account
from crm.customer.v1.events_pb2 import AccountRestricted
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm.service_desk.v1 import calls_pb2 as pb
from crm.service_desk.v1 import channels_pb2, events_pb2
from crm.type.v1 import value_tier_pb2
from crm_kit.background import Tenants
from crm_kit.database.work import UnitOfWork
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.wire import time_from
from crm_service_desk.calls import expiring
from crm_service_desk.calls.commands import expire
from crm_service_desk.calls.expiring import Expiring
from crm_service_desk.calls.tables import call_facts
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.history import changes_of
from tests.service.notices import told
from tests.service.restricting import EVERYBODY
from tests.service.running import refused
from tests.service.service_desk.desk import Desk
from tests.service.service_desk.telephony import AGENT, CHENS, OURS, Channel, Telephony, stands, telephony_of

Call = pb.Call


@pytest.fixture
async def phones(desk: Desk) -> Telephony:
    return await telephony_of(desk)


# --- one call, whatever is told of it


async def test_a_call_that_was_talked_on_tells_who_waited_and_talked_how_long(phones: Telephony) -> None:
    source_id = phones.source()
    await phones.tell("IVR", source_id, 0, menu_choice="报修")
    await phones.tell("RINGING", source_id, 4, queue="售后", extension="801")
    await phones.tell("ANSWERED", source_id, 14, extension="801")
    call = await phones.tell("ENDED", source_id, 74, cause=Call.CAUSE_COMPLETED)
    assert await phones.get(call) == call
    assert stands(call) == ("ENDED", "UNKNOWN")
    assert (call.waiting_seconds, call.talk_seconds, call.outcome) == (10, 60, Call.OUTCOME_ANSWERED)
    assert (call.queue, list(call.menu_choices), call.extension) == ("售后", ["报修"], "801")
    assert (call.user_id, call.user_name, call.channel_name) == (str(phones.wang.id), "王芳", "客服热线")
    assert (call.from_number, call.to_number, call.customer_number) == (CHENS, OURS, CHENS)
    names = [name for _, name in await phones.desk.versions(call.id)]
    assert names == ["CallCreated", "CallRang", "CallAnswered", "CallEnded"]


async def test_every_order_and_repetition_is_the_same_call(phones: Telephony) -> None:
    parts = [("RINGING", 0, "801"), ("RINGING", 3, "802"), ("ANSWERED", 9, "802"), ("ENDED", 69, "")]
    told_in_order = None
    for seed in range(4):
        source_id, order = phones.source(), [*parts, *parts]
        random.Random(seed).shuffle(order)
        for kind, second, extension in order if seed else parts:
            call = await phones.tell(kind, source_id, second, extension=extension)
        shown = Call()
        shown.CopyFrom(call)
        for name in ("id", "source_id", "etag", "create_time", "update_time"):
            shown.ClearField(name)
        told_in_order = told_in_order or shown
        assert shown == told_in_order, seed
        ended = [name for _, name in await phones.desk.versions(call.id)].count("CallEnded")
        assert ended == 1


async def test_all_events_of_a_call_at_once_and_twice_are_one_call(phones: Telephony) -> None:
    source_id = phones.source()
    parts = [("RINGING", 0), ("ANSWERED", 9), ("ENDED", 69)] * 2
    await asyncio.gather(*(phones.tell(kind, source_id, second, extension="801") for kind, second in parts))
    (id,) = await phones.listed(f'source_id = "{source_id}"')
    call = await phones.get(Call(id=id))
    assert (stands(call)[0], call.talk_seconds) == ("ENDED", 60)
    assert len(await phones.desk.versions(id)) == 3


async def test_what_is_no_event_of_a_call_is_refused_by_field(phones: Telephony) -> None:
    source_id = phones.source()
    await phones.tell("RINGING", source_id, 0)
    wrong: dict[str, dict[str, Any]] = {
        "event.happen_time": {"kind": "ENDED", "second": -90_000},
        "event.menu_choice": {"kind": "IVR"},
        "event.cause": {"kind": "RINGING", "cause": Call.CAUSE_BUSY},
        "event.recording_url": {"kind": "RECORDING", "recording_url": "https://elsewhere.example/1.mp3"},
        "event.user_id": {"kind": "RINGING", "user_id": str(new_id())},
        "channel_id": {"kind": "RINGING", "channel_id": str(new_id())},
    }
    for field, values in wrong.items():
        given = {"second": 1} | values
        kind, second = given.pop("kind"), given.pop("second")
        reason = "REFERENCE_NOT_FOUND" if field in ("event.user_id", "channel_id") else "INVALID_ARGUMENT"
        with refused("INVALID_ARGUMENT", reason) as refusal:
            await phones.tell(kind, source_id, second, **given)
        assert refusal.fields == [field]
    mailbox = await phones.intake.channel()
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await phones.tell("RINGING", source_id, 0, channel_id=mailbox.id)
    assert refusal.fields == ["channel_id"]


async def test_only_programs_that_may_tell_of_all_calls_tell_of_any(phones: Telephony) -> None:
    for grants in ({"calls.write": Scope.ALL}, {"calls.receive": Scope.TEAM}):
        user = await phones.running.user(phones.desk.user.tenant_id, grants=grants)
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await phones.tell("RINGING", phones.source(), 0, by=user)


async def test_an_archived_channel_begins_no_call_and_ends_those_under_way(phones: Telephony) -> None:
    source_id = phones.source()
    await phones.tell("RINGING", source_id, 0)
    request = channels_pb2.ArchiveChannelRequest(id=phones.channel.id)
    await phones.intake.channels.ArchiveChannel(request, metadata=phones.desk.user.metadata)
    assert stands(await phones.tell("ENDED", source_id, 5))[0] == "ENDED"
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await phones.tell("RINGING", phones.source(), 0)


# --- whose it is


async def test_a_number_that_one_contact_has_is_theirs_while_it_rings(phones: Telephony) -> None:
    account_id = await phones.intake.account()
    contact_id = await phones.intake.contact(account_id, phone_numbers=[CHENS])
    call = await phones.tell("RINGING", phones.source(), 0, from_number="138 0013 8000", extension="801")
    assert stands(call) == ("RINGING", "KNOWN")
    assert (call.contact_id, call.account_id, call.account_name) == (contact_id, account_id, "华信电力")
    (rang,) = await phones.desk.emitted(events_pb2.CallRang)
    assert (rang.call.id, rang.call.user_id) == (call.id, str(phones.wang.id))


async def test_calls_with_a_restricted_account_are_seen_by_whom_it_is_open_to(phones: Telephony) -> None:
    account_id = await phones.intake.account()
    await phones.intake.contact(account_id, phone_numbers=[CHENS])
    call = await phones.talked()
    everybody = await phones.running.user(phones.desk.user.tenant_id, grants=EVERYBODY)
    assert await phones.listed(by=everybody) == [call.id]
    told = AccountRestricted(account=Account(id=account_id, display_name="华信电力", restricted=True))
    ids: dict[str, Any] = {"tenant_id": everybody.tenant_id, "aggregate_id": UUID(account_id)}
    await phones.running.hear(told, **ids, version=9)
    # Who took part in it, too.
    for by, seen in ((everybody, []), (phones.wang, []), (phones.desk.user, [call.id])):
        assert await phones.listed(by=by) == seen
    with refused("NOT_FOUND", "CALL_NOT_FOUND"):
        await phones.screen(call, by=phones.wang)


async def test_a_number_is_known_however_the_telephone_system_writes_it(phones: Telephony) -> None:
    account_id = await phones.intake.account(phone_numbers=["+8675586661235"])
    for number in ("0755/8666-1235", "(0755) 8666 1235", "008675586661235", "+86 755 8666 1235"):
        call = await phones.tell("RINGING", phones.source(), 0, from_number=number)
        assert (call.account_id, call.customer_number) == (account_id, "+8675586661235"), number


async def test_who_becomes_known_during_the_call_is_known_at_its_end(phones: Telephony) -> None:
    source_id = phones.source()
    assert stands(await phones.tell("RINGING", source_id, 0)) == ("RINGING", "UNKNOWN")
    account_id = await phones.intake.account(phone_numbers=[CHENS])
    call = await phones.tell("ENDED", source_id, 9)
    assert (stands(call), call.account_id) == (("ENDED", "KNOWN"), account_id)


async def test_withheld_shared_and_own_numbers_are_told_apart(phones: Telephony) -> None:
    for _ in range(2):
        await phones.intake.contact(await phones.intake.account(), phone_numbers=[CHENS])
    tries = {"WITHHELD": "", "AMBIGUOUS": CHENS, "INTERNAL": "802", "UNKNOWN": "front door"}
    for match, number in tries.items():
        call = await phones.tell("RINGING", phones.source(), 0, from_number=number)
        assert stands(call)[1] == match, number
        assert call.customer_number == number
    own = await phones.tell("RINGING", phones.source(), 0, from_number=OURS)
    assert stands(own)[1] == "INTERNAL"


async def test_a_number_is_withheld_however_the_telephone_system_says_so(phones: Telephony) -> None:
    source_id = phones.source()
    for word in ("", "anonymous", "Restricted", "UNKNOWN", " private ", "Unavailable"):
        call = await phones.tell("RINGING", source_id, 0, from_number=word)
        assert (stands(call)[1], call.from_number, call.customer_number) == ("WITHHELD", "", ""), word
    # Of the other side the same is a name like any.
    assert (await phones.tell("RINGING", phones.source(), 0, to_number="unknown")).to_number == "unknown"


async def test_an_unknown_call_waits_until_somebody_says_whose_it_is(phones: Telephony) -> None:
    call = await phones.talked()
    waits = "match IN (UNKNOWN, AMBIGUOUS) AND state = ENDED"
    assert await phones.listed(waits) == [call.id]
    account_id = await phones.intake.account(owner_id=str(phones.li.id))
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        # Wang took the call, and does not see Li's account.
        await phones.assign(call, account_id, by=phones.wang)
    assigned = await phones.assign(call, account_id)
    assert (stands(assigned)[1], assigned.account_id) == ("BY_HAND", account_id)
    assert await phones.listed(waits) == []
    (event,) = await phones.desk.emitted(events_pb2.CallAssigned)
    assert (event.call.account_id, event.channel_name) == (account_id, "客服热线")
    assert (await phones.assign(call, account_id)).etag == assigned.etag
    # What is told later does not change what somebody has said.
    late = await phones.tell("RECORDING", call.source_id, 99, recording_url="https://recordings.example/1.mp3")
    assert late.account_id == account_id
    assert (await phones.get(call)).recording_url == "https://recordings.example/1.mp3"


async def test_a_call_of_nobody_can_be_ignored_and_taken_up_again(phones: Telephony) -> None:
    call = await phones.missed()
    ignored = await phones.calls.IgnoreCall(pb.IgnoreCallRequest(id=call.id), metadata=phones.desk.user.metadata)
    assert (stands(ignored)[1], ignored.missed) == ("IGNORED", False)
    assert (await phones.assign(call, await phones.intake.account())).missed


async def test_a_call_that_was_found_to_be_the_wrong_customers_is_moved_and_stays_where_it_was_moved(
    phones: Telephony,
) -> None:
    wrong = await phones.intake.account(phone_numbers=[CHENS], owner_id=str(phones.li.id))
    call = await phones.talked()
    assert (stands(call)[1], call.account_id) == ("KNOWN", wrong)
    right = await phones.intake.account(owner_id=str(phones.wang.id))
    moved = await phones.assign(call, right, by=phones.wang)
    assert (stands(moved)[1], moved.account_id) == ("BY_HAND", right)
    # Its former owner sees it no more, and what is told later does not bring it back.
    assert await phones.listed(by=phones.li) == []
    late = await phones.tell("RECORDING", call.source_id, 99, recording_url="https://recordings.example/1.mp3")
    assert late.account_id == right
    internal = await phones.talked(from_number="801")
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await phones.assign(internal, right)


async def test_whoever_it_only_rang_at_takes_no_call_from_the_customer_of_another(phones: Telephony) -> None:
    tenant_id = phones.desk.user.tenant_id
    owner = await phones.running.user(tenant_id, grants=AGENT)
    theirs = await phones.intake.account(phone_numbers=[CHENS], owner_id=str(owner.id))
    source_id = phones.source()
    for extension in ("801", "802"):
        await phones.tell("RINGING", source_id, 0, extension=extension)
    await phones.tell("ANSWERED", source_id, 5, extension="801")
    call = await phones.tell("ENDED", source_id, 65, cause=Call.CAUSE_COMPLETED)
    assert call.account_id == theirs
    of_li, of_wang = [await phones.intake.account(owner_id=str(each.id)) for each in (phones.li, phones.wang)]
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await phones.assign(call, of_li, by=phones.li)
    # To say again what is known moves nothing, and is of an account that they do not see.
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await phones.assign(call, theirs, by=phones.li)
    assert (await phones.get(call)).account_id == theirs
    # Whoever talked knows with whom, and so does whoever sees the account.
    moved = await phones.assign(call, of_wang, by=phones.wang)
    assert moved.account_id == of_wang
    assert (await phones.assign(moved, of_li)).account_id == of_li
    # What is nobody's may be said by whoever it rang at.
    source_id = phones.source()
    for extension in ("801", "802"):
        await phones.tell("RINGING", source_id, 100, extension=extension, from_number="+8613900139000")
    await phones.tell("ANSWERED", source_id, 105, extension="801")
    unknown = await phones.tell("ENDED", source_id, 165, cause=Call.CAUSE_COMPLETED)
    assert (await phones.assign(unknown, of_li, by=phones.li)).account_id == of_li


async def test_a_call_that_rings_at_several_telephones_is_told_to_all_of_them_and_so_is_that_one_answered(
    phones: Telephony,
) -> None:
    source_id, both = phones.source(), sorted([str(phones.wang.id), str(phones.li.id)])
    for extension in ("801", "802"):
        await phones.tell("RINGING", source_id, 0, extension=extension, queue="售后")
    ringing = await phones.tell("RINGING", source_id, 1, queue="售后")
    assert list(ringing.ring_user_ids) == both
    assert sorted(ringing.ring_user_names) == ["李强", "王芳"]
    for user in (phones.wang, phones.li):
        assert await phones.listed("state = RINGING", by=user) == [ringing.id]
    answered = await phones.tell("ANSWERED", source_id, 5, extension="801")
    assert (answered.user_id, list(answered.ring_user_ids)) == (str(phones.wang.id), both)
    for user in (phones.wang, phones.li):
        assert (await phones.get(answered, by=user)).state == Call.STATE_ANSWERED
    names = [name for _, name in await phones.desk.versions(ringing.id)]
    assert names == ["CallRang", "CallRang", "CallRang", "CallAnswered"]
    # Nobody answers the next: all are told, and of the one behind that within the hour none.
    for second in (100, 200):
        source_id = phones.source()
        for extension in ("801", "802"):
            await phones.tell("RINGING", source_id, second, extension=extension)
        await phones.tell("ENDED", source_id, second + 9, cause=Call.CAUSE_ABANDONED)
        for user in (phones.wang, phones.li):
            assert await told(phones.running, user) == ["CALL_MISSED"]


# --- who sees it


async def test_a_call_is_seen_by_whose_telephone_it_was_by_the_owner_of_its_account_and_by_who_sees_all(
    phones: Telephony,
) -> None:
    owner = await phones.running.user(phones.desk.user.tenant_id, grants=AGENT)
    await phones.intake.account(phone_numbers=[CHENS], owner_id=str(owner.id))
    call = await phones.talked()
    for user in (phones.wang, owner, phones.desk.user):
        assert await phones.listed(by=user) == [call.id]
    assert await phones.listed(by=phones.li) == []
    with refused("NOT_FOUND", "CALL_NOT_FOUND"):
        await phones.get(call, by=phones.li)
    with refused("NOT_FOUND", "CALL_NOT_FOUND"):
        await phones.screen(call, by=phones.li)


async def test_the_team_of_the_agent_sees_the_call_within_its_scope(phones: Telephony) -> None:
    tenant_id = phones.desk.user.tenant_id
    team_id = await phones.running.team(tenant_id)
    agent = await phones.running.user(tenant_id, grants=AGENT, team_id=team_id)
    leader = await phones.running.user(tenant_id, grants={"calls.read": Scope.TEAM}, team_id=team_id)
    call = await phones.tell("RINGING", phones.source(), 0, user_id=str(agent.id))
    assert await phones.listed(by=leader) == [call.id]


async def test_a_recording_is_shown_to_who_may_listen_and_in_no_other_way(phones: Telephony) -> None:
    call = await phones.talked()
    url = "https://recordings.example/1.mp3"
    await phones.tell("RECORDING", call.source_id, 99, recording_url=url)
    assert (await phones.get(call)).recording_url == url
    assert (await phones.get(call, by=phones.wang)).recording_url == ""
    assert (await phones.screen(call, by=phones.wang)).call.recording_url == ""
    changes = await changes_of(phones.running, "calls", call.id, phones.wang.metadata)
    assert url not in str(changes)
    with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
        await phones.listed(f'recording_url = "{url}"')


async def test_recordings_are_https_at_a_host_of_the_channel(phones: Telephony) -> None:
    call = await phones.talked()
    for url in (
        "http://recordings.example/1",
        "https://recordings.example.evil.example/1",
        "https://recordings.example@evil.example/1",
        "https://recordings.example:8443/1",
        "https://[1/1",
        "javascript:alert(1)",
    ):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await phones.tell("RECORDING", call.source_id, 99, recording_url=url)
        assert refusal.fields == ["event.recording_url"], url


# --- the screen


async def test_the_screen_has_the_customers_open_cases_and_the_calls_before(phones: Telephony) -> None:
    account_id = str(await phones.desk.key_account())
    await phones.intake.account(id=UUID(account_id), version=2, phone_numbers=[CHENS])
    before = await phones.talked()
    case = await phones.desk.create(account_id=account_id, title="停电")
    over = await phones.desk.create(account_id=account_id, title="billing")
    await phones.desk.do("CancelCase", over, cause="entered twice")
    call = await phones.tell("RINGING", phones.source(), 200, extension="802")
    screen = await phones.screen(call)
    assert (screen.call, screen.account_id, screen.account_name) == (call, account_id, "华信电力")
    assert [(each.id, each.number, each.title) for each in screen.open_cases] == [(case.id, case.number, "停电")]
    assert screen.open_case_count == 1
    assert [each.id for each in screen.latest_calls] == [before.id]
    assert screen.value_tier == value_tier_pb2.VALUE_TIER_KEY
    # Li, to whom it rings, may read neither cases nor scores, and did not talk before.
    seen = await phones.screen(call, by=phones.li)
    assert (seen.account_name, list(seen.open_cases), list(seen.latest_calls)) == ("华信电力", [], [])
    assert not seen.HasField("open_case_count")
    assert seen.value_tier == value_tier_pb2.VALUE_TIER_UNSPECIFIED


async def test_the_screen_does_not_tell_what_roles_hide(phones: Telephony) -> None:
    account_id = str(await phones.desk.key_account())
    await phones.intake.account(id=UUID(account_id), version=2, phone_numbers=[CHENS])
    call = await phones.tell("RINGING", phones.source(), 0)
    reader = await phones.running.user(phones.desk.user.tenant_id, hidden_fields=["scores.value_tier"])
    assert (await phones.screen(call, by=reader)).value_tier == value_tier_pb2.VALUE_TIER_UNSPECIFIED


async def test_the_screen_of_an_unknown_number_has_the_calls_with_that_number(phones: Telephony) -> None:
    before = await phones.talked()
    await phones.talked(from_number="+8613800138001")
    call = await phones.tell("RINGING", phones.source(), 200)
    screen = await phones.screen(call)
    assert [each.id for each in screen.latest_calls] == [before.id]
    withheld = await phones.tell("RINGING", phones.source(), 200, from_number="")
    assert not (await phones.screen(withheld)).latest_calls


# --- missed calls


async def test_a_missed_call_tells_the_owner_and_the_agent_once_an_hour(phones: Telephony) -> None:
    owner = await phones.running.user(phones.desk.user.tenant_id)
    await phones.intake.account(phone_numbers=[CHENS], owner_id=str(owner.id))
    for second in (0, 60, 120):
        assert (await phones.missed(second)).missed
    assert await told(phones.running, owner) == ["CALL_MISSED"]
    assert await told(phones.running, phones.wang) == ["CALL_MISSED"]


async def test_a_missed_call_is_called_back_by_an_answered_call_to_the_number_in_whatever_order_they_are_told(
    phones: Telephony,
) -> None:
    to_call_back = "missed = true AND called_back = false"
    early, late = await phones.missed(0), await phones.missed(600)
    other = await phones.missed(0, from_number="+8613800138001")
    await phones.tell("ENDED", phones.source(), 200, out=True, cause=Call.CAUSE_BUSY)
    assert set(await phones.listed(to_call_back)) == {early.id, late.id, other.id}
    await phones.talked(300, out=True)
    assert set(await phones.listed(to_call_back)) == {late.id, other.id}
    assert (await phones.get(early)).called_back
    # Heard of late, and called back already.
    assert (await phones.get(await phones.missed(100))).called_back
    await phones.talked(700, out=True)
    assert await phones.listed(to_call_back) == [other.id]


async def test_a_call_of_whose_end_nobody_tells_ends_by_itself_and_once(phones: Telephony) -> None:
    source_id = phones.source()
    await phones.tell("RINGING", source_id, 0, extension="801")
    call = await phones.tell("ANSWERED", source_id, 5, extension="801")
    job = Expiring(Tenants(phones.running.service.database, phones.running.service.clock))
    await job.expire_due()
    assert stands(await phones.get(call))[0] == "ANSWERED"
    await phones.desk.advance(timedelta(hours=4, minutes=1))
    await asyncio.gather(job.expire_due(), job.expire_due())
    lost = await phones.get(call)
    assert (stands(lost)[0], lost.cause, lost.talk_seconds) == ("ENDED", Call.CAUSE_EXPIRED, 0)
    late = await phones.tell("ENDED", source_id, 65, cause=Call.CAUSE_COMPLETED)
    assert (late.cause, late.talk_seconds) == (Call.CAUSE_COMPLETED, 60)
    assert len(await phones.desk.emitted(events_pb2.CallEnded)) == 1


async def test_a_call_that_cannot_be_ended_keeps_no_other_from_it(
    phones: Telephony, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = [await phones.tell("RINGING", phones.source(), 0) for _ in range(2)]

    async def fails_for_one(work: UnitOfWork, call_id: UUID) -> None:
        if str(call_id) == first.id:
            raise RuntimeError("it cannot")
        await expire(work, call_id)

    # Before they are due: the service looks, too.
    monkeypatch.setattr(expiring, "expire", fails_for_one)
    await phones.desk.advance(timedelta(hours=5))
    job = Expiring(Tenants(phones.running.service.database, phones.running.service.clock))
    await job.expire_due()
    assert [stands(await phones.get(each))[0] for each in (first, second)] == ["RINGING", "ENDED"]
    monkeypatch.undo()
    await job.expire_due()
    assert stands(await phones.get(first))[0] == "RINGING"
    await phones.desk.advance(timedelta(minutes=11))
    await job.expire_due()
    assert stands(await phones.get(first))[0] == "ENDED"


# --- calls that are asked for


async def test_a_call_that_is_asked_for_is_begun_by_the_adapter_under_the_same_name(phones: Telephony) -> None:
    asked = await phones.dial("138 0013 8000", key="once")
    assert await phones.dial("138 0013 8000", key="once") == asked
    assert stands(asked)[0] == "REQUESTED"
    assert (asked.to_number, asked.from_number, asked.extension) == (CHENS, OURS, "801")
    (event,) = await phones.desk.emitted(events_pb2.CallRequested)
    assert (event.call.id, event.call.user_id) == (asked.id, str(phones.wang.id))
    second = (time_from(asked.begin_time) - phones.began).total_seconds() + 1
    rang = await phones.tell("RINGING", asked.source_id, second, out=True)
    assert (rang.id, stands(rang)[0], rang.user_id) == (asked.id, "RINGING", str(phones.wang.id))
    await phones.tell("ANSWERED", asked.source_id, second + 8, out=True)
    ended = await phones.tell("ENDED", asked.source_id, second + 68, out=True)
    assert (ended.outcome, ended.talk_seconds, ended.user_name) == (Call.OUTCOME_ANSWERED, 60, "王芳")


async def test_to_ask_for_a_call_tells_nobody_whose_number_it_is(phones: Telephony) -> None:
    await phones.intake.account(phone_numbers=[CHENS], owner_id=str(phones.li.id))
    asked = await phones.dial()
    assert (stands(asked), asked.account_id) == (("REQUESTED", "UNKNOWN"), "")
    assert stands(await phones.dial(by=phones.desk.user, channel_id=await with_extension(phones)))[1] == "KNOWN"
    await phones.desk.advance(timedelta(minutes=2))
    await Expiring(Tenants(phones.running.service.database, phones.running.service.clock)).expire_due()
    failed = await phones.get(asked, by=phones.wang)
    assert (failed.outcome, failed.cause, failed.account_id) == (Call.OUTCOME_NOT_REACHED, Call.CAUSE_EXPIRED, "")


async def with_extension(phones: Telephony) -> str:
    """A channel in which who sees all has an extension."""
    extension = Channel.Extension(extension="800", user_id=str(phones.desk.user.id))
    channel = await phones.intake.channel(kind=Channel.KIND_TELEPHONE, extensions=[extension])
    return str(channel.id)


async def test_who_has_no_extension_or_names_no_number_is_told_so(phones: Telephony) -> None:
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await phones.dial(by=phones.desk.user)
    for number in ("chen", "+86", "12"):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await phones.dial(number)
        assert refusal.fields == ["number"]


# --- the channel


async def test_extensions_are_active_users_once_each_and_of_telephones_alone(phones: Telephony) -> None:
    wang, nobody = str(phones.wang.id), str(new_id())
    wrong = {
        "channel.extensions[1].extension": [("801", wang), ("801", str(phones.li.id))],
        "channel.extensions[1].user_id": [("801", wang), ("802", wang)],
        "channel.extensions[0].user_id": [("803", nobody)],
    }
    for field, pairs in wrong.items():
        extensions = [Channel.Extension(extension=extension, user_id=id) for extension, id in pairs]
        request = channels_pb2.UpdateChannelRequest(
            channel=Channel(id=phones.channel.id, extensions=extensions), update_mask=FieldMask(paths=["extensions"])
        )
        with refused(
            "INVALID_ARGUMENT", "REFERENCE_NOT_FOUND" if "803" in str(pairs) else "INVALID_ARGUMENT"
        ) as refusal:
            await phones.intake.channels.UpdateChannel(request, metadata=phones.desk.user.metadata)
        assert refusal.fields == [field]
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await phones.intake.channel(recording_hosts=["recordings.example"])
    assert refusal.fields == ["channel.recording_hosts"]


# --- figures


async def test_figures_say_how_long_calls_waited_and_were_talked_on_by_queue_and_agent(phones: Telephony) -> None:
    await phones.talked(0, queue="售后")
    await phones.talked(100, extension="802", queue="售后")
    await phones.missed(200, queue="售后")
    await phones.missed(300, queue="销售")
    request = resources_pb2.SummarizeRecordsRequest(
        collection="calls",
        group_by=["queue"],
        measures=["count", "avg:waiting_seconds", "max:waiting_seconds", "sum:talk_seconds"],
    )
    stub = ResourceServiceStub(phones.running.channel)
    answer = await stub.SummarizeRecords(request, metadata=phones.desk.user.metadata)
    figures = {
        group.key["queue"]: {figure.measure: figure.number for figure in group.figures} for group in answer.groups
    }
    assert figures == {
        "售后": {"count": "3", "avg:waiting_seconds": "10", "max:waiting_seconds": "20", "sum:talk_seconds": "120"},
        "销售": {"count": "1", "avg:waiting_seconds": "20", "max:waiting_seconds": "20"},
    }


async def test_a_name_that_is_used_again_is_no_news_of_a_call_of_which_the_events_are_kept_no_longer(
    phones: Telephony,
) -> None:
    call = await phones.talked()
    async with phones.running.unit_of_work(phones.desk.user.tenant_id) as work:
        work.delete(call_facts, call_id=UUID(call.id))
    later = timedelta(days=61)
    await phones.desk.advance(later)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await phones.tell("RINGING", call.source_id, later.total_seconds(), extension="802")
    assert refusal.fields == ["event.happen_time"]
    assert await phones.get(call) == call


async def test_a_call_stays_with_whose_telephone_it_was_when_somebody_else_gets_the_extension(
    phones: Telephony,
) -> None:
    call = await phones.talked()
    extension = Channel.Extension(extension="801", user_id=str(phones.li.id))
    request = channels_pb2.UpdateChannelRequest(
        channel=Channel(id=phones.channel.id, extensions=[extension]), update_mask=FieldMask(paths=["extensions"])
    )
    await phones.intake.channels.UpdateChannel(request, metadata=phones.desk.user.metadata)
    await phones.tell("RECORDING", call.source_id, 99, recording_url="https://recordings.example/1.mp3")
    assert (await phones.get(call)).user_id == str(phones.wang.id)
    assert await phones.listed(by=phones.li) == []
    # What rings from now on is the new one's.
    assert (await phones.tell("RINGING", phones.source(), 200, extension="801")).user_id == str(phones.li.id)


async def test_who_was_not_told_of_a_missed_call_is_told_of_the_next_however_soon_it_comes(phones: Telephony) -> None:
    # In a queue, of somebody whom nobody knew.
    await phones.tell("ENDED", phones.source(), 0, queue="售后")
    await phones.missed(60)
    assert await told(phones.running, phones.wang) == ["CALL_MISSED"]
    for second, extension in ((120, "802"), (180, "802")):
        source_id = phones.source()
        await phones.tell("RINGING", source_id, second, extension=extension)
        await phones.tell("ENDED", source_id, second + 20)
    assert await told(phones.running, phones.li) == ["CALL_MISSED"]


async def test_a_call_of_a_restricted_account_is_nobodys_business_but_its_owners(phones: Telephony) -> None:
    owner = await phones.running.user(phones.desk.user.tenant_id, grants=AGENT)
    await phones.intake.account(phone_numbers=[CHENS], owner_id=str(owner.id), restricted=True)
    call = await phones.missed()
    assert call.account_id
    assert await phones.listed(by=owner) == [call.id]
    assert await phones.listed(by=phones.wang) == []
    assert await told(phones.running, owner) == ["CALL_MISSED"]
    assert await told(phones.running, phones.wang) == []
    # Nor does asking for a call tell who it is, to whom all accounts but such are open.
    grants = dict.fromkeys(("calls.read", "calls.dial", "accounts.read"), Scope.ALL)
    curious = await phones.running.user(phones.desk.user.tenant_id, grants=grants)
    extension = Channel.Extension(extension="800", user_id=str(curious.id))
    channel = await phones.intake.channel(kind=Channel.KIND_TELEPHONE, extensions=[extension])
    asked = await phones.dial(by=curious, channel_id=channel.id)
    assert (stands(asked)[1], asked.account_id) == ("UNKNOWN", "")

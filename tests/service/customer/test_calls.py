"""Calls over our telephones, as the service desk tells of them: one interaction each."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from crm.customer.v1 import accounts_pb2, interactions_pb2, timeline_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.interactions_pb2_grpc import InteractionServiceStub
from crm.customer.v1.timeline_pb2_grpc import TimelineServiceStub
from crm.service_desk.v1 import calls_pb2, events_pb2
from crm_kit.clock import system_now
from crm_kit.ids import new_id
from crm_kit.wire import timestamp

from tests.service.customer.customers import new_account
from tests.service.running import Running, User, refused

Call = calls_pb2.Call
Interaction = interactions_pb2.Interaction


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
async def account(customer: Running, user: User) -> accounts_pb2.Account:
    return await new_account(customer, user)


def call_of(user: User, account_id: str, **fields: Any) -> Call:
    """A call of five minutes ago that the user answered."""
    values: dict[str, Any] = {
        "id": str(new_id()),
        "account_id": account_id,
        "user_id": str(user.id),
        "direction": Call.DIRECTION_INBOUND,
        "state": Call.STATE_ENDED,
        "outcome": Call.OUTCOME_ANSWERED,
        "begin_time": timestamp(system_now() - timedelta(minutes=5)),
    }
    return Call(**values | fields)


async def hear(customer: Running, user: User, payload: Any, version: int) -> None:
    told: Any = payload
    await customer.hear(told, tenant_id=user.tenant_id, aggregate_id=told.call.id, version=version)


async def interactions(customer: Running, user: User, account_id: str) -> list[Interaction]:
    request = interactions_pb2.ListInteractionsRequest(account_id=account_id)
    page = await InteractionServiceStub(customer.channel).ListInteractions(request, metadata=user.metadata)
    return list(page.interactions)


async def contacted(customer: Running, user: User, account_id: str) -> datetime | None:
    request = accounts_pb2.GetAccountRequest(id=account_id)
    account = await AccountServiceStub(customer.channel).GetAccount(request, metadata=user.metadata)
    return account.last_contact_time.ToDatetime(tzinfo=UTC) if account.HasField("last_contact_time") else None


async def test_a_call_is_one_interaction_however_often_and_whatever_is_told_of_its_end(
    customer: Running, user: User, account: accounts_pb2.Account
) -> None:
    call = call_of(user, account.id, queue="售后")
    for version, event in enumerate(
        (
            events_pb2.CallEnded(call=call, channel_name="客服热线"),
            events_pb2.CallUpdated(call=call, channel_name="客服热线"),
            events_pb2.CallEnded(call=call, channel_name="客服热线"),
        ),
        start=3,
    ):
        await hear(customer, user, event, version)
    (interaction,) = await interactions(customer, user, account.id)
    assert (interaction.id, interaction.call_id) == (call.id, call.id)
    assert (interaction.channel, interaction.direction) == (Interaction.CHANNEL_CALL, Interaction.DIRECTION_INBOUND)
    assert (interaction.subject, list(interaction.user_ids)) == ("售后", [str(user.id)])
    assert interaction.call_outcome == Interaction.CALL_OUTCOME_ANSWERED
    assert await contacted(customer, user, account.id) == call.begin_time.ToDatetime(tzinfo=UTC)
    request = timeline_pb2.ListTimelineRequest(account_id=account.id)
    page = await TimelineServiceStub(customer.channel).ListTimeline(request, metadata=user.metadata)
    entry = next(each for each in page.entries if each.reference_id == call.id)
    assert ("call_outcome", "ANSWERED") in {(detail.name, detail.value) for detail in entry.details}


async def test_a_missed_call_is_an_interaction_as_missed_and_no_contact(
    customer: Running, user: User, account: accounts_pb2.Account
) -> None:
    call = call_of(user, account.id, outcome=Call.OUTCOME_MISSED)
    await hear(customer, user, events_pb2.CallEnded(call=call, channel_name="客服热线"), 2)
    (interaction,) = await interactions(customer, user, account.id)
    assert (interaction.subject, interaction.call_outcome) == ("客服热线", Interaction.CALL_OUTCOME_MISSED)
    assert not interaction.user_ids
    assert await contacted(customer, user, account.id) is None


async def test_a_call_that_has_not_ended_or_is_nobodys_is_none_until_somebody_says_whose_it_is(
    customer: Running, user: User, account: accounts_pb2.Account
) -> None:
    call = call_of(user, "", user_id="")
    await hear(customer, user, events_pb2.CallEnded(call=call, channel_name="客服热线"), 2)
    running = call_of(user, account.id, state=Call.STATE_ANSWERED)
    await hear(customer, user, events_pb2.CallAnswered(call=running, channel_name="客服热线"), 2)
    assert await interactions(customer, user, account.id) == []
    call.account_id = account.id
    await hear(customer, user, events_pb2.CallAssigned(call=call, channel_name="客服热线"), 3)
    assert [each.call_id for each in await interactions(customer, user, account.id)] == [call.id]


async def test_a_call_that_was_with_somebody_else_goes_with_its_entry_and_its_last_contact_to_theirs(
    customer: Running, user: User, account: accounts_pb2.Account
) -> None:
    other = await new_account(customer, user)
    earlier, call = call_of(user, account.id), call_of(user, account.id)
    earlier.begin_time.FromDatetime(call.begin_time.ToDatetime() - timedelta(hours=1))
    for each in (earlier, call):
        await hear(customer, user, events_pb2.CallEnded(call=each, channel_name="客服热线"), 2)
    call.account_id, call.match = other.id, Call.MATCH_BY_HAND
    for version in (3, 4):
        await hear(customer, user, events_pb2.CallAssigned(call=call, channel_name="客服热线"), version)
    # What failed when it came is handled again, long after what followed it.
    late = Call()
    late.CopyFrom(call)
    late.account_id, late.recording_url = account.id, "https://recordings.example/1.mp3"
    await hear(customer, user, events_pb2.CallUpdated(call=late, channel_name="客服热线"), 2)
    for at, there in ((account.id, earlier), (other.id, call)):
        assert [each.call_id for each in await interactions(customer, user, at)] == [there.id]
        assert await contacted(customer, user, at) == there.begin_time.ToDatetime(tzinfo=UTC)
        request = timeline_pb2.ListTimelineRequest(account_id=at)
        page = await TimelineServiceStub(customer.channel).ListTimeline(request, metadata=user.metadata)
        assert [each.reference_id for each in page.entries if each.reference_type == "interaction"] == [there.id]


async def test_nobody_says_of_an_interaction_that_it_was_a_call(
    customer: Running, user: User, account: accounts_pb2.Account
) -> None:
    interaction = Interaction(
        account_id=account.id,
        channel=Interaction.CHANNEL_CALL,
        direction=Interaction.DIRECTION_INBOUND,
        subject="call",
        call_outcome=Interaction.CALL_OUTCOME_MISSED,
    )
    request = interactions_pb2.CreateInteractionRequest(interaction=interaction)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await InteractionServiceStub(customer.channel).CreateInteraction(request, metadata=user.metadata)
    assert refusal.fields == ["interaction.call_outcome"]


async def test_a_call_whose_end_is_heard_of_first_is_an_answered_one_once_that_is_told_and_stays_so(
    customer: Running, user: User, account: accounts_pb2.Account
) -> None:
    answered = call_of(user, account.id)
    missed = call_of(user, account.id, id=answered.id, outcome=Call.OUTCOME_MISSED)
    for version, call in enumerate((missed, answered, answered, missed), start=3):
        await hear(customer, user, events_pb2.CallUpdated(call=call, channel_name="客服热线"), version)
    (interaction,) = await interactions(customer, user, account.id)
    assert interaction.call_outcome == Interaction.CALL_OUTCOME_ANSWERED
    assert list(interaction.user_ids) == [str(user.id)]
    assert await contacted(customer, user, account.id) == interaction.interaction_time.ToDatetime(tzinfo=UTC)
    request = timeline_pb2.ListTimelineRequest(account_id=account.id)
    page = await TimelineServiceStub(customer.channel).ListTimeline(request, metadata=user.metadata)
    (entry,) = [each for each in page.entries if each.reference_id == answered.id]
    assert ("call_outcome", "ANSWERED") in {(detail.name, detail.value) for detail in entry.details}

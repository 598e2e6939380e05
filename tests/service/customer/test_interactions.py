"""Interactions through their contract."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from crm.customer.v1 import accounts_pb2, events_pb2, timeline_pb2
from crm.customer.v1 import interactions_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.interactions_pb2_grpc import InteractionServiceStub
from crm.customer.v1.timeline_pb2_grpc import TimelineServiceStub
from crm_kit.database.statements import compile_statement
from crm_kit.events.outbox import event_of
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.plumbing import outbox
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import bindparam, select

from tests.service.customer.customers import new_account, new_contact, new_interaction
from tests.service.nameless import nameless
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.interactions_pb2_grpc import InteractionServiceAsyncStub

Create = Callable[..., Awaitable[pb.Interaction]]
NOW = datetime.now(UTC)


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
def accounts(customer: Running) -> "AccountServiceAsyncStub":
    return AccountServiceStub(customer.channel)


@pytest.fixture
def interactions(customer: Running) -> "InteractionServiceAsyncStub":
    return InteractionServiceStub(customer.channel)


@pytest.fixture
async def account(customer: Running, user: User) -> accounts_pb2.Account:
    return await new_account(customer, user)


@pytest.fixture
def create(customer: Running, user: User, account: accounts_pb2.Account) -> Create:
    """Records a call from `account` as `user`; keywords are its fields."""

    async def record(*, by: User = user, **fields: Any) -> pb.Interaction:
        return await new_interaction(customer, by, **{"account_id": account.id} | fields)

    return record


def instant(value: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(value)
    return stamp


# --- recording and reading


async def test_a_recorded_interaction_is_read_back_as_it_was_answered(
    interactions: "InteractionServiceAsyncStub",
    user: User,
    create: Create,
    customer: Running,
    account: accounts_pb2.Account,
) -> None:
    contact = await new_contact(customer, user, account.id)
    colleague = await customer.user(user.tenant_id)
    created = await create(
        channel=pb.Interaction.CHANNEL_VISIT,
        direction=pb.Interaction.DIRECTION_OUTBOUND,
        body="went through the plans",
        contact_ids=[contact.id],
        user_ids=[str(colleague.id), str(user.id)],
        interaction_time=instant(NOW - timedelta(days=3)),
        outcome="wants an offer",
        next_step="send the offer",
        next_step_due_date="2026-11-30",
    )
    assert UUID(created.id).version == 7
    assert created.recorder_id == str(user.id)
    assert created.contact_ids == [contact.id]
    assert created.user_ids == [str(colleague.id), str(user.id)]
    assert created.interaction_time.ToDatetime(UTC) == NOW - timedelta(days=3)
    assert created.next_step_due_date == "2026-11-30"
    read = await interactions.GetInteraction(pb.GetInteractionRequest(id=created.id), metadata=user.metadata)
    assert read == created


async def test_an_interaction_is_of_now_and_of_the_caller_unless_told_otherwise(create: Create, user: User) -> None:
    created = await create()
    assert created.interaction_time == created.create_time
    assert created.user_ids == [str(user.id)]


async def test_an_interaction_of_the_first_second_of_1970_keeps_its_time(create: Create) -> None:
    created = await create(interaction_time=Timestamp())
    assert created.interaction_time == Timestamp()


async def test_the_same_key_records_one_interaction(
    interactions: "InteractionServiceAsyncStub", create: Create, user: User, account: accounts_pb2.Account
) -> None:
    assert await create(key="k") == await create(key="k")
    page = await interactions.ListInteractions(
        pb.ListInteractionsRequest(account_id=account.id), metadata=user.metadata
    )
    assert len(page.interactions) == 1


async def test_a_little_ahead_of_our_clock_is_accepted_more_is_not(create: Create) -> None:
    now = datetime.now(UTC)
    await create(interaction_time=instant(now + timedelta(minutes=4)))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await create(interaction_time=instant(now + timedelta(minutes=6)))
    assert refusal.fields == ["interaction.interaction_time"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"channel": 0, "direction": 0, "subject": ""}, {"channel", "direction", "subject"}),
        ({"channel": 99}, {"channel"}),
        ({"next_step": "call", "next_step_due_date": "2026-02-30"}, {"next_step_due_date"}),
        ({"next_step_due_date": "2026-02-28"}, {"next_step_due_date"}),
        ({"contact_ids": ["x"]}, {"contact_ids[0]"}),
    ],
)
async def test_an_interaction_that_breaks_a_rule_is_refused_by_field(
    create: Create, fields: dict[str, Any], named: set[str]
) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await create(**fields)
    assert set(refusal.fields) == {f"interaction.{name}" for name in named}


async def test_a_time_that_no_calendar_has_is_refused_and_not_an_internal_error(create: Create) -> None:
    for time in (Timestamp(seconds=10**15), Timestamp(seconds=1, nanos=-5)):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
            await create(interaction_time=time)


async def test_participants_must_be_there_for_the_caller(create: Create, customer: Running, user: User) -> None:
    stranger = await customer.user()
    foreign = await new_contact(customer, stranger, (await new_account(customer, stranger)).id)
    for field, id in (("contact_ids", foreign.id), ("user_ids", str(stranger.id)), ("contact_ids", str(new_id()))):
        with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
            await create(**{field: [id]})
        assert refusal.fields == [f"interaction.{field}[0]"]


async def test_nothing_is_recorded_of_an_account_that_is_put_away(
    accounts: "AccountServiceAsyncStub", create: Create, account: accounts_pb2.Account, user: User
) -> None:
    await accounts.ArchiveAccount(accounts_pb2.ArchiveAccountRequest(id=account.id), metadata=user.metadata)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await create()


# --- who may


async def test_an_interaction_of_another_tenant_is_not_found(
    interactions: "InteractionServiceAsyncStub", create: Create, customer: Running, account: accounts_pb2.Account
) -> None:
    created = await create()
    stranger = await customer.user()
    with refused("NOT_FOUND", "INTERACTION_NOT_FOUND"):
        await interactions.GetInteraction(pb.GetInteractionRequest(id=created.id), metadata=stranger.metadata)
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await interactions.ListInteractions(
            pb.ListInteractionsRequest(account_id=account.id), metadata=stranger.metadata
        )
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
        await create(by=stranger)
    assert refusal.fields == ["interaction.account_id"]


async def test_who_does_not_see_the_account_sees_none_of_its_interactions_and_adds_none(
    interactions: "InteractionServiceAsyncStub",
    accounts: "AccountServiceAsyncStub",
    create: Create,
    customer: Running,
    user: User,
    account: accounts_pb2.Account,
) -> None:
    grants = dict.fromkeys(("accounts.read", "accounts.write", "interactions.read", "interactions.write"), Scope.OWN)
    seller = await customer.user(user.tenant_id, grants=grants)
    created = await create()
    with refused("NOT_FOUND", "INTERACTION_NOT_FOUND"):
        await interactions.GetInteraction(pb.GetInteractionRequest(id=created.id), metadata=seller.metadata)
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await interactions.ListInteractions(pb.ListInteractionsRequest(account_id=account.id), metadata=seller.metadata)
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await create(by=seller)
    own = await new_account(customer, seller)
    of_others = await create(account_id=own.id)
    read = await interactions.GetInteraction(pb.GetInteractionRequest(id=of_others.id), metadata=seller.metadata)
    assert read == of_others


async def test_reading_does_not_allow_recording(create: Create, customer: Running, user: User) -> None:
    reader = await customer.user(user.tenant_id, grants={"interactions.read": Scope.ALL, "accounts.write": Scope.ALL})
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await create(by=reader)


# --- lists


async def test_the_latest_come_first_and_are_filtered_and_paged(
    interactions: "InteractionServiceAsyncStub", create: Create, user: User, account: accounts_pb2.Account
) -> None:
    for days, channel in ((1, "CALL"), (3, "VISIT"), (2, "EMAIL")):
        await create(
            subject=f"{channel} {days}",
            channel=pb.Interaction.Channel.Value(f"CHANNEL_{channel}"),
            interaction_time=instant(NOW - timedelta(days=days)),
        )

    async def subjects(**fields: Any) -> list[str]:
        token, found = "", []
        while True:
            request = pb.ListInteractionsRequest(account_id=account.id, page_token=token, **fields)
            page = await interactions.ListInteractions(request, metadata=user.metadata)
            found += [each.subject for each in page.interactions]
            token = page.next_page_token
            if not token:
                return found

    assert await subjects(page_size=1) == ["CALL 1", "EMAIL 2", "VISIT 3"]
    assert await subjects(order_by="create_time") == ["CALL 1", "VISIT 3", "EMAIL 2"]
    assert await subjects(filter="channel IN (VISIT, CALL)") == ["CALL 1", "VISIT 3"]
    since = (NOW - timedelta(days=2, hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert await subjects(filter=f"interaction_time >= {since}") == ["CALL 1", "EMAIL 2"]
    assert await subjects(filter=f"user_ids:{user.id}") == ["CALL 1", "EMAIL 2", "VISIT 3"]
    assert await subjects(filter=f"user_ids:{new_id()}") == []
    with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
        await subjects(filter="channel = PIGEON")


async def test_those_with_all_accounts_that_one_sees_are_listed_together(
    interactions: "InteractionServiceAsyncStub", create: Create, customer: Running, user: User
) -> None:
    grants = dict.fromkeys(("accounts.read", "accounts.write", "interactions.read", "interactions.write"), Scope.OWN)
    seller = await customer.user(user.tenant_id, grants=grants)
    own = [await new_account(customer, seller) for _ in range(2)]
    visit, call = pb.Interaction.CHANNEL_VISIT, pb.Interaction.CHANNEL_CALL
    await create(subject="elsewhere", channel=visit)
    await create(subject="visited", account_id=own[0].id, channel=visit, interaction_time=instant(NOW))
    await create(subject="called", account_id=own[1].id, channel=call, interaction_time=instant(NOW - timedelta(1)))

    async def subjects(by: User, **fields: Any) -> list[str]:
        page = await interactions.ListInteractions(pb.ListInteractionsRequest(**fields), metadata=by.metadata)
        return [each.subject for each in page.interactions]

    assert await subjects(seller) == ["visited", "called"]
    assert await subjects(seller, filter="channel = CALL") == ["called"]
    assert set(await subjects(user, filter="channel = VISIT")) == {"elsewhere", "visited"}


# --- what follows


async def test_last_contact_moves_forward_only_and_leaves_the_etag(
    accounts: "AccountServiceAsyncStub", create: Create, account: accounts_pb2.Account, user: User
) -> None:
    async def now() -> accounts_pb2.Account:
        request = accounts_pb2.GetAccountRequest(id=account.id)
        return await accounts.GetAccount(request, metadata=user.metadata)

    assert not (await now()).HasField("last_contact_time")
    yesterday, week = instant(NOW - timedelta(days=1)), instant(NOW - timedelta(days=7))
    await create(interaction_time=yesterday)
    assert (await now()).last_contact_time == yesterday
    await create(interaction_time=week)
    seen = await now()
    assert seen.last_contact_time == yesterday
    assert seen.etag == account.etag


async def test_after_many_at_the_same_time_last_contact_is_the_latest_of_them(
    accounts: "AccountServiceAsyncStub", create: Create, account: accounts_pb2.Account, user: User
) -> None:
    times = [instant(NOW - timedelta(minutes=minute)) for minute in (7, 3, 9, 1, 5, 2, 8, 4)]
    await asyncio.gather(*(create(interaction_time=time) for time in times))
    request = accounts_pb2.GetAccountRequest(id=account.id)
    seen = await accounts.GetAccount(request, metadata=user.metadata)
    assert seen.last_contact_time == instant(NOW - timedelta(minutes=1))


async def test_an_interaction_is_on_the_timeline_at_once_without_its_body(
    create: Create, account: accounts_pb2.Account, user: User, customer: Running
) -> None:
    created = await create(body="private", outcome="wants an offer")
    timeline = TimelineServiceStub(customer.channel)
    page = await timeline.ListTimeline(
        timeline_pb2.ListTimelineRequest(account_id=account.id, filter="kind = INTERACTION"), metadata=user.metadata
    )
    (entry,) = page.entries
    assert (entry.id, entry.reference_id, entry.reference_type) == (created.id, created.id, "interaction")
    assert (entry.title, entry.service, entry.actor_id) == ("asked for a quote", "customer", str(user.id))
    assert entry.entry_time == created.interaction_time
    assert {each.name: each.value for each in entry.details} == {
        "channel": "CALL",
        "direction": "INBOUND",
        "outcome": "wants an offer",
    }


async def test_the_event_carries_the_interaction(create: Create, user: User, customer: Running) -> None:
    created = await create()
    query = select(outbox.c.event).where(
        outbox.c.tenant_id == bindparam("tenant_id"), outbox.c.aggregate_id == bindparam("id")
    )
    async with customer.unit_of_work(user.tenant_id) as work:
        rows = await work.all(compile_statement(query), id=UUID(created.id))
    (event,) = [event_of(row["event"]) for row in rows]
    payload = events_pb2.InteractionCreated()
    assert event.payload.Unpack(payload)
    assert payload.interaction == nameless(created)
    assert (event.aggregate_type, event.actor_id) == ("interaction", str(user.id))

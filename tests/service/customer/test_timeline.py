"""Timelines through their contract, and how events get there."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import orjson
import pytest
from crm.customer.v1 import accounts_pb2, events_pb2
from crm.customer.v1 import timeline_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.timeline_pb2_grpc import TimelineServiceStub
from crm.sales.v1 import events_pb2 as sales
from crm.sales.v1 import leads_pb2, opportunities_pb2, payments_pb2
from crm.scoring.v1 import events_pb2 as scoring
from crm.scoring.v1 import scores_pb2
from crm.service_desk.v1 import cases_pb2
from crm.service_desk.v1 import events_pb2 as service_desk
from crm.type.v1 import money_pb2, value_tier_pb2
from crm_customer.consumers import TIMELINE
from crm_customer.records.timeline.model import Kind
from crm_customer.records.timeline.queries import LISTING
from crm_customer.records.timeline.wire import EventKind
from crm_kit.database.statements import Statement, compile_statement
from crm_kit.events.consumers import Event
from crm_kit.events.outbox import event_of
from crm_kit.filtering.parsing import parse_filter
from crm_kit.filtering.sql import filter_values
from crm_kit.filtering.tree import EVERYTHING, Shaped
from crm_kit.filtering.words import FilterContext
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.listing import select_page
from crm_kit.paging import parse_order_by
from crm_kit.plumbing import inbox, outbox
from crm_local.testing import Servers
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import bindparam, delete, select

from tests.service.customer.customers import new_account, new_interaction
from tests.service.eventually import eventually
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.timeline_pb2_grpc import TimelineServiceAsyncStub

Entry = pb.TimelineEntry
Read = Callable[..., Awaitable[list[pb.TimelineEntry]]]
NOW = datetime.now(UTC)
MANY = 60_000


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
def accounts(customer: Running) -> "AccountServiceAsyncStub":
    return AccountServiceStub(customer.channel)


@pytest.fixture
def timeline(customer: Running) -> "TimelineServiceAsyncStub":
    return TimelineServiceStub(customer.channel)


@pytest.fixture
async def account(customer: Running, user: User) -> accounts_pb2.Account:
    return await new_account(customer, user)


@pytest.fixture
def entries(timeline: "TimelineServiceAsyncStub", user: User, account: accounts_pb2.Account) -> Read:
    """All pages of the account's timeline; keywords are fields of the request."""

    async def read(*, by: User = user, **fields: Any) -> list[pb.TimelineEntry]:
        token = ""
        found: list[pb.TimelineEntry] = []
        while True:
            request = pb.ListTimelineRequest(**{"account_id": account.id, "page_token": token} | fields)
            page = await timeline.ListTimeline(request, metadata=by.metadata)
            found += page.entries
            token = page.next_page_token
            if not token:
                return found

    return read


async def record(customer: Running, by: User, account_id: str, subject: str, time: datetime) -> None:
    interaction_time = Timestamp()
    interaction_time.FromDatetime(time)
    await new_interaction(customer, by, account_id, subject=subject, interaction_time=interaction_time)


async def kinds_there(entries: Read, *kinds: "Entry.Kind.ValueType") -> list[pb.TimelineEntry]:
    """The timeline once it has entries of just these kinds, newest first."""

    async def arrived() -> list[pb.TimelineEntry]:
        found = await entries()
        return found if [each.kind for each in found] == list(kinds) else []

    return await eventually(arrived)


# --- from events


async def test_events_of_the_account_arrive_newest_first_with_what_they_say(
    accounts: "AccountServiceAsyncStub", user: User, account: accounts_pb2.Account, entries: Read
) -> None:
    await accounts.ChangeAccountStatus(
        accounts_pb2.ChangeAccountStatusRequest(id=account.id, status=accounts_pb2.Account.STATUS_ACTIVE),
        metadata=user.metadata,
    )
    changed, created = await kinds_there(entries, Entry.KIND_ACCOUNT_STATUS_CHANGED, Entry.KIND_ACCOUNT_CREATED)
    assert created.entry_time == account.create_time
    assert (created.title, created.service, created.actor_id) == (account.display_name, "customer", str(user.id))
    assert (created.reference_type, created.reference_id) == ("account", account.id)
    assert [(each.name, each.value) for each in changed.details] == [("old_status", "POTENTIAL"), ("status", "ACTIVE")]


async def test_an_event_that_comes_again_has_one_entry(
    customer: Running, user: User, account: accounts_pb2.Account, entries: Read
) -> None:
    (before,) = await kinds_there(entries, Entry.KIND_ACCOUNT_CREATED)
    event = await event_about(customer, user.tenant_id, account.id)
    assert before.id == event.id
    await customer.service.consumers.apply(event)
    async with customer.unit_of_work(user.tenant_id) as work:
        forget = delete(inbox).where(inbox.c.tenant_id == bindparam("tenant_id"), inbox.c.event_id == bindparam("id"))
        work.execute(compile_statement(forget), id=UUID(event.id))
    await customer.service.consumers.apply(event)
    assert await entries() == [before]


async def event_about(customer: Running, tenant_id: UUID, id: str) -> Event:
    query = select(outbox.c.event).where(
        outbox.c.tenant_id == bindparam("tenant_id"), outbox.c.aggregate_id == bindparam("id")
    )
    async with customer.unit_of_work(tenant_id) as work:
        row = await work.one(compile_statement(query), id=UUID(id))
    assert row is not None
    event: Event = event_of(row["event"])
    return event


async def test_what_other_services_report_is_on_the_timeline_in_the_order_it_happened(
    customer: Running, user: User, account: accounts_pb2.Account, entries: Read
) -> None:
    cny = money_pb2.Money(amount="1234.50", currency_code="CNY")
    deal = opportunities_pb2.Opportunity(account_id=account.id, display_name="二期工程", amount=cny)
    case = cases_pb2.Case(
        account_id=account.id, title="停电", number="C-2026-000001", kind=cases_pb2.Case.KIND_COMPLAINT
    )
    payment = payments_pb2.Payment(account_id=account.id, amount=cny, reference="INV 7")
    lead_without_account = leads_pb2.Lead(display_name="王芳")
    reported: list[tuple[Message, int]] = [
        (service_desk.CaseCreated(case=case), 2),
        (sales.PaymentReceived(payment=payment), 1),
        (sales.OpportunityWon(opportunity=deal), 3),
        (sales.LeadConverted(lead=lead_without_account), 4),
    ]
    for payload, days in reported:
        await customer.service.consumers.apply(reported_event(user, payload, NOW - timedelta(days=days)))
    _, paid, opened, won = await kinds_there(
        entries,
        Entry.KIND_ACCOUNT_CREATED,
        Entry.KIND_PAYMENT_RECEIVED,
        Entry.KIND_CASE_CREATED,
        Entry.KIND_OPPORTUNITY_WON,
    )
    assert (paid.service, opened.service, won.service) == ("sales", "service_desk", "sales")
    assert (paid.title, opened.title, won.title) == ("INV 7", "停电", "二期工程")
    assert [(each.name, each.value) for each in paid.details] == [("amount", "1234.50 CNY")]
    assert [(each.name, each.value) for each in opened.details] == [("number", "C-2026-000001"), ("kind", "COMPLAINT")]
    assert won.entry_time.ToDatetime(UTC) == NOW - timedelta(days=3)


def reported_event(user: User, payload: Message, time: datetime) -> Event:
    event = Event(id=str(new_id()), tenant_id=str(user.tenant_id), actor_id=str(user.id), aggregate_version=1)
    event.aggregate_type, event.aggregate_id = "anything", str(new_id())
    event.occur_time.FromDatetime(time)
    event.payload.Pack(payload)
    return event


async def test_an_event_about_no_account_has_no_entry() -> None:
    kind = EventKind(events_pb2.AccountCreated, "account.parent_id", "account.display_name")
    assert kind.entry(Event(), events_pb2.AccountCreated()) is None


async def test_a_line_that_names_what_the_event_does_not_have_is_refused_at_once() -> None:
    for account, title in (
        ("account.id", "account.nickname"),
        ("account.id", "account.competitor_profile"),
        ("id", "account.display_name"),
        ("account.addresses.city", ""),
    ):
        with pytest.raises(ValueError, match="has no"):
            EventKind(events_pb2.AccountCreated, account, title)
    with pytest.raises(ValueError, match="two details"):
        EventKind(events_pb2.AccountStatusChanged, "account.id", details=("account.status", "status=old_status"))
    with pytest.raises(ValueError, match="Kind has no CONTACT_UPDATED"):
        EventKind(events_pb2.ContactUpdated, "contact.owner_id")


async def test_details_are_text_that_people_read() -> None:
    kind = EventKind(
        events_pb2.AccountCreated,
        "account.id",
        details=("account.status", "account.create_time", "account.update_time", "account.tags", "account.emails"),
    )
    payload = events_pb2.AccountCreated()
    payload.account.id = str(new_id())
    payload.account.status = accounts_pb2.Account.STATUS_DORMANT
    payload.account.tags.extend(["vip", "2026"])
    payload.account.create_time.FromDatetime(datetime(2026, 5, 1, 8, 30, tzinfo=UTC))
    event = Event(id=str(new_id()), aggregate_id=str(new_id()), actor_id=str(new_id()), aggregate_type="account")
    entry = kind.entry(event, payload)
    assert entry is not None
    assert entry.kind is Kind.ACCOUNT_CREATED
    assert {each.name: each.value for each in entry.details} == {
        "status": "DORMANT",
        "create_time": "2026-05-01T08:30:00+00:00",
        "tags": "vip, 2026",
    }


async def test_each_kind_is_an_interaction_or_has_one_line() -> None:
    assert sorted(each.kind for each in TIMELINE) == sorted(set(Kind) - {Kind.INTERACTION})
    assert {f"KIND_{kind}" for kind in Kind} == set(Entry.Kind.keys()) - {"KIND_UNSPECIFIED"}


# --- lists


async def test_a_timeline_is_filtered_by_kind_and_time_and_paged(
    customer: Running, user: User, account: accounts_pb2.Account, entries: Read
) -> None:
    await kinds_there(entries, Entry.KIND_ACCOUNT_CREATED)
    for days in (1, 3, 2):
        await record(customer, user, account.id, f"{days} days ago", NOW - timedelta(days=days))

    async def titles(**fields: Any) -> list[str]:
        return [each.title for each in await entries(**fields)]

    three = ["1 days ago", "2 days ago", "3 days ago"]
    assert await titles(page_size=1) == [account.display_name, *three]
    assert await titles(filter="kind = INTERACTION", page_size=2) == three
    assert await titles(filter="kind IN (ACCOUNT_CREATED, CASE_CREATED)") == [account.display_name]
    since = (NOW - timedelta(days=2, hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert await titles(filter=f"entry_time >= {since} AND kind = INTERACTION") == three[:2]
    assert await titles(filter=f"entry_time < {since}", order_by="entry_time") == three[2:]
    assert await titles(order_by="entry_time", page_size=3) == [*reversed(three), account.display_name]


async def test_an_entry_that_arrives_between_two_pages_is_neither_doubled_nor_moves_others(
    timeline: "TimelineServiceAsyncStub", customer: Running, user: User, account: accounts_pb2.Account
) -> None:
    for hours in (1, 2, 3):
        await record(customer, user, account.id, str(hours), NOW - timedelta(hours=hours))
    asked: dict[str, Any] = {"account_id": account.id, "page_size": 2, "filter": "kind = INTERACTION"}
    first = await timeline.ListTimeline(pb.ListTimelineRequest(**asked), metadata=user.metadata)
    await record(customer, user, account.id, "new", NOW)
    await record(customer, user, account.id, "2.5", NOW - timedelta(hours=2.5))
    request = pb.ListTimelineRequest(**asked, page_token=first.next_page_token)
    second = await timeline.ListTimeline(request, metadata=user.metadata)
    assert [each.title for each in (*first.entries, *second.entries)] == ["1", "2", "2.5", "3"]


async def test_what_cannot_be_asked_is_refused(entries: Read) -> None:
    for filter in ("mood = GOOD", "kind = GOOD_MOOD"):
        with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
            await entries(filter=filter)
    with refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN"):
        await entries(page_token="x")
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await entries(account_id="x")


# --- who may


async def test_whoever_may_read_the_account_may_read_its_timeline_and_nobody_else(
    entries: Read, customer: Running, user: User
) -> None:
    analyst = await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL})
    await entries(by=analyst)
    seller = await customer.user(user.tenant_id, grants={"accounts.read": Scope.OWN, "interactions.read": Scope.ALL})
    for who in (seller, await customer.user()):
        with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
            await entries(by=who)
    nobody = await customer.user(user.tenant_id, grants={"interactions.read": Scope.ALL})
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await entries(by=nobody)


# --- a page costs what it shows


async def test_a_page_of_a_long_timeline_reads_no_more_of_the_index_than_it_shows(
    customer: Running, servers: Servers, user: User, account: accounts_pb2.Account
) -> None:
    await fill(servers, user.tenant_id, UUID(account.id))
    # The account has MANY entries, every thousandth of another kind; its neighbours have as many together.
    rare = "kind = KIND_CASE_CREATED"
    for filter, order_by, deep in (
        ("", "", False),
        ("", "", True),
        ("", "entry_time", True),
        (rare, "", False),
        (rare, "", True),
        (f"{rare} AND entry_time >= 2020-01-01T00:00:00Z", "", True),
    ):
        plan = await explain(customer, user.tenant_id, UUID(account.id), filter, order_by, deep=deep)
        # The result node compares the tenant with the connection's, once; nothing sorts, nothing is read in vain.
        nodes = nodes_of(plan)
        assert [node["Node Type"] for node in nodes] == ["Limit", "Result", "Index Scan"], nodes
        scan = nodes[-1]
        assert scan["Index Name"] == f"timeline_entries_account_{'kind' if filter else 'time'}_index"
        assert (scan["Actual Rows"], "Filter" in scan) == (51, False), scan


async def fill(servers: Servers, tenant_id: UUID, account_id: UUID) -> None:
    """MANY entries of one account, and as many of a hundred others; the planner knows of them."""
    connection = await asyncpg.connect(servers.superuser_url("crm_customer"))
    try:
        await connection.execute(
            """
            INSERT INTO timeline_entries
            SELECT $1, gen_random_uuid(), CASE WHEN n % 2 = 0 THEN $2 ELSE md5((n % 100)::text)::uuid END,
                   CASE WHEN n % 1000 = 0 THEN 'CASE_CREATED' ELSE 'INTERACTION' END,
                   $4::timestamptz - n * interval '1 minute',
                   '', '[]', 'sales', 'order', gen_random_uuid(), gen_random_uuid(), '{}'
            FROM generate_series(1, $3) n
            """,
            tenant_id,
            account_id,
            2 * MANY,
            NOW,
        )
        await connection.execute("ANALYZE timeline_entries")
    finally:
        await connection.close()


async def explain(
    customer: Running, tenant_id: UUID, account_id: UUID, filter: str, order_by: str, *, deep: bool
) -> dict[str, Any]:
    """The plan of a page as it was run: the first, or one from the middle of the list."""
    tree = parse_filter(filter, LISTING.fields) if filter else EVERYTHING
    order = parse_order_by(order_by, LISTING.orders, LISTING.default_order)
    page = select_page(LISTING, Scope.ALL, Shaped.of(tree), order, (False, False) if deep else None)
    values = filter_values(tree, FilterContext(NOW)) | {"account_id": account_id, "page_limit": 51}
    values |= {"after_0": NOW - timedelta(minutes=MANY / 2), "after_1": UUID(int=0)}
    explained = Statement(f"EXPLAIN (ANALYZE, FORMAT JSON) {page.sql}", page.names, page.constants)
    async with customer.unit_of_work(tenant_id) as work:
        row = await work.one(explained, **values)
    assert row is not None
    plan: dict[str, Any] = orjson.loads(row[0])[0]["Plan"]
    return plan


def nodes_of(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """A plan's nodes, from the top down."""
    return [plan, *(node for below in plan.get("Plans", []) for node in nodes_of(below))]


# --- projections of accounts


async def test_an_account_shows_the_tier_of_its_newest_scores_whatever_comes_late(
    accounts: "AccountServiceAsyncStub", customer: Running, user: User, account: accounts_pb2.Account
) -> None:
    tiers = scores_pb2.ValueTierScore.Tier

    async def tier_after(number: scores_pb2.ValueTierScore.Tier.ValueType, version: int) -> int:
        scores = scores_pb2.AccountScores(account_id=account.id)
        scores.value_tier.band = number
        payload = scoring.ValueTierChanged(account_scores=scores)
        event = reported_event(user, payload, NOW)
        event.aggregate_version = version
        await customer.service.consumers.apply(event)
        request = accounts_pb2.GetAccountRequest(id=account.id)
        read = await accounts.GetAccount(request, metadata=user.metadata)
        assert read.etag == account.etag
        return read.value_tier

    assert await tier_after(tiers.TIER_MAJOR, 2) == value_tier_pb2.VALUE_TIER_MAJOR
    assert await tier_after(tiers.TIER_SMALL, 1) == value_tier_pb2.VALUE_TIER_MAJOR
    assert await tier_after(tiers.TIER_KEY, 3) == value_tier_pb2.VALUE_TIER_KEY
    request = accounts_pb2.ListAccountsRequest(filter="value_tier = KEY")
    assert [each.id for each in (await accounts.ListAccounts(request, metadata=user.metadata)).accounts] == [account.id]
    assert await tier_after(tiers.TIER_UNKNOWN, 4) == value_tier_pb2.VALUE_TIER_UNSPECIFIED

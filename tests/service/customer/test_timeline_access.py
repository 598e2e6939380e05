"""What somebody reads of a timeline: entries of records that they may read, at an account that they may read."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1 import timeline_pb2 as pb
from crm.customer.v1.timeline_pb2_grpc import TimelineServiceStub
from crm.sales.v1 import events_pb2 as sales
from crm.service_desk.v1 import events_pb2 as service_desk
from crm_customer.consumers import TIMELINE
from crm_customer.directory.roles.built_in import BUILT_IN, SALES_REP, SERVICE_AGENT
from crm_customer.records.timeline.wire import EventKind
from crm_kit.events.consumers import Event
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from google.protobuf.message import Message

from tests.service.customer.customers import new_account, new_interaction
from tests.service.running import Running, User

if TYPE_CHECKING:
    from crm.customer.v1.timeline_pb2_grpc import TimelineServiceAsyncStub

NOW = datetime.now(UTC)
# What the resource of each entry is called, and whose right to read shows it.
COLLECTIONS = {
    "Account": "accounts",
    "Lead": "leads",
    "FollowUp": "leads",
    "Opportunity": "opportunities",
    "Order": "orders",
    "Payment": "payments",
    "Case": "cases",
    "Milestone": "cases",
    "ValueTier": "accounts",
}


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
async def account(customer: Running, user: User) -> accounts_pb2.Account:
    return await new_account(customer, user)


def payload_at(kind: EventKind, account_id: str) -> Message:
    """What an event of the kind tells of an account, and no more than it must."""
    payload = kind.payload()
    put(payload, kind.account, account_id)
    if kind.actor:
        put(payload, kind.actor, str(new_id()))
    if isinstance(payload, sales.FollowUpConverted):
        payload.follow_up.happen_time.FromDatetime(NOW)
    return payload


def put(message: Any, path: str, value: str) -> None:
    *parents, last = path.split(".")
    for name in parents:
        message = getattr(message, name)
    setattr(message, last, value)


async def report(customer: Running, user: User, payload: Message, *, days_ago: int = 0) -> None:
    """Have the service hear of something that another one did."""
    event = Event(id=str(new_id()), tenant_id=str(user.tenant_id), actor_id=str(new_id()), aggregate_version=1)
    event.aggregate_type, event.aggregate_id = "anything", str(new_id())
    event.occur_time.FromDatetime(NOW - timedelta(days=days_ago))
    event.payload.Pack(payload)
    await customer.service.consumers.apply(event)


async def entries(customer: Running, by: User, account_id: str, **fields: Any) -> list[pb.TimelineEntry]:
    """All pages of what somebody reads; each but the last is full."""
    stub: TimelineServiceAsyncStub = TimelineServiceStub(customer.channel)
    found: list[pb.TimelineEntry] = []
    token, size = "", fields.get("page_size", 50)
    while True:
        request = pb.ListTimelineRequest(account_id=account_id, page_token=token, **fields)
        page = await stub.ListTimeline(request, metadata=by.metadata)
        found += page.entries
        token = page.next_page_token
        if not token:
            return found
        assert len(page.entries) == size


async def kinds(customer: Running, by: User, account_id: str, **fields: Any) -> set[str]:
    """The kinds of entries that somebody reads, without their prefix."""
    read = await entries(customer, by, account_id, **fields)
    return {pb.TimelineEntry.Kind.Name(each.kind).removeprefix("KIND_") for each in read}


def scoped(grants: Mapping[str, str]) -> dict[str, Scope]:
    return {permission: Scope[scope] for permission, scope in grants.items()}


# --- with which permission


def collection_of(kind: EventKind) -> str:
    """By the name of the event: OpportunityWon is about an opportunity."""
    name = kind.payload.DESCRIPTOR.name
    return next(collection for noun, collection in COLLECTIONS.items() if name.startswith(noun))


async def test_entries_are_seen_with_the_right_to_read_what_they_tell_of(
    customer: Running, user: User, account: accounts_pb2.Account
) -> None:
    await new_interaction(customer, user, account.id)
    expected: dict[str, set[str]] = {"interactions": {"INTERACTION"}}
    for kind in TIMELINE:
        await report(customer, user, payload_at(kind, account.id))
        expected.setdefault(collection_of(kind), set()).add(kind.kind)
    of_account = expected.pop("accounts")
    assert await kinds(customer, user, account.id) == of_account.union(*expected.values())
    for collection, of_collection in expected.items():
        grants = {"accounts.read": Scope.ALL, f"{collection}.read": Scope.ALL}
        reader = await customer.user(user.tenant_id, grants=grants)
        assert await kinds(customer, reader, account.id) == of_account | of_collection, collection
        without = {f"{each}.read": Scope.ALL for each in ("accounts", *expected) if each != collection}
        reader = await customer.user(user.tenant_id, grants=without)
        assert not await kinds(customer, reader, account.id) & of_collection, collection


async def test_an_agent_of_the_service_desk_reads_full_pages_without_deals_and_leads(
    customer: Running, user: User, account: accounts_pb2.Account
) -> None:
    secret = sales.OpportunityWon()
    secret.opportunity.account_id, secret.opportunity.close_reason = account.id, "the lowest price"
    secret.opportunity.amount.amount, secret.opportunity.amount.currency_code = "120000.55", "CNY"
    followed_up = payload_at(next(each for each in TIMELINE if each.payload is sales.FollowUpConverted), account.id)
    assert isinstance(followed_up, sales.FollowUpConverted)
    followed_up.follow_up.note = "is about to leave for a competitor"
    case = service_desk.CaseCreated()
    case.case.account_id, case.case.title = account.id, "no power"
    for days_ago in range(6):
        for payload in (secret, followed_up, case):
            await report(customer, user, payload, days_ago=days_ago)
    agent = await customer.user(user.tenant_id, grants=scoped(BUILT_IN[SERVICE_AGENT]))
    read = await entries(customer, agent, account.id, page_size=2)
    assert [each.title for each in read if each.title != account.display_name] == ["no power"] * 6
    assert not any("120000.55" in str(each) or "competitor" in str(each) for each in read)
    for filter in ("kind = OPPORTUNITY_WON", "service = sales", "kind != CASE_CREATED AND service != customer"):
        assert not await entries(customer, agent, account.id, filter=filter)


# --- within which scope


async def won(customer: Running, by: User, account_id: str, title: str, owner: User) -> None:
    payload = sales.OpportunityWon()
    deal = payload.opportunity
    deal.account_id, deal.display_name, deal.owner_id = account_id, title, str(owner.id)
    deal.owner_team_id = str(owner.team_id or "")
    await report(customer, by, payload)


async def titles(customer: Running, by: User, account_id: str) -> set[str]:
    """Of what is no entry of the account's own."""
    read = await entries(customer, by, account_id)
    return {each.title for each in read if each.service != "customer"}


async def test_of_deals_one_sees_what_was_within_ones_scope(
    customer: Running, user: User, account: accounts_pb2.Account
) -> None:
    tenant = user.tenant_id
    north, south = await customer.team(tenant), await customer.team(tenant)

    async def seller(scope: Scope, team: Any) -> User:
        grants = {"accounts.read": Scope.ALL, "opportunities.read": scope}
        return await customer.user(tenant, grants=grants, team_id=team)

    li, wang = await seller(Scope.OWN, north), await seller(Scope.OWN, south)
    manager = await seller(Scope.TEAM, north)
    await won(customer, user, account.id, "of li", li)
    await won(customer, user, account.id, "of wang", wang)
    await won(customer, user, account.id, "of the manager", manager)
    assert await titles(customer, li, account.id) == {"of li"}
    assert await titles(customer, wang, account.id) == {"of wang"}
    assert await titles(customer, manager, account.id) == {"of li", "of the manager"}
    assert await titles(customer, user, account.id) == {"of li", "of wang", "of the manager"}


async def test_who_has_the_account_sees_all_that_is_done_at_it(customer: Running, user: User) -> None:
    tenant = user.tenant_id
    north = await customer.team(tenant)
    li = await customer.user(tenant, grants=scoped(BUILT_IN[SALES_REP]), team_id=north)
    over_team = dict.fromkeys(("accounts.read", "opportunities.read"), Scope.TEAM)
    manager = await customer.user(tenant, grants=over_team, team_id=north)
    account = await new_account(customer, user, owner_id=str(li.id))
    await won(customer, user, account.id, "of somebody else", user)
    for who in (li, manager):
        assert await titles(customer, who, account.id) == {"of somebody else"}


async def test_cases_are_seen_by_who_opened_them_who_works_on_them_and_the_team_above(
    customer: Running, user: User, account: accounts_pb2.Account
) -> None:
    north = await customer.team(user.tenant_id)

    async def agent(scope: Scope) -> User:
        grants = {"accounts.read": Scope.ALL, "cases.read": scope}
        return await customer.user(user.tenant_id, grants=grants, team_id=north)

    opener, worker, other, head = [await agent(each) for each in (Scope.OWN, Scope.OWN, Scope.OWN, Scope.TEAM)]
    payload = service_desk.CaseResolved()
    case = payload.case
    case.account_id, case.title, case.creator_id = account.id, "no power", str(opener.id)
    case.assignee_id, case.assignee_team_id = str(worker.id), str(north)
    await report(customer, user, payload)
    for who in (opener, worker, head):
        assert await titles(customer, who, account.id) == {"no power"}
    assert not await titles(customer, other, account.id)

"""Open deals follow their account and their pipeline: in any order of events, and however many they are."""

import itertools
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm.sales.v1 import events_pb2 as sales_events
from crm.sales.v1 import opportunities_pb2 as pb
from crm.sales.v1 import pipelines_pb2
from crm_kit.command_line import replay_dead_letters
from crm_kit.database.statements import compile_statement
from crm_kit.events.dead_letters import put_dead_letter
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.plumbing import dead_letters
from crm_sales.accounts.tables import accounts
from crm_sales.opportunities.resource import OPPORTUNITIES
from crm_sales.opportunities.tables import account_handovers, changed_pipelines, opportunities
from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import func, select

from tests.service.eventually import eventually
from tests.service.notices import raised
from tests.service.running import Running, User
from tests.service.sales.selling import Sales, cny, emitted, known_account, owner_changed
from tests.steps import watched

Deals = Callable[[int], Awaitable[list[str]]]
FEW = 3


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of some deals, so that there are several."""
    monkeypatch.setattr("crm_sales.opportunities.following.BATCH", FEW)


@pytest.fixture
async def account_id(sales: Running, user: User) -> str:
    return await known_account(sales, user.tenant_id, user)


@pytest.fixture
async def owners(sales: Running, user: User) -> list[User]:
    return [user, *[await sales.user(user.tenant_id) for _ in range(3)]]


@pytest.fixture
def deals(api: Sales, sales: Running, user: User, account_id: str) -> Deals:
    """Makes open deals of the user at the account; their ids."""

    async def made(count: int) -> list[str]:
        deal = pb.Opportunity(account_id=account_id, display_name="boilers", amount=cny("10.00"))
        request = pb.CreateOpportunityRequest(opportunity=deal)
        first = await api.opportunities.CreateOpportunity(request, metadata=user.metadata)
        ids = [UUID(first.id), *[new_id() for _ in range(count - 1)]]
        async with sales.unit_of_work(user.tenant_id) as work:
            row = OPPORTUNITIES.row_of(await OPPORTUNITIES.get(work, ids[0]))
            for id in ids[1:]:
                work.insert(opportunities, row | {"id": id})
            await work.flush_many()
        return [str(id) for id in ids]

    return made


async def owners_of(sales: Running, user: User, column: Any = opportunities.c.owner_id) -> dict[Any, int]:
    """How many deals of the tenant each owner has."""
    query = select(column, func.count()).where(opportunities.c.tenant_id == user.tenant_id).group_by(column)
    rows = await sales.service.database.all(user.tenant_id, compile_statement(query), {})
    return {row[0]: row[1] for row in rows}


async def has_all(sales: Running, owner: User, count: int) -> None:
    async def all_are_theirs() -> bool:
        return await owners_of(sales, owner) == {owner.id: count}

    await eventually(all_are_theirs)


@pytest.mark.parametrize("order", itertools.permutations(range(3)))
async def test_deals_end_with_the_owner_of_their_account_in_whatever_order_its_changes_are_heard_of(
    sales: Running, user: User, owners: list[User], account_id: str, deals: Deals, order: tuple[int, ...]
) -> None:
    (deal,) = await deals(1)
    events = [owner_changed(account_id, user, at + 10, owners[at], owners[at + 1]) for at in range(3)]
    for at in order:
        await sales.service.consumers.apply(events[at])
    assert await owners_of(sales, user) == {owners[3].id: 1}
    query = select(accounts.c.owner_id).where(accounts.c.id == UUID(account_id))
    (row,) = await sales.service.database.all(user.tenant_id, compile_statement(query), {})
    assert row["owner_id"] == owners[3].id
    *_, told = await emitted(sales, user.tenant_id, deal)
    assert isinstance(told, sales_events.OpportunityUpdated)
    assert told.opportunity.owner_id == str(owners[3].id)


async def test_an_older_change_that_is_replayed_gives_nothing_to_who_has_the_account_no_more(
    sales: Running, user: User, owners: list[User], account_id: str, deals: Deals
) -> None:
    await deals(2)
    first, second = (owner_changed(account_id, user, at + 10, owners[at], owners[at + 1]) for at in range(2))
    consumers = sales.service.consumers
    async with sales.unit_of_work(user.tenant_id) as work:
        id, data = UUID(first.id), first.SerializeToString()
        work.execute(put_dead_letter(), id=id, consumer=consumers.name, event=data, reason="a defect")
    await consumers.apply(second)
    assert await owners_of(sales, user) == {owners[0].id: 2}
    await replay_dead_letters(sales.service, consumers)
    assert await owners_of(sales, user) == {owners[2].id: 2}
    query = select(dead_letters.c.id).where(dead_letters.c.id == UUID(first.id))
    assert not await sales.service.database.all(user.tenant_id, compile_statement(query), {})


async def test_deals_that_stay_are_not_taken_along_by_an_older_change(
    sales: Running, user: User, owners: list[User], account_id: str, deals: Deals
) -> None:
    await deals(1)
    apply = sales.service.consumers.apply
    await apply(owner_changed(account_id, user, 11, owners[1], owners[2], keep_opportunities=True))
    await apply(owner_changed(account_id, user, 10, owners[0], owners[1]))
    assert await owners_of(sales, user) == {owners[1].id: 1}


async def test_whoever_gives_an_account_learns_how_many_deals_stayed_with_whom_of_those_they_may_read(
    api: Sales, sales: Running, user: User, owners: list[User], account_id: str, deals: Deals
) -> None:
    """By what the contract of accounts says to ask."""
    await deals(2)
    other = pb.Opportunity(account_id=account_id, display_name="pumps", owner_id=str(owners[3].id))
    await api.opportunities.CreateOpportunity(pb.CreateOpportunityRequest(opportunity=other), metadata=user.metadata)
    (lost,) = await deals(1)
    request = pb.LoseOpportunityRequest(id=lost, reason="the price")
    await api.opportunities.LoseOpportunity(request, metadata=user.metadata)
    kept = owner_changed(account_id, user, 10, owners[0], owners[1], keep_opportunities=True)
    await sales.service.consumers.apply(kept)

    async def told(by: User) -> dict[str, int]:
        filter = f'account_id = "{account_id}" AND state = OPEN'
        asked = resources_pb2.SummarizeRecordsRequest(collection="opportunities", filter=filter, group_by=["owner_id"])
        answer = await ResourceServiceStub(sales.channel).SummarizeRecords(asked, metadata=by.metadata)
        assert all(each.names["owner_id"] for each in answer.groups)
        return {each.key["owner_id"]: each.count for each in answer.groups}

    assert await told(user) == {str(owners[0].id): 2, str(owners[3].id): 1}
    stranger = await sales.user(user.tenant_id, grants={"opportunities.read": Scope.OWN})
    assert await told(stranger) == {}


@pytest.mark.usefixtures("few")
async def test_more_deals_than_one_step_gives_follow_all_the_same(
    sales: Running, user: User, owners: list[User], account_id: str, deals: Deals
) -> None:
    """Also to who has the account by the time they are given."""
    count = 5 * FEW
    await deals(count)
    apply = sales.service.consumers.apply
    await apply(owner_changed(account_id, user, 10, owners[0], owners[1]))
    await apply(owner_changed(account_id, user, 11, owners[1], owners[2]))
    await has_all(sales, owners[2], count)

    async def none_is_unfinished() -> bool:
        query = select(func.count()).where(account_handovers.c.end_time.is_(None))
        (row,) = await sales.service.database.all(user.tenant_id, compile_statement(query), {})
        return bool(row[0] == 0)

    await eventually(none_is_unfinished)


async def test_many_deals_follow_their_account_and_hold_up_nobody(
    sales: Running,
    user: User,
    owners: list[User],
    account_id: str,
    deals: Deals,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await deals(450)
    with watched(monkeypatch) as steps:
        await sales.service.consumers.apply(owner_changed(account_id, user, 10, owners[0], owners[1]))
        await has_all(sales, owners[1], 450)
    assert steps.too_long == []
    # Of the account its new owner is told, and not of each of its deals.
    assert await raised(sales, user.tenant_id) == []


async def update_stages(
    api: Sales, user: User, percent: int, pipeline: pipelines_pb2.Pipeline | None = None
) -> pipelines_pb2.Pipeline:
    if pipeline is None:
        page = await api.pipelines.ListPipelines(pipelines_pb2.ListPipelinesRequest(), metadata=user.metadata)
        (pipeline,) = page.pipelines
    pipeline.stages[0].probability_percent = percent
    changed = pipelines_pb2.Pipeline(id=pipeline.id, stages=pipeline.stages)
    request = pipelines_pb2.UpdatePipelineRequest(pipeline=changed, update_mask=FieldMask(paths=["stages"]))
    return await api.pipelines.UpdatePipeline(request, metadata=user.metadata)


async def have_followed(sales: Running, user: User, percent: int, count: int) -> None:
    async def all_have_it() -> bool:
        return await owners_of(sales, user, opportunities.c.probability_percent) == {percent: count}

    await eventually(all_have_it)

    async def nothing_is_left() -> bool:
        query = select(func.count()).select_from(changed_pipelines)
        (row,) = await sales.service.database.all(user.tenant_id, compile_statement(query), {})
        return bool(row[0] == 0)

    await eventually(nothing_is_left)


@pytest.mark.usefixtures("few")
async def test_all_deals_of_a_pipeline_follow_it_step_by_step_and_by_its_newest_stages(
    api: Sales, sales: Running, user: User, deals: Deals
) -> None:
    ids = await deals(5 * FEW)
    pipeline = await update_stages(api, user, 41)
    await update_stages(api, user, 42, pipeline)
    await have_followed(sales, user, 42, 5 * FEW)
    *_, event = await emitted(sales, user.tenant_id, ids[-1])
    assert isinstance(event, sales_events.OpportunityUpdated)
    assert list(event.changed_fields) == ["probability_percent"]


async def test_many_deals_follow_their_pipeline_and_hold_up_nobody(
    api: Sales, sales: Running, user: User, deals: Deals, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deals(450)
    with watched(monkeypatch) as steps:
        await update_stages(api, user, 43)
        await have_followed(sales, user, 43, 450)
    assert steps.too_long == []


async def test_pipelines_that_cannot_be_followed_hold_up_no_other(
    api: Sales, sales: Running, user: User, deals: Deals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_sales.opportunities.following.MAX_FOUND", 2)
    monkeypatch.setattr("crm_sales.opportunities.following.A_TENANTS_SHARE", 2)
    await deals(FEW)
    lost = [new_id() for _ in range(5)]
    async with sales.unit_of_work(user.tenant_id) as work:
        for id in lost:
            work.insert(changed_pipelines, {"pipeline_id": id, "version": 1, "actor_id": user.id})
    await update_stages(api, user, 44)

    async def all_have_it() -> bool:
        return await owners_of(sales, user, opportunities.c.probability_percent) == {44: FEW}

    await eventually(all_have_it)
    # They are not forgotten either.
    query = select(changed_pipelines.c.pipeline_id).where(changed_pipelines.c.pipeline_id.in_(lost))
    assert len(await sales.service.database.all(user.tenant_id, compile_statement(query), {})) == len(lost)

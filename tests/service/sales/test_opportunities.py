"""Opportunities through their contract."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm.sales.v1 import events_pb2, pipelines_pb2
from crm.sales.v1 import opportunities_pb2 as pb
from crm_kit.identity.access import Scope
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.history import changes_of
from tests.service.nameless import nameless
from tests.service.running import Running, User, refused
from tests.service.sales.selling import Sales, also_in, cny, emitted, known_account, names_of

Create = Callable[..., Awaitable[pb.Opportunity]]
Pipeline = pipelines_pb2.Pipeline


@pytest.fixture
async def account_id(sales: Running, user: User) -> str:
    return await known_account(sales, user.tenant_id, user)


@pytest.fixture
def create(api: Sales, user: User, account_id: str) -> Create:
    async def create_opportunity(*, by: User = user, key: str = "", **fields: Any) -> pb.Opportunity:
        values: dict[str, Any] = {"account_id": account_id, "display_name": "Boiler", "amount": cny("1000.00")}
        request = pb.CreateOpportunityRequest(opportunity=pb.Opportunity(**values | fields))
        metadata = by.with_key(key) if key else by.metadata
        return await api.opportunities.CreateOpportunity(request, metadata=metadata)

    return create_opportunity


@pytest.fixture
async def pipeline(api: Sales, user: User) -> Pipeline:
    """Stages a, b and c; a wants its budget known and the demo given."""
    stages = [
        pipelines_pb2.Stage(display_name="a", probability_percent=10, required_fields=["budget"], checklist=["demo"]),
        pipelines_pb2.Stage(display_name="b", probability_percent=50),
        pipelines_pb2.Stage(display_name="c", probability_percent=90),
    ]
    request = pipelines_pb2.CreatePipelineRequest(pipeline=Pipeline(display_name="p", stages=stages))
    return await api.pipelines.CreatePipeline(request, metadata=user.metadata)


def move(opportunity: pb.Opportunity, stage: pipelines_pb2.Stage, **more: str) -> pb.MoveOpportunityRequest:
    return pb.MoveOpportunityRequest(id=opportunity.id, stage_id=stage.id, **more)


async def test_an_opportunity_begins_in_the_first_stage_of_the_default_pipeline(
    api: Sales, user: User, create: Create, sales: Running, account_id: str
) -> None:
    opportunity = await create(expected_close_date="2027-01-31", fields={"budget": "yes"})
    assert UUID(opportunity.id).version == 7
    assert (opportunity.state, opportunity.probability_percent) == (pb.Opportunity.STATE_OPEN, 10)
    assert (opportunity.account_id, opportunity.owner_id) == (account_id, str(user.id))
    request = pb.GetOpportunityRequest(id=opportunity.id)
    assert await api.opportunities.GetOpportunity(request, metadata=user.metadata) == opportunity
    page = await api.opportunities.ListOpportunities(
        pb.ListOpportunitiesRequest(filter="amount.amount >= 1000 AND state = OPEN"), metadata=user.metadata
    )
    assert list(page.opportunities) == [opportunity]
    (event,) = await emitted(sales, user.tenant_id, opportunity.id)
    assert isinstance(event, events_pb2.OpportunityCreated)
    assert event.opportunity == nameless(opportunity)


async def test_what_does_not_fit_is_refused(create: Create, pipeline: Pipeline, sales: Running, user: User) -> None:
    for fields, named in (
        ({"amount": cny("-1")}, "opportunity.amount"),
        ({"amount": cny("1.001")}, "opportunity.amount.amount"),
        ({"expected_close_date": "2027-02-30"}, "opportunity.expected_close_date"),
        ({"team": [pb.TeamShare(user_id=str(user.id), percent="99")]}, "opportunity.team"),
    ):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await create(**fields)
        assert refusal.fields == [named]
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
        await create(team=[pb.TeamShare(user_id=str((await sales.user()).id), percent="100")])
    assert refusal.fields == ["opportunity.team[0].user_id"]
    with refused("FAILED_PRECONDITION", "STAGE_NOT_IN_PIPELINE"):
        await create(stage_id=pipeline.stages[0].id)
    with refused("NOT_FOUND", "PIPELINE_NOT_FOUND"):
        await create(pipeline_id="0197c0de-0000-7000-8000-000000000000")


@pytest.mark.parametrize("day", ["0226-03-31", "1969-12-31", "2206-03-31", "9999-12-31"])
async def test_no_deal_closes_in_a_year_that_was_mistyped(api: Sales, user: User, create: Create, day: str) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await create(expected_close_date=day)
    assert refusal.fields == ["opportunity.expected_close_date"]
    # One that is late, or was imported with the day that it had, is none of them.
    opportunity = await create(expected_close_date="2019-12-31")
    changed = pb.Opportunity(id=opportunity.id, expected_close_date=day)
    request = pb.UpdateOpportunityRequest(opportunity=changed, update_mask=FieldMask(paths=["expected_close_date"]))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await api.opportunities.UpdateOpportunity(request, metadata=user.metadata)
    assert refusal.fields == ["opportunity.expected_close_date"]
    changed.expected_close_date = "2048-02-29"
    request = pb.UpdateOpportunityRequest(opportunity=changed, update_mask=FieldMask(paths=["expected_close_date"]))
    updated = await api.opportunities.UpdateOpportunity(request, metadata=user.metadata)
    assert updated.expected_close_date == "2048-02-29"


async def test_moves_go_forward_when_the_exit_criteria_hold(
    api: Sales, user: User, create: Create, pipeline: Pipeline, sales: Running
) -> None:
    _, b, c = pipeline.stages
    opportunity = await create(pipeline_id=pipeline.id)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE") as refusal:
        await api.opportunities.MoveOpportunity(move(opportunity, b), metadata=user.metadata)
    assert "budget, demo" in refusal.detail
    ready = pb.Opportunity(id=opportunity.id, fields={"budget": "1 M"}, checked=["demo"], etag=opportunity.etag)
    update = pb.UpdateOpportunityRequest(opportunity=ready, update_mask=FieldMask(paths=["fields", "checked"]))
    updated = await api.opportunities.UpdateOpportunity(update, metadata=user.metadata)
    with refused("ABORTED", "ETAG_MISMATCH"):
        await api.opportunities.UpdateOpportunity(update, metadata=user.metadata)
    with refused("ABORTED", "ETAG_MISMATCH"):
        await api.opportunities.MoveOpportunity(move(opportunity, c, etag=opportunity.etag), metadata=user.metadata)
    moved = await api.opportunities.MoveOpportunity(move(opportunity, c, etag=updated.etag), metadata=user.metadata)
    assert (moved.stage_id, moved.probability_percent) == (c.id, 90)
    *_, event = await emitted(sales, user.tenant_id, opportunity.id)
    assert isinstance(event, events_pb2.OpportunityMoved)
    assert (event.opportunity, event.stage_change.to_stage_id) == (nameless(moved), c.id)


async def test_a_criterion_is_overridden_with_a_reason_only_by_who_may(
    api: Sales, user: User, create: Create, pipeline: Pipeline, sales: Running
) -> None:
    b = pipeline.stages[1]
    seller_grants = {"opportunities.write": Scope.ALL, "opportunities.read": Scope.ALL}
    seller = await sales.user(user.tenant_id, grants=seller_grants)
    opportunity = await create(pipeline_id=pipeline.id)
    request = move(opportunity, b, override_reason="the customer insists")
    of_own_deals = seller_grants | {"opportunities.override": Scope.OWN}
    for grants in (seller_grants, of_own_deals):
        caller = await sales.user(user.tenant_id, grants=grants)
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await api.opportunities.MoveOpportunity(request, metadata=caller.metadata)
    await api.opportunities.MoveOpportunity(request, metadata=user.metadata)
    page = await api.opportunities.ListStageChanges(
        pb.ListStageChangesRequest(id=opportunity.id), metadata=seller.metadata
    )
    assert [change.reason for change in page.stage_changes] == ["the customer insists"]


async def test_an_opportunity_begins_in_a_later_stage_only_when_the_stages_before_would_let_it_go(
    create: Create, pipeline: Pipeline
) -> None:
    _, second, third = pipeline.stages
    for stage in (second, third):
        for fields in ({}, {"fields": {"budget": "1"}}, {"checked": ["demo"]}):
            with refused("FAILED_PRECONDITION", "ILLEGAL_STATE") as refusal:
                await create(pipeline_id=pipeline.id, stage_id=stage.id, **fields)
            assert "missing" in refusal.detail
    begun = await create(pipeline_id=pipeline.id, stage_id=third.id, fields={"budget": "1"}, checked=["demo"])
    assert (begun.stage_id, begun.probability_percent) == (third.id, 90)


async def test_winning_passes_by_no_stage_but_with_a_reason_of_who_may(
    api: Sales, user: User, pipeline: Pipeline, sales: Running, create: Create
) -> None:
    last = pipelines_pb2.Stage(display_name="d", probability_percent=95, checklist=["contract signed"])
    wanted = Pipeline(display_name="q", stages=[pipelines_pb2.Stage(display_name="a"), last])
    made = await api.pipelines.CreatePipeline(
        pipelines_pb2.CreatePipelineRequest(pipeline=wanted), metadata=user.metadata
    )
    deal = await create(pipeline_id=made.id)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE") as refusal:
        await api.opportunities.WinOpportunity(pb.WinOpportunityRequest(id=deal.id, reason="x"), metadata=user.metadata)
    assert "contract signed" in refusal.detail
    override = pb.WinOpportunityRequest(id=deal.id, reason="best offer", override_reason="the paper is in the mail")
    grants = {"opportunities.write": Scope.ALL, "opportunities.read": Scope.ALL}
    seller = await sales.user(user.tenant_id, grants=grants)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await api.opportunities.WinOpportunity(override, metadata=seller.metadata)
    won = await api.opportunities.WinOpportunity(override, metadata=user.metadata)
    assert (won.state, won.close_reason) == (pb.Opportunity.STATE_WON, "best offer")
    changes = await api.opportunities.ListStageChanges(pb.ListStageChangesRequest(id=deal.id), metadata=user.metadata)
    assert changes.stage_changes[0].reason == "best offer (the paper is in the mail)"
    whole = await create(pipeline_id=made.id, checked=["contract signed"])
    for deal_id, by, reason in (
        ((await create(pipeline_id=made.id)).id, seller, "ILLEGAL_STATE"),
        ((await create(pipeline_id=made.id)).id, user, ""),
        (whole.id, seller, ""),
    ):
        told = await ResourceServiceStub(sales.channel).GetRecordActions(
            resources_pb2.GetRecordActionsRequest(collection="opportunities", id=deal_id), metadata=by.metadata
        )
        assert [each.reason for each in told.actions if each.verb == "win"] == [reason]
    request = pb.WinOpportunityRequest(id=whole.id, reason="x")
    assert (await api.opportunities.WinOpportunity(request, metadata=seller.metadata)).state == pb.Opportunity.STATE_WON


async def test_winning_losing_and_reopening_keep_the_whole_history(
    api: Sales, user: User, create: Create, sales: Running
) -> None:
    opportunity = await create(amount=cny("5000"))
    id, who = opportunity.id, user.metadata
    lost = await api.opportunities.LoseOpportunity(pb.LoseOpportunityRequest(id=id, reason="price"), metadata=who)
    assert (lost.state, lost.close_reason, lost.probability_percent) == (pb.Opportunity.STATE_LOST, "price", 0)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await api.opportunities.WinOpportunity(pb.WinOpportunityRequest(id=id, reason="x"), metadata=who)
    reopened = await api.opportunities.ReopenOpportunity(
        pb.ReopenOpportunityRequest(id=id, reason="they came back", etag=lost.etag), metadata=who
    )
    assert (reopened.state, reopened.close_reason) == (pb.Opportunity.STATE_OPEN, "")
    won = await api.opportunities.WinOpportunity(pb.WinOpportunityRequest(id=id, reason="service"), metadata=who)
    assert (won.state, won.probability_percent) == (pb.Opportunity.STATE_WON, 100)
    page = await api.opportunities.ListStageChanges(pb.ListStageChangesRequest(id=id, page_size=2), metadata=who)
    assert [(each.number, each.reason) for each in page.stage_changes] == [(3, "service"), (2, "they came back")]
    rest = pb.ListStageChangesRequest(id=id, page_token=page.next_page_token)
    last = (await api.opportunities.ListStageChanges(rest, metadata=who)).stage_changes
    assert [(each.number, each.reason, each.amount.amount) for each in last] == [(1, "price", "5000.00")]
    events = names_of(await emitted(sales, user.tenant_id, id))
    assert events == ["OpportunityCreated", "OpportunityLost", "OpportunityReopened", "OpportunityWon"]
    changes = await changes_of(sales, "opportunities", id, who)
    assert [each.action for each in changes.changes] == ["WON", "REOPENED", "LOST", "CREATED"]


async def test_every_rpc_hides_an_opportunity_of_another_tenant(api: Sales, create: Create, sales: Running) -> None:
    id, who = (await create()).id, (await sales.user()).metadata
    stage_id = "0197c0de-0000-7000-8000-000000000000"
    named = pb.Opportunity(id=id, display_name="x")
    for each in (
        api.opportunities.GetOpportunity(pb.GetOpportunityRequest(id=id), metadata=who),
        api.opportunities.UpdateOpportunity(pb.UpdateOpportunityRequest(opportunity=named), metadata=who),
        api.opportunities.MoveOpportunity(pb.MoveOpportunityRequest(id=id, stage_id=stage_id), metadata=who),
        api.opportunities.WinOpportunity(pb.WinOpportunityRequest(id=id, reason="x"), metadata=who),
        api.opportunities.LoseOpportunity(pb.LoseOpportunityRequest(id=id, reason="x"), metadata=who),
        api.opportunities.ReopenOpportunity(pb.ReopenOpportunityRequest(id=id, reason="x"), metadata=who),
        api.opportunities.ListStageChanges(pb.ListStageChangesRequest(id=id), metadata=who),
        changes_of(sales, "opportunities", id, who),
    ):
        with refused("NOT_FOUND", "OPPORTUNITY_NOT_FOUND"):
            await each


async def test_a_repeated_request_with_the_same_key_creates_one_opportunity(create: Create) -> None:
    assert await create(key="k") == await create(key="k")


async def test_an_account_of_somebody_else_or_none_is_refused(
    create: Create, customer: Running, sales: Running, user: User
) -> None:
    await also_in(customer, user)
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
        await create(account_id="0197c0de-0000-7000-8000-000000000000")
    assert refusal.fields == ["opportunity.account_id"]


async def test_a_repetition_is_one_in_whatever_order_it_has_the_keys_of_a_map(
    api: Sales, sales: Running, user: User
) -> None:
    account_id = await known_account(sales, user.tenant_id)
    parts = [
        pb.CreateOpportunityRequest(opportunity=pb.Opportunity(fields={key: "x"})).SerializeToString() for key in "ab"
    ]
    plain = pb.CreateOpportunityRequest(opportunity=pb.Opportunity(account_id=account_id, display_name="Boiler"))
    call: Any = sales.channel.unary_unary(
        "/crm.sales.v1.OpportunityService/CreateOpportunity", response_deserializer=pb.Opportunity.FromString
    )
    # Parts of a message that follow one another are one message.
    first = await call(plain.SerializeToString() + parts[0] + parts[1], metadata=user.with_key("k"))
    assert first.fields == {"a": "x", "b": "x"}
    assert await call(plain.SerializeToString() + parts[1] + parts[0], metadata=user.with_key("k")) == first


async def test_an_opportunity_stays_with_its_owner_and_team_whoever_of_them_is_gone(
    api: Sales, create: Create, sales: Running, user: User
) -> None:
    north, south = await sales.team(user.tenant_id), await sales.team(user.tenant_id)
    moved = await sales.user(user.tenant_id, team_id=north)
    gone, late = await sales.user(user.tenant_id), await sales.user(user.tenant_id)
    team = [pb.TeamShare(user_id=str(each.id), percent="50") for each in (user, gone)]
    kept = [await create(owner_id=str(owner.id), team=team) for owner in (moved, gone)]
    await sales.change_user(moved, team_id=south)
    for each in (gone, late):
        await sales.change_user(each, active=False)

    async def update(opportunity: pb.Opportunity) -> pb.Opportunity:
        request = pb.UpdateOpportunityRequest(opportunity=opportunity)
        return await api.opportunities.UpdateOpportunity(request, metadata=user.metadata)

    for opportunity in kept:
        assert await update(opportunity) == opportunity
    # The shares change, among those who have them.
    shares = [pb.TeamShare(user_id=str(user.id), percent="60"), pb.TeamShare(user_id=str(gone.id), percent="40")]
    changed = await update(pb.Opportunity(id=kept[0].id, team=shares))
    assert [each.percent for each in changed.team] == ["60", "40"]
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
        shares[0].user_id = str(late.id)
        await update(pb.Opportunity(id=kept[0].id, team=shares))
    assert refusal.fields == ["opportunity.team[0].user_id"]

"""Pipelines through their contract."""

from uuid import UUID

import pytest
from crm.sales.v1 import events_pb2, leads_pb2, opportunities_pb2
from crm.sales.v1 import pipelines_pb2 as pb
from crm_kit.errors import Conflict
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_sales.opportunities import commands, following
from crm_sales.opportunities.model import NOTHING
from crm_sales.pipelines.resource import PIPELINES
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.eventually import eventually
from tests.service.running import Running, User, refused
from tests.service.sales.selling import Sales, emitted, known_account, names_of
from tests.service.web import bearer, gateway


def staged(*names: str) -> list[pb.Stage]:
    return [pb.Stage(display_name=name, probability_percent=10 * index) for index, name in enumerate(names)]


@pytest.fixture
async def pipeline(api: Sales, user: User) -> pb.Pipeline:
    request = pb.CreatePipelineRequest(pipeline=pb.Pipeline(display_name="Export", stages=staged("a", "b", "c")))
    return await api.pipelines.CreatePipeline(request, metadata=user.metadata)


def with_stages(pipeline: pb.Pipeline, stages: list[pb.Stage], etag: str = "") -> pb.UpdatePipelineRequest:
    changed = pb.Pipeline(id=pipeline.id, stages=stages, etag=etag)
    return pb.UpdatePipelineRequest(pipeline=changed, update_mask=FieldMask(paths=["stages"]))


async def test_every_tenant_has_a_default_pipeline_from_the_start(api: Sales, user: User, sales: Running) -> None:
    page = await api.pipelines.ListPipelines(pb.ListPipelinesRequest(), metadata=user.metadata)
    assert [(each.is_default, len(each.stages)) for each in page.pipelines] == [(True, 4)]
    again = await api.pipelines.GetPipeline(pb.GetPipelineRequest(id=page.pipelines[0].id), metadata=user.metadata)
    assert again == page.pipelines[0]
    await sales.know_tenant(user.tenant_id, version=2)
    assert await api.pipelines.ListPipelines(pb.ListPipelinesRequest(), metadata=user.metadata) == page
    assert names_of(await emitted(sales, user.tenant_id, again.id)) == ["PipelineCreated"]


async def test_a_created_pipeline_keeps_the_order_of_its_stages(api: Sales, user: User, pipeline: pb.Pipeline) -> None:
    assert [stage.display_name for stage in pipeline.stages] == ["a", "b", "c"]
    request = pb.GetPipelineRequest(id=pipeline.id)
    assert await api.pipelines.GetPipeline(request, metadata=user.metadata) == pipeline


async def test_stages_are_moved_renamed_added_and_removed(
    api: Sales, user: User, pipeline: pb.Pipeline, sales: Running
) -> None:
    a, _, c = pipeline.stages
    a.display_name = "A"
    request = with_stages(pipeline, [c, a, pb.Stage(display_name="d")], pipeline.etag)
    updated = await api.pipelines.UpdatePipeline(request, metadata=user.metadata)
    assert [stage.display_name for stage in updated.stages] == ["c", "A", "d"]
    assert [stage.id for stage in updated.stages[:2]] == [c.id, a.id]
    *_, event = await emitted(sales, user.tenant_id, pipeline.id)
    assert isinstance(event, events_pb2.PipelineUpdated)
    assert (event.pipeline, list(event.changed_fields)) == (updated, ["stages"])
    with refused("ABORTED", "ETAG_MISMATCH"):
        await api.pipelines.UpdatePipeline(request, metadata=user.metadata)


async def test_a_stage_with_an_opportunity_in_it_stays(
    api: Sales, user: User, pipeline: pb.Pipeline, sales: Running
) -> None:
    opportunity = opportunities_pb2.Opportunity(
        account_id=await known_account(sales, user.tenant_id), display_name="Boiler", pipeline_id=pipeline.id
    )
    await api.opportunities.CreateOpportunity(
        opportunities_pb2.CreateOpportunityRequest(opportunity=opportunity), metadata=user.metadata
    )
    with refused("FAILED_PRECONDITION", "STAGE_IN_USE") as refusal:
        await api.pipelines.UpdatePipeline(with_stages(pipeline, list(pipeline.stages[1:])), metadata=user.metadata)
    assert "'a'" in refusal.detail
    await api.pipelines.UpdatePipeline(with_stages(pipeline, list(pipeline.stages[:1])), metadata=user.metadata)


async def test_stages_of_other_pipelines_doubled_names_and_none_at_all_are_refused(
    api: Sales, user: User, pipeline: pb.Pipeline
) -> None:
    page = await api.pipelines.ListPipelines(pb.ListPipelinesRequest(), metadata=user.metadata)
    foreign = next(each for each in page.pipelines if each.id != pipeline.id).stages[0]
    with refused("FAILED_PRECONDITION", "STAGE_NOT_IN_PIPELINE"):
        await api.pipelines.UpdatePipeline(with_stages(pipeline, [foreign]), metadata=user.metadata)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await api.pipelines.UpdatePipeline(with_stages(pipeline, staged("x", "x")), metadata=user.metadata)
    assert refusal.fields == ["pipeline.stages[1]"]
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await api.pipelines.UpdatePipeline(with_stages(pipeline, []), metadata=user.metadata)


# --- the probability of opportunities


def created_in(pipeline: pb.Pipeline, account_id: str, stage: int = 0) -> opportunities_pb2.CreateOpportunityRequest:
    opportunity = opportunities_pb2.Opportunity(
        account_id=account_id, display_name="Boiler", pipeline_id=pipeline.id, stage_id=pipeline.stages[stage].id
    )
    return opportunities_pb2.CreateOpportunityRequest(opportunity=opportunity)


async def test_open_opportunities_follow_the_probability_of_their_stage(
    api: Sales, user: User, pipeline: pb.Pipeline, sales: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "BATCH", 2)
    account_id, who = await known_account(sales, user.tenant_id), user.metadata
    in_a = [await api.opportunities.CreateOpportunity(created_in(pipeline, account_id), metadata=who) for _ in "12345"]
    in_b = await api.opportunities.CreateOpportunity(created_in(pipeline, account_id, stage=1), metadata=who)
    lost = await api.opportunities.LoseOpportunity(
        opportunities_pb2.LoseOpportunityRequest(id=in_a.pop().id, reason="price"), metadata=who
    )
    pipeline.stages[0].probability_percent = 33
    await api.pipelines.UpdatePipeline(with_stages(pipeline, list(pipeline.stages)), metadata=who)

    async def followed() -> list[opportunities_pb2.Opportunity]:
        request = opportunities_pb2.ListOpportunitiesRequest(filter="probability_percent = 33", order_by="create_time")
        found = (await api.opportunities.ListOpportunities(request, metadata=who)).opportunities
        return list(found) if len(found) == len(in_a) else []

    assert [each.id for each in await eventually(followed)] == [each.id for each in in_a]
    *_, event = await emitted(sales, user.tenant_id, in_a[0].id)
    assert isinstance(event, events_pb2.OpportunityUpdated)
    assert list(event.changed_fields) == ["probability_percent"]
    assert event.opportunity.etag != in_a[0].etag
    for other in (in_b, lost):
        request = opportunities_pb2.GetOpportunityRequest(id=other.id)
        assert await api.opportunities.GetOpportunity(request, metadata=who) == other


async def test_an_opportunity_is_not_created_with_the_probability_of_a_pipeline_that_has_changed_meanwhile(
    api: Sales, user: User, pipeline: pb.Pipeline, sales: Running
) -> None:
    with pytest.raises(Conflict, match="pipeline was changed"):
        async with sales.unit_of_work(user.tenant_id) as work:
            read = await PIPELINES.get(work, UUID(pipeline.id))
            await api.pipelines.UpdatePipeline(with_stages(pipeline, staged("x")), metadata=user.metadata)
            commands.open_opportunity(
                work, read, account_id=new_id(), display_name="Boiler", owner_id=user.id, amount=NOTHING
            )


# --- who may


async def test_others_see_no_pipeline_of_this_tenant_and_readers_change_none(
    api: Sales, sales: Running, pipeline: pb.Pipeline, user: User
) -> None:
    stranger = await sales.user()
    with refused("NOT_FOUND", "PIPELINE_NOT_FOUND"):
        await api.pipelines.GetPipeline(pb.GetPipelineRequest(id=pipeline.id), metadata=stranger.metadata)
    with refused("NOT_FOUND", "PIPELINE_NOT_FOUND"):
        await api.pipelines.UpdatePipeline(with_stages(pipeline, staged("x")), metadata=stranger.metadata)
    reader = await sales.user(user.tenant_id, grants={"pipelines.read": Scope.ALL})
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await api.pipelines.UpdatePipeline(with_stages(pipeline, staged("x")), metadata=reader.metadata)


# --- what people read


@pytest.mark.parametrize(("language", "said"), [("en", "'a'"), ("zh", "阶段“a”")])
async def test_the_stage_that_is_in_use_is_named_in_every_language(
    api: Sales, user: User, pipeline: pb.Pipeline, sales: Running, language: str, said: str
) -> None:
    opportunity = opportunities_pb2.Opportunity(
        account_id=await known_account(sales, user.tenant_id), display_name="Boiler", pipeline_id=pipeline.id
    )
    await api.opportunities.CreateOpportunity(
        opportunities_pb2.CreateOpportunityRequest(opportunity=opportunity), metadata=user.metadata
    )
    kept = [{"id": stage.id, "display_name": stage.display_name} for stage in pipeline.stages[1:]]
    headers = bearer(user) | {"accept-language": language}
    async with gateway(sales) as client:
        answer = await client.patch(f"/v1/pipelines/{pipeline.id}", json={"stages": kept}, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (409, "STAGE_IN_USE")
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("wrong", [1, 4, 60])
async def test_no_error_shows_a_regular_expression_however_many_fields_are_wrong(
    user: User, sales: Running, language: str, wrong: int
) -> None:
    line = {"product": "x", "quantity": "a lot", "unit_price": {"amount": "1e3", "currency_code": "yuan"}}
    order = {"account_id": str(user.id), "currency_code": "yuan", "lines": [line] * wrong}
    headers = bearer(user) | {"accept-language": language}
    async with gateway(sales) as client:
        answer = await client.post("/v1/orders", json=order, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (422, "INVALID_ARGUMENT")
    for sign in ("regex", "[0-9]", "[A-Z]", "{1,", "\\S", "^", "$"):
        assert sign not in answer.text


async def test_no_error_of_a_call_shows_a_regular_expression_either(api: Sales, user: User) -> None:
    lead = leads_pb2.Lead(display_name="x", company_name=" ", phone_number="none")
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await api.leads.CreateLead(leads_pb2.CreateLeadRequest(lead=lead), metadata=user.metadata)
    assert refusal.fields == ["lead.company_name", "lead.phone_number"]
    assert refusal.detail.count("does not have the form it must have") == 2

"""Rules that release orders and move deals: what holds for people holds for rules."""

import pytest
from crm.sales.v1 import opportunities_pb2, pipelines_pb2
from crm.sales.v1 import orders_pb2 as pb
from crm_sales.orders.servicer import OrderServicer

from tests.service.approving import Desk, allows, asks, step, up_to
from tests.service.automating import FAILED, SUCCEEDED, Rules, action, on, settled
from tests.service.running import Running, User
from tests.service.sales.ordering import Draft, placed, read, refuse
from tests.service.sales.selling import Sales, cny


@pytest.fixture
def rules(sales: Running) -> Rules:
    return Rules(sales.channel, "orders")


async def test_what_has_to_be_approved_first_is_not_done_by_a_rule(
    sales: Running, api: Sales, user: User, rules: Rules, draft: Draft, servicer: OrderServicer
) -> None:
    boss = await sales.user(user.tenant_id)
    await Desk(sales.channel, "orders", "release").policy(user, allows(up_to=up_to(500)), asks(step(boss)))
    release = action("release", reason="共 {{record.gross_amount}}")
    rule = await rules.active(user, release, trigger=on("PLACED"), filter="state = ON_HOLD")
    small = await placed(api, servicer, user, await draft("10.00"), refuse)
    large = await placed(api, servicer, user, await draft("1000.00"), refuse)
    await settled(sales, user.tenant_id)
    runs = {each.record_id: each for each in await rules.runs_of(user, rule)}
    assert runs[small.id].state == SUCCEEDED
    assert (runs[large.id].state, runs[large.id].reason) == (FAILED, "APPROVAL_REQUIRED")
    released = await read(api, user, small)
    assert (released.state, released.release.reason) == (
        pb.Order.STATE_RELEASED,
        f"共 {small.gross_amount.amount} CNY",
    )
    assert (await read(api, user, large)).etag == large.etag


async def test_a_deal_that_grows_moves_to_another_stage(
    sales: Running, api: Sales, user: User, account_id: str
) -> None:
    rules = Rules(sales.channel, "opportunities")
    (pipeline,) = (
        await api.pipelines.ListPipelines(pipelines_pb2.ListPipelinesRequest(), metadata=user.metadata)
    ).pipelines
    second = pipeline.stages[1]
    rule = await rules.active(
        user,
        action("move", stage_id=second.id, override_reason="大额商机"),
        trigger=on("UPDATED", changed=("amount",)),
        filter="amount >= 100000",
        filter_before="amount < 100000",
    )
    deal = opportunities_pb2.Opportunity(display_name="变压器", account_id=account_id, amount=cny("10"))
    made = await api.opportunities.CreateOpportunity(
        opportunities_pb2.CreateOpportunityRequest(opportunity=deal), metadata=user.metadata
    )
    for amount in ("20", "100000", "200000"):
        changed = opportunities_pb2.Opportunity(id=made.id, amount=cny(amount))
        await api.opportunities.UpdateOpportunity(
            opportunities_pb2.UpdateOpportunityRequest(opportunity=changed), metadata=user.metadata
        )
    await settled(sales, user.tenant_id)
    (run,) = await rules.runs_of(user, rule)
    assert (run.state, run.record_etag) == (SUCCEEDED, "v3"), run
    now = await api.opportunities.GetOpportunity(
        opportunities_pb2.GetOpportunityRequest(id=made.id), metadata=user.metadata
    )
    assert now.stage_id == second.id

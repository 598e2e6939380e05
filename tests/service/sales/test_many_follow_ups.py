"""Leads that were followed up as often as they can be."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm.sales.v1 import events_pb2
from crm.sales.v1 import leads_pb2 as pb
from crm_kit.ids import new_id
from crm_sales.leads.model import MAX_FOLLOW_UPS
from crm_sales.leads.tables import lead_follow_ups

from tests.service.running import Running, User, refused
from tests.service.sales.converting import Qualified
from tests.service.sales.selling import Sales, cny, emitted
from tests.steps import watched

Followed = Callable[[int], Awaitable[pb.Lead]]


@pytest.fixture
def followed(sales: Running, seller: User, qualified: Qualified) -> Followed:
    """A qualified lead with so many follow-ups."""

    async def followed_lead(count: int) -> pb.Lead:
        lead = await qualified()
        async with sales.unit_of_work(seller.tenant_id) as work:
            row = {"lead_id": UUID(lead.id), "kind": "CALL", "user_id": seller.id, "note": "called " * 250}
            row |= {"happen_time": work.now, "record_time": work.now}
            for _ in range(count - 1):
                work.insert(lead_follow_ups, row | {"id": new_id()})
            await work.flush_many()
        return lead

    return followed_lead


def another(lead: pb.Lead) -> pb.RecordFollowUpRequest:
    return pb.RecordFollowUpRequest(id=lead.id, follow_up=pb.FollowUp(kind=pb.FollowUp.KIND_CALL))


async def test_a_lead_has_an_end_of_follow_ups_and_says_so(
    api: Sales, sales: Running, seller: User, followed: Followed
) -> None:
    lead = await followed(MAX_FOLLOW_UPS - 1)
    await api.leads.RecordFollowUp(another(lead), metadata=seller.metadata)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE") as refusal:
        await api.leads.RecordFollowUp(another(lead), metadata=seller.metadata)
    assert f"{MAX_FOLLOW_UPS} follow-ups" in refusal.detail
    request = resources_pb2.GetRecordActionsRequest(collection="leads", id=lead.id)
    answer = await ResourceServiceStub(sales.channel).GetRecordActions(request, metadata=seller.metadata)
    assert {each.rpc: each.reason for each in answer.actions}["RecordFollowUp"] == "ILLEGAL_STATE"


async def test_no_call_on_a_lead_holds_up_others_however_often_it_was_followed_up(
    api: Sales, sales: Running, seller: User, followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = await followed(MAX_FOLLOW_UPS - 1)
    with watched(monkeypatch) as steps:
        await api.leads.RecordFollowUp(another(lead), metadata=seller.metadata)
        await api.leads.ExplainProtection(pb.ExplainProtectionRequest(id=lead.id), metadata=seller.metadata)
        request = pb.ConvertLeadRequest(id=lead.id, amount=cny("1.00"))
        converted = await api.leads.ConvertLead(request, metadata=seller.metadata)
    assert steps.too_long == []
    assert converted.state == pb.Lead.STATE_CONVERTED
    told = await emitted(sales, seller.tenant_id, lead.id)
    assert sum(isinstance(each, events_pb2.LeadConverted) for each in told) == 1

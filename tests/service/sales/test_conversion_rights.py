"""Who converts a lead, and for whom: nobody gets an opportunity by it that they could not be given."""

from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import pytest
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm.sales.v1 import leads_pb2 as pb
from crm_kit.identity.access import Scope

from tests.service.customer.customers import new_account, new_contact
from tests.service.running import Running, User, refused
from tests.service.sales.conftest import CreateLead
from tests.service.sales.converting import accounts_of
from tests.service.sales.selling import Sales, also_in

NEEDED = ("accounts.read", "accounts.write", "contacts.read", "contacts.write", "opportunities.write")
EVERYTHING = dict.fromkeys((*NEEDED, "leads.read", "leads.write", "opportunities.read"), Scope.ALL)
Somebody = Callable[..., Awaitable[User]]


@pytest.fixture
def somebody(sales: Running, customer: Running, user: User) -> Somebody:
    """A user of the tenant, known to both services."""

    async def make(grants: Mapping[str, Scope] = EVERYTHING, team_id: UUID | None = None) -> User:
        made = await sales.user(user.tenant_id, grants=grants, team_id=team_id)
        await also_in(customer, made, grants)
        return made

    return make


async def qualified_of(api: Sales, create: CreateLead, owner: User) -> pb.Lead:
    lead = await create(by=owner)
    call = pb.RecordFollowUpRequest(id=lead.id, follow_up=pb.FollowUp(kind=pb.FollowUp.KIND_CALL))
    await api.leads.RecordFollowUp(call, metadata=owner.metadata)
    return await api.leads.QualifyLead(pb.QualifyLeadRequest(id=lead.id), metadata=owner.metadata)


async def assert_refused(sales: Running, api: Sales, by: User, lead: pb.Lead, code: str, reason: str) -> None:
    """By `/actions` and by the verb, and nothing is begun."""
    told = await ResourceServiceStub(sales.channel).GetRecordActions(
        resources_pb2.GetRecordActionsRequest(collection="leads", id=lead.id), metadata=by.metadata
    )
    assert [each.reason for each in told.actions if each.verb == "convert"] == [reason]
    with refused(code, reason):
        await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=by.metadata)
    assert (await api.leads.GetLead(pb.GetLeadRequest(id=lead.id), metadata=by.metadata)).etag == lead.etag


@pytest.mark.parametrize("missing", NEEDED)
async def test_a_right_that_is_missing_is_told_whatever_is_there_already(
    api: Sales, create: CreateLead, customer: Running, sales: Running, somebody: Somebody, missing: str
) -> None:
    seller = await somebody()
    account = await new_account(customer, seller)
    await new_contact(customer, seller, account.id, display_name="王伟")
    lead = await qualified_of(api, create, seller)
    other = await somebody({name: scope for name, scope in EVERYTHING.items() if name != missing})
    await assert_refused(sales, api, other, lead, "PERMISSION_DENIED", "PERMISSION_DENIED")


async def test_who_may_write_opportunities_of_their_own_converts_for_nobody_else(
    api: Sales, create: CreateLead, customer: Running, sales: Running, somebody: Somebody
) -> None:
    seller = await somebody()
    other = await somebody(EVERYTHING | {"opportunities.write": Scope.OWN})
    lead = await qualified_of(api, create, seller)
    await assert_refused(sales, api, other, lead, "INVALID_ARGUMENT", "ASSIGNMENT_NOT_ALLOWED")
    assert await accounts_of(customer, seller) == []


async def test_a_lead_is_not_converted_for_an_owner_who_may_have_no_opportunity(
    api: Sales, create: CreateLead, sales: Running, somebody: Somebody
) -> None:
    caller = await somebody({"leads.read": Scope.OWN, "leads.write": Scope.OWN})
    lead = await qualified_of(api, create, caller)
    await assert_refused(sales, api, await somebody(), lead, "INVALID_ARGUMENT", "ASSIGNMENT_NOT_ALLOWED")


async def test_a_lead_of_somebody_who_left_is_assigned_before_it_is_converted(
    api: Sales, create: CreateLead, customer: Running, sales: Running, somebody: Somebody
) -> None:
    """Whatever it becomes is there already."""
    seller, manager = await somebody(), await somebody()
    account = await new_account(customer, manager)
    await new_contact(customer, manager, account.id, display_name="王伟")
    lead = await qualified_of(api, create, seller)
    for service in (sales, customer):
        await service.change_user(seller, active=False)
    await assert_refused(sales, api, manager, lead, "INVALID_ARGUMENT", "REFERENCE_NOT_FOUND")
    assign = pb.AssignLeadRequest(id=lead.id, owner_id=str(manager.id))
    await api.leads.AssignLead(assign, metadata=manager.metadata)
    converted = await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=manager.metadata)
    assert (converted.state, converted.account_id) == (pb.Lead.STATE_CONVERTED, account.id)

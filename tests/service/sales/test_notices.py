"""Somebody to whom others give a record is told, and who activated a rule that stops by itself."""

from crm.sales.v1 import leads_pb2 as pb
from crm_kit.identity.access import Scope
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.approving import new_role, set_roles
from tests.service.automating import Rules, action, settled
from tests.service.notices import raised, told
from tests.service.running import Running, User
from tests.service.sales.conftest import CreateLead
from tests.service.sales.selling import Sales

READS_LEADS = {"leads.read": Scope.ALL}


async def test_who_is_given_a_record_by_others_is_told(
    api: Sales, sales: Running, user: User, create: CreateLead
) -> None:
    other = await sales.user(user.tenant_id)
    lead = await create()
    assert await raised(sales, user.tenant_id) == []
    assign = pb.AssignLeadRequest(id=lead.id, owner_id=str(other.id))
    await api.leads.AssignLead(assign, metadata=user.metadata)
    (notice,) = await raised(sales, user.tenant_id)
    assert list(notice.user_ids) == [str(other.id)]
    assert (notice.collection, notice.record_id, notice.record_name) == ("leads", lead.id, lead.display_name)
    assert (notice.values["what_en"], notice.values["what_zh"]) == ("Lead", "线索")
    # Nothing is given by what leaves the owner as it is.
    renamed = pb.UpdateLeadRequest(
        lead=pb.Lead(id=lead.id, job_title="head of buying"), update_mask=FieldMask(paths=["job_title"])
    )
    await api.leads.UpdateLead(renamed, metadata=user.metadata)
    assert await told(sales, other) == ["RECORD_ASSIGNED"]


async def test_who_is_given_a_new_record_by_others_is_told(sales: Running, user: User, create: CreateLead) -> None:
    other = await sales.user(user.tenant_id)
    lead = await create(owner_id=str(other.id))
    assert await told(sales, user) == []
    (notice,) = await raised(sales, user.tenant_id)
    assert (list(notice.user_ids), notice.record_id) == ([str(other.id)], lead.id)


async def test_who_takes_a_record_is_not_told(api: Sales, sales: Running, user: User, create: CreateLead) -> None:
    lead = await create(to_pool=True)
    await api.leads.ClaimLead(pb.ClaimLeadRequest(id=lead.id), metadata=user.metadata)
    assert await told(sales, user) == []


async def test_who_activated_a_rule_that_stops_by_itself_is_told(
    sales: Running, user: User, create: CreateLead
) -> None:
    activator = await sales.user(user.tenant_id)
    rule = await Rules(sales.channel, "leads").active(activator, action("assign", owner_id=str(user.id)))
    await set_roles(sales, activator, await new_role(sales, user.tenant_id, {"leads.read": Scope.ALL}))
    await create()
    await settled(sales, user.tenant_id)
    assert await told(sales, activator) == ["AUTOMATION_STOPPED"]
    (notice,) = await raised(sales, user.tenant_id)
    assert (notice.record_id, notice.record_name) == (rule.id, rule.display_name)
    assert notice.values["reason"] == "LOST_RIGHTS"
    # Somebody has to see to it, and who has lost the rights cannot: who may change rules is told as well.
    assert await told(sales, user) == ["AUTOMATION_STOPPED"]


async def test_of_a_rule_whose_activator_has_left_those_are_told_who_may_change_rules(
    sales: Running, user: User, create: CreateLead
) -> None:
    activator, bystander = await sales.user(user.tenant_id), await sales.user(user.tenant_id, grants=READS_LEADS)
    await Rules(sales.channel, "leads").active(activator, action("assign", owner_id=str(user.id)))
    await set_roles(sales, activator, active=False)
    await create()
    await settled(sales, user.tenant_id)
    assert await told(sales, user) == ["AUTOMATION_STOPPED"]
    assert await told(sales, bystander) == []

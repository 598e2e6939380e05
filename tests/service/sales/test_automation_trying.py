"""A rule tried on what happened before: what it would have taken, and what it could do now; nothing is changed."""

import pytest
from crm.sales.v1 import leads_pb2 as pb
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.automating import Rules, action, on, settled, told_in
from tests.service.kit.custom_fields import TEXT, message_values, new_field
from tests.service.running import Running, User, refused
from tests.service.sales.conftest import CreateLead
from tests.service.sales.selling import Sales


@pytest.fixture
def rules(sales: Running) -> Rules:
    return Rules(sales.channel, "leads")


async def source_is(api: Sales, user: User, lead: pb.Lead, source: str) -> pb.Lead:
    changed = pb.UpdateLeadRequest(lead=pb.Lead(id=lead.id, source=source), update_mask=FieldMask(paths=["source"]))
    return await api.leads.UpdateLead(changed, metadata=user.metadata)


async def test_a_draft_says_what_it_would_have_taken_and_does_nothing(
    sales: Running, api: Sales, user: User, rules: Rules, create: CreateLead
) -> None:
    moved, still = await create(source="fair"), await create(source="fair")
    for source in ("web", "fair", "web"):
        await source_is(api, user, moved, source)
    rule = await rules.create(
        user,
        action("update", campaign="moved"),
        action("assign", owner_id=str(user.id)),
        trigger=on("UPDATED", changed=("source",)),
        filter="source = web",
        filter_before="source = fair",
    )
    before = await told_in(sales, user.tenant_id)
    trial = await rules.tried(user, rule)
    assert [(each.record_id, each.record_etag, each.event) for each in trial.matches] == [
        (moved.id, "v4", "UPDATED"),
        (moved.id, "v2", "UPDATED"),
    ]
    assert [(each.possible, each.failed_action) for each in trial.matches] == [(True, 0)] * 2
    assert (trial.record_count, trial.event_count) == (2, 5)
    assert await settled(sales, user.tenant_id) == before
    assert await rules.runs(user) == []
    assert (await api.leads.GetLead(pb.GetLeadRequest(id=still.id), metadata=user.metadata)).etag == still.etag


async def test_what_a_rule_took_when_it_was_tried_it_takes_when_it_is_active(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    await new_field(sales, user, "grade", TEXT, collection="leads")
    rule = await rules.create(user, action("update", source="x"), filter='custom.grade = A AND company_name:"华信"')
    for grade, company in (("A", "华信电力"), ("B", "华信电力"), ("a", "华信"), ("A", "别的公司")):
        await create(custom=message_values({"grade": grade}), company_name=company)
    tried = sorted(each.record_id for each in (await rules.tried(user, rule)).matches)
    await rules.does("Activate", user, rule)
    for grade, company in (("A", "华信电力"), ("B", "华信电力"), ("a", "华信"), ("A", "别的公司")):
        await create(custom=message_values({"grade": grade}), company_name=company)
    await settled(sales, user.tenant_id)
    assert len(tried) == len(await rules.runs_of(user, rule)) == 2


async def test_what_could_not_be_done_now_says_why(user: User, rules: Rules, create: CreateLead) -> None:
    lead = await create()
    stranger = str(new_id())
    rule = await rules.create(user, action("update", source="x"), action("assign", owner_id=stranger))
    (match,) = (await rules.tried(user, rule)).matches
    assert (match.record_id, match.possible, match.failed_action) == (lead.id, False, 2)
    assert (match.reason, list(match.fields)) == ("REFERENCE_NOT_FOUND", ["owner_id"])
    qualifying = await rules.create(user, action("qualify"))
    assert [each.reason for each in (await rules.tried(user, qualifying)).matches] == ["ILLEGAL_STATE"]


async def test_the_records_are_those_of_a_list_of_the_caller(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    grants = {"automation_rules.write": Scope.ALL, "leads.read": Scope.OWN, "leads.write": Scope.OWN}
    narrow = await sales.user(user.tenant_id, grants=grants)
    mine, others = await create(by=narrow, source="a"), await create(source="a")
    third = await create(source="b")
    rule = await rules.create(user, action("update", campaign="x"))
    assert [each.record_id for each in (await rules.tried(narrow, rule)).matches] == [mine.id]
    found = (await rules.tried(user, rule, filter="source = a")).matches
    assert [each.record_id for each in found] == [others.id, mine.id]
    newest = await rules.tried(user, rule, record_count=1)
    assert [each.record_id for each in newest.matches] == [third.id]
    with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
        await rules.tried(user, rule, filter="colour = red")
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await rules.tried(await sales.user(user.tenant_id, grants={"automation_rules.write": Scope.ALL}), rule)


@pytest.mark.parametrize("is_shown", [False, True])
async def test_what_is_masked_is_not_learned_by_trying_unless_the_tenant_shows_it(
    sales: Running, api: Sales, user: User, rules: Rules, create: CreateLead, is_shown: bool
) -> None:
    if is_shown:
        await sales.know_tenant(user.tenant_id, unmasked_fields=["leads.phone_number"], version=2)
    grants = {"automation_rules.write": Scope.ALL, "leads.read": Scope.OWN, "leads.write": Scope.ALL}
    narrow = await sales.user(user.tenant_id, grants=grants)
    lead = await create(phone_number="+8613800138000")
    await api.leads.ReturnLead(pb.ReturnLeadRequest(id=lead.id, reason="no time"), metadata=user.metadata)
    changed = pb.UpdateLeadRequest(
        lead=pb.Lead(id=lead.id, phone_number="+8613900139000"), update_mask=FieldMask(paths=["phone_number"])
    )
    await api.leads.UpdateLead(changed, metadata=user.metadata)
    filter = 'phone_number = "+8613800138000"'
    for told in (
        {"trigger": on("RETURNED"), "filter": filter},
        {"trigger": on("CREATED"), "filter": filter},
        {"trigger": on("UPDATED", changed=("phone_number",))},
        {"trigger": on("UPDATED")},
    ):
        rule = await rules.create(user, action("update", source="x"), **told)
        seen = [each.record_id for each in (await rules.tried(narrow, rule)).matches]
        assert seen == ([lead.id] if is_shown else []), told
        assert [each.record_id for each in (await rules.tried(user, rule)).matches] == [lead.id]

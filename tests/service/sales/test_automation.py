"""Automation rules at work on leads, through the contract."""

from typing import Any

import pytest
from crm.sales.v1 import leads_pb2 as pb
from crm_kit.ids import new_id
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.automating import FAILED, SUCCEEDED, Rules, action, on, settled
from tests.service.history import changes_of
from tests.service.kit.custom_fields import NUMBER, custom_of, message_values, new_field
from tests.service.running import Running, User
from tests.service.sales.conftest import CreateLead
from tests.service.sales.selling import Sales


@pytest.fixture
def rules(sales: Running) -> Rules:
    return Rules(sales.channel, "leads")


async def lead_now(api: Sales, user: User, id: str) -> pb.Lead:
    return await api.leads.GetLead(pb.GetLeadRequest(id=id), metadata=user.metadata)


async def change(api: Sales, user: User, id: str, **fields: Any) -> pb.Lead:
    mask = FieldMask(paths=list(fields))
    request = pb.UpdateLeadRequest(lead=pb.Lead(id=id, **fields), update_mask=mask)
    return await api.leads.UpdateLead(request, metadata=user.metadata)


async def test_a_rule_changes_what_its_filter_takes_and_says_so(
    sales: Running, api: Sales, user: User, rules: Rules, create: CreateLead
) -> None:
    rule = await rules.active(user, action("update", company_name="重点客户"), filter='source = "fair"')
    other, lead = await create(source="web"), await create(source="fair")
    (run,) = await rules.ran(user, rule)
    await settled(sales, user.tenant_id)
    assert await rules.runs(user) == [run] == await rules.runs(user, f'record_id = "{lead.id}"')
    assert await rules.run(user, run.id) == run
    assert (run.state, run.record_id, run.record_etag, run.event) == (SUCCEEDED, lead.id, "v1", "CREATED"), run
    assert (run.rule_etag, run.activator_id, run.activator_name) == (rule.etag, str(user.id), "somebody")
    (effect,) = run.effects
    assert (effect.verb, effect.record_etag, list(effect.changed_fields)) == ("update", "v2", ["company_name"])
    assert (await lead_now(api, user, lead.id)).company_name == "重点客户"
    assert (await lead_now(api, user, other.id)).etag == "v1"
    page = await changes_of(sales, "leads", lead.id, user.metadata)
    assert [(each.action, each.actor_id) for each in page.changes] == [
        ("UPDATED", str(user.id)),
        ("CREATED", str(user.id)),
    ]


async def test_a_rule_tells_what_was_from_what_is(
    sales: Running, api: Sales, user: User, rules: Rules, create: CreateLead
) -> None:
    """From the fair to the web, and not the other way, nor when something else changes."""
    rule = await rules.active(
        user,
        action("update", campaign="moved"),
        trigger=on("UPDATED", changed=("source",)),
        filter="source = web",
        filter_before="source = fair AND job_title:*",
    )
    told = ({"source": "fair", "job_title": "x"}, {"source": "fair"}, {"source": "web", "job_title": "x"})
    moved, untitled, back = [await create(**fields) for fields in told]
    for lead in (moved, untitled):
        await change(api, user, lead.id, source="web")
    await change(api, user, back.id, source="fair")
    await change(api, user, moved.id, description="more")
    await settled(sales, user.tenant_id)
    (run,) = await rules.runs_of(user, rule)
    assert (run.record_id, run.event, run.record_etag) == (moved.id, "UPDATED", "v2")
    assert (await lead_now(api, user, moved.id)).campaign == "moved"


async def test_verbs_are_called_one_after_the_other_as_the_activator(
    sales: Running, api: Sales, user: User, rules: Rules, create: CreateLead
) -> None:
    colleague, boss = await sales.user(user.tenant_id), await sales.user(user.tenant_id)
    actions = (action("assign", owner_id=str(colleague.id)), action("update", source="by hand", campaign=None))
    rule = await rules.active(boss, *actions)
    lead = await create(campaign="spring")
    await settled(sales, user.tenant_id)
    (run,) = await rules.runs_of(user, rule)
    assert [(each.verb, each.record_etag, list(each.changed_fields)) for each in run.effects] == [
        ("assign", "v2", ["owner_id", "take_time", "former_owner_id"]),
        ("update", "v3", ["source", "campaign"]),
    ]
    now = await lead_now(api, user, lead.id)
    assert (now.owner_id, now.source, now.campaign) == (str(colleague.id), "by hand", "")
    page = await changes_of(sales, "leads", lead.id, user.metadata)
    assert [(each.action, each.actor_id) for each in page.changes][:2] == [
        ("UPDATED", str(boss.id)),
        ("ASSIGNED", str(boss.id)),
    ]


async def test_what_one_action_refuses_undoes_the_others_and_is_told_as_to_a_caller(
    sales: Running, api: Sales, user: User, rules: Rules, create: CreateLead
) -> None:
    stranger = str(new_id())
    rule = await rules.active(user, action("update", source="changed"), action("assign", owner_id=stranger))
    other = await rules.active(user, action("update", job_title="all the same"))
    lead = await create(source="as it was")
    await settled(sales, user.tenant_id)
    (run,) = await rules.runs_of(user, rule)
    assert (run.state, run.failed_action, run.reason, list(run.fields)) == (
        FAILED,
        2,
        "REFERENCE_NOT_FOUND",
        ["owner_id"],
    )
    assert (run.detail, list(run.effects)) == ("owner_id: is not an active user", [])
    assert await rules.runs(user, "state = FAILED") == [run]
    now = await lead_now(api, user, lead.id)
    assert (now.source, now.job_title, now.etag) == ("as it was", "all the same", "v2")
    assert [each.state for each in await rules.runs_of(user, other)] == [SUCCEEDED]
    assert (await rules.get(user, rule)).etag == rule.etag


async def test_values_of_the_record_fill_the_texts_of_a_request(
    sales: Running, api: Sales, user: User, rules: Rules, create: CreateLead
) -> None:
    request = {
        "job_title": "{{record.display_name}}, {{ record.company_name }}{{record.campaign}}",
        "source": "{{record.description}}",
        "campaign": "{{record.state}}",
    }
    await rules.active(user, action("update", **request))
    lead = await create(display_name="王伟", company_name="华信", source="web")
    await settled(sales, user.tenant_id)
    now = await lead_now(api, user, lead.id)
    assert (now.job_title, now.source, now.campaign) == ("王伟, 华信", "", "NEW"), now


async def test_rules_read_and_write_custom_fields(
    sales: Running, api: Sales, user: User, rules: Rules, create: CreateLead
) -> None:
    for key in ("fleet", "spare"):
        await new_field(sales, user, key, NUMBER, collection="leads")
    rule = await rules.active(
        user,
        action("update", custom={"spare": "{{record.custom.fleet}}", "fleet": None}),
        filter="custom.fleet >= 10",
        trigger=on("CREATED", "UPDATED"),
    )
    for fleet in (9, 12):
        await create(custom=message_values({"fleet": fleet}))
    await settled(sales, user.tenant_id)
    (run,) = await rules.runs_of(user, rule)
    assert custom_of(await lead_now(api, user, run.record_id)) == {"spare": "12"}
    (effect,) = run.effects
    assert sorted(effect.changed_fields) == ["custom.fleet", "custom.spare"]


async def test_only_what_happens_while_a_rule_is_active_sets_it_off(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    before = await create()
    rule = await rules.create(user, action("update", source="x"))
    draft = await create()
    await rules.does("Activate", user, rule)
    during = await create()
    await settled(sales, user.tenant_id)
    stopped = await rules.does("Deactivate", user, rule)
    after = await create()
    await settled(sales, user.tenant_id)
    again = await rules.does("Activate", user, stopped)
    await settled(sales, user.tenant_id)
    assert again.state == again.STATE_ACTIVE
    assert [each.record_id for each in await rules.runs_of(user, rule)] == [during.id]
    assert len({each.id for each in (before, draft, during, after)}) == 4


async def test_rules_are_their_tenants(sales: Running, user: User, rules: Rules, create: CreateLead) -> None:
    rule = await rules.active(user, action("update", source="x"))
    other = await sales.user()
    await create(by=other)
    await settled(sales, other.tenant_id)
    assert await rules.runs(other) == [] == await rules.runs_of(user, rule)

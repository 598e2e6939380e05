"""Rules act with the rights of who activated them, as they are then, and never with more."""

from typing import Any

import pytest
from crm.sales.v1 import leads_pb2 as pb
from crm_kit.identity.access import Scope
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.approving import new_role, set_roles
from tests.service.automating import FAILED, Rule, Rules, action, on, settled
from tests.service.running import Running, User, refused
from tests.service.sales.conftest import CreateLead
from tests.service.sales.selling import Sales
from tests.service.tasking import ToDo

RULES = {"automation_rules.write": Scope.ALL}
LEADS = {"leads.read": Scope.OWN, "leads.write": Scope.OWN}


@pytest.fixture
def rules(sales: Running) -> Rules:
    return Rules(sales.channel, "leads")


async def test_whoever_activates_a_rule_may_do_what_it_does(sales: Running, user: User, rules: Rules) -> None:
    rule = await rules.create(user, action("update", source="x"), action("assign", owner_id=str(user.id)))
    for grants, missing in (
        (RULES, "leads.read"),
        (RULES | {"leads.read": Scope.ALL}, "leads.write"),
    ):
        other = await sales.user(user.tenant_id, grants=grants)
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
            await rules.does("Activate", other, rule)
        assert refusal.metadata["permission"] == missing
    team = await sales.user(user.tenant_id, grants=LEADS | {"automation_rules.write": Scope.TEAM})
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await rules.does("Activate", team, rule)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await rules.create(team, action("update", source="x"))
    assert (await rules.get(user, rule)).state == Rule.STATE_DRAFT


async def test_nobody_gives_their_rights_to_what_they_have_not_seen(sales: Running, user: User, rules: Rules) -> None:
    rule = await rules.create(user, action("update", source="x"))
    other = await sales.user(user.tenant_id)
    changed = Rule(id=rule.id, actions=[action("assign", owner_id=str(other.id))])
    after = await rules.update(other, changed, "actions")
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await rules.does("Activate", user, rule, etag="")
    assert refusal.fields == ["etag"]
    with refused("ABORTED", "ETAG_MISMATCH"):
        await rules.does("Activate", user, rule)
    assert (await rules.get(user, rule)).state == Rule.STATE_DRAFT
    assert (await rules.does("Activate", user, after)).state == Rule.STATE_ACTIVE


async def test_runs_are_read_by_who_may_write_rules_and_rules_by_who_reads_the_collection(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    rule = await rules.active(user, action("update", source="x"))
    await create()
    await settled(sales, user.tenant_id)
    (run,) = await rules.runs(user)
    for grants in (LEADS, LEADS | {"automation_rules.write": Scope.TEAM}):
        rep = await sales.user(user.tenant_id, grants=grants)
        assert [each.id for each in await rules.listed(rep)] == [rule.id]
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await rules.runs(rep)
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await rules.run(rep, run.id)


async def test_records_that_the_activator_does_not_see_are_none_for_the_rule(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    narrow = await sales.user(user.tenant_id, grants=RULES | LEADS)
    rule = await rules.active(narrow, action("update", source="x"), filter="owner_id = me OR owner_id != me")
    mine = await create(by=narrow)
    await create()
    await settled(sales, user.tenant_id)
    assert [each.record_id for each in await rules.runs_of(user, rule)] == [mine.id]


async def test_me_is_who_activated_the_rule(sales: Running, user: User, rules: Rules, create: CreateLead) -> None:
    boss = await sales.user(user.tenant_id)
    rule = await rules.active(boss, action("update", source="x"), filter="owner_id = me AND create_time >= yesterday")
    mine = await create(by=boss)
    await create()
    await settled(sales, user.tenant_id)
    assert [each.record_id for each in await rules.runs_of(user, rule)] == [mine.id]


@pytest.mark.parametrize("is_shown", [False, True])
async def test_what_is_masked_from_the_activator_is_not_learned_by_a_rule_unless_the_tenant_shows_it(
    sales: Running, api: Sales, user: User, rules: Rules, create: CreateLead, is_shown: bool
) -> None:
    if is_shown:
        await sales.know_tenant(user.tenant_id, unmasked_fields=["leads.phone_number"], version=2)
    narrow = await sales.user(user.tenant_id, grants=RULES | {"leads.read": Scope.OWN, "leads.write": Scope.ALL})
    trigger, filter = on("CREATED", "RETURNED"), 'phone_number = "+8613800138000"'
    hers = await rules.active(narrow, action("update", source="x"), trigger=on("RETURNED"), filter=filter)
    copied = await rules.active(narrow, action("update", campaign="{{record.phone_number}}"), trigger=on("RETURNED"))
    of_tasks = await rules.active(narrow, action("update", source="x"), trigger=on("TASK_CREATED"), filter=filter)
    everybodys = await rules.active(user, action("update", job_title="x"), trigger=trigger, filter=filter)
    lead = await create(phone_number="+8613800138000")
    await api.leads.ReturnLead(pb.ReturnLeadRequest(id=lead.id, reason="no time"), metadata=user.metadata)
    await ToDo(sales, "leads").create(narrow, lead.id)
    await settled(sales, user.tenant_id)
    assert len(await rules.runs_of(user, hers)) == int(is_shown)
    assert len(await rules.runs_of(user, of_tasks)) == int(is_shown)
    assert len(await rules.runs_of(user, everybodys)) == 2
    assert len(await rules.runs_of(user, copied)) == 1
    copy = (await api.leads.GetLead(pb.GetLeadRequest(id=lead.id), metadata=user.metadata)).campaign
    assert copy == ("+8613800138000" if is_shown else "")


async def test_that_only_what_is_masked_has_changed_is_not_learned_by_a_rule(
    sales: Running, api: Sales, user: User, rules: Rules, create: CreateLead
) -> None:
    narrow = await sales.user(user.tenant_id, grants=RULES | {"leads.read": Scope.OWN, "leads.write": Scope.ALL})
    job = action("update", job_title="{{record.etag}}")
    narrow_ones = [
        await rules.active(narrow, job, trigger=on("UPDATED", changed=changed), filter="job_title = a")
        for changed in (("phone_number",), (), ("phone_number", "source"))
    ]
    everybodys = await rules.active(user, job, trigger=on("UPDATED", changed=("phone_number",)))
    lead = await create(job_title="a")
    await api.leads.ReturnLead(pb.ReturnLeadRequest(id=lead.id, reason="no time"), metadata=user.metadata)

    async def change(**fields: Any) -> list[int]:
        """How often each rule has run by then."""
        mask = FieldMask(paths=list(fields))
        request = pb.UpdateLeadRequest(lead=pb.Lead(id=lead.id, **fields), update_mask=mask)
        await api.leads.UpdateLead(request, metadata=user.metadata)
        await settled(sales, user.tenant_id)
        return [len(await rules.runs_of(user, each)) for each in (*narrow_ones, everybodys)]

    assert await change(phone_number="+8613800138000") == [0, 0, 0, 1]
    assert await change(job_title="a", source="seen") == [0, 1, 1, 1]
    assert await change(job_title="a", source="too", phone_number="+8613900139000") == [0, 2, 2, 2]


async def test_a_rule_stops_when_its_activator_leaves(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    boss = await sales.user(user.tenant_id)
    rule = await rules.active(boss, action("update", source="x"))
    await sales.change_user(boss, active=False)
    sales.service.directory.forget(user.tenant_id)
    for _ in range(2):
        await create()
        await settled(sales, user.tenant_id)
    (run,) = await rules.runs_of(user, rule)
    assert (run.state, run.reason, run.activator_id) == (FAILED, "UNAUTHENTICATED", str(boss.id))
    stopped = await rules.get(user, rule)
    assert (stopped.state, stopped.stop_reason) == (Rule.STATE_INACTIVE, Rule.STOP_REASON_LOST_RIGHTS)


async def test_a_rule_stops_when_its_activator_loses_what_it_takes(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    boss = await sales.user(user.tenant_id)
    rule = await rules.active(boss, action("assign", owner_id=str(user.id)))
    await set_roles(sales, boss, await new_role(sales, user.tenant_id, {"leads.read": Scope.ALL}))
    lead = await create()
    await settled(sales, user.tenant_id)
    (run,) = await rules.runs_of(user, rule)
    assert (run.state, run.reason, run.record_id) == (FAILED, "PERMISSION_DENIED", lead.id)
    stopped = await rules.get(user, rule)
    assert stopped.stop_reason == Rule.STOP_REASON_LOST_RIGHTS
    again = await rules.does("Activate", user, stopped)
    assert (again.activator_id, again.stop_reason) == (str(user.id), Rule.STOP_REASON_UNSPECIFIED)


async def test_who_changes_what_a_rule_does_stops_it_and_a_name_may_change(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    boss = await sales.user(user.tenant_id)
    rule = await rules.active(boss, action("update", source="x"))
    rule.display_name = "another name"
    renamed = await rules.update(user, rule, "display_name")
    assert (renamed.state, renamed.activator_id) == (Rule.STATE_ACTIVE, str(boss.id))
    renamed.filter = "source = y"
    changed = await rules.update(user, renamed, "filter")
    assert (changed.state, changed.stop_reason) == (Rule.STATE_INACTIVE, Rule.STOP_REASON_CHANGED)
    await create()
    await settled(sales, user.tenant_id)
    assert await rules.runs_of(user, rule) == []
    assert await rules.changes(user, rule) == ["UPDATED", "UPDATED", "ACTIVATED", "CREATED"]

"""The pool: its rules, what they would do, and that it takes back what nothing protects."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime, timedelta
from types import MethodType
from typing import Any, cast
from uuid import UUID

import pytest
from crm.customer.v1 import tenants_pb2
from crm.customer.v1.events_pb2 import TenantClockAdvanced
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm.sales.v1 import events_pb2, opportunities_pb2
from crm.sales.v1 import leads_pb2 as leads
from crm.sales.v1 import pools_pb2 as pb
from crm_customer.directory.tenants.model import MAX_CLOCK_OFFSET
from crm_kit.background import PeriodicJob, Tenants
from crm_kit.clock import system_now
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.database.statements import compile_statement
from crm_kit.directory.projection import project_tenant
from crm_kit.events.outbox import emit
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_sales.leads.reclaim import Reclaim
from crm_sales.leads.tables import leads as leads_table
from crm_sales.pools.visits import due_visits
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import bindparam, update

from tests.service.eventually import eventually
from tests.service.history import changes_of
from tests.service.nameless import nameless
from tests.service.running import Running, User, refused
from tests.service.sales.conftest import CreateLead
from tests.service.sales.selling import Sales, change_rules, emitted, known_account, move_clock, names_of, pool_of
from tests.service.sales.test_claims import check_counters

HOUR = Duration(seconds=3600)


def days(number: int) -> Duration:
    return Duration(seconds=number * 86_400)


async def in_pool(api: Sales, user: User, id: str) -> bool:
    return (await api.leads.GetLead(leads.GetLeadRequest(id=id), metadata=user.metadata)).in_pool


@pytest.fixture
async def sandbox_user(sales: Running) -> User:
    return await sales.user(await sales.tenant(sandbox=True))


# --- rules


async def test_every_tenant_has_a_pool_from_the_start_and_keeps_it(api: Sales, user: User, sales: Running) -> None:
    pool = await pool_of(api, user)
    assert pool.rules.reclaim_after == days(7)
    await sales.know_tenant(user.tenant_id, version=2)
    assert await pool_of(api, user) == pool
    assert await api.pools.GetPool(pb.GetPoolRequest(id=pool.id), metadata=user.metadata) == pool
    assert names_of(await emitted(sales, user.tenant_id, pool.id)) == ["PoolCreated"]


async def test_before_its_defaults_are_there_a_tenant_is_told_to_try_again(api: Sales, sales: Running) -> None:
    tenant = new_id()
    async with sales.unit_of_work(tenant) as work:
        slug = f"t{tenant.hex[-12:]}"
        values: dict[str, Any] = {"active": True, "sandbox": False, "clock_offset": timedelta(0)}
        project_tenant(work, id=tenant, slug=slug, version=1, **values)
    user = await sales.user(tenant)
    create = leads.CreateLeadRequest(lead=leads.Lead(display_name="王伟"))
    with refused("UNAVAILABLE", "UNAVAILABLE"):
        await api.leads.CreateLead(create, metadata=user.metadata)
    opportunity = opportunities_pb2.Opportunity(account_id=await known_account(sales, tenant), display_name="Boiler")
    with refused("UNAVAILABLE", "UNAVAILABLE"):
        await api.opportunities.CreateOpportunity(
            opportunities_pb2.CreateOpportunityRequest(opportunity=opportunity), metadata=user.metadata
        )
    await sales.know_tenant(tenant, version=2)
    await api.leads.CreateLead(create, metadata=user.metadata)


async def test_rules_are_replaced_as_a_whole_and_one_left_out_is_off(api: Sales, user: User, sales: Running) -> None:
    before = await pool_of(api, user)
    extension = pb.PoolRules.Extension(kind=leads.FollowUp.KIND_VISIT, duration=days(3))
    rules = pb.PoolRules(reclaim_after=HOUR, extensions=[extension], capacity=0, time_zone="Europe/Berlin")
    after = await change_rules(api, user, rules, etag=before.etag)
    assert after.rules == pb.PoolRules(
        reclaim_after=HOUR,
        extensions=[extension],
        capacity=0,
        time_zone="Europe/Berlin",
        # What the contract says when they are not given.
        warning_before=Duration(seconds=24 * 3600),
        backdating=Duration(seconds=72 * 3600),
    )
    assert await pool_of(api, user) == after
    *_, event = await emitted(sales, user.tenant_id, after.id)
    assert isinstance(event, events_pb2.PoolUpdated)
    assert (event.pool, list(event.changed_fields)) == (after, ["rules"])
    with refused("ABORTED", "ETAG_MISMATCH"):
        await change_rules(api, user, rules, etag=before.etag)


async def test_one_rule_is_changed_alone_and_the_history_tells_the_rules_of_before(
    api: Sales, user: User, sales: Running
) -> None:
    before = await pool_of(api, user)
    changed = pb.Pool(id=before.id, rules=pb.PoolRules(capacity=3))
    request = pb.UpdatePoolRequest(pool=changed, update_mask=FieldMask(paths=["rules.capacity"]))
    after = await api.pools.UpdatePool(request, metadata=user.metadata)
    wanted = pb.PoolRules()
    wanted.CopyFrom(before.rules)
    wanted.capacity = 3
    assert after.rules == wanted
    page = await changes_of(sales, "pools", before.id, user.metadata)
    assert [change.action for change in page.changes] == ["UPDATED", "CREATED"]
    (field,) = page.changes[0].fields
    assert (field.field, field.new_value.struct_value["capacity"]) == ("rules", 3)
    assert field.old_value.struct_value["reclaim_after"] == f"{before.rules.reclaim_after.seconds}s"


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        (pb.PoolRules(reclaim_after=Duration()), "reclaim_after"),
        (pb.PoolRules(time_zone="Asia/Nowhere"), "time_zone"),
        (pb.PoolRules(capacity=-1), "capacity"),
    ],
)
async def test_rules_that_make_no_sense_are_refused(api: Sales, user: User, rules: pb.PoolRules, field: str) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await change_rules(api, user, rules)
    assert refusal.fields == [f"pool.rules.{field}"]
    pool = await pool_of(api, user)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await api.pools.SimulatePool(pb.SimulatePoolRequest(id=pool.id, rules=rules), metadata=user.metadata)
    assert refusal.fields == [f"rules.{field}"]


async def test_a_pool_of_another_tenant_does_not_exist(api: Sales, user: User, sales: Running) -> None:
    pool, stranger = await pool_of(api, user), await sales.user()
    calls: list[Awaitable[object]] = [
        api.pools.GetPool(pb.GetPoolRequest(id=pool.id), metadata=stranger.metadata),
        api.pools.UpdatePool(pb.UpdatePoolRequest(pool=pool), metadata=stranger.metadata),
        api.pools.SimulatePool(pb.SimulatePoolRequest(id=pool.id, rules=pool.rules), metadata=stranger.metadata),
        changes_of(sales, "pools", pool.id, stranger.metadata),
    ]
    for each in calls:
        with refused("NOT_FOUND", "POOL_NOT_FOUND"):
            await each


async def test_reading_rules_does_not_allow_changing_or_simulating(api: Sales, sales: Running) -> None:
    reader = await sales.user(grants={"pools.read": Scope.ALL})
    pool = await pool_of(api, reader)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await change_rules(api, reader, pb.PoolRules(reclaim_after=HOUR))
    simulate = pb.SimulatePoolRequest(id=pool.id, rules=pb.PoolRules())
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await api.pools.SimulatePool(simulate, metadata=reader.metadata)


async def test_rules_of_all_are_not_changed_by_who_reaches_their_own_leads(api: Sales, sales: Running) -> None:
    """They would take the leads of others back."""
    own = {"pools.read": Scope.ALL, "pools.write": Scope.TEAM, "leads.read": Scope.TEAM, "leads.write": Scope.TEAM}
    user = await sales.user(grants=own)
    pool = await pool_of(api, user)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await change_rules(api, user, pb.PoolRules(reclaim_after=days(1)), pool.etag)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await api.pools.SimulatePool(pb.SimulatePoolRequest(id=pool.id, rules=pool.rules), metadata=user.metadata)
    asked = resources_pb2.GetRecordActionsRequest(collection="pools", id=pool.id)
    actions = (await ResourceServiceStub(sales.channel).GetRecordActions(asked, metadata=user.metadata)).actions
    assert [(each.rpc, each.reason) for each in actions] == [("SimulatePool", "PERMISSION_DENIED")]
    assert await pool_of(api, user) == pool


# --- simulation


async def test_a_simulation_counts_what_would_go_back_and_changes_nothing(
    api: Sales, sandbox_user: User, create: CreateLead, sales: Running
) -> None:
    user, tenant = sandbox_user, sandbox_user.tenant_id
    other = await sales.user(tenant)
    old = [await create(by=by) for by in (user, user, other)]
    await move_clock(sales, tenant, timedelta(days=2), version=2)
    fresh = await create(by=user)
    pool = await pool_of(api, user)
    simulate = pb.SimulatePoolRequest(id=pool.id, rules=pb.PoolRules(reclaim_after=days(1)))
    answer = await api.pools.SimulatePool(simulate, metadata=user.metadata)
    assert (answer.held_count, answer.return_count, answer.newly_returned_count) == (4, 3, 3)
    assert {each.lead_id for each in answer.returns} == {lead.id for lead in old}
    assert [(each.owner_id, each.lead_count) for each in answer.owners] == [(str(user.id), 2), (str(other.id), 1)]
    assert not any([await in_pool(api, user, lead.id) for lead in [*old, fresh]])


async def test_a_simulation_names_no_lead_that_the_caller_may_not_read(
    api: Sales, sandbox_user: User, create: CreateLead, sales: Running
) -> None:
    """Pools are everybody's, also for who reads only their own leads."""
    rules_of_all = {"pools.read": Scope.ALL, "pools.write": Scope.ALL}
    own = await sales.user(
        sandbox_user.tenant_id, grants=rules_of_all | {"leads.read": Scope.OWN, "leads.write": Scope.OWN}
    )
    none = await sales.user(sandbox_user.tenant_id, grants=rules_of_all)
    await create(by=sandbox_user)
    mine = await create(by=own)
    await move_clock(sales, sandbox_user.tenant_id, timedelta(days=2), version=2)
    simulate = pb.SimulatePoolRequest(id=(await pool_of(api, own)).id, rules=pb.PoolRules(reclaim_after=days(1)))
    answer = await api.pools.SimulatePool(simulate, metadata=own.metadata)
    assert [each.lead_id for each in answer.returns] == [mine.id]
    assert (answer.held_count, [each.owner_id for each in answer.owners]) == (1, [str(own.id)])
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await api.pools.SimulatePool(simulate, metadata=none.metadata)


# --- reclaim


async def test_a_lead_goes_back_when_its_time_has_passed_on_the_test_clock(
    api: Sales, sandbox_user: User, create: CreateLead, sales: Running
) -> None:
    user, tenant = sandbox_user, sandbox_user.tenant_id
    lead = await create(by=user)
    await move_clock(sales, tenant, timedelta(days=6), version=2)
    kept = await create(by=user)
    await move_clock(sales, tenant, timedelta(days=8), version=3)
    await eventually(lambda: in_pool(api, user, lead.id))
    assert not await in_pool(api, user, kept.id)
    back = await api.leads.GetLead(leads.GetLeadRequest(id=lead.id), metadata=user.metadata)
    assert back.former_owner_id == str(user.id)
    assert "safe until" in back.return_reason
    *_, event = await emitted(sales, tenant, lead.id)
    assert isinstance(event, events_pb2.LeadReclaimed)
    assert event.lead == nameless(back)
    page = await changes_of(sales, "leads", lead.id, user.metadata)
    assert [each.action for each in page.changes] == ["RECLAIMED", "CREATED"]
    await check_counters(sales, tenant)


async def test_a_lead_of_somebody_who_has_left_goes_back_like_any_other(
    api: Sales, sandbox_user: User, create: CreateLead, sales: Running
) -> None:
    user, tenant = sandbox_user, sandbox_user.tenant_id
    former = await sales.user(tenant)
    lead = await create(by=former)
    await sales.change_user(former, active=False)
    await move_clock(sales, tenant, timedelta(days=8), version=2)
    await eventually(lambda: in_pool(api, user, lead.id))
    back = await api.leads.GetLead(leads.GetLeadRequest(id=lead.id), metadata=user.metadata)
    assert back.former_owner_id == str(former.id)
    await check_counters(sales, tenant)


async def test_a_lead_goes_back_also_when_the_test_clock_has_gone_as_far_as_it_goes(
    api: Sales, create: CreateLead, sales: Running
) -> None:
    # No clock of this tenant's is moved: only the run of this test sees the time as passed.
    user = await sales.user()
    lead = await create(by=user)
    run = Reclaim(Tenants(sales.service.database, sales.service.clock), every_seconds=3600)
    assert await run.reclaim(user.tenant_id, system_now() + MAX_CLOCK_OFFSET) == 1
    assert await in_pool(api, user, lead.id)


async def test_only_pools_in_which_something_is_due_are_looked_at(
    api: Sales, create: CreateLead, sales: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    due, idle = [await sales.user(await sales.tenant(sandbox=True)) for _ in range(2)]
    run = Reclaim(Tenants(sales.service.database, sales.service.clock), every_seconds=3600)
    lead = await create(by=due)
    await create(by=idle)
    await move_clock(sales, due.tenant_id, timedelta(days=8), version=2)
    await eventually(lambda: in_pool(api, due, lead.id))

    async def are_due(now: datetime) -> set[UUID]:
        return {row["tenant_id"] for row in await sales.service.database.all(ALL_TENANTS, due_visits(), {"now": now})}

    async def is_put_off() -> bool:
        return due.tenant_id not in await are_due(system_now())

    # The service's own run puts the visit off after it has taken the lead back.
    await eventually(is_put_off)
    visited: list[UUID] = []

    async def look(tenant_id: UUID, _now: object) -> int:
        visited.append(tenant_id)
        return 0

    monkeypatch.setattr(run, "reclaim", look)
    await run.reclaim_due()
    assert not {due.tenant_id, idle.tenant_id} & set(visited)
    # Another lead is due sooner than anything else, and so is a change of the rules.
    await create(by=idle)
    await change_rules(api, due, pb.PoolRules(reclaim_after=HOUR))
    await run.reclaim_due()
    assert idle.tenant_id not in visited
    await move_clock(sales, idle.tenant_id, timedelta(days=6), version=2)
    assert idle.tenant_id in await are_due(system_now() + timedelta(days=2))


async def test_a_follow_up_keeps_a_lead_that_would_have_gone_back(
    api: Sales, sandbox_user: User, create: CreateLead, sales: Running
) -> None:
    user, tenant = sandbox_user, sandbox_user.tenant_id
    followed, left = await create(by=user), await create(by=user)
    await move_clock(sales, tenant, timedelta(days=6), version=2)
    follow_up = leads.FollowUp(kind=leads.FollowUp.KIND_CALL)
    request = leads.RecordFollowUpRequest(id=followed.id, follow_up=follow_up)
    await api.leads.RecordFollowUp(request, metadata=user.metadata)
    await move_clock(sales, tenant, timedelta(days=8), version=3)
    await eventually(lambda: in_pool(api, user, left.id))
    assert not await in_pool(api, user, followed.id)


async def test_a_lead_that_is_assigned_to_and_fro_goes_back_at_the_hard_maximum(
    api: Sales, sandbox_user: User, create: CreateLead, sales: Running
) -> None:
    user, tenant = sandbox_user, sandbox_user.tenant_id
    other = await sales.user(tenant)
    await change_rules(api, user, pb.PoolRules(reclaim_after=days(7), hard_maximum=days(10)))
    lead = await create(by=user)
    for version, (day, owner) in enumerate([(4, other), (8, user)], start=2):
        await move_clock(sales, tenant, timedelta(days=day), version=version)
        request = leads.AssignLeadRequest(id=lead.id, owner_id=str(owner.id))
        assigned = await api.leads.AssignLead(request, metadata=user.metadata)
    assert assigned.safe_until_time.ToDatetime() - lead.take_time.ToDatetime() == timedelta(days=10)
    asked = leads.ExplainProtectionRequest(id=lead.id)
    explained = await api.leads.ExplainProtection(asked, metadata=user.metadata)
    assert explained.reason == leads.Protection.REASON_HARD_MAXIMUM
    await move_clock(sales, tenant, timedelta(days=11), version=4)
    await eventually(lambda: in_pool(api, user, lead.id))


async def test_a_stricter_rule_takes_leads_back_at_once_and_a_milder_one_keeps_them(
    api: Sales, sandbox_user: User, create: CreateLead, sales: Running
) -> None:
    user, tenant = sandbox_user, sandbox_user.tenant_id
    first = await create(by=user)
    await move_clock(sales, tenant, timedelta(days=2), version=2)
    await change_rules(api, user, pb.PoolRules(reclaim_after=days(10)))

    async def dated() -> bool:
        lead = await api.leads.GetLead(leads.GetLeadRequest(id=first.id), metadata=user.metadata)
        return lead.safe_until_time.ToDatetime() - lead.take_time.ToDatetime() == timedelta(days=10)

    await eventually(dated)
    assert not await in_pool(api, user, first.id)
    # What its rules date anew is no change of the lead.
    page = await changes_of(sales, "leads", first.id, user.metadata)
    assert [each.action for each in page.changes] == ["CREATED"]
    await change_rules(api, user, pb.PoolRules(reclaim_after=days(1)))
    await eventually(lambda: in_pool(api, user, first.id))


async def test_two_runs_at_once_move_each_lead_once_and_one_bad_row_stops_neither(
    api: Sales, create: CreateLead, sales: Running
) -> None:
    # No clock of this tenant's is moved: only the runs of this test see the time as passed.
    user = await sales.user()
    held = [await create(by=user) for _ in range(12)]
    bad = await create(by=user)
    spoil = compile_statement(
        update(leads_table)
        .where(leads_table.c.tenant_id == bindparam("tenant_id"), leads_table.c.id == bindparam("id"))
        .values(state="UNHEARD_OF", safe_until_time=system_now())
    )
    async with sales.unit_of_work(user.tenant_id) as work:
        work.execute(spoil, id=UUID(bad.id))
    tenants = Tenants(sales.service.database, sales.service.clock)
    runs = [Reclaim(tenants, every_seconds=3600) for _ in range(2)]
    later = system_now() + timedelta(days=8)
    moved = await asyncio.gather(*(run.reclaim(user.tenant_id, later) for run in runs))
    assert sum(moved) == len(held)
    for lead in held:
        assert await in_pool(api, user, lead.id)
        events = await emitted(sales, user.tenant_id, lead.id)
        assert names_of(events) == ["LeadCreated", "LeadReclaimed"]


async def test_a_moved_clock_wakes_the_run_at_once(
    api: Sales, sandbox_user: User, create: CreateLead, sales: Running, customer: Running
) -> None:
    user, tenant = sandbox_user, sandbox_user.tenant_id
    lead = await create(by=user)
    job = cast("MethodType", sales.service.jobs[0]).__self__
    assert isinstance(job, PeriodicJob)
    usual, job._every_seconds = job._every_seconds, 3600
    job.wake()
    try:
        moved = tenants_pb2.Tenant(id=str(tenant), slug=f"t{tenant.hex[-12:]}", sandbox=True, active=True)
        moved.clock_offset.FromTimedelta(timedelta(days=8))
        async with customer.unit_of_work(tenant) as work:
            emit(work, TenantClockAdvanced(tenant=moved), aggregate_type="tenant", id=tenant, version=2)
        await eventually(lambda: in_pool(api, user, lead.id))
    finally:
        job._every_seconds = usual
        job.wake()

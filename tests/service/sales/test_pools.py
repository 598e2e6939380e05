"""The pool: its rules, what they would do, and that it takes back what nothing protects."""

import asyncio
from datetime import timedelta
from types import MethodType
from typing import Any, cast
from uuid import UUID

import pytest
from crm.customer.v1 import tenants_pb2
from crm.customer.v1.events_pb2 import TenantChanged
from crm.sales.v1 import events_pb2, opportunities_pb2
from crm.sales.v1 import leads_pb2 as leads
from crm.sales.v1 import pools_pb2 as pb
from crm_kit.clock import system_now
from crm_kit.database.statements import compile_statement
from crm_kit.directory.projection import project_tenant
from crm_kit.events.outbox import emit
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_sales.leads.reclaim import Reclaim
from crm_sales.leads.tables import leads as leads_table
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import bindparam, update

from tests.service.eventually import eventually
from tests.service.running import Running, User, refused
from tests.service.sales.conftest import CreateLead
from tests.service.sales.selling import Sales, emitted, known_account, move_clock, names_of
from tests.service.sales.test_claims import check_counters

HOUR = Duration(seconds=3600)


def days(number: int) -> Duration:
    return Duration(seconds=number * 86_400)


def change(etag: str = "", **rules: Any) -> pb.UpdatePoolRequest:
    pool = pb.Pool(rules=pb.PoolRules(**rules), etag=etag)
    return pb.UpdatePoolRequest(pool=pool, update_mask=FieldMask(paths=["rules"]))


async def in_pool(api: Sales, user: User, id: str) -> bool:
    return (await api.leads.GetLead(leads.GetLeadRequest(id=id), metadata=user.metadata)).in_pool


@pytest.fixture
async def sandbox_user(sales: Running) -> User:
    return await sales.user(await sales.tenant(sandbox=True))


# --- rules


async def test_every_tenant_has_a_pool_from_the_start_and_keeps_it(api: Sales, user: User, sales: Running) -> None:
    pool = await api.pools.GetPool(pb.GetPoolRequest(), metadata=user.metadata)
    assert pool.rules.reclaim_after == days(7)
    await sales.know_tenant(user.tenant_id, version=2)
    assert await api.pools.GetPool(pb.GetPoolRequest(), metadata=user.metadata) == pool
    assert names_of(await emitted(sales, user.tenant_id, pool.id)) == ["PoolCreated"]


async def test_before_its_defaults_are_there_a_tenant_is_told_to_try_again(api: Sales, sales: Running) -> None:
    tenant = new_id()
    async with sales.unit_of_work(tenant) as work:
        slug = f"t{tenant.hex[-12:]}"
        values: dict[str, Any] = {"active": True, "sandbox": False, "clock_offset": timedelta(0)}
        project_tenant(work, id=tenant, slug=slug, version=1, **values)
    user = await sales.user(tenant)
    with refused("UNAVAILABLE", "UNAVAILABLE"):
        await api.pools.GetPool(pb.GetPoolRequest(), metadata=user.metadata)
    opportunity = opportunities_pb2.Opportunity(account_id=await known_account(sales, tenant), display_name="Boiler")
    with refused("UNAVAILABLE", "UNAVAILABLE"):
        await api.opportunities.CreateOpportunity(
            opportunities_pb2.CreateOpportunityRequest(opportunity=opportunity), metadata=user.metadata
        )
    await sales.know_tenant(tenant, version=2)
    await api.pools.GetPool(pb.GetPoolRequest(), metadata=user.metadata)


async def test_rules_are_replaced_as_a_whole_and_one_left_out_is_off(api: Sales, user: User, sales: Running) -> None:
    before = await api.pools.GetPool(pb.GetPoolRequest(), metadata=user.metadata)
    extension = pb.PoolRules.Extension(kind=leads.FollowUp.KIND_VISIT, duration=days(3))
    request = change(before.etag, reclaim_after=HOUR, extensions=[extension], capacity=0, time_zone="Europe/Berlin")
    after = await api.pools.UpdatePool(request, metadata=user.metadata)
    assert after.rules == pb.PoolRules(
        reclaim_after=HOUR,
        extensions=[extension],
        capacity=0,
        time_zone="Europe/Berlin",
        # What the contract says when they are not given.
        warning_before=Duration(seconds=24 * 3600),
        backdating=Duration(seconds=72 * 3600),
    )
    assert await api.pools.GetPool(pb.GetPoolRequest(), metadata=user.metadata) == after
    *_, event = await emitted(sales, user.tenant_id, after.id)
    assert isinstance(event, events_pb2.PoolUpdated)
    assert (event.pool, list(event.changed_fields)) == (after, ["rules"])
    with refused("ABORTED", "ETAG_MISMATCH"):
        await api.pools.UpdatePool(request, metadata=user.metadata)


async def test_rules_that_make_no_sense_are_refused(api: Sales, user: User) -> None:
    for rules in ({"reclaim_after": Duration()}, {"time_zone": "Asia/Nowhere"}, {"capacity": -1}):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await api.pools.UpdatePool(change(**rules), metadata=user.metadata)
        assert refusal.fields


async def test_reading_rules_does_not_allow_changing_or_simulating(api: Sales, sales: Running) -> None:
    reader = await sales.user(grants={"pools.read": Scope.ALL})
    await api.pools.GetPool(pb.GetPoolRequest(), metadata=reader.metadata)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await api.pools.UpdatePool(change(reclaim_after=HOUR), metadata=reader.metadata)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await api.pools.SimulatePool(pb.SimulatePoolRequest(rules=pb.PoolRules()), metadata=reader.metadata)


# --- simulation


async def test_a_simulation_counts_what_would_go_back_and_changes_nothing(
    api: Sales, sandbox_user: User, create: CreateLead, sales: Running
) -> None:
    user, tenant = sandbox_user, sandbox_user.tenant_id
    other = await sales.user(tenant)
    old = [await create(by=by) for by in (user, user, other)]
    await move_clock(sales, tenant, timedelta(days=2), version=2)
    fresh = await create(by=user)
    simulate = pb.SimulatePoolRequest(rules=pb.PoolRules(reclaim_after=days(1)))
    answer = await api.pools.SimulatePool(simulate, metadata=user.metadata)
    assert (answer.held_count, answer.return_count, answer.newly_returned_count) == (4, 3, 3)
    assert {each.lead_id for each in answer.returns} == {lead.id for lead in old}
    assert [(each.owner_id, each.lead_count) for each in answer.owners] == [(str(user.id), 2), (str(other.id), 1)]
    assert not any([await in_pool(api, user, lead.id) for lead in [*old, fresh]])


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
    assert event.lead == back
    page = await api.leads.ListLeadChanges(leads.ListLeadChangesRequest(id=lead.id), metadata=user.metadata)
    assert [each.action for each in page.changes] == ["RECLAIMED", "CREATED"]
    await check_counters(sales, tenant)


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


async def test_a_stricter_rule_takes_leads_back_at_once_and_a_milder_one_keeps_them(
    api: Sales, sandbox_user: User, create: CreateLead, sales: Running
) -> None:
    user, tenant = sandbox_user, sandbox_user.tenant_id
    first = await create(by=user)
    await move_clock(sales, tenant, timedelta(days=2), version=2)
    await api.pools.UpdatePool(change(reclaim_after=days(10)), metadata=user.metadata)

    async def dated() -> bool:
        lead = await api.leads.GetLead(leads.GetLeadRequest(id=first.id), metadata=user.metadata)
        return lead.safe_until_time.ToDatetime() - lead.take_time.ToDatetime() == timedelta(days=10)

    await eventually(dated)
    assert not await in_pool(api, user, first.id)
    await api.pools.UpdatePool(change(reclaim_after=days(1)), metadata=user.metadata)
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
    runs = [Reclaim(sales.service.database, every_seconds=3600) for _ in range(2)]
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
    run = cast("MethodType", sales.service.jobs[0]).__self__
    assert isinstance(run, Reclaim)
    usual, run._every_seconds = run._every_seconds, 3600
    run.wake()
    try:
        moved = tenants_pb2.Tenant(id=str(tenant), slug=f"t{tenant.hex[-12:]}", sandbox=True, active=True)
        moved.clock_offset.FromTimedelta(timedelta(days=8))
        async with customer.unit_of_work(tenant) as work:
            emit(work, TenantChanged(tenant=moved), aggregate_type="tenant", id=tenant, version=2)
        await eventually(lambda: in_pool(api, user, lead.id))
    finally:
        run._every_seconds = usual
        run.wake()

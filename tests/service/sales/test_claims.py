"""Claiming: one winner, and limits that hold under the same race."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import grpc
from crm.sales.v1 import leads_pb2 as pb
from crm.sales.v1.pools_pb2 import PoolRules
from crm_kit.database.statements import compile_statement
from crm_kit.identity.access import Scope
from crm_kit.rpc.status import reason_of
from crm_sales.leads.tables import HELD, lead_holders, leads
from sqlalchemy import bindparam, func, select

from tests.service.clocks import until_noon
from tests.service.running import Running, User, refused
from tests.service.sales.conftest import CreateLead
from tests.service.sales.selling import Sales, change_rules, emitted, move_clock, names_of

OWN = {"leads.read": Scope.OWN, "leads.write": Scope.OWN}
COUNTED = compile_statement(
    select(lead_holders.c.user_id, lead_holders.c.held).where(
        lead_holders.c.tenant_id == bindparam("tenant_id"), lead_holders.c.held != 0
    )
)
TRULY_HELD = compile_statement(
    select(leads.c.owner_id, func.count())
    .where(leads.c.tenant_id == bindparam("tenant_id"), HELD)
    .group_by(leads.c.owner_id)
)


async def outcome(api: Sales, lead_id: str, user: User, key: str = "") -> str:
    """CLAIMED, or the reason why not."""
    metadata = user.with_key(key) if key else user.metadata
    try:
        await api.leads.ClaimLead(pb.ClaimLeadRequest(id=lead_id), metadata=metadata)
    except grpc.aio.AioRpcError as error:
        return reason_of(error)
    return "CLAIMED"


async def check_counters(sales: Running, tenant_id: UUID) -> None:
    async with sales.unit_of_work(tenant_id) as work:
        counted = {row[0]: row[1] for row in await work.all(COUNTED)}
        held = {row[0]: row[1] for row in await work.all(TRULY_HELD)}
    assert counted == held


async def test_of_a_hundred_users_claiming_one_lead_at_once_exactly_one_gets_it(
    api: Sales, user: User, create: CreateLead, sales: Running
) -> None:
    lead = await create(to_pool=True)
    users = [await sales.user(user.tenant_id, grants=OWN) for _ in range(100)]
    outcomes = await asyncio.gather(*(outcome(api, lead.id, each, key=f"k{each.id}") for each in users))
    assert Counter(outcomes) == {"CLAIMED": 1, "LEAD_ALREADY_CLAIMED": 99}
    winner = users[outcomes.index("CLAIMED")]
    claimed = await api.leads.GetLead(pb.GetLeadRequest(id=lead.id), metadata=winner.metadata)
    assert claimed.owner_id == str(winner.id)
    assert names_of(await emitted(sales, user.tenant_id, lead.id)) == ["LeadCreated", "LeadClaimed"]
    await check_counters(sales, user.tenant_id)


async def test_the_daily_limit_holds_when_one_user_claims_thirty_leads_at_once(
    api: Sales, create: CreateLead, sales: Running
) -> None:
    user = await sales.user(await sales.tenant(sandbox=True))
    await move_clock(sales, user.tenant_id, until_noon(), version=2)
    await change_rules(api, user, PoolRules(claims_per_day=7))
    pooled = [await create(by=user, to_pool=True) for _ in range(30)]
    li = await sales.user(user.tenant_id, grants=OWN)
    outcomes = await asyncio.gather(*(outcome(api, lead.id, li) for lead in pooled))
    assert Counter(outcomes) == {"CLAIMED": 7, "POOL_DAILY_LIMIT_REACHED": 23}
    mine = await api.leads.ListLeads(pb.ListLeadsRequest(filter="in_pool = false"), metadata=li.metadata)
    assert len(mine.leads) == 7
    # Giving one back does not give the claim back: claims made count, not leads held.
    back = pb.ReturnLeadRequest(id=mine.leads[0].id, reason="too many")
    await api.leads.ReturnLead(back, metadata=li.metadata)
    free = next(lead.id for lead, how in zip(pooled, outcomes, strict=True) if how != "CLAIMED")
    assert await outcome(api, free, li) == "POOL_DAILY_LIMIT_REACHED"
    await check_counters(sales, user.tenant_id)


async def test_the_day_of_the_claims_is_the_tenants_unless_the_pool_has_one_of_its_own(
    api: Sales, create: CreateLead, sales: Running
) -> None:
    """Around midnight in New York it is one day in Shanghai, where it is noon."""
    tenant_id = await sales.tenant(sandbox=True)
    user = await sales.user(tenant_id)
    new_york = ZoneInfo("America/New_York")
    midnight = (datetime.now(new_york) + timedelta(days=3)).replace(hour=0, minute=0, second=0, microsecond=0)

    async def at(instant: datetime, version: int) -> None:
        ahead = instant - datetime.now(UTC)
        zone = "America/New_York"
        await sales.know_tenant(tenant_id, sandbox=True, clock_offset=ahead, time_zone=zone, version=version)

    await at(midnight - timedelta(minutes=30), 2)
    pool = await change_rules(api, user, PoolRules(claims_per_day=1))
    assert not pool.rules.HasField("time_zone")
    first, second, third = [await create(by=user, to_pool=True) for _ in range(3)]
    li = await sales.user(tenant_id, grants=OWN)
    assert await outcome(api, first.id, li) == "CLAIMED"
    assert await outcome(api, second.id, li) == "POOL_DAILY_LIMIT_REACHED"
    await at(midnight + timedelta(minutes=30), 3)
    assert await outcome(api, second.id, li) == "CLAIMED"
    await change_rules(api, user, PoolRules(claims_per_day=1, time_zone="Asia/Shanghai"))
    await at(midnight + timedelta(hours=12, minutes=30), 4)
    assert await outcome(api, third.id, li) == "CLAIMED"


async def test_the_capacity_holds_when_one_user_claims_thirty_leads_at_once(
    api: Sales, user: User, create: CreateLead, sales: Running
) -> None:
    await change_rules(api, user, PoolRules(capacity=5))
    pooled = [await create(to_pool=True) for _ in range(30)]
    li = await sales.user(user.tenant_id, grants=OWN)
    outcomes = await asyncio.gather(*(outcome(api, lead.id, li) for lead in pooled))
    assert Counter(outcomes) == {"CLAIMED": 5, "POOL_CAPACITY_REACHED": 25}
    # It holds on every way into their hands, and giving one back makes room.
    with refused("FAILED_PRECONDITION", "POOL_CAPACITY_REACHED"):
        await create(by=li)
    free = next(lead.id for lead, how in zip(pooled, outcomes, strict=True) if how != "CLAIMED")
    with refused("FAILED_PRECONDITION", "POOL_CAPACITY_REACHED"):
        await api.leads.AssignLead(pb.AssignLeadRequest(id=free, owner_id=str(li.id)), metadata=user.metadata)
    held = pooled[outcomes.index("CLAIMED")]
    await api.leads.ReturnLead(pb.ReturnLeadRequest(id=held.id, reason="x"), metadata=li.metadata)
    assert await outcome(api, free, li) == "CLAIMED"
    await check_counters(sales, user.tenant_id)


async def test_what_is_disqualified_makes_room_and_no_further_claim_in_the_day(
    api: Sales, create: CreateLead, sales: Running
) -> None:
    user = await sales.user(await sales.tenant(sandbox=True))
    await move_clock(sales, user.tenant_id, until_noon(), version=2)
    await change_rules(api, user, PoolRules(capacity=1, claims_per_day=2))
    first, second, third = [await create(by=user, to_pool=True) for _ in range(3)]
    li = await sales.user(user.tenant_id, grants=OWN)
    for lead in (first, second):
        assert await outcome(api, lead.id, li) == "CLAIMED"
        assert await outcome(api, third.id, li) == "POOL_CAPACITY_REACHED"
        await api.leads.DisqualifyLead(pb.DisqualifyLeadRequest(id=lead.id, reason="lost"), metadata=li.metadata)
    assert await outcome(api, third.id, li) == "POOL_DAILY_LIMIT_REACHED"
    await check_counters(sales, user.tenant_id)


async def test_a_capacity_of_zero_lets_nobody_take_anything(api: Sales, user: User, create: CreateLead) -> None:
    lead = await create(to_pool=True)
    await change_rules(api, user, PoolRules(capacity=0))
    assert await outcome(api, lead.id, user) == "POOL_CAPACITY_REACHED"
    with refused("FAILED_PRECONDITION", "POOL_CAPACITY_REACHED"):
        await create()


async def test_claiming_again_what_one_holds_changes_nothing(
    api: Sales, user: User, create: CreateLead, sales: Running
) -> None:
    lead = await create(to_pool=True)
    first = await api.leads.ClaimLead(pb.ClaimLeadRequest(id=lead.id), metadata=user.metadata)
    assert await api.leads.ClaimLead(pb.ClaimLeadRequest(id=lead.id), metadata=user.metadata) == first
    assert names_of(await emitted(sales, user.tenant_id, lead.id)) == ["LeadCreated", "LeadClaimed"]


async def test_the_former_owner_waits_for_the_cool_down_and_others_do_not(
    api: Sales, create: CreateLead, sales: Running
) -> None:
    tenant = await sales.tenant(sandbox=True)
    li, wang = await sales.user(tenant), await sales.user(tenant)
    leads = [await create(by=li) for _ in range(2)]
    for lead in leads:
        await api.leads.ReturnLead(pb.ReturnLeadRequest(id=lead.id, reason="x"), metadata=li.metadata)
    assert await outcome(api, leads[0].id, li) == "POOL_COOL_DOWN"
    assert await outcome(api, leads[0].id, wang) == "CLAIMED"
    await move_clock(sales, tenant, timedelta(hours=25), version=2)
    assert await outcome(api, leads[1].id, li) == "CLAIMED"

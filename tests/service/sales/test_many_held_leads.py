"""Many leads, each followed up as often as it can be: judged in steps, and by what all of it says."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from crm.sales.v1 import leads_pb2
from crm.sales.v1 import pools_pb2 as pb
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from crm_kit.database.connections import ALL_TENANTS, Database, Record, row_of
from crm_kit.database.statements import compile_statement
from crm_kit.database.work import ReadSession, UnitOfWork
from crm_kit.identity.access import Scope, service_actor
from crm_kit.ids import new_id
from crm_sales.leads.histories import unfinished
from crm_sales.leads.model import MAX_FOLLOW_UPS
from crm_sales.leads.protection import held_leads
from crm_sales.leads.queries import deciding_follow_ups, due_leads, follow_ups_after, held_after, stale_conversions
from crm_sales.leads.reclaim import Reclaim
from crm_sales.leads.tables import lead_follow_ups, leads
from crm_sales.pools.model import Extension, FollowUpKind, PoolRules
from crm_sales.pools.protection import FollowUp, Holding, protection
from google.protobuf.duration_pb2 import Duration
from sqlalchemy import Integer, Uuid, bindparam, case, column, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import array

from tests.service.kit.plans import binds_of_reader, plan_of, scans_of
from tests.service.running import Running, User
from tests.service.sales.conftest import CreateLead
from tests.service.sales.selling import Sales, pool_of
from tests.steps import watched

MANY = 250
"""More than are judged at once."""
PART = MAX_FOLLOW_UPS // 10
EVERY_KIND = [number for number in leads_pb2.FollowUp.Kind.values() if number]
MOST_ROWS = 600
"""Of one statement, whatever they are of."""
OTHERS = {each.name: each for each in leads.c if each.name not in {"id", "take_time"}}
MORE_LEADS = compile_statement(
    insert(leads).from_select(
        ["id", "take_time", *OTHERS],
        select(func.gen_random_uuid(), leads.c.take_time - timedelta(days=1), *OTHERS.values())
        .select_from(leads, func.generate_series(1, bindparam("count", type_=Integer)).table_valued("n"))
        .where(leads.c.tenant_id == bindparam("tenant_id"), leads.c.id == bindparam("id", type_=Uuid)),
    )
)
NUMBER = (
    func.generate_series(bindparam("first", type_=Integer), bindparam("last", type_=Integer))
    .table_valued(column("n", Integer))
    .render_derived()
    .c.n
)
KINDS = array([literal(str(each)) for each in FollowUpKind])
RECORDED = leads.c.take_time + NUMBER * literal(timedelta(seconds=10))
# Of each kind, some were entered at once, and others, which protect longer, two minutes late.
FOLLOWED_UP = compile_statement(
    insert(lead_follow_ups).from_select(
        ["tenant_id", "id", "lead_id", "kind", "happen_time", "record_time", "user_id"],
        select(
            leads.c.tenant_id,
            func.gen_random_uuid(),
            leads.c.id,
            KINDS[NUMBER // 2 % len(FollowUpKind) + 1],
            RECORDED - case((NUMBER > MAX_FOLLOW_UPS // 2, timedelta(minutes=2)), else_=timedelta()),
            RECORDED,
            leads.c.owner_id,
        ).where(leads.c.tenant_id == bindparam("tenant_id")),
    )
)
OLDER_RULES = compile_statement(
    update(leads).where(leads.c.tenant_id == bindparam("tenant_id")).values(rules_version=0)
)


async def follow_up(work: UnitOfWork) -> None:
    """As often as can be, all leads of the tenant: in parts, none of which takes the database long."""
    await work.flush()
    for first in range(0, MAX_FOLLOW_UPS, PART):
        work.execute(FOLLOWED_UP, first=first, last=first + PART - 1)
        await work.flush()


@pytest.fixture
def read_at_once(user: User, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each statement outside a transaction has brought: those of this tenant, no background job's."""
    counts, fetch = [], Database.all

    async def counted(self: Database, tenant: UUID | str, *asked: Any) -> Sequence[Record]:
        rows = await fetch(self, tenant, *asked)
        if tenant == user.tenant_id:
            counts.append(len(rows))
        return rows

    monkeypatch.setattr(Database, "all", counted)
    return counts


async def test_no_simulation_holds_up_others_or_fills_the_memory_however_often_leads_were_followed_up(
    api: Sales,
    sales: Running,
    user: User,
    create: CreateLead,
    monkeypatch: pytest.MonkeyPatch,
    read_at_once: list[int],
) -> None:
    lead = await create()
    async with sales.unit_of_work(user.tenant_id) as work:
        work.execute(MORE_LEADS, id=UUID(lead.id), count=MANY - 1)
        await follow_up(work)
    extensions = [pb.PoolRules.Extension(kind=kind, duration=Duration(seconds=1)) for kind in EVERY_KIND]
    # Another backdating than the present one: what counts now need not count then.
    rules = pb.PoolRules(reclaim_after=Duration(seconds=1), extensions=extensions, backdating=Duration(seconds=60))
    request = pb.SimulatePoolRequest(id=(await pool_of(api, user)).id, rules=rules)
    read_at_once.clear()
    with watched(monkeypatch) as steps:
        answer = await api.pools.SimulatePool(request, metadata=user.metadata)
    assert steps.too_long == []
    assert max(read_at_once) <= MOST_ROWS
    assert answer.held_count == MANY
    # But for the first one, which was taken just now.
    assert answer.return_count >= MANY - 1


async def test_no_run_that_takes_leads_back_holds_up_others_however_often_they_were_followed_up(
    sales: Running, user: User, create: CreateLead, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = 60
    lead = await create()
    async with sales.unit_of_work(user.tenant_id) as work:
        work.execute(MORE_LEADS, id=UUID(lead.id), count=few - 1)
        await follow_up(work)
        # The times of all are by rules that are no longer in force.
        work.execute(OLDER_RULES)
    run = Reclaim(Tenants(sales.service.database, sales.service.clock), every_seconds=3600)
    with watched(monkeypatch) as steps:
        assert await run.reclaim(user.tenant_id, system_now() + timedelta(days=100)) == few
    assert steps.too_long == []


async def test_what_decides_and_what_is_due_are_found_along_indexes(sales: Running, user: User) -> None:
    now = system_now()
    position = {"after_id": new_id(), "after_time": now, "batch": 100}
    asked = {"ids": [new_id()], "take_times": [now], "backdating": timedelta(days=3), "lead_id": new_id()}
    values = {"tenant_id": user.tenant_id, "now": now, "end_time": now, "limit": 100} | position | asked
    values |= binds_of_reader(user.id)
    for query in (deciding_follow_ups(), follow_ups_after(), held_after(Scope.ALL), due_leads(), stale_conversions()):
        plan = await plan_of(sales.service.database, user.tenant_id, query, values)
        assert "Seq Scan" not in scans_of(plan), query.sql
    plan = await plan_of(sales.service.database, ALL_TENANTS, unfinished(), {})
    assert "Seq Scan" not in scans_of(plan), "of what is unfinished of all tenants"


def at_random(chance: random.Random, lead: Holding, now: datetime) -> FollowUp:
    """Recorded sometime around when the lead was taken or now, and told to have happened some time around that."""
    lasting = (now - lead.take_time) / timedelta(minutes=1)
    record_time = lead.take_time + timedelta(minutes=chance.uniform(-60, lasting + 60))
    late = chance.choice([timedelta(0), timedelta(minutes=chance.uniform(-8, 8)), timedelta(days=chance.uniform(0, 6))])
    return FollowUp(chance.choice(list(FollowUpKind)), record_time - late, record_time)


@pytest.mark.parametrize("seed", range(5))
async def test_what_decides_says_the_same_as_all_follow_ups_together(
    sales: Running, user: User, create: CreateLead, seed: int
) -> None:
    chance = random.Random(seed)
    owned = [await create() for _ in range(20)]
    extensions = tuple(Extension(kind, timedelta(hours=chance.uniform(1, 300))) for kind in list(FollowUpKind)[1:])
    rules = [
        PoolRules(reclaim_after=timedelta(hours=1), extensions=extensions, backdating=backdating)
        for backdating in (timedelta(minutes=4), timedelta(days=3))
    ]
    now = system_now() + timedelta(days=10)
    whole = {}
    async with sales.unit_of_work(user.tenant_id) as work:
        for lead in owned:
            taken = lead.take_time.ToDatetime(tzinfo=UTC)
            held = Holding(UUID(lead.id), user.id, taken, taken)
            follow_ups = tuple(at_random(chance, held, now) for _ in range(chance.randrange(30)))
            whole[held.id] = replace(held, follow_ups=follow_ups)
            for each in follow_ups:
                work.insert(lead_follow_ups, row_of(replace(each, id=new_id(), user_id=user.id)) | {"lead_id": held.id})
        await work.flush_many()
    reader = ReadSession(sales.service.database, service_actor(user.tenant_id), scope=Scope.ALL, now=now)
    async for batch in held_leads(reader, *rules):
        for held in batch:
            assert len(held.follow_ups) <= 2 * len(FollowUpKind)
            for tried in rules:
                some, all_of_it = protection(held, tried, now), protection(whole[held.id], tried, now)
                assert (some.safe_until_time, some.reason) == (all_of_it.safe_until_time, all_of_it.reason)
            del whole[held.id]
    assert whole == {}

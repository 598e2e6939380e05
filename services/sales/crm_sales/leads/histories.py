"""Follow-ups of converted leads come into the history of their accounts: a few at a time, however many there are.

The first go with the conversion itself. That there are more is noted with it, and a job does the rest in steps, each a
transaction of its own that also notes how far it came: it may stop anywhere, and nothing comes twice.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from crm.sales.v1 import events_pb2 as events
from crm_kit.background import PeriodicJob, Tenants, each
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork, unit_of_work
from crm_kit.errors import Conflict, Unavailable
from crm_kit.events.leases import Lease
from crm_kit.events.outbox import emit
from crm_kit.identity.access import SERVICE_ACCESS, Actor, Scope
from crm_kit.plumbing import access_tenants
from crm_kit.resource.codecs import build
from sqlalchemy import ColumnElement, Interval, Select, Uuid, bindparam, delete, func, select, update

from crm_sales.leads.model import Lead
from crm_sales.leads.queries import next_follow_ups
from crm_sales.leads.resource import LEADS
from crm_sales.leads.tables import unfinished_histories
from crm_sales.pools.protection import FollowUp

EVERY_SECONDS = 2.0
# Of one lead in a step: so many events are written while others wait for the loop.
BATCH = 100
# Of all tenants: what is found first waits no longer than the others take.
MAX_FOUND = 200
# After a failure, while others have their turn.
WAIT = timedelta(minutes=1)
THE_FIRST = UUID(int=0)


async def begin_history(work: UnitOfWork, lead: Lead) -> bool:
    """Gather that the first follow-ups of a converted lead belong to the history of its account.

    True when there are more, which is noted.
    """
    told = await tell_some(work, lead, THE_FIRST)
    if len(told) < BATCH:
        return False
    work.insert(unfinished_histories, {"lead_id": lead.id, "after_id": told[-1].id, "actor_id": work.actor.user_id})
    return True


async def go_on(work: UnitOfWork, row: Record) -> bool:
    """Gather the next ones, if nobody else has; True when there may be more."""
    told = await tell_some(work, await LEADS.get(work, row["lead_id"]), row["after_id"])
    place = {"lead_id": row["lead_id"], "after_id": row["after_id"]}
    if len(told) < BATCH:
        work.execute(end_history(), unmet=somebody_was_quicker, **place)
        return False
    work.execute(move_on(), unmet=somebody_was_quicker, next_id=told[-1].id, **place)
    return True


async def tell_some(work: UnitOfWork, lead: Lead, after_id: UUID) -> list[FollowUp]:
    """Gather an event for each of the next follow-ups. A converted lead gets no others, and stays as it is."""
    follow_ups = await next_follow_ups(work, lead.id, after_id=after_id, limit=BATCH)
    for follow_up in follow_ups:
        assert follow_up.id is not None, "what is stored has an id"
        event = build(
            events.FollowUpConverted,
            follow_up=follow_up,
            lead_id=lead.id,
            lead_name=lead.display_name,
            lead_owner_id=lead.owner_id,
            lead_owner_team_id=lead.owner_team_id,
            account_id=lead.account_id,
        )
        emit(work, event, aggregate_type="follow_up", id=follow_up.id, version=1)
    return follow_ups


def somebody_was_quicker() -> Conflict:
    """What a process is told that does a step at the same time as another."""
    return Conflict("another process has told of these follow-ups")


def is_at() -> tuple[ColumnElement[bool], ...]:
    """The row of a lead, if it is where it was read."""
    place = unfinished_histories.c
    return (
        place.tenant_id == bindparam("tenant_id"),
        place.lead_id == bindparam("lead_id", type_=Uuid),
        place.after_id == bindparam("after_id", type_=Uuid),
    )


@statement
def move_on() -> Any:
    table = unfinished_histories
    return update(table).where(*is_at()).values(after_id=bindparam("next_id", type_=Uuid)).returning(table.c.lead_id)


@statement
def end_history() -> Any:
    return delete(unfinished_histories).where(*is_at()).returning(unfinished_histories.c.lead_id)


@statement
def unfinished() -> Select[Any]:
    """Across tenants, so of the plumbing only."""
    table, tenant = unfinished_histories, access_tenants.c
    found = select(table, tenant.clock_offset).join_from(table, access_tenants, tenant.tenant_id == table.c.tenant_id)
    return found.where(table.c.due_time <= func.now()).order_by(table.c.due_time).limit(MAX_FOUND)


@statement
def put_off() -> Any:
    table = unfinished_histories
    return update(table).where(*is_at()).values(due_time=func.now() + bindparam("wait", type_=Interval))


class Histories:
    """Goes on with the histories of all tenants; right when several processes do so at once. See `job`."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants
        lease = Lease(tenants.database, "histories")
        self.job = PeriodicJob("histories", self.look, every_seconds=EVERY_SECONDS, lease=lease)

    async def look(self) -> bool:
        """A step with each lead; True when there may be more."""
        rows = await self._tenants.database.all(ALL_TENANTS, unfinished(), {})
        return any(await each(rows, self._step, name=self.job.name))

    async def _step(self, row: Record) -> bool:
        """One transaction as whoever converted the lead, by the tenant's clock."""
        actor = Actor(row["tenant_id"], row["actor_id"], SERVICE_ACCESS)
        now = self._tenants.now() + row["clock_offset"]
        try:
            async with unit_of_work(self._tenants.database, actor, scope=Scope.ALL, now=now) as work:
                return await go_on(work, row)
        except (Conflict, Unavailable):
            raise
        except Exception:
            await self._tenants.database.all(row["tenant_id"], put_off(), {**row, "wait": WAIT})
            raise

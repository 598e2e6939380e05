"""Open deals follow their account and their pipeline: a few at a time, however many there are.

What they follow is noted by the event that says so. A job does the rest in steps, each a transaction of its own: it may
stop anywhere, and goes on with what is left; what others change at the same time is read again.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from crm_kit.background import PeriodicJob, Tenants, each
from crm_kit.database.connections import ALL_TENANTS, Record, row_of
from crm_kit.database.locks import advisory_lock
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork, retried, unit_of_work
from crm_kit.errors import Conflict, Unavailable
from crm_kit.events.leases import Lease
from crm_kit.identity.access import SERVICE_ACCESS, Actor, Scope
from crm_kit.plumbing import access_tenants
from sqlalchemy import (
    ColumnElement,
    Integer,
    Interval,
    Select,
    Table,
    Uuid,
    bindparam,
    delete,
    func,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from crm_sales.opportunities.commands import follow_stages, give_opportunities
from crm_sales.opportunities.handovers import Handover, last_of
from crm_sales.opportunities.queries import ids_of_outdated
from crm_sales.opportunities.tables import account_handovers, changed_pipelines
from crm_sales.pipelines.commands import require_unchanged
from crm_sales.pipelines.resource import PIPELINES

EVERY_SECONDS = 2.0
# Of one account or pipeline in a step: so many are written while others wait for the loop.
BATCH = 50
# Of all tenants, and of one of them.
MAX_FOUND = 200
A_TENANTS_SHARE = 20
# After a failure, while others have their turn.
WAIT = timedelta(minutes=1)
# Of a pipeline at once, for the steps that follow: looking for them is a walk through all that are left.
MAX_IDS = 5000


# --- accounts ---


async def hand_over(work: UnitOfWork, handover: Handover) -> bool:
    """Note a handover and give its first deals, in the transaction in which it is heard of.

    True when there may be more.
    """
    await lock_account(work, handover.account_id)
    work.execute(note_handover(), **row_of(handover), actor_id=work.actor.user_id)
    await work.flush()
    return await give_some(work, handover)


async def give_some(work: UnitOfWork, handover: Handover) -> bool:
    """Give some of the deals of a handover to who has them in the end; True when there may be more.

    Nobody else gives or notes anything of the account meanwhile.
    """
    later = [handover_from(row) for row in await work.all(handovers_at(), account_id=handover.account_id)]
    last = last_of(handover, later)
    given = await give_opportunities(
        work, handover.account_id, handover.former_owner_id, last.owner_id, last.owner_team_id, limit=BATCH
    )
    if given == BATCH:
        return True
    work.execute(end_handover(), account_id=handover.account_id, version=handover.version)
    return False


async def lock_account(work: UnitOfWork, account_id: UUID) -> None:
    """Let nobody else give deals of the account, or note to whom they go, until the unit ends."""
    await advisory_lock(work, f"deals of account {account_id}")


def handover_from(row: Record) -> Handover:
    return Handover(row["account_id"], row["version"], row["former_owner_id"], row["owner_id"], row["owner_team_id"])


@statement
def note_handover() -> Any:
    names = ("account_id", "version", "former_owner_id", "owner_id", "owner_team_id", "actor_id")
    fresh = insert(account_handovers).values({name: bindparam(name) for name in ("tenant_id", *names)})
    return fresh.on_conflict_do_nothing()


@statement
def handovers_at() -> Select[Any]:
    return select(account_handovers).where(
        account_handovers.c.tenant_id == bindparam("tenant_id"),
        account_handovers.c.account_id == bindparam("account_id", type_=Uuid),
    )


@statement
def end_handover() -> Any:
    table = account_handovers
    return update(table).where(*is_handover(table)).values(end_time=func.now())


def is_handover(table: Table) -> tuple[ColumnElement[bool], ...]:
    return (
        table.c.tenant_id == bindparam("tenant_id"),
        table.c.account_id == bindparam("account_id", type_=Uuid),
        table.c.version == bindparam("version", type_=Integer),
    )


# --- pipelines ---


def note_pipeline(work: UnitOfWork, pipeline_id: UUID, *, version: int) -> None:
    """Note that the stages of a pipeline have changed."""
    work.execute(note_changed_pipeline(), pipeline_id=pipeline_id, version=version, actor_id=work.actor.user_id)


@statement
def note_changed_pipeline() -> Any:
    table = changed_pipelines
    names = ("tenant_id", "pipeline_id", "version", "actor_id")
    fresh = insert(table).values({name: bindparam(name) for name in names})
    return fresh.on_conflict_do_update(
        index_elements=[table.c.tenant_id, table.c.pipeline_id],
        set_={"version": fresh.excluded.version, "actor_id": fresh.excluded.actor_id, "due_time": func.now()},
        where=table.c.version < fresh.excluded.version,
    )


@statement
def end_pipeline() -> Any:
    """Unless it has changed again."""
    table = changed_pipelines
    return delete(table).where(
        table.c.tenant_id == bindparam("tenant_id"),
        table.c.pipeline_id == bindparam("pipeline_id", type_=Uuid),
        table.c.version == bindparam("version", type_=Integer),
    )


# --- the job ---

# A pipeline of a tenant, in a version.
Key = tuple[UUID, UUID, int]


@statement
def to_follow(table: Table) -> Select[Any]:
    """Of each tenant what has waited longest. Across tenants, so of the plumbing only."""
    tenant = access_tenants
    due = select(table).where(table.c.tenant_id == tenant.c.tenant_id, table.c.due_time <= func.now())
    if table is account_handovers:
        due = due.where(table.c.end_time.is_(None))
    share = due.order_by(table.c.due_time).limit(A_TENANTS_SHARE).lateral("due")
    found = select(share, tenant.c.clock_offset).join_from(tenant, share, true())
    return found.order_by(share.c.due_time).limit(MAX_FOUND)


@statement
def put_off(table: Table) -> Any:
    """A row of either table, as it was found."""
    key = [column for column in table.primary_key.columns if column.name != "tenant_id"]
    is_row = (column == bindparam(column.name, type_=column.type) for column in key)
    later = func.now() + bindparam("wait", type_=Interval)
    return update(table).where(table.c.tenant_id == bindparam("tenant_id"), *is_row).values(due_time=later)


def key_of(row: Record) -> Key:
    return row["tenant_id"], row["pipeline_id"], row["version"]


class Following:
    """Lets deals follow in all tenants; right when several processes do so at once. See `job`."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants
        # Deals of each pipeline that were found and have not followed yet.
        self._outdated: dict[Key, Sequence[UUID]] = {}
        lease = Lease(tenants.database, "following")
        self.job = PeriodicJob("following", self.look, every_seconds=EVERY_SECONDS, lease=lease)

    async def look(self) -> bool:
        """A step with each account and each pipeline; True when there may be more."""
        handovers, pipelines = await self._found(account_handovers), await self._found(changed_pipelines)
        # Forget what was found for a version that another has followed.
        self._outdated = {key: self._outdated[key] for key in map(key_of, pipelines) if key in self._outdated}
        give = partial(self._tried, account_handovers, self._give)
        follow = partial(self._tried, changed_pipelines, self._follow)
        given = await each(handovers, give, name=self.job.name)
        followed = await each(pipelines, follow, name=self.job.name)
        return any(given + followed)

    async def _tried(self, table: Table, step: Callable[[Record], Awaitable[bool]], row: Record) -> bool:
        """Take a step; what fails waits, so that it holds up no others."""
        try:
            return await step(row)
        except (Conflict, Unavailable):
            raise
        except Exception:
            await self._tenants.database.all(row["tenant_id"], put_off(table), {**row, "wait": WAIT})
            raise

    async def _found(self, table: Table) -> list[Record]:
        return await self._tenants.database.all(ALL_TENANTS, to_follow(table), {})

    async def _give(self, row: Record) -> bool:
        async def attempt() -> bool:
            async with self._unit(row) as work:
                await lock_account(work, row["account_id"])
                return await give_some(work, handover_from(row))

        return await retried(attempt)

    async def _follow(self, row: Record) -> bool:
        key = key_of(row)
        ids = self._outdated.pop(key, ()) or await self._look_for(row)
        if not ids:
            return False

        async def attempt() -> None:
            async with self._unit(row) as work:
                await follow_stages(work, row["pipeline_id"], ids[:BATCH])

        await retried(attempt)
        self._outdated[key] = ids[BATCH:]
        return True

    async def _look_for(self, row: Record) -> Sequence[UUID]:
        """The next deals of a pipeline; when there are none, it has been followed."""

        async def attempt() -> Sequence[UUID]:
            async with self._unit(row) as work:
                pipeline = await PIPELINES.get(work, row["pipeline_id"])
                ids = await ids_of_outdated(work, pipeline, limit=MAX_IDS)
                if not ids:
                    require_unchanged(work, pipeline)
                    work.execute(end_pipeline(), pipeline_id=row["pipeline_id"], version=row["version"])
                return ids

        return await retried(attempt)

    def _unit(self, row: Record) -> AbstractAsyncContextManager[UnitOfWork]:
        """One transaction as whoever changed what is followed, by the tenant's clock."""
        now = self._tenants.now() + row["clock_offset"]
        actor = Actor(row["tenant_id"], row["actor_id"], SERVICE_ACCESS)
        return unit_of_work(self._tenants.database, actor, scope=Scope.ALL, now=now)

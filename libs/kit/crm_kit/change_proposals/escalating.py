"""The job that has proposals go up that nobody has decided in time, on each tenant's clock.

A proposal goes up once each time, whatever restarts or runs twice: it is changed in the version that it was found in,
and its timer goes with that.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Select, bindparam, func, select, true

from crm_kit.approvals.queries import leaders_above
from crm_kit.background import PeriodicJob, Tenants, each
from crm_kit.change_proposals.commands import escalate_proposal, hidden_of
from crm_kit.change_proposals.model import ChangeProposal
from crm_kit.change_proposals.proposable import Proposable
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork, retried
from crm_kit.directory.access import access_from, access_of_user
from crm_kit.events.leases import Lease
from crm_kit.identity.access import Actor
from crm_kit.plumbing import access_tenants, change_proposal_timers
from crm_kit.resource.owners import may

NAME = "change proposals that go up"
EVERY_SECONDS = 2.0
BATCH = 500
A_TENANTS_SHARE = 100


class EscalatingProposals:
    """Looks in all tenants, in one process at a time; see `job`."""

    def __init__(self, tenants: Tenants, proposables: Mapping[str, Proposable]) -> None:
        self._tenants = tenants
        self._proposables = proposables
        lease = Lease(tenants.database, NAME)
        self.job = PeriodicJob(NAME, self.look, every_seconds=EVERY_SECONDS, lease=lease)

    async def look(self) -> bool:
        """Have those go up that are due; True when there may be more."""
        rows = await self._tenants.database.all(ALL_TENANTS, due_proposals(), {"now": self._tenants.now()})
        done = await each(rows, self._escalate, name=NAME)
        # Those that failed are found again: without an end to it, unless the next look waits.
        return len(rows) >= A_TENANTS_SHARE and bool(done)

    async def _escalate(self, timer: Record) -> None:
        on = self._proposables[timer["collection"]]

        async def attempt() -> None:
            now = self._tenants.now() + timer["clock_offset"]
            async with self._tenants.unit(timer["tenant_id"], now) as work:
                proposal = await on.proposals.get(work, timer["proposal_id"])
                if proposal.is_due(now):
                    leaders = [id async for id in leaders_of(work, on, proposal)]
                    await escalate_proposal(work, on, proposal, leaders)

        await retried(attempt)


async def leaders_of(work: UnitOfWork, on: Proposable, proposal: ChangeProposal) -> AsyncIterator[UUID]:
    """The leaders above the owner who may read the record and change it, and see what waits, the nearest first."""
    for id in await leaders_above(work, proposal.owner_id, permission=on.update.permission):
        row = await work.one(access_of_user(), user_id=id)
        if row is None or not row["active"]:
            continue
        leader = Actor(work.tenant_id, id, access_from(row))
        with work.acting_as(leader, work.scope):
            reaches = await may(work, on.records, proposal.record_id, on.records.permission)
            decides = reaches and await on.may_decide(work, proposal.record_id)
            if decides and not hidden_of(work, on, proposal).issuperset(proposal.waiting):
                yield id


@statement
def due_proposals() -> Select[Any]:
    """Of each open tenant the first that are due on its clock, found by an index; first the first of each."""
    timers, tenant = change_proposal_timers, access_tenants
    due = (
        select(timers.c.proposal_id, timers.c.collection, timers.c.due_time)
        .where(
            timers.c.tenant_id == tenant.c.tenant_id,
            bindparam("now", type_=DateTime(timezone=True)) + tenant.c.clock_offset >= timers.c.due_time,
        )
        .order_by(timers.c.due_time)
        .limit(A_TENANTS_SHARE)
        .lateral("due")
    )
    number = func.row_number().over(partition_by=tenant.c.tenant_id, order_by=due.c.due_time)
    return (
        select(tenant.c.tenant_id, tenant.c.clock_offset, due.c.proposal_id, due.c.collection)
        .join_from(tenant, due, true())
        .where(tenant.c.active)
        .order_by(number, due.c.due_time)
        .limit(BATCH)
    )

"""Every write on leads but conversion and reclaim. Each function is one transaction's work."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from crm_kit.database.connections import row_of
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import owner_team
from crm_kit.errors import FailedPrecondition, invalid_field
from crm_kit.etags import check_etag
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from google.protobuf.message import Message

from crm_sales.leads.limits import check_capacity, count_claim, count_owned
from crm_sales.leads.model import Lead
from crm_sales.leads.protection import with_protection
from crm_sales.leads.queries import claims_on, get_claimable, get_lead, held_by
from crm_sales.leads.tables import lead_follow_ups, leads
from crm_sales.leads.wire import (
    lead_assigned,
    lead_claimed,
    lead_created,
    lead_disqualified,
    lead_followed_up,
    lead_qualified,
    lead_returned,
    lead_updated,
)
from crm_sales.pools.claims import Claimant, PoolEntry, check_claim
from crm_sales.pools.model import Pool
from crm_sales.pools.protection import FollowUp
from crm_sales.pools.queries import get_pool
from crm_sales.saving import Records, changed_names

RECORDS: Records[Lead] = Records("lead", leads, row_of)


async def create_lead(work: UnitOfWork, values: dict[str, Any], *, to_pool: bool) -> Lead:
    """Create a lead that is owned by the caller or by `owner_id`, or that is in the pool."""
    pool = await get_pool(work)
    lead = Lead(id=new_id(), create_time=work.now, update_time=work.now, **values)
    if to_pool:
        if lead.owner_id is not None:
            raise invalid_field("lead.owner_id", "empty", "a lead in the pool has no owner")
        lead = replace(lead, pool_time=work.now, was_pooled=True)
    else:
        owner_id = lead.owner_id or work.actor.user_id
        team_id = await owner_team(work, owner_id, field="lead.owner_id")
        await check_capacity(work, owner_id, pool)
        owned = replace(lead, owner_id=owner_id, owner_team_id=team_id, take_time=work.now)
        lead = await with_protection(work, owned, pool)
    RECORDS.create(work, lead, lead_created(lead))
    count_owned(work, None, lead, pool)
    return lead


async def update_lead(work: UnitOfWork, id: UUID, values: dict[str, Any], *, etag: str = "") -> Lead:
    """Change some fields of a lead; nothing is written when nothing changes."""
    before = await get_lead(work, id)
    check_etag(etag, before.version)
    check_in_reach(work, before)
    after = before.update(values)
    return RECORDS.save(work, before, after, partial(lead_updated, changed_fields=changed_names(before, after)))


async def claim_lead(work: UnitOfWork, id: UUID) -> Lead:
    """Take a lead from the pool, if it is still there and the limits allow it when this becomes true."""
    before = await get_claimable(work, id)
    user_id = work.actor.user_id
    after = before.claim(user_id, work.actor.access.team_id, now=work.now)
    if after is before:
        return before
    pool = await get_pool(work)
    day = work.now.astimezone(pool.rules.zone()).date()
    claimant = Claimant(user_id, await held_by(work, user_id), await claims_on(work, user_id, day))
    check_claim(
        PoolEntry(before.pool_time or before.create_time, before.former_owner_id), claimant, pool.rules, work.now
    )
    count_claim(work, user_id, pool)
    return save(work, before, await with_protection(work, after, pool), pool, lead_claimed)


async def assign_lead(work: UnitOfWork, id: UUID, owner_id: UUID, *, etag: str = "") -> Lead:
    """Give a lead to a user."""
    before = await get_lead(work, id)
    check_etag(etag, before.version)
    if before.in_pool and work.scope is Scope.OWN:
        raise FailedPrecondition("you cannot assign a lead that is in the pool; claim it instead")
    after = before.assign(owner_id, await owner_team(work, owner_id, field="owner_id"), now=work.now)
    if after is before:
        return before
    pool = await get_pool(work)
    await check_capacity(work, owner_id, pool)
    return save(work, before, await with_protection(work, after, pool), pool, lead_assigned)


async def return_lead(work: UnitOfWork, id: UUID, reason: str, *, etag: str = "") -> Lead:
    """Return a lead to the pool."""
    before = await get_lead(work, id)
    check_etag(etag, before.version)
    after = before.return_to_pool(reason, now=work.now)
    return save(work, before, after, await get_pool(work), lead_returned)


async def record_follow_up(work: UnitOfWork, id: UUID, follow_up: FollowUp, *, note: str | None) -> Lead:
    """Record a follow-up, with what it does to state and protection."""
    before = await get_lead(work, id)
    check_in_reach(work, before)
    after = before.follow_up(now=work.now)
    pool = await get_pool(work)
    row = row_of(follow_up) | {"id": new_id(), "lead_id": id, "user_id": work.actor.user_id, "note": note}
    work.insert(lead_follow_ups, row)
    event = partial(lead_followed_up, follow_up=follow_up, note=note)
    return save(work, before, await with_protection(work, after, pool, (follow_up,)), pool, event)


async def qualify_lead(work: UnitOfWork, id: UUID, *, etag: str = "") -> Lead:
    """Qualify a lead: it is worth selling to."""
    before = await get_lead(work, id)
    check_etag(etag, before.version)
    return RECORDS.save(work, before, before.qualify(), lead_qualified)


async def disqualify_lead(work: UnitOfWork, id: UUID, reason: str, *, etag: str = "") -> Lead:
    """Disqualify a lead: it will not buy."""
    before = await get_lead(work, id)
    check_etag(etag, before.version)
    check_in_reach(work, before)
    return save(work, before, before.disqualify(reason), await get_pool(work), lead_disqualified)


def check_in_reach(work: UnitOfWork, lead: Lead) -> None:
    """The pool is seen by all; what is in it is changed only by who may change all leads."""
    if lead.in_pool and work.scope is not Scope.ALL:
        raise FailedPrecondition("the lead is in the pool; claim it first")


def save(work: UnitOfWork, before: Lead, after: Lead, pool: Pool, event: Callable[[Lead], Message]) -> Lead:
    """Gather a change that may change whose capacity the lead counts against."""
    saved = RECORDS.save(work, before, after, event)
    count_owned(work, before, saved, pool)
    return saved

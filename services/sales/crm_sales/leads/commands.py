"""Every write on leads but conversion and reclaim. Each function is one transaction's work."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import owner_team
from crm_kit.errors import FailedPrecondition, invalid_field
from crm_kit.etags import check_etag
from crm_kit.events.outbox import emit
from crm_kit.history import changed_fields, record_change
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from google.protobuf.message import Message

from crm_sales.leads.holdings import check_capacity, count_claim, count_hands, with_protection
from crm_sales.leads.model import Lead, LeadMove, LeadState
from crm_sales.leads.queries import claims_on, get_claimable, get_lead, held_by, stored
from crm_sales.leads.tables import lead_follow_ups, leads
from crm_sales.leads.wire import lead_claimed, lead_created, lead_returned
from crm_sales.pools.model import Claimant, FollowUp, FollowUpKind, Pool, PoolEntry, check_claim
from crm_sales.pools.queries import get_pool, pool_id_of

# What follows from other fields is no news of its own.
DERIVED = frozenset({"safe_until_time", "rules_version", "was_pooled"})


async def create_lead(work: UnitOfWork, values: dict[str, Any], *, to_pool: bool) -> Lead:
    """Create a lead in the caller's hands, in those of `owner_id`, or in the pool."""
    pool = await get_pool(work)
    lead = Lead(
        id=new_id(),
        state=LeadState.NEW,
        create_time=work.now,
        update_time=work.now,
        pool_id=str(pool_id_of(work.tenant_id)),
        **values,
    )
    if to_pool:
        if lead.owner_id:
            raise invalid_field("lead.owner_id", "empty", "a lead in the pool has no owner")
        lead = replace(lead, pool_time=work.now, was_pooled=True)
    else:
        lead = await taken(work, replace(lead, take_time=work.now), lead.owner_id, pool, field="lead.owner_id")
    work.insert(leads, stored(lead))
    count_hands(work, None, lead, pool)
    record_change(work, "lead", action="CREATED", before=None, after=lead)
    announce(work, lead, lead_created(lead))
    return lead


async def taken(work: UnitOfWork, lead: Lead, owner_id: str, pool: Pool, *, field: str) -> Lead:
    """The lead in the hands of this user, the caller when empty, if their capacity allows it."""
    owner_id = owner_id or str(work.actor.user_id)
    team_id = await owner_team(work, UUID(owner_id), field=field)
    await check_capacity(work, owner_id, pool)
    lead = replace(lead, owner_id=owner_id, owner_team_id=str(team_id or ""))
    return await with_protection(work, lead, pool)


async def update_lead(work: UnitOfWork, id: UUID, values: dict[str, Any], *, etag: str = "") -> Lead:
    """Change some fields of a lead; nothing is written when nothing changes."""
    before = await get_lead(work, id)
    check_etag(etag, before.version)
    check_in_reach(work, before)
    if not before.is_open or before.is_converting:
        state = "being converted" if before.is_converting else before.state
        raise FailedPrecondition(f"a lead that is {state} cannot be changed")
    after = replace(before, **values)
    if after == before:
        return before
    return save(work, before, after, "UPDATED", await get_pool(work))


async def claim_lead(work: UnitOfWork, id: UUID) -> Lead:
    """Take a lead from the pool, if it is still there and the limits allow it when this becomes true."""
    before = await get_claimable(work, id)
    user_id = str(work.actor.user_id)
    move = before.claim(now=work.now, actor_id=user_id)
    if not move.events:
        return before
    pool = await get_pool(work)
    day = work.now.astimezone(pool.rules.zone()).date()
    claimant = Claimant(user_id, await held_by(work, user_id), await claims_on(work, user_id, day))
    entry = PoolEntry(str(id), before.pool_time or before.create_time, before.former_owner_id)
    check_claim(entry, claimant, pool.rules, work.now)
    team_id = await owner_team(work, work.actor.user_id, field="id")
    after = await with_protection(work, replace(move.lead, owner_team_id=str(team_id or "")), pool)
    count_claim(work, user_id, pool)
    return save(work, before, after, action_of(move), pool, lead_claimed)


async def assign_lead(work: UnitOfWork, id: UUID, owner_id: str, *, etag: str = "") -> Lead:
    """Put a lead into somebody's hands."""
    before = await get_lead(work, id)
    check_etag(etag, before.version)
    if not before.owner_id and work.scope is Scope.OWN:
        raise FailedPrecondition("a lead in the pool is claimed, not assigned")
    move = before.assign(owner_id, now=work.now, actor_id=str(work.actor.user_id))
    if not move.events:
        return before
    pool = await get_pool(work)
    after = await taken(work, move.lead, owner_id, pool, field="owner_id")
    return save(work, before, after, action_of(move), pool)


async def return_lead(work: UnitOfWork, id: UUID, reason: str, *, etag: str = "") -> Lead:
    """Give a lead back to the pool."""
    before = await get_lead(work, id)
    check_etag(etag, before.version)
    move = before.give_back(reason, now=work.now, actor_id=str(work.actor.user_id))
    return save(work, before, move.lead, action_of(move), await get_pool(work), lead_returned)


async def record_follow_up(
    work: UnitOfWork, id: UUID, kind: FollowUpKind, *, happen_time: datetime | None, note: str
) -> Lead:
    """Write a follow-up down, with what it does to state and protection."""
    before = await get_lead(work, id)
    check_in_reach(work, before)
    follow_up = FollowUp(kind, happen_time or work.now, work.now)
    move = before.follow_up(follow_up, actor_id=str(work.actor.user_id))
    pool = await get_pool(work)
    work.insert(
        lead_follow_ups,
        {
            "id": new_id(),
            "lead_id": id,
            "kind": kind,
            "happen_time": follow_up.happened,
            "record_time": follow_up.recorded,
            "user_id": work.actor.user_id,
            "note": note,
        },
    )
    return save(work, before, await with_protection(work, move.lead, pool, (follow_up,)), action_of(move), pool)


async def qualify_lead(work: UnitOfWork, id: UUID, *, etag: str = "") -> Lead:
    """Say that there is something in it."""
    before = await get_lead(work, id)
    check_etag(etag, before.version)
    move = before.qualify(now=work.now, actor_id=str(work.actor.user_id))
    return save(work, before, move.lead, action_of(move), await get_pool(work))


async def disqualify_lead(work: UnitOfWork, id: UUID, reason: str, *, etag: str = "") -> Lead:
    """Say that there is nothing in it."""
    before = await get_lead(work, id)
    check_etag(etag, before.version)
    check_in_reach(work, before)
    move = before.disqualify(reason, now=work.now, actor_id=str(work.actor.user_id))
    return save(work, before, replace(move.lead, safe_until_time=None), action_of(move), await get_pool(work))


def check_in_reach(work: UnitOfWork, lead: Lead) -> None:
    """The pool is seen by all; what lies in it is changed only by who may change all leads."""
    if not lead.owner_id and work.scope is not Scope.ALL:
        raise FailedPrecondition("the lead lies in the pool; claim it first")


def action_of(move: LeadMove) -> str:
    """What the history calls a move."""
    return move.events[0].kind


def save(
    work: UnitOfWork,
    before: Lead,
    after: Lead,
    action: str,
    pool: Pool,
    event: Callable[[Lead], Message] | None = None,
) -> Lead:
    """Gather row, counters, history and event of a changed lead; it must still be what was read."""
    after = replace(after, version=before.version + 1, update_time=max(work.now, before.update_time or work.now))
    work.save(leads, stored(after), version=before.version)
    count_hands(work, before, after, pool)
    names = [name for name in changed_fields(before, after) if name not in DERIVED]
    record_change(work, "lead", action=action, before=before, after=after, only=names)
    if event is not None:
        announce(work, after, event(after))
    return after


def announce(work: UnitOfWork, lead: Lead, event: Message) -> None:
    """Gather the event of what became true of the lead."""
    emit(work, event, aggregate_type="lead", id=lead.id, version=lead.version)

"""Every write on leads but conversion and reclaim. Each function is one transaction's work."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm.sales.v1 import events_pb2 as events
from crm_kit.database.connections import row_of
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.directory.access import owner_team
from crm_kit.errors import illegal_state, invalid_field
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.resource.owners import check_gives
from crm_kit.zones import check_plausible
from google.protobuf.message import Message

from crm_sales.leads.limits import check_capacity, count_claim, count_owned
from crm_sales.leads.model import MAX_FOLLOW_UPS, Lead
from crm_sales.leads.protection import with_protection
from crm_sales.leads.queries import claims_on, get_claimable, has_room, held_by
from crm_sales.leads.resource import LEADS
from crm_sales.leads.tables import lead_follow_ups
from crm_sales.pools.claims import Claimant, PoolEntry, check_claim
from crm_sales.pools.model import Pool
from crm_sales.pools.protection import CLOCK_SKEW, FollowUp
from crm_sales.pools.queries import get_pool


async def create_lead(work: UnitOfWork, values: dict[str, Any], *, to_pool: bool) -> Lead:
    """Create a lead that is owned by the caller or by `owner_id`, or that is in the pool."""
    pool = await get_pool(work)
    lead = Lead(id=new_id(), create_time=work.now, update_time=work.now, **values).checked(
        region=work.actor.access.default_region
    )
    if to_pool:
        if lead.owner_id is not None:
            raise invalid_field("lead.owner_id", "empty", "a lead in the pool has no owner")
        lead = replace(lead, pool_time=work.now, was_pooled=True)
    else:
        owner_id = lead.owner_id or work.actor.user_id
        team_id = await owner_team(work, owner_id, permission=LEADS.permission, field="lead.owner_id")
        await check_capacity(work, owner_id, pool)
        owned = replace(lead, owner_id=owner_id, owner_team_id=team_id, take_time=work.now, owned_since_time=work.now)
        lead = await with_protection(work, owned, pool)
    LEADS.create(work, lead)
    count_owned(work, None, lead, pool)
    return lead


def update_lead(work: UnitOfWork, before: Lead, values: dict[str, Any]) -> Lead:
    """Change some fields of a lead; nothing is written when nothing changes."""
    check_in_reach(work.scope, before)
    after = before.update(values, now=work.now, region=work.actor.access.default_region)
    return LEADS.save(work, before, after, events.LeadUpdated)


async def claim_lead(work: UnitOfWork, id: UUID) -> Lead:
    """Take a lead from the pool, if it is still there and the limits allow it when this becomes true."""
    before = await get_claimable(work, id)
    user_id = work.actor.user_id
    after = before.claim(user_id, work.actor.access.team_id, now=work.now)
    if after is before:
        return before
    pool = await check_claimable(work, before)
    count_claim(work, user_id, pool)
    return save(work, before, await with_protection(work, after, pool), pool, events.LeadClaimed)


async def check_claimable(reader: Reader, lead: Lead) -> Pool:
    """The pool of the lead; POOL_CAPACITY_REACHED and the like when its limits do not let the caller claim it now."""
    pool, user_id = await get_pool(reader), reader.actor.user_id
    rules = pool.rules.of_tenant(reader.actor.access.time_zone)
    day = reader.now.astimezone(rules.zone()).date()
    claimant = Claimant(user_id, await held_by(reader, user_id), await claims_on(reader, user_id, day))
    entry = PoolEntry(lead.pool_time or lead.create_time, lead.former_owner_id)
    check_claim(entry, claimant, rules, reader.now)
    return pool


async def assign_lead(work: UnitOfWork, before: Lead, owner_id: UUID) -> Lead:
    """Give a lead to a user; to who owns it already, it only ends an attempt to convert it."""
    check_assignable(work.scope, before)
    team_id = before.owner_team_id
    if owner_id != before.owner_id:
        team_id = await owner_team(work, owner_id, permission=LEADS.permission, field="owner_id")
    after = before.assign(owner_id, team_id, now=work.now)
    if after is before:
        return before
    if owner_id == before.owner_id:
        freed = await with_protection(work, after, await get_pool(work))
        return LEADS.save(work, before, freed, events.LeadConversionAbandoned, reason="the lead was assigned")
    await check_gives(work, LEADS, before, owner_id=owner_id, owner_team_id=team_id)
    pool = await get_pool(work)
    await check_capacity(work, owner_id, pool)
    return save(work, before, await with_protection(work, after, pool), pool, events.LeadAssigned)


async def return_lead(work: UnitOfWork, before: Lead, reason: str) -> Lead:
    """Return a lead to the pool."""
    after = before.return_to_pool(reason, now=work.now)
    return save(work, before, after, await get_pool(work), events.LeadReturned)


async def record_follow_up(work: UnitOfWork, before: Lead, follow_up: FollowUp) -> Lead:
    """Record a follow-up, with what it does to state and protection."""
    check_in_reach(work.scope, before)
    check_happened(follow_up, work.now)
    await check_room(work, before)
    pool = await get_pool(work)
    follow_up = replace(follow_up, id=new_id(), user_id=work.actor.user_id)
    work.insert(lead_follow_ups, row_of(follow_up) | {"lead_id": before.id})
    after = await with_protection(work, before.follow_up(now=work.now), pool, (follow_up,))
    return LEADS.save(work, before, after, events.LeadFollowedUp, follow_up=follow_up)


def qualify_lead(work: UnitOfWork, before: Lead) -> Lead:
    """Qualify a lead: it is worth selling to."""
    return LEADS.save(work, before, before.qualify(), events.LeadQualified)


async def disqualify_lead(work: UnitOfWork, before: Lead, reason: str) -> Lead:
    """Disqualify a lead: it will not buy."""
    check_in_reach(work.scope, before)
    return save(work, before, before.disqualify(reason, now=work.now), await get_pool(work), events.LeadDisqualified)


def check_happened(follow_up: FollowUp, now: datetime) -> None:
    """InvalidArgument for what is still to come, but for the difference of two clocks.

    What is entered late may be of any day: it is history, and the pool's rules say whether it protects.
    """
    check_plausible(follow_up.happen_time, field="follow_up.happen_time")
    if follow_up.happen_time > now + CLOCK_SKEW:
        happened = follow_up.happen_time.isoformat()
        raise invalid_field("follow_up.happen_time", "past", f"{happened} lies more than five minutes in the future")


async def check_room(reader: Reader, lead: Lead) -> None:
    """All follow-ups of a lead count for its protection and come into the history of its account: they have an end."""
    if not await has_room(reader, lead.id):
        detail = f"the lead has {MAX_FOLLOW_UPS} follow-ups, as many as it can have; convert or disqualify it"
        raise illegal_state("follow_ups_full", detail, most=MAX_FOLLOW_UPS)


def check_assignable(scope: Scope, lead: Lead) -> None:
    """Who reaches only their own leads claims one from the pool; nobody is given it."""
    if lead.in_pool and scope is Scope.OWN:
        raise illegal_state("only_claimable", "you cannot assign a lead that is in the pool; claim it instead")


def check_in_reach(scope: Scope, lead: Lead) -> None:
    """The pool is seen by all; what is in it is changed only by who may change all leads."""
    if lead.in_pool and scope is not Scope.ALL:
        raise illegal_state("lead_in_pool", "the lead is in the pool; claim it first", done="changed")


def save(work: UnitOfWork, before: Lead, after: Lead, pool: Pool, event: type[Message]) -> Lead:
    """Gather a change that may change whose capacity the lead counts against."""
    saved = LEADS.save(work, before, after, event)
    count_owned(work, before, saved, pool)
    return saved

"""Leads as the pool's rules see them: the facts that protect them, and until when they are safe."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from uuid import UUID

from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import illegal_state

from crm_sales.leads.model import Lead
from crm_sales.leads.queries import follow_ups_that_decide, held_after, known_follow_ups
from crm_sales.leads.resource import LEADS
from crm_sales.pools.model import Pool, PoolRules
from crm_sales.pools.protection import FollowUp, Holding, Protection, protection
from crm_sales.pools.visits import look_at

BATCH = 50
"""Leads of a simulation at once: judging more would hold up others, and so many can have 50,000 follow-ups."""
# A conversion that nobody has gone on with for so long is given up.
CONVERSION_LASTS = timedelta(hours=1)


async def held_leads(reader: Reader, *rules: PoolRules) -> AsyncIterator[list[Holding]]:
    """All owned and open leads that the reader may read, in batches, with what decides by each of the rules.

    PermissionDenied for who may read none.
    """
    after_id, scope = UUID(int=0), reader.actor.access.scope(LEADS.permission)
    while rows := await reader.all(held_after(scope), after_id=after_id, batch=BATCH):
        after_id = rows[-1]["id"]
        taken = {row["id"]: row["take_time"] for row in rows}
        found = [await follow_ups_that_decide(reader, taken, each) for each in {each.backdating for each in rules}]
        yield [Holding(**row, follow_ups=tuple(chain(*(each[row["id"]] for each in found)))) for row in rows]


def holding_of(lead: Lead) -> Holding:
    """What protects an open lead that somebody owns, but for its follow-ups; ILLEGAL_STATE for any other."""
    if lead.holder_id is None:
        raise illegal_state("not_protected", "only an open lead with an owner is protected")
    assert lead.take_time is not None
    assert lead.owned_since_time is not None
    return Holding(
        lead.id,
        lead.holder_id,
        lead.take_time,
        lead.owned_since_time,
        attempt_time=lead.conversion_attempt_time,
    )


async def explain_protection(reader: Reader, lead: Lead, pool: Pool) -> Protection:
    """Until when an owned lead is safe, by each of its follow-ups."""
    holding = holding_of(lead)
    known = await known_follow_ups(reader, lead.id, take_time=holding.take_time)
    return protection(replace(holding, follow_ups=known), pool.rules, reader.now)


async def protection_of(reader: Reader, lead: Lead, pool: Pool, more: tuple[FollowUp, ...] = ()) -> Protection:
    """Until when an owned lead is safe, by what decides it; `more` are follow-ups that are not written yet."""
    holding = holding_of(lead)
    known = await follow_ups_that_decide(reader, {lead.id: holding.take_time}, pool.rules.backdating)
    return protection(replace(holding, follow_ups=(*known[lead.id], *more)), pool.rules, reader.now)


async def with_protection(work: UnitOfWork, lead: Lead, pool: Pool, more: tuple[FollowUp, ...] = ()) -> Lead:
    """The lead with the time until which it is safe by the pool's present rules; the pool is looked at then."""
    safe_until = None
    if lead.holder_id is not None:
        safe_until = (await protection_of(work, lead, pool, more)).safe_until_time
    if safe_until is not None:
        look_at(work, safe_until)
    if lead.conversion_attempt_time is not None:
        look_at(work, lead.conversion_attempt_time + CONVERSION_LASTS)
    return replace(lead, safe_until_time=safe_until, rules_version=pool.version)

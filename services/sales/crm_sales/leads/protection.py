"""Leads as the pool's rules see them: the facts that protect them, and until when they are safe."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import illegal_state

from crm_sales.leads.model import Lead
from crm_sales.leads.queries import follow_ups_of, held_after
from crm_sales.leads.resource import LEADS
from crm_sales.pools.model import Pool
from crm_sales.pools.protection import FollowUp, Holding, Protection, protection
from crm_sales.pools.visits import look_at

BATCH = 500
# A conversion that nobody has gone on with for so long is given up.
CONVERSION_LASTS = timedelta(hours=1)


async def held_leads(reader: Reader) -> AsyncIterator[list[Holding]]:
    """All owned and open leads that the reader may read, in batches; PermissionDenied for who may read none."""
    after_id, scope = UUID(int=0), reader.actor.access.scope(LEADS.permission)
    while rows := await reader.all(held_after(scope), after_id=after_id, batch=BATCH):
        after_id = rows[-1]["id"]
        follow_ups = await follow_ups_of(reader, [row["id"] for row in rows])
        yield [holding_of(LEADS.entity_from(row), follow_ups.get(row["id"], ())) for row in rows]


def holding_of(lead: Lead, follow_ups: tuple[FollowUp, ...]) -> Holding:
    """The facts of a lead that somebody owns."""
    assert lead.owner_id is not None
    assert lead.take_time is not None
    assert lead.owned_since_time is not None
    return Holding(
        lead.id,
        lead.owner_id,
        lead.take_time,
        lead.owned_since_time,
        follow_ups,
        lead.conversion_attempt_time,
    )


async def protection_of(reader: Reader, lead: Lead, pool: Pool, more: tuple[FollowUp, ...] = ()) -> Protection:
    """Until when an owned lead is safe; `more` are follow-ups that are not written yet."""
    if lead.holder_id is None:
        raise illegal_state("not_protected", "only an open lead with an owner is protected")
    known = (await follow_ups_of(reader, [lead.id])).get(lead.id, ())
    return protection(holding_of(lead, (*known, *more)), pool.rules, reader.now)


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

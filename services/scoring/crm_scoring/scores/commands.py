"""Every write on scores: they are computed for a whole tenant, since each is relative to the others."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from crm.scoring.v1 import events_pb2 as events
from crm_kit.clock import time_zone_of
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.zones import day_in
from sqlalchemy import Interval, Text, bindparam, case, func, select, update
from sqlalchemy.dialects.postgresql import insert

from crm_scoring.scores.model import AccountScores
from crm_scoring.scores.queries import all_scores, business_from, business_in_window, get_main_currency
from crm_scoring.scores.resource import SCORES
from crm_scoring.scores.scoring import ScoringRules, score_tenant
from crm_scoring.scores.tables import rescorings

ROWS_AT_ONCE = 200


def ask_rescoring(work: UnitOfWork, *, delay_seconds: float) -> None:
    """Gather that the scores must follow what this unit changes, so long after it; askings until then are one."""
    work.execute(ask(), delay=timedelta(seconds=delay_seconds))


async def rescore(work: UnitOfWork, rules: ScoringRules) -> int | None:
    """Compute the tenant's scores anew; how many changed. None when somebody else is at it, or it was never asked for.

    Whoever is at it holds a lock for as long as it takes, and loses it when it dies: then another takes over.
    """
    asked = await take_turn(work)
    if asked is None:
        return None
    currency_code = await get_main_currency(work)
    zone = await time_zone_of(work)
    since, until = rules.window(day_in(zone, work.now))
    business = await work.all(business_in_window(), currency_code=currency_code, since=since, until=until)
    stored = await work.all(all_scores())

    def compute() -> tuple[dict[UUID, AccountScores], list[AccountScores]]:
        before = {row["id"]: SCORES.entity_from(row) for row in stored}
        return before, score_tenant([business_from(each, currency_code) for each in business], before, rules)

    # Beside the event loop: a large tenant takes seconds.
    before, changed = await asyncio.to_thread(compute)
    for start in range(0, len(changed), ROWS_AT_ONCE):
        for each in changed[start : start + ROWS_AT_ONCE]:
            put_scores(work, before.get(each.id), replace(each, compute_time=work.now))
        await work.flush_many()
    work.execute(finish(), done=asked, compute_time=work.now, refresh_time=next_day(work.now, zone))
    return len(changed)


async def take_turn(work: UnitOfWork) -> int | None:
    """Hold the lock of the tenant's scores and say up to which asking they will be done; None when it is held."""
    await work.flush()
    row = await work.one(try_to_take(), name=f"{work.tenant_id} scores")
    if row is None or not row["is_mine"]:
        return None
    # Read before the facts: what is asked for later is not done with this.
    row = await work.one(asked_so_far())
    return None if row is None else row["asked"]


def put_scores(work: UnitOfWork, before: AccountScores | None, after: AccountScores) -> None:
    """Gather scores as they are now; `before` they were others, or there were none."""
    if before is None:
        SCORES.create(work, replace(after, version=1, create_time=work.now, update_time=work.now))
    elif after.value_tier.band is before.value_tier.band:
        SCORES.save(work, before, after, events.AccountScoresUpdated)
    else:
        SCORES.save(work, before, after, events.ValueTierChanged, old_tier=before.value_tier.band)


def next_day(now: datetime, zone: str) -> datetime:
    """When the window that is looked at is another."""
    return datetime.combine(day_in(zone, now) + timedelta(days=1), time(), ZoneInfo(zone)).astimezone(UTC)


@statement
def ask() -> Any:
    fresh = insert(rescorings).values(
        tenant_id=bindparam("tenant_id"),
        asked=1,
        done=0,
        due_time=func.clock_timestamp() + bindparam("delay", type_=Interval),
    )
    is_idle = rescorings.c.asked == rescorings.c.done
    return fresh.on_conflict_do_update(
        index_elements=[rescorings.c.tenant_id],
        set_={
            "asked": rescorings.c.asked + 1,
            "due_time": case((is_idle, fresh.excluded.due_time), else_=rescorings.c.due_time),
        },
    )


@statement
def try_to_take() -> Any:
    name: Any = bindparam("name", type_=Text)
    return select(func.pg_try_advisory_xact_lock(func.hashtextextended(name, 0)).label("is_mine"))


@statement
def asked_so_far() -> Any:
    return select(rescorings.c.asked).where(rescorings.c.tenant_id == bindparam("tenant_id"))


@statement
def finish() -> Any:
    return (
        update(rescorings)
        .where(rescorings.c.tenant_id == bindparam("tenant_id"))
        .values(
            done=bindparam("done"),
            compute_time=bindparam("compute_time"),
            refresh_time=bindparam("refresh_time"),
        )
    )

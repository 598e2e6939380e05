"""Every write on scores: they are computed for a whole tenant, since each is relative to the others."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from crm_kit.clock import time_zone_of
from crm_kit.database.connections import row_of
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.events.outbox import emit
from crm_kit.resource import history
from crm_kit.zones import day_in
from sqlalchemy import Column, Interval, Text, Uuid, bindparam, case, func, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from crm_scoring.scores.model import AccountScores
from crm_scoring.scores.queries import (
    COLUMNS,
    all_scores,
    business_from,
    business_in_window,
    get_main_currency,
    scores_from,
)
from crm_scoring.scores.scoring import ScoringRules, score_tenant
from crm_scoring.scores.tables import rescorings, scores
from crm_scoring.scores.wire import scores_changed

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
        before = {row["id"]: scores_from(row) for row in stored}
        return before, score_tenant([business_from(each, currency_code) for each in business], before, rules)

    # Beside the event loop: a large tenant takes seconds.
    before, changed = await asyncio.to_thread(compute)
    for start in range(0, len(changed), ROWS_AT_ONCE):
        await save(work, before, changed[start : start + ROWS_AT_ONCE])
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


async def save(work: UnitOfWork, before: Mapping[UUID, AccountScores], changed: Sequence[AccountScores]) -> None:
    """Write scores with their history and events, in their next versions."""
    saved = [next_version(each, work.now) for each in changed]
    work.execute(put_scores(), rows=[score_row(each) for each in saved])
    for after in saved:
        was = before.get(after.id)
        action, fields, event = scores_changed(was, after)
        told = fields if was else ()
        history.record(work, "account_scores", after, action=action, before=was, changed=told)
        emit(work, event, aggregate_type="account_scores", id=after.id, version=after.version)
    await work.flush_many()


def next_version(changed: AccountScores, now: datetime) -> AccountScores:
    """As they are written."""
    return replace(
        changed,
        version=changed.version + 1,
        create_time=changed.create_time or now,
        update_time=max(now, changed.update_time or now),
        compute_time=now,
    )


def score_row(each: AccountScores) -> dict[str, Any]:
    """The row as JSON; numbers as text, so that they stay exact."""
    row = row_of(each)
    for name in ("ordered", "returned"):
        row[name] = None if row[name] is None else row[name].amount
    row["currency_code"] = each.ordered.currency_code if each.ordered is not None else None
    return {name: value for name, value in row.items() if name in scores.c}


def next_day(now: datetime, zone: str) -> datetime:
    """When the window that is looked at is another."""
    return datetime.combine(day_in(zone, now) + timedelta(days=1), time(), ZoneInfo(zone)).astimezone(UTC)


@statement
def put_scores() -> Any:
    given = (
        func.jsonb_to_recordset(bindparam("rows", type_=JSONB))
        .table_valued(*(Column(column.name, column.type) for column in COLUMNS))
        .render_derived(name="given", with_types=True)
    )
    names = [column.name for column in COLUMNS]
    tenant_id = bindparam("tenant_id", type_=Uuid)
    fresh = insert(scores).from_select(["tenant_id", *names], select(tenant_id, *(given.c[name] for name in names)))
    return fresh.on_conflict_do_update(
        index_elements=[scores.c.tenant_id, scores.c.id],
        set_={name: fresh.excluded[name] for name in names if name not in {"id", "create_time"}},
    )


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

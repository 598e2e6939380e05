"""Every write on facts: what an event told, and the aggregates of the one account that it is about."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from crm_kit.database.connections import row_of
from crm_kit.database.locks import advisory_lock
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from sqlalchemy import Table, bindparam
from sqlalchemy.dialects.postgresql import insert

from crm_scoring.facts.model import Fact, Totals, day_of, fold, fold_by_currency, order_statistics
from crm_scoring.facts.queries import event_from, facts_by_id, facts_of_account, facts_of_day, order_days
from crm_scoring.facts.tables import account_days, account_statistics, facts

Bucket = tuple[UUID, date, str]
ROWS_AT_ONCE = 200


async def put_facts(work: UnitOfWork, told: Sequence[Fact]) -> bool:
    """Take in what one event tells of one thing of one account; whether that was news.

    An aggregate is folded anew from the facts of its day: whatever came late, twice or was taken back, it is what
    a rebuild would make of it.
    """
    if not told:
        return False
    await advisory_lock(work, name_of(UUID(told[0].event.account_id)))
    known = {row["kind"]: row for row in await work.all(facts_by_id(), id=UUID(told[0].event.id))}
    news = [one for one in told if one.event.kind not in known or known[one.event.kind]["version"] < one.version]
    touched: set[Bucket] = set()
    for one in news:
        row = fact_row(one)
        work.execute(put_row(facts, tuple(row)), **row)
        touched.add(bucket_of(row))
        if one.event.kind in known:
            touched.add(bucket_of(known[one.event.kind]))
    await work.flush()
    for bucket in touched:
        await put_day(work, *bucket)
    await work.flush()
    for account_id, currency_code in {(account_id, currency_code) for account_id, _, currency_code in touched}:
        await put_statistics(work, account_id, currency_code)
    return bool(news)


async def rebuild_account(work: UnitOfWork, account_id: UUID) -> None:
    """Aggregate an account anew from all its facts."""
    await advisory_lock(work, name_of(account_id))
    work.delete(account_days, account_id=account_id)
    work.delete(account_statistics, account_id=account_id)
    await work.flush()
    events = [event_from(row) for row in await work.all(facts_of_account(), account_id=account_id)]
    apart = fold_by_currency(str(account_id), events)
    for currency_code, folded in apart.items():
        for day, day_facts in folded.days.items():
            work.insert(account_days, day_row(account_id, day, currency_code, day_facts.totals))
            if len(work.pending) >= ROWS_AT_ONCE:
                await work.flush()
    await work.flush()
    for currency_code in apart:
        await put_statistics(work, account_id, currency_code)


async def put_day(work: UnitOfWork, account_id: UUID, day: date, currency_code: str) -> None:
    """Gather one day's totals as its facts have them now."""
    key: dict[str, Any] = {"account_id": account_id, "day": day, "currency_code": currency_code}
    events = [event_from(row) for row in await work.all(facts_of_day(), **key)]
    folded = fold(str(account_id), events)
    if day not in folded.days:
        work.delete(account_days, **key)
        return
    row = day_row(account_id, day, currency_code, folded.days[day].totals)
    work.execute(put_row(account_days, tuple(row)), **row)


async def put_statistics(work: UnitOfWork, account_id: UUID, currency_code: str) -> None:
    """Gather the statistics of an account's orders in a currency as its days have them now."""
    key: dict[str, Any] = {"account_id": account_id, "currency_code": currency_code}
    rows = await work.all(order_days(), **key)
    statistics = order_statistics({row["day"]: row["revenue"] for row in rows})
    if statistics is None:
        work.delete(account_statistics, **key)
        return
    row = key | row_of(statistics)
    work.execute(put_row(account_statistics, tuple(row)), **row)


def name_of(account_id: UUID) -> str:
    """The lock under which an account's facts are written."""
    return f"facts {account_id}"


def bucket_of(row: Any) -> Bucket:
    """Which aggregate a fact belongs to."""
    return row["account_id"], row["day"], row["currency_code"]


def fact_row(fact: Fact) -> dict[str, Any]:
    """The row of a fact."""
    ids = {"id": UUID(fact.event.id), "account_id": UUID(fact.event.account_id)}
    return row_of(fact.event) | ids | {"day": day_of(fact.event.at), "version": fact.version, "holds": fact.holds}


def day_row(account_id: UUID, day: date, currency_code: str, totals: Totals) -> dict[str, Any]:
    """The row of a day's totals."""
    key = {"account_id": account_id, "day": day, "currency_code": currency_code}
    return key | row_of(totals) | {"interactions": dict(totals.interactions)}


@statement
def put_row(table: Table, columns: tuple[str, ...]) -> Any:
    """Insert the row, or put it in the place of the one with its key."""
    fresh = insert(table).values({name: bindparam(name) for name in ("tenant_id", *columns)})
    key = [column.name for column in table.primary_key]
    return fresh.on_conflict_do_update(
        index_elements=key, set_={name: fresh.excluded[name] for name in columns if name not in key}
    )

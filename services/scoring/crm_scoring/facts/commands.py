"""Every write on facts: what an event told, and the days of the account that it is about."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from crm_kit.database.connections import row_of
from crm_kit.database.locks import advisory_lock
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.projections import put_newest
from sqlalchemy import Date, Text, Uuid, and_, bindparam, column, delete, exists, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.sql.selectable import TableValuedAlias

from crm_scoring.facts.model import Bucket, Fact, FactKind
from crm_scoring.facts.queries import facts_by_id, get_buckets
from crm_scoring.facts.tables import account_days, facts


async def put_facts(work: UnitOfWork, told: Sequence[Fact]) -> bool:
    """Take in all that an event tells of one order, payment or case; whether that was news.

    Days are added up anew from their facts: whatever came late, twice or was taken back, they are what a rebuild
    would make of them.
    """
    if not told:
        return False
    id, version = told[0].id, told[0].version
    await advisory_lock(work, f"fact {id}")
    known = {FactKind(row["kind"]): row for row in await work.all(facts_by_id(), id=id)}
    if any(row["version"] >= version for row in known.values()):
        return False
    touched = {Bucket(row["account_id"], row["day"], row["currency_code"]) for row in known.values()}
    touched.update(fact.bucket for fact in told)
    await advisory_lock(work, *{name_of(bucket.account_id) for bucket in touched})
    for fact in told:
        put_newest(work, facts, fact_row(fact))
    for kind in known.keys() - {fact.kind for fact in told}:
        # Told of before and no more: a request that turned out to be a complaint, for example.
        work.delete(facts, id=id, kind=kind)
    await add_up(work, touched)
    return True


async def rebuild_account(work: UnitOfWork, account_id: UUID) -> None:
    """Add up all days of an account anew."""
    await advisory_lock(work, name_of(account_id))
    await add_up(work, await get_buckets(work, account_id))


async def add_up(work: UnitOfWork, buckets: Collection[Bucket]) -> None:
    """Gather what the facts of these buckets come to now; those without any are gone. Needs the accounts' locks."""
    await work.flush()
    account_ids, days, currency_codes = (list(values) for values in zip(*buckets, strict=True))
    for query in (put_days(), delete_empty_days()):
        work.execute(query, account_ids=account_ids, days=days, currency_codes=currency_codes)


def name_of(account_id: UUID) -> str:
    """The lock under which the days of an account are added up."""
    return f"facts {account_id}"


def fact_row(fact: Fact) -> dict[str, Any]:
    """The row of a fact."""
    amount = fact.amount.amount if fact.amount else None
    return row_of(fact) | {"amount": amount, "currency_code": fact.bucket.currency_code}


def given_buckets() -> TableValuedAlias:
    """The buckets that a statement is about, as rows."""
    return (
        func.unnest(
            bindparam("account_ids", type_=ARRAY(Uuid)),
            bindparam("days", type_=ARRAY(Date)),
            bindparam("currency_codes", type_=ARRAY(Text)),
        )
        .table_valued(column("account_id", Uuid), column("day", Date), column("currency_code", Text))
        .render_derived(name="bucket")
    )


def holds_in(bucket: Any) -> Any:
    """The facts that hold in a bucket."""
    return and_(
        facts.c.tenant_id == bindparam("tenant_id"),
        facts.c.account_id == bucket.account_id,
        facts.c.day == bucket.day,
        facts.c.currency_code == bucket.currency_code,
        facts.c.holds,
    )


@statement
def put_days() -> Any:
    def count(*conditions: Any) -> Any:
        return func.count().filter(*conditions)

    def amount(kind: FactKind) -> Any:
        return func.coalesce(func.sum(facts.c.amount).filter(facts.c.kind == kind), 0)

    bucket, kind = given_buckets(), facts.c.kind
    late = and_(kind == FactKind.PAYMENT, facts.c.overdue_days > 0)
    totals = {
        "orders": count(kind == FactKind.ORDER),
        "ordered": amount(FactKind.ORDER),
        "returns": count(kind == FactKind.RETURN),
        "returned": amount(FactKind.RETURN),
        "payments": count(kind == FactKind.PAYMENT),
        "paid": amount(FactKind.PAYMENT),
        "late_payments": count(late),
        "overdue_days": func.coalesce(func.sum(facts.c.overdue_days).filter(late), 0),
        "cases": count(kind == FactKind.CASE),
        "complaints": count(kind == FactKind.COMPLAINT),
    }
    key = ("tenant_id", *Bucket._fields)
    rows = (
        select(bindparam("tenant_id", type_=Uuid), *bucket.c, *totals.values())
        .join_from(bucket, facts, holds_in(bucket.c))
        .group_by(*bucket.c)
    )
    fresh = insert(account_days).from_select([*key, *totals], rows)
    return fresh.on_conflict_do_update(index_elements=key, set_={name: fresh.excluded[name] for name in totals})


@statement
def delete_empty_days() -> Any:
    bucket, days = given_buckets(), account_days.c
    return delete(account_days).where(
        days.tenant_id == bindparam("tenant_id"),
        days.account_id == bucket.c.account_id,
        days.day == bucket.c.day,
        days.currency_code == bucket.c.currency_code,
        ~exists().where(holds_in(days)),
    )

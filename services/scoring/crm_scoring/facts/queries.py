"""Every SELECT on facts."""

from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from sqlalchemy import Select, bindparam, select

from crm_scoring.facts.model import FactEvent, FactKind
from crm_scoring.facts.tables import account_days, facts

EVENT_COLUMNS = [
    facts.c[name]
    for name in (
        "id",
        "kind",
        "account_id",
        "at",
        "currency_code",
        "amount",
        "margin",
        "overdue_days",
        "mark",
        "channel",
    )
]


@statement
def facts_by_id() -> Select[Any]:
    return select(facts.c.kind, facts.c.version, facts.c.account_id, facts.c.day, facts.c.currency_code).where(
        facts.c.tenant_id == bindparam("tenant_id"), facts.c.id == bindparam("id")
    )


@statement
def facts_of_day() -> Select[Any]:
    return select(*EVENT_COLUMNS).where(
        facts.c.tenant_id == bindparam("tenant_id"),
        facts.c.account_id == bindparam("account_id"),
        facts.c.day == bindparam("day"),
        facts.c.currency_code == bindparam("currency_code"),
        facts.c.holds,
    )


@statement
def facts_of_account() -> Select[Any]:
    return select(*EVENT_COLUMNS).where(
        facts.c.tenant_id == bindparam("tenant_id"), facts.c.account_id == bindparam("account_id"), facts.c.holds
    )


@statement
def order_days() -> Select[Any]:
    return select(account_days.c.day, account_days.c.revenue).where(
        account_days.c.tenant_id == bindparam("tenant_id"),
        account_days.c.account_id == bindparam("account_id"),
        account_days.c.currency_code == bindparam("currency_code"),
        account_days.c.orders > 0,
    )


@statement
def accounts_with_facts() -> Select[Any]:
    """Those with aggregates too: they may have come from facts that hold no more."""
    told = select(facts.c.account_id).where(facts.c.tenant_id == bindparam("tenant_id"))
    counted = select(account_days.c.account_id).where(account_days.c.tenant_id == bindparam("tenant_id"))
    return select(told.union(counted).subquery().c.account_id)


async def get_accounts_with_facts(reader: Reader) -> list[UUID]:
    """The ids of all accounts of which something is or was known."""
    return [row["account_id"] for row in await reader.all(accounts_with_facts())]


def event_from(row: Record) -> FactEvent:
    """The event that a row of `EVENT_COLUMNS` holds."""
    values = dict(row)
    return FactEvent(
        **values
        | {"id": f"{row['kind']} {row['id']}", "account_id": str(row["account_id"]), "kind": FactKind(row["kind"])}
    )

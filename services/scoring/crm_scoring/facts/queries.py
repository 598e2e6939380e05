"""Every SELECT on facts."""

from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from sqlalchemy import Select, bindparam, select

from crm_scoring.facts.model import Bucket
from crm_scoring.facts.tables import account_days, facts


@statement
def facts_by_id() -> Select[Any]:
    return select(facts.c.kind, facts.c.version, facts.c.account_id, facts.c.day, facts.c.currency_code).where(
        facts.c.tenant_id == bindparam("tenant_id"), facts.c.id == bindparam("id")
    )


@statement
def buckets_of_account() -> Select[Any]:
    """Those that are added up too: they may have come from facts that hold no more."""
    told, counted = (
        select(table.c.account_id, table.c.day, table.c.currency_code).where(
            table.c.tenant_id == bindparam("tenant_id"), table.c.account_id == bindparam("account_id")
        )
        for table in (facts, account_days)
    )
    return select(told.union(counted).subquery())


@statement
def accounts_with_facts() -> Select[Any]:
    told, counted = (
        select(table.c.account_id).where(table.c.tenant_id == bindparam("tenant_id")) for table in (facts, account_days)
    )
    return select(told.union(counted).subquery().c.account_id)


async def get_buckets(reader: Reader, account_id: UUID) -> list[Bucket]:
    """All buckets of an account, whether facts hold in them or not."""
    return [Bucket(*row) for row in await reader.all(buckets_of_account(), account_id=account_id)]


async def get_accounts_with_facts(reader: Reader) -> list[UUID]:
    """The ids of all accounts of which something is or was known."""
    return [row["account_id"] for row in await reader.all(accounts_with_facts())]

"""Accounts that a tenant's rule restricts, and those that it restricts no more; what somebody has decided stays."""

from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from sqlalchemy import ColumnElement, Integer, Select, Text, and_, any_, bindparam, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY

from crm_customer.records.account_restrictions.model import AccountRestriction
from crm_customer.records.account_restrictions.queries import restriction_of
from crm_customer.records.accounts.model import Account, RestrictedBy
from crm_customer.records.accounts.tables import accounts

BATCH = 100


async def ruled(work: UnitOfWork, account: Account) -> Account:
    """The account as the tenant's rule has it."""
    return account.ruled(takes=(await restriction_of(work)).takes(account.kind, account.value_tier))


async def others_than(work: UnitOfWork, rule: AccountRestriction) -> list[UUID]:
    """The next accounts that are not as the rule has them."""
    query = ids_of_others(bool(rule.kinds), bool(rule.value_tiers))
    rows = await work.all(query, kinds=list(rule.kinds), value_tiers=list(rule.value_tiers), batch=BATCH)
    return sorted({row["id"] for row in rows})


@statement
def ids_of_others(by_kind: bool, by_tier: bool) -> Select[Any]:
    """Accounts that nobody has decided on, and that are not as the rule has them: at most two batches.

    Each way along an index: of those that the rule restricts, and of those on which nothing was decided.
    """
    found = select(accounts.c.id).where(accounts.c.tenant_id == bindparam("tenant_id"))
    batch, takes = bindparam("batch", type_=Integer), _takes(by_kind, by_tier)
    restricted = found.where(accounts.c.restricted, accounts.c.restricted_by == RestrictedBy.RULE)
    if takes is None:
        return restricted.limit(batch)
    ways = [restricted.where(takes.is_not(True)), found.where(accounts.c.restricted_by.is_(None), takes)]
    several = union_all(*(way.limit(batch).subquery().select() for way in ways)).subquery()
    return select(several.c.id)


def _takes(by_kind: bool, by_tier: bool) -> ColumnElement[bool] | None:
    """The rule; None where it names nothing."""
    named = [("kind", "kinds")] * by_kind + [("value_tier", "value_tiers")] * by_tier
    fits = [accounts.c[column] == any_(bindparam(name, type_=ARRAY(Text))) for column, name in named]
    return and_(*fits) if fits else None

"""Every SELECT of finding duplicates."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.identity.access import Scope
from sqlalchemy import BigInteger, Select, any_, bindparam, false, func, lateral, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_customer.records.accounts.model import IN_BUSINESS
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.accounts.tables import accounts
from crm_customer.records.duplicate_rules.tables import duplicate_keys

MAX_OF_A_KEY = 50
"""Accounts of a key that says something; of what more have in common nobody is a candidate."""

MAX_CANDIDATES = 40
"""Accounts that one is compared with: those that share most keys."""


@statement
def candidates_by_keys() -> Select[Any]:
    """Needs `keys`. However many accounts have a key, one more of them is read than may be."""
    given = bindparam("keys", type_=ARRAY(BigInteger))
    asked = func.unnest(given).table_valued("key", name="asked").render_derived()
    keys = duplicate_keys
    with_key = lateral(
        select(keys.c.account_id)
        .where(keys.c.tenant_id == bindparam("tenant_id"), keys.c.key == asked.c.key)
        .limit(MAX_OF_A_KEY + 1)
    )
    several = func.count().over(partition_by=asked.c.key).label("several")
    found = select(with_key.c.account_id, several).select_from(asked).join(with_key, true()).subquery()
    number = func.count()
    return (
        select(found.c.account_id)
        .where(found.c.several <= MAX_OF_A_KEY)
        .group_by(found.c.account_id)
        .order_by(number.desc(), found.c.account_id)
        .limit(MAX_CANDIDATES)
    )


async def candidates(reader: Reader, keys: Collection[int]) -> list[UUID]:
    """Accounts that share keys, those that share most first; any of the tenant's, whether the reader sees it or not."""
    rows = await reader.all(candidates_by_keys(), keys=sorted(keys))
    return [row["account_id"] for row in rows]


@statement
def labels_by_ids(scope: Scope | None) -> Select[Any]:
    """Of accounts what somebody may know who does not see them, and whether they may know whose they are."""
    assert ACCOUNTS.label is not None
    has_label = false() if scope is None else ACCOUNTS.label.visible(scope)
    table = accounts.c
    return select(table.id, table.kind, table.display_name, table.owner_id, has_label.label("has_label")).where(
        table.tenant_id == bindparam("tenant_id"),
        table.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
        table.status.in_(list(IN_BUSINESS)),
    )


async def labels(reader: Reader, ids: Collection[UUID], scope: Scope | None) -> list[Record]:
    """The labels of accounts that are not put away, whether or not the reader may know of them: `has_label`."""
    return await reader.all(labels_by_ids(scope), ids=list(ids)) if ids else []

"""Keeps the keys of accounts right, in the unit of work that changes an account."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from sqlalchemy import BigInteger, Uuid, any_, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert

from crm_customer.records.duplicate_rules.tables import duplicate_keys

KEYS = ARRAY(BigInteger)


def put_keys(work: UnitOfWork, account_id: UUID, before: Iterable[int], after: Iterable[int]) -> None:
    """Gather that an account has other keys than before."""
    former, current = set(before), set(after)
    if lost := former - current:
        work.execute(take_keys(), account_id=account_id, keys=sorted(lost))
    if new := current - former:
        work.execute(add_keys(), account_id=account_id, keys=sorted(new))


@statement
def take_keys() -> Any:
    keys = duplicate_keys
    return delete(keys).where(
        keys.c.tenant_id == bindparam("tenant_id"),
        keys.c.key == any_(bindparam("keys", type_=KEYS)),
        keys.c.account_id == bindparam("account_id"),
    )


@statement
def add_keys() -> Any:
    """They may be there already: from a backfill."""
    key = func.unnest(bindparam("keys", type_=KEYS)).column_valued("key")
    rows = select(bindparam("tenant_id", type_=Uuid), key, bindparam("account_id", type_=Uuid))
    return insert(duplicate_keys).from_select(["tenant_id", "key", "account_id"], rows).on_conflict_do_nothing()

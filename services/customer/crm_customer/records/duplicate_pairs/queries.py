"""Every SELECT of scans and pairs that the declaration does not make."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from sqlalchemy import BigInteger, Integer, Select, Uuid, any_, bindparam, func, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

from crm_customer.records.accounts.model import IN_BUSINESS
from crm_customer.records.accounts.tables import accounts
from crm_customer.records.duplicate_pairs.model import State
from crm_customer.records.duplicate_pairs.resource import DUPLICATE_PAIRS
from crm_customer.records.duplicate_pairs.tables import duplicate_pairs, duplicate_scans
from crm_customer.records.duplicate_rules.tables import duplicate_keys

Sides = tuple[UUID, UUID]


@statement
def scan_by_job() -> Select[Any]:
    scans = duplicate_scans.c
    return select(scans.last_key, scans.last_pair_id).where(
        scans.tenant_id == bindparam("tenant_id"), scans.job_id == bindparam("job_id", type_=Uuid)
    )


@statement
def any_scan() -> Select[Any]:
    return select(duplicate_scans.c.job_id).where(duplicate_scans.c.tenant_id == bindparam("tenant_id")).limit(1)


@statement
def count_accounts() -> Select[Any]:
    table = accounts.c
    in_business = table.status.in_(list(IN_BUSINESS))
    return select(func.count()).select_from(accounts).where(table.tenant_id == bindparam("tenant_id"), in_business)


@statement
def key_ahead() -> Select[Any]:
    """Needs `last_key` and `rows`: the key that many rows ahead; none when there are fewer."""
    keys = duplicate_keys.c
    return (
        select(keys.key)
        .where(keys.tenant_id == bindparam("tenant_id"), keys.key > bindparam("last_key", type_=BigInteger))
        .order_by(keys.key)
        .offset(bindparam("rows", type_=Integer))
        .limit(1)
    )


@statement
def groups_between() -> Select[Any]:
    """Accounts that share a key, behind `last_key` and up to `next_key`: those of keys that say something."""
    keys = duplicate_keys.c
    number = func.count()
    return (
        select(func.array_agg(keys.account_id).label("account_ids"))
        .where(
            keys.tenant_id == bindparam("tenant_id"),
            keys.key > bindparam("last_key", type_=BigInteger),
            keys.key <= bindparam("next_key", type_=BigInteger),
        )
        .group_by(keys.key)
        .having(number.between(2, bindparam("most", type_=Integer)))
    )


@statement
def compared_by_ids() -> Select[Any]:
    """Accounts that are not put away, as far as they are compared."""
    table = accounts.c
    names = ("display_name", "legal_name", "short_name", "credit_code", "phone_numbers", "emails", "website")
    return select(table.id, table.kind, table.region_code, table.addresses, *(table[name] for name in names)).where(
        table.tenant_id == bindparam("tenant_id"),
        table.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
        table.status.in_(list(IN_BUSINESS)),
    )


@statement
def pairs_by_sides() -> Select[Any]:
    pairs = duplicate_pairs.c
    arrays = (bindparam(name, type_=ARRAY(Uuid)) for name in ("ids", "other_ids"))
    asked = func.unnest(*arrays).table_valued("account_id", "other_id", name="asked").render_derived()
    return select(pairs.id).where(
        pairs.tenant_id == bindparam("tenant_id"),
        tuple_(pairs.account_id, pairs.other_account_id).in_(select(asked.c.account_id, asked.c.other_id)),
    )


async def ids_of_pairs(reader: Reader, sides: Collection[Sides]) -> list[UUID]:
    """The pairs of these accounts that are there."""
    if not sides:
        return []
    ids, others = zip(*sides, strict=True)
    return [row["id"] for row in await reader.all(pairs_by_sides(), ids=list(ids), other_ids=list(others))]


@statement
def all_pairs_by_ids() -> Select[Any]:
    """Of whatever accounts: a scan decides on pairs that nobody sees, too."""
    return select(*DUPLICATE_PAIRS.columns).where(
        duplicate_pairs.c.tenant_id == bindparam("tenant_id"),
        duplicate_pairs.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
    )


@statement
def open_pairs_behind() -> Select[Any]:
    """Needs `last_id` and `batch`."""
    pairs = duplicate_pairs.c
    return (
        select(pairs.id)
        .where(
            pairs.tenant_id == bindparam("tenant_id"),
            pairs.id > bindparam("last_id", type_=Uuid),
            pairs.state == State.OPEN,
        )
        .order_by(pairs.id)
        .limit(bindparam("batch", type_=Integer))
    )

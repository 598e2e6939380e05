"""Every SELECT on pools."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import Unavailable
from sqlalchemy import Select, bindparam, select

from crm_sales.pools.model import Extension, FollowUpKind, Pool, PoolRules
from crm_sales.pools.tables import pools

DURATIONS = (
    "reclaim_after",
    "hard_maximum",
    "warning_before",
    "backdating",
    "former_owner_cool_down",
    "fresh_entry_cool_down",
)


def default_pool_id(tenant_id: UUID) -> UUID:
    """The id of a tenant's pool: the same whoever makes it."""
    return uuid5(tenant_id, "pool")


@statement
def pool_by_id() -> Select[Any]:
    columns = [column for column in pools.c if column.name != "tenant_id"]
    return select(*columns).where(pools.c.tenant_id == bindparam("tenant_id"), pools.c.id == bindparam("id"))


async def find_pool(reader: Reader) -> Pool | None:
    """The tenant's pool, if it is there yet."""
    row = await reader.one(pool_by_id(), id=default_pool_id(reader.tenant_id))
    return None if row is None else pool_from(row)


async def get_pool(reader: Reader) -> Pool:
    """The tenant's pool. It comes with the tenant: Unavailable until then."""
    pool = await find_pool(reader)
    if pool is None:
        raise Unavailable("the tenant's pool is not set up yet; try again", retry_after_seconds=1)
    return pool


def pool_from(row: Record) -> Pool:
    """The entity that a row holds."""
    values = dict(row)
    return Pool(**values | {"rules": rules_from(values["rules"])})


def rules_from(stored: Mapping[str, Any]) -> PoolRules:
    """Rules as JSON keeps them: durations as text, in seconds."""
    durations = {name: _duration(stored[name]) for name in DURATIONS if stored[name] is not None}
    extensions = tuple(
        Extension(FollowUpKind(each["kind"]), _duration(each["duration"])) for each in stored["extensions"]
    )
    return PoolRules(**{**stored, **durations, "extensions": extensions})


def stored_rules(rules: PoolRules) -> dict[str, Any]:
    """The way back."""
    durations = {name: _seconds(getattr(rules, name)) for name in DURATIONS}
    others = {name: getattr(rules, name) for name in ("capacity", "claims_per_day", "time_zone")}
    extensions = [{"kind": each.kind, "duration": _seconds(each.duration)} for each in rules.extensions]
    return durations | others | {"extensions": extensions}


def _duration(seconds: str) -> timedelta:
    return timedelta(seconds=float(seconds))


def _seconds(duration: timedelta | None) -> str | None:
    return None if duration is None else str(duration.total_seconds())

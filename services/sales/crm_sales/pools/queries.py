"""Every SELECT on pools."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid5

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from sqlalchemy import Select, bindparam, select

from crm_sales.pools.model import FollowUpKind, Pool, PoolRules
from crm_sales.pools.tables import pools

DURATIONS = (
    "reclaim_after",
    "hard_maximum",
    "warning_before",
    "backdating",
    "former_owner_cool_down",
    "fresh_entry_cool_down",
)


def pool_id_of(tenant_id: UUID) -> UUID:
    """A tenant has one pool: whoever makes it first gives it the same id."""
    return uuid5(tenant_id, "pool")


@statement
def pool_by_id() -> Select[Any]:
    columns = [column for column in pools.c if column.name != "tenant_id"]
    return select(*columns).where(pools.c.tenant_id == bindparam("tenant_id"), pools.c.id == bindparam("id"))


async def get_pool(reader: Reader) -> Pool:
    """The tenant's pool."""
    row = await reader.one(pool_by_id(), id=pool_id_of(reader.tenant_id))
    if row is None:
        raise NotFound("the pool does not exist yet")
    return pool_from(row)


def pool_from(row: Record) -> Pool:
    """The entity that a row holds."""
    values = dict(row)
    return Pool(**values | {"rules": rules_from(values["rules"])})


def rules_from(stored: Mapping[str, Any]) -> PoolRules:
    """Rules as JSON keeps them: durations in seconds."""
    durations = {name: _duration(stored[name]) for name in DURATIONS}
    by_tier = {tier: timedelta(seconds=each) for tier, each in stored["reclaim_after_by_tier"].items()}
    extensions = {FollowUpKind(kind): timedelta(seconds=each) for kind, each in stored["extensions"].items()}
    others = {name: stored[name] for name in ("capacity", "claims_per_day", "time_zone")}
    return PoolRules(
        **durations,
        **others,
        reclaim_after_by_tier=MappingProxyType(by_tier),
        extensions=MappingProxyType(extensions),
    )


def stored_rules(rules: PoolRules) -> dict[str, Any]:
    """The way back."""
    durations = {name: _seconds(getattr(rules, name)) for name in DURATIONS}
    others = {name: getattr(rules, name) for name in ("capacity", "claims_per_day", "time_zone")}
    by_tier = {tier: _seconds(each) for tier, each in rules.reclaim_after_by_tier.items()}
    extensions = {str(kind): _seconds(each) for kind, each in rules.extensions.items()}
    return durations | others | {"reclaim_after_by_tier": by_tier, "extensions": extensions}


def _duration(seconds: float | None) -> Any:
    return None if seconds is None else timedelta(seconds=seconds)


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()

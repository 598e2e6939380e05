"""Locks by name, for rules over rows that no version and no constraint guards together."""

from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork


@statement
def take_locks() -> Any:
    name = func.unnest(bindparam("names", type_=ARRAY(Text))).column_valued("name")
    return select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0)))


@statement
def take_shared_lock() -> Any:
    return select(func.pg_advisory_xact_lock_shared(func.hashtextextended(bindparam("name", type_=Text), 0)))


async def shared_advisory_lock(work: UnitOfWork, name: str) -> None:
    """As `advisory_lock`, but beside others who take it so: they and `advisory_lock` wait for each other.

    Two that take it both ways in this order would wait for each other: take `advisory_lock` first.
    """
    await work.flush()
    await work.all(take_shared_lock(), name=f"{work.tenant_id} {name}")


async def advisory_lock(work: UnitOfWork, *names: str) -> None:
    """Wait until no other unit of the tenant holds one of the names, then hold them until this one ends.

    What is read after it was not changed by others who hold the same name. Call it before anything is gathered.
    Whoever holds twice takes the locks in the same order everywhere; those of one call are sorted.
    """
    await work.flush()
    await work.all(take_locks(), names=sorted({f"{work.tenant_id} {name}" for name in names}))

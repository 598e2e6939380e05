"""What sources say of a record."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from sqlalchemy import Select, Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from crm_customer.records.source_values.model import SourceValue
from crm_customer.records.source_values.tables import source_values

NAMES = (
    *("id", "field", "source", "value", "observed_time"),
    *("user_id", "state_time", "proof", "withdraw_time"),
)


async def values_of(reader: Reader, collection: str, record_id: UUID) -> list[SourceValue]:
    """All that sources said of a record, withdrawn ones among them: by field, of each the newest first."""
    rows = await reader.all(of_record(), collection=collection, record_id=record_id)
    return [value_from(row) for row in rows]


async def values_of_many(reader: Reader, collection: str, ids: Collection[UUID]) -> dict[UUID, list[SourceValue]]:
    """As `values_of`, of several records; those of which no source says anything have none."""
    found: dict[UUID, list[SourceValue]] = {each: [] for each in ids}
    for row in await reader.all(of_records(), collection=collection, record_ids=list(ids)):
        found[row["record_id"]].append(value_from(row))
    return found


async def standing_of(reader: Reader, collection: str, record_id: UUID) -> list[SourceValue]:
    """What sources say of a record."""
    return [each for each in await values_of(reader, collection, record_id) if each.stands]


def among(values: list[SourceValue], id: UUID, *, hidden: frozenset[str]) -> SourceValue:
    """The one of this id. NotFound where it is of no source, was withdrawn, or is of a hidden field."""
    found = next((each for each in values if each.id == id and each.stands and each.field not in hidden), None)
    if found is None:
        raise NotFound("the source value does not exist", reason="SOURCE_VALUE_NOT_FOUND")
    return found


def value_from(row: Record) -> SourceValue:
    """What a row says."""
    return SourceValue(**{name: row[name] for name in NAMES})


@statement
def of_records() -> Select[Any]:
    table = source_values.c
    return (
        select(table.record_id, *(table[name] for name in NAMES))
        .where(
            table.tenant_id == bindparam("tenant_id"),
            table.collection == bindparam("collection"),
            table.record_id == any_(bindparam("record_ids", type_=ARRAY(Uuid))),
        )
        .order_by(table.record_id, table.field, table.observed_time.desc(), table.id)
    )


@statement
def of_record() -> Select[Any]:
    table = source_values.c
    return (
        select(*(table[name] for name in NAMES))
        .where(
            table.tenant_id == bindparam("tenant_id"),
            table.collection == bindparam("collection"),
            table.record_id == bindparam("record_id"),
        )
        .order_by(table.field, table.observed_time.desc(), table.id)
    )

"""A custom field gets another type: all its values with it, or nothing.

One transaction, alone with the collection's custom fields: whoever writes values meanwhile waits, finds another
version, and is judged by the new type.
"""

from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from crm.resource.v1 import events_pb2 as events
from sqlalchemy import Select, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_kit.custom_field_definitions.commands import count_records, next_version
from crm_kit.custom_field_definitions.resource import CUSTOM_FIELDS
from crm_kit.custom_fields.definitions import Definitions
from crm_kit.custom_fields.model import CustomField
from crm_kit.custom_fields.values import CustomValue, Misfit, converted, shown, tokens_of, unique_token
from crm_kit.custom_fields.writing import replace_rows
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork, seeing_all
from crm_kit.errors import FailedPrecondition
from crm_kit.filtering.tokens import end_of, first_of
from crm_kit.identity.access import Scope
from crm_kit.plumbing import custom_values
from crm_kit.resource.writing import Resource

MAX_VALUES = 10_000
BATCH = 200
NAMED = 5
"""So many of the values that do not fit are told, of records that the caller sees."""

AnyResource = Resource[Any, Any]


@dataclass(slots=True)
class Conversion:
    """The values of a field as they become, and which of them do not fit."""

    target: CustomField
    named: dict[UUID, str] = field(default_factory=dict)
    count: int = 0
    _taken: set[str] = field(default_factory=set)

    def of(self, id: UUID, value: CustomValue) -> CustomValue | None:
        """The value of a record in the new type; None when it does not fit, which is noted."""
        try:
            new = converted(self.target, value)
            self._require_free(new)
        except Misfit as misfit:
            self.count += 1
            if len(self.named) < NAMED:
                self.named[id] = misfit.detail
            return None
        return new

    def _require_free(self, value: CustomValue) -> None:
        token = unique_token(self.target, value)
        if token in self._taken:
            raise Misfit("unique", f"{shown(value)} is there twice then")
        if token is not None:
            self._taken.add(token)


async def retype_custom_field(
    work: UnitOfWork, resource: AnyResource, before: CustomField, after: CustomField
) -> tuple[CustomField, int]:
    """Give a custom field another type; with how many records have a value of it."""
    if after == before:
        return before, await count_records(work, before)
    known = await next_version(work, before.collection)
    count = await count_records(work, before)
    if count > MAX_VALUES:
        raise FailedPrecondition(
            f"{count} records have a value of {before.key}; at most {MAX_VALUES} can be converted, since all are "
            "converted at once or none is. Define a new field, bring the values over by updates or an import, and "
            "archive this one; its values stay until then and after",
            reason="CUSTOM_FIELD_HAS_TOO_MANY_VALUES",
            metadata={"count": str(count), "max": str(MAX_VALUES)},
        )
    saved = CUSTOM_FIELDS.save(work, before, after, events.CustomFieldRetyped)
    now = replace(known, fields={**known.fields, saved.key: saved})
    work.known[Definitions, saved.collection] = now
    conversion = Conversion(saved)
    after_id: UUID | None = UUID(int=0)
    while after_id is not None:
        after_id = await _convert_batch(work, resource, now, conversion, after_id)
    if conversion.count:
        seen = await resource.get_many(work, conversion.named.keys(), scope=Scope.ALL)
        named = "; ".join(f"{id}: {detail}" for id, detail in conversion.named.items() if id in seen)
        raise FailedPrecondition(
            f"{conversion.count} values of {before.key} do not fit {after.type}{named and f': {named}'}",
            reason="CUSTOM_FIELD_VALUES_DO_NOT_FIT",
            metadata={"count": str(conversion.count), "type": after.type},
        )
    return saved, count


async def _convert_batch(
    work: UnitOfWork, resource: AnyResource, now: Definitions, conversion: Conversion, after_id: UUID
) -> UUID | None:
    """The next records with a value, locked and converted; the id after which to go on, None after the last."""
    key = conversion.target.key
    tokens: dict[str, Any] = {"first": first_of(key), "end": end_of(key)}
    found = await work.all(ids_with_value(), collection=now.collection, after_id=after_id, batch=BATCH, **tokens)
    if not found:
        return None
    ids = [row[0] for row in found]
    await work.all(lock_records(resource), ids=ids)
    with seeing_all(work):
        records = await resource.get_many(work, ids, scope=Scope.ALL)
    for record in map(records.__getitem__, ids):
        value = conversion.of(record.id, record.custom[key])
        if value is not None and not conversion.count:
            _gather(work, resource, now, record, {key: value})
    await work.flush_many()
    last: UUID = ids[-1]
    return last


def _gather(
    work: UnitOfWork, resource: AnyResource, now: Definitions, record: Any, value: dict[str, CustomValue]
) -> None:
    """A record changes where its value is written differently; its row among the values changes in any case."""
    values = {**record.custom, **value}
    tokens = {key: tokens_of(now.fields[key], each) for key, each in value.items()}
    if values == record.custom:
        replace_rows(work, now, record.id, tokens, gone=list(tokens))
    else:
        assert resource.updated is not None
        resource.save(work, record, replace(record, custom=values), resource.updated)


@statement
def ids_with_value() -> Select[Any]:
    value = custom_values.c
    return (
        select(value.record_id)
        .where(
            value.tenant_id == bindparam("tenant_id"),
            value.collection == bindparam("collection"),
            value.token >= bindparam("first"),
            value.token < bindparam("end"),
            value.record_id > bindparam("after_id"),
        )
        .distinct()
        .order_by(value.record_id)
        .limit(bindparam("batch"))
    )


@statement
def lock_records(resource: AnyResource) -> Select[Any]:
    """Nobody else changes these records until this unit has ended."""
    table = resource.table
    ids = bindparam("ids", type_=ARRAY(Uuid))
    rows = select(table.c.id).where(table.c.tenant_id == bindparam("tenant_id"), table.c.id == any_(ids))
    return rows.order_by(table.c.id).with_for_update()

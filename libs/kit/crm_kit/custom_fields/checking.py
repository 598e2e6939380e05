"""Values that a caller sent, checked by the tenant's definitions, other records and what they refer to."""

from collections.abc import Mapping, Set
from typing import Any
from uuid import UUID

from sqlalchemy import Select, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from crm_kit.custom_fields.definitions import Definitions, catalogue_of, judged
from crm_kit.custom_fields.model import FieldType
from crm_kit.custom_fields.values import (
    CustomValue,
    CustomValues,
    checked_values,
    reference_id,
    shown,
    unique_token,
)
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import AlreadyExists, FieldViolation
from crm_kit.plumbing import custom_values

NOBODY = UUID(int=0)
Found = tuple[Definitions, dict[str, CustomValue]]


async def values_to_create(
    work: UnitOfWork, collection: str, sent: Mapping[str, object], *, path: str
) -> dict[str, CustomValue]:
    """The values of a new record. `path` is that of `custom` in the request: `account.custom`."""

    def judge(known: Definitions) -> Found:
        return known, checked_values(known.fields, sent, {}, path=path, is_new=True)

    known, values = await judged(work, collection, judge)
    await _check_others(work, known, {}, values, path=path, id=NOBODY)
    return values


async def values_to_update(
    work: UnitOfWork,
    collection: str,
    sent: Mapping[str, object],
    before: CustomValues,
    *,
    path: str,
    id: UUID,
    left_out: Set[str] = frozenset(),
) -> dict[str, CustomValue]:
    """The values of a changed record, of which `sent` has the keys that change; None clears.

    Those `left_out` are cleared only because the caller sent all values without them: archived ones stay.
    """

    def judge(known: Definitions) -> Found:
        changed = {key: value for key, value in sent.items() if key not in left_out or not known.is_archived(key)}
        return known, checked_values(known.fields, changed, before, path=path)

    known, values = await judged(work, collection, judge)
    await _check_others(work, known, before, values, path=path, id=id)
    return values


async def _check_others(
    work: UnitOfWork, known: Definitions, before: CustomValues, after: CustomValues, *, path: str, id: UUID
) -> None:
    """What the values alone do not tell: whether another record has them, and whether what they refer to exists."""
    changed = {key: value for key, value in after.items() if before.get(key) != value}
    unique = {token: key for key, value in changed.items() if (token := unique_token(known.fields[key], value))}
    if unique:
        await _require_free(work, known, unique, changed, path=path, id=id)
    references = catalogue_of(work.database).references
    for key, value in changed.items():
        field = known.fields[key]
        if field.type is FieldType.REFERENCE:
            await references[str(field.reference_collection)](work, reference_id(value), field=f"{path}.{key}")


async def _require_free(
    work: UnitOfWork, known: Definitions, unique: Mapping[str, str], values: CustomValues, *, path: str, id: UUID
) -> None:
    """AlreadyExists for each token whose key's value another record has."""
    rows = await work.all(taken(), collection=known.collection, tokens=list(unique), id=id)
    keys = sorted(unique[row["token"]] for row in rows)
    if keys:
        violations = [
            FieldViolation(f"{path}.{key}", "unique", f"another record has {shown(values[key])} already")
            for key in keys
        ]
        detail = "; ".join(f"{each.field}: {each.detail}" for each in violations)
        raise AlreadyExists(detail, reason="CUSTOM_FIELD_VALUE_TAKEN", violations=violations)


@statement
def taken() -> Select[Any]:
    """Which of these tokens other records have."""
    value = custom_values.c
    return select(value.token).where(
        value.tenant_id == bindparam("tenant_id"),
        value.collection == bindparam("collection"),
        value.token == any_(bindparam("tokens", type_=ARRAY(Text))),
        value.unique,
        value.record_id != bindparam("id"),
    )

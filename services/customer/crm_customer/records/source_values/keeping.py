"""Keeps what a record says of its sources right, in the unit of work that changes the record or what a source says."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, cast
from uuid import UUID

from crm_kit.change_proposals.queries import value_now
from crm_kit.database.locks import advisory_lock
from crm_kit.database.work import UnitOfWork
from crm_kit.resource.writing import Resource

from crm_customer.records.source_values.model import SourceValue, conflicting, sourced
from crm_customer.records.source_values.queries import values_of

Entity = TypeVar("Entity")
AnyResource = Resource[Any, Any]


async def compared(work: UnitOfWork, resource: AnyResource, after: Entity, changed: Collection[str]) -> Entity:
    """A record of which these fields have changed, with what sources disagree about now.

    A record that sources begin to speak of gets another version, so whoever read it before does not write it.
    """
    record: Any = after
    if set(record.sourced_fields).isdisjoint(changed):
        return after
    await lock(work, resource, record.id)
    return beside(resource, after, await values_of(work, resource.collection, record.id))


async def lock(work: UnitOfWork, resource: AnyResource, id: UUID) -> None:
    """Have nobody else change what sources say of a record, nor fields of it that sources speak of."""
    await lock_all(work, resource, [id])


async def lock_all(work: UnitOfWork, resource: AnyResource, ids: Iterable[UUID]) -> None:
    """As `lock`, of several records."""
    await advisory_lock(work, *(f"source values of {resource.collection} {each}" for each in ids))


def beside(resource: AnyResource, record: Entity, values: Iterable[SourceValue]) -> Entity:
    """A record with the fields that sources speak of, and those that they disagree about."""
    values, entity = list(values), cast("Any", record)
    has = partial(value_now, resource, entity)
    return cast("Entity", replace(entity, sourced_fields=sourced(values), conflicting_fields=conflicting(values, has)))

"""Every write on what sources say. Each function is one transaction's work, in which the record tells of it, too."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork, counting, seeing_all
from crm_kit.errors import InvalidArgument
from crm_kit.identity.access import Scope
from crm_kit.identity.membership import READING
from crm_kit.ids import new_id
from crm_kit.resource.owners import may
from google.protobuf.message import Message
from sqlalchemy import Select, bindparam, select
from sqlalchemy.dialects.postgresql import insert

from crm_customer.records.source_values.keeping import AnyResource, beside, lock
from crm_customer.records.source_values.model import SourceValue, observed, taken
from crm_customer.records.source_values.queries import NAMES, among, values_of
from crm_customer.records.source_values.stating import Values, changes_of, check_stated, shown_values, told
from crm_customer.records.source_values.tables import source_values


async def state_values(
    work: UnitOfWork,
    resource: AnyResource,
    id: UUID,
    values: Values,
    *,
    source: str,
    proof: str | None,
    observed_time: datetime | None,
    event: type[Message],
) -> tuple[Any, list[SourceValue]]:
    """Say what a source says of a record; the record as it is then, and all that sources said of it.

    NotFound, InvalidArgument, AlreadyExists, FailedPrecondition: as an update of the record says. FailedPrecondition
    SOURCE_VALUE_LIMIT_REACHED.
    """
    time = observed(observed_time, now=work.now)
    await check_stated(work, resource, values)
    said = await normalized_values(work, resource, id, values)
    stated = [
        SourceValue(new_id(), field, source, value, time, work.actor.user_id, work.now, proof)
        for field, value in said.items()
    ]
    record = await held(work, resource, id)
    before = await values_of(work, resource.collection, id)
    made = taken(before, stated)
    for each in made:
        put_value(work, resource, id, each)
    return save(work, resource, record, with_made(before, made), event)


async def normalized_values(work: UnitOfWork, resource: AnyResource, id: UUID, values: Values) -> dict[str, object]:
    """What the record would show if it had these values. Errors are those of its update."""
    before, changed = await changes_of(work, resource, id, values)
    try:
        after = before.update(changed, now=work.now, region=work.actor.access.default_region)
    except InvalidArgument as error:
        raise told(resource, error) from None
    return shown_values(resource, after, values)


async def withdraw_value(
    work: UnitOfWork, resource: AnyResource, id: UUID, value_id: UUID, *, permission: str, event: type[Message]
) -> None:
    """Have a source say nothing more of a field. NotFound SOURCE_VALUE_NOT_FOUND, PermissionDenied."""
    with counting(work, READING):
        await resource.get(work, id)
    may_change_record = await may(work, resource, id, permission)
    record = await held(work, resource, id)
    before = await values_of(work, resource.collection, id)
    found = among(before, value_id, hidden=resource.hidden_from(work))
    after = found.withdraw(work.actor.user_id, may_change_record=may_change_record, now=work.now)
    put_value(work, resource, id, after)
    save(work, resource, record, with_made(before, [after]), event)


async def held(work: UnitOfWork, resource: AnyResource, id: UUID) -> Any:
    """The record, which nobody changes until this unit ends; the caller has been found to see it."""
    await lock(work, resource, id)
    await work.all(hold(resource), id=id)
    with seeing_all(work):
        return (await resource.get_many(work, [id], scope=Scope.ALL))[id]


def save(
    work: UnitOfWork, resource: AnyResource, before: Any, values: Sequence[SourceValue], event: type[Message]
) -> tuple[Any, list[SourceValue]]:
    """Gather what the record tells of its sources; nothing where it tells that already."""
    after = resource.save(work, before, beside(resource, before, values), event)
    return after, [each for each in values if each.stands]


def with_made(before: Sequence[SourceValue], made: Sequence[SourceValue]) -> list[SourceValue]:
    """What sources said of a record with what was made of it, in the order of `values_of`."""
    known = {each.id: each for each in (*before, *made)}
    newest_first = sorted(known.values(), key=lambda each: each.observed_time, reverse=True)
    return sorted(newest_first, key=lambda each: each.field)


def put_value(work: UnitOfWork, resource: AnyResource, record_id: UUID, value: SourceValue) -> None:
    """Gather what a source says from now on."""
    row = {name: getattr(value, name) for name in NAMES}
    work.execute(replace_value(), collection=resource.collection, record_id=record_id, **row)


@statement
def replace_value() -> Any:
    table = source_values
    names = ("tenant_id", "collection", "record_id", *NAMES)
    fresh = insert(table).values({name: bindparam(name, type_=table.c[name].type) for name in names})
    return fresh.on_conflict_do_update(
        index_elements=[table.c.tenant_id, table.c.id],
        set_={name: fresh.excluded[name] for name in NAMES if name != "id"},
    )


@statement
def hold(resource: AnyResource) -> Select[Any]:
    """Whoever changes the record meanwhile waits; whoever refers to it does not."""
    table = resource.table
    row = select(table.c.id).where(table.c.tenant_id == bindparam("tenant_id"), table.c.id == bindparam("id"))
    return row.with_for_update(key_share=True)

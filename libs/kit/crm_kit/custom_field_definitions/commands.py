"""Every write on custom fields. Each function is one transaction's work."""

from typing import Any
from uuid import UUID

from crm.resource.v1 import events_pb2 as events
from google.protobuf.message import Message
from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

from crm_kit.custom_field_definitions.resource import CUSTOM_FIELDS
from crm_kit.custom_fields.definitions import Definitions, catalogue_of, definitions_of
from crm_kit.custom_fields.model import MAX_FIELDS, CustomField
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import AlreadyExists, FailedPrecondition, NotFound, invalid_field
from crm_kit.filtering.tokens import end_of, first_of
from crm_kit.ids import new_id
from crm_kit.plumbing import custom_field_versions, custom_values


async def create_custom_field(work: UnitOfWork, collection: str, values: dict[str, Any]) -> CustomField:
    """Define a custom field of a collection."""
    known = await next_version(work, collection)
    values.setdefault("position", max((each.position for each in known.fields.values()), default=0) + 1)
    field = CustomField(
        id=new_id(), collection=collection, create_time=work.now, update_time=work.now, **values
    ).checked()
    require_reference(work, field)
    if field.key in known.fields:
        raise AlreadyExists(
            f"custom_field.key: {collection} have a custom field {field.key} already", reason="CUSTOM_FIELD_KEY_TAKEN"
        )
    if len(known.fields) >= MAX_FIELDS:
        raise FailedPrecondition(
            f"{collection} have {MAX_FIELDS} custom fields, and cannot have more", reason="CUSTOM_FIELD_LIMIT_REACHED"
        )
    return CUSTOM_FIELDS.create(work, field)


async def update_custom_field(work: UnitOfWork, before: CustomField, values: dict[str, Any]) -> CustomField:
    """Change some properties of a custom field; nothing is written when nothing changes."""
    return await save(work, before, before.update(values), events.CustomFieldUpdated)


async def archive_custom_field(work: UnitOfWork, before: CustomField) -> tuple[CustomField, int]:
    """Put a custom field away; with how many records have a value of it."""
    after = await save(work, before, before.archive(), events.CustomFieldArchived)
    return after, await count_records(work, before)


async def restore_custom_field(work: UnitOfWork, before: CustomField) -> CustomField:
    """Bring a custom field back."""
    return await save(work, before, before.restore(), events.CustomFieldRestored)


async def save(work: UnitOfWork, before: CustomField, after: CustomField, event: type[Message]) -> CustomField:
    """Gather a changed custom field; whoever writes values of the collection is waited for, and then waits."""
    if after == before:
        return before
    await next_version(work, before.collection)
    return CUSTOM_FIELDS.save(work, before, after, event)


async def next_version(work: UnitOfWork, collection: str) -> Definitions:
    """Move the collection's version on, and from then on be alone with its custom fields; as they were before."""
    work.execute(advance_version(), collection=collection)
    await work.flush()
    work.after_commit.append(lambda: catalogue_of(work.database).forget(work.tenant_id))
    return await definitions_of(work, collection, fresh=True)


def require_reference(work: UnitOfWork, field: CustomField) -> None:
    """InvalidArgument for a reference to what the service knows nothing of."""
    references = catalogue_of(work.database).references
    if field.reference_collection is not None and field.reference_collection not in references:
        detail = f"{field.reference_collection} cannot be referred to here; possible: {', '.join(sorted(references))}"
        raise invalid_field("custom_field.reference_collection", "reference", detail)


async def count_records(work: UnitOfWork, field: CustomField) -> int:
    """How many records have a value of a field."""
    tokens: dict[str, Any] = {"first": first_of(field.key), "end": end_of(field.key)}
    row = await work.one(records_with_value(), collection=field.collection, **tokens)
    assert row is not None
    count: int = row[0]
    return count


async def get_custom_field(work: Any, collection: str, id: str, *, etag: str = "") -> CustomField:
    """The custom field with this id; NotFound when it is one of another collection."""
    field = await CUSTOM_FIELDS.get(work, UUID(id), etag=etag)
    if field.collection != collection:
        raise NotFound("the custom field does not exist", reason=CUSTOM_FIELDS.not_found)
    return field


@statement
def advance_version() -> Any:
    versions = custom_field_versions
    first = insert(versions).values(tenant_id=bindparam("tenant_id"), collection=bindparam("collection"), version=1)
    return first.on_conflict_do_update(
        index_elements=list(versions.primary_key), set_={"version": versions.c.version + 1}
    )


@statement
def records_with_value() -> Select[Any]:
    # Of a selection of several a record has several tokens.
    return select(func.count(custom_values.c.record_id.distinct())).where(
        custom_values.c.tenant_id == bindparam("tenant_id"),
        custom_values.c.collection == bindparam("collection"),
        custom_values.c.token >= bindparam("first"),
        custom_values.c.token < bindparam("end"),
    )

"""From what somebody says that a source says, written as an update of the record on REST, to values of its fields."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from crm_kit.automation.requests import check_literal, literal_request
from crm_kit.change_proposals.proposable import content_of
from crm_kit.change_proposals.queries import value_now
from crm_kit.custom_fields.definitions import definitions_of
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import FieldViolation, InvalidArgument
from crm_kit.field_rights import CUSTOM, is_hidden
from crm_kit.resource.writing import Resource

from crm_customer.records.source_values.wire import statable, update_of

AnyResource = Resource[Any, Any]
Values = Mapping[str, object]
PLACE = "values"


async def check_stated(work: UnitOfWork, resource: AnyResource, values: Values) -> None:
    """InvalidArgument for what no source can say: of other fields, hidden ones, or nothing."""
    known, hidden = statable(resource), resource.hidden_from(work)
    violations = [each for path, value in values.items() if (each := _violation(path, value, known, hidden))]
    if violations:
        raise InvalidArgument("; ".join(f"{each.field}: {each.detail}" for each in violations), violations=violations)
    definitions = await definitions_of(work, resource.collection, fresh=True)
    check_literal(resource, update_of(resource), content_of(values), definitions.fields, place=PLACE)


def _violation(path: str, value: object, known: Collection[str], hidden: Collection[str]) -> FieldViolation | None:
    place = f"{PLACE}.{path}"
    if is_hidden(path, hidden):
        return FieldViolation(place, "hidden_field", "is hidden from you; leave it out")
    if path not in known and not path.startswith(f"{CUSTOM}."):
        return FieldViolation(place, "statable", "is no field that sources can say something of")
    if value in (None, "", []):
        return FieldViolation(place, "said", "is nothing; leave out what the source does not know")
    return None


async def changes_of(
    work: UnitOfWork, resource: AnyResource, id: UUID, values: Values, *, etag: str = ""
) -> tuple[Any, dict[str, Any]]:
    """The record, and the values that an update with what was stated would change of it.

    NotFound, EtagMismatch, InvalidArgument, AlreadyExists: as the update.
    """
    request: Any = literal_request(resource, update_of(resource), content_of(values), record_id=str(id))
    getattr(request, resource.place).etag = etag
    try:
        return await resource.to_update(work, request)
    except InvalidArgument as error:
        raise told(resource, error) from None


def told(resource: AnyResource, error: InvalidArgument) -> InvalidArgument:
    """What an update refuses, by the places that whoever states values knows."""
    place = f"{resource.place}."
    violations = [
        FieldViolation(f"{PLACE}.{each.field.removeprefix(place)}", each.rule, each.detail) for each in error.violations
    ]
    detail = "; ".join(f"{each.field}: {each.detail}" for each in violations) or error.detail
    return InvalidArgument(detail, reason=error.reason, violations=violations, metadata=error.metadata)


def shown_values(resource: AnyResource, record: Any, paths: Collection[str]) -> dict[str, object]:
    """What a record has in these fields, as JSON shows it."""
    return {path: value_now(resource, record, path) for path in paths}

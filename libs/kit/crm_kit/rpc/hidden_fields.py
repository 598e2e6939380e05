"""What a caller sends for fields that are hidden from them: refused by name, whatever it is and whatever is there.

So that nobody learns by trying whether a record has a value. What an update leaves out stays as it is.
"""

from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message

from crm_kit.errors import FieldViolation, InvalidArgument
from crm_kit.field_rights import CUSTOM, is_hidden
from crm_kit.identity.access import Access
from crm_kit.masks import EVERYTHING
from crm_kit.resource.concealing import places_in

RULE = "hidden_field"
UPDATE_MASK = "update_mask"


def check_hidden_fields(request: Message, access: Access) -> None:
    """InvalidArgument for each field that is hidden from the caller and that the request sets, or means to clear."""
    if not access.hidden or places_in(request.DESCRIPTOR) is None:
        return
    paths = sorted(set(_hidden_in(request, access)))
    if paths:
        violations = [FieldViolation(path, RULE, "is hidden from you; leave it out") for path in paths]
        raise InvalidArgument("; ".join(f"{each.field}: {each.detail}" for each in violations), violations=violations)


def _hidden_in(request: Any, access: Access) -> Iterator[str]:
    mask = list(request.update_mask.paths) if UPDATE_MASK in request.DESCRIPTOR.fields_by_name else []
    for field, value in request.ListFields():
        places = None if field.message_type is None else places_in(field.message_type)
        if places is None or not places.own.collection:
            continue
        hidden = access.hidden_of(places.own.collection)
        yield from (f"{field.name}.{path}" for path in mask if is_hidden(path, hidden))
        if not mask or EVERYTHING in mask:
            records = value if field.is_repeated else [value]
            yield from (f"{field.name}.{path}" for record in records for path in hidden if _is_set(record, path))


def _is_set(record: Any, path: str) -> bool:
    head, _, key = path.partition(".")
    if head == CUSTOM:
        return key in record.custom
    field = record.DESCRIPTOR.fields_by_name[head]
    return bool(record.HasField(head) if field.has_presence else getattr(record, head))

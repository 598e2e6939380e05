"""Messages checked against the rules written in the contract."""

from collections.abc import Collection, Sequence
from typing import Any

from google.protobuf.message import Message
from protovalidate import Violation, collect_violations

from crm_kit.errors import FieldViolation, InvalidArgument
from crm_kit.masks import ADDRESSING, EVERYTHING
from crm_kit.resource.violations import joined


def check_message(message: Message) -> None:
    """Raise InvalidArgument naming each field, rule and position that the contract refuses."""
    found = collect_violations(message)
    if found and "update_mask" in message.DESCRIPTOR.fields_by_name:
        changed = _changed_fields(message)
        found = [each for each in found if _is_changed(each, changed)]
    _refuse(found)


def check_fields(message: Message, names: Collection[str], *, place: str) -> None:
    """The same of some fields of a message, which a request has at `place`."""
    found = [each for each in collect_violations(message) if path_of(each).partition(".")[0].partition("[")[0] in names]
    _refuse(found, place)


def _refuse(found: Sequence[Violation], place: str = "") -> None:
    if found:
        violations = [
            FieldViolation(joined(place, path_of(each)), each.proto.rule_id, each.proto.message) for each in found
        ]
        detail = "; ".join(f"{each.field}: {each.detail}" for each in violations[:5])
        raise InvalidArgument(detail, violations=violations)


def _changed_fields(update: Any) -> Collection[str]:
    """The resource's fields that an update changes: the others do not have to keep their rules. `*` is all of them."""
    masked = {each.partition(".")[0] for each in update.update_mask.paths}
    if not masked:
        sent = [value for field, value in update.ListFields() if field.message_type and field.name != "update_mask"]
        masked = {field.name for resource in sent for field, _ in resource.ListFields()}
    # Whatever changes, the id and the etag say of what.
    return masked | ADDRESSING


def _is_changed(violation: Violation, changed: Collection[str]) -> bool:
    path = violation.proto.field
    return path is None or len(path.elements) == 1 or EVERYTHING in changed or path.elements[1].field_name in changed


def path_of(violation: Violation) -> str:
    """`account.phone_numbers[2]`."""
    if violation.proto.field is None:
        return violation.proto.rule_id
    parts = []
    for element in violation.proto.field.elements:
        subscript = element.subscript
        parts.append(element.field_name + (f"[{subscript.value}]" if subscript is not None else ""))
    return ".".join(parts)

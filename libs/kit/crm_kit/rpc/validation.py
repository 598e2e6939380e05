"""Messages checked against the rules written in the contract."""

from typing import Any

from google.protobuf.message import Message
from protovalidate import Violation, collect_violations

from crm_kit.errors import FieldViolation, InvalidArgument


def check_message(message: Message) -> None:
    """Raise InvalidArgument naming each field, rule and position that the contract refuses."""
    found = collect_violations(message)
    if found and "update_mask" in message.DESCRIPTOR.fields_by_name:
        found = [each for each in found if _is_changed(message, each)]
    if not found:
        return
    violations = [FieldViolation(path_of(each), each.proto.rule_id, each.proto.message) for each in found]
    detail = "; ".join(f"{each.field}: {each.detail}" for each in violations[:5])
    raise InvalidArgument(detail, violations=violations)


def _is_changed(update: Any, violation: Violation) -> bool:
    """Of an update only the fields that it changes have to keep their rules: the others are not looked at."""
    path = violation.proto.field
    if path is None or len(path.elements) == 1:
        return True
    resource = getattr(update, path.elements[0].field_name)
    masked = {each.partition(".")[0] for each in update.update_mask.paths}
    if not masked:
        masked = {field.name for field, _ in resource.ListFields()}
    # Whatever changes, the id and the etag say of what.
    return "*" in masked or path.elements[1].field_name in masked | {"id", "etag"}


def path_of(violation: Violation) -> str:
    """`account.phone_numbers[2]`."""
    if violation.proto.field is None:
        return violation.proto.rule_id
    parts = []
    for element in violation.proto.field.elements:
        subscript = element.subscript
        parts.append(element.field_name + (f"[{subscript.value}]" if subscript is not None else ""))
    return ".".join(parts)

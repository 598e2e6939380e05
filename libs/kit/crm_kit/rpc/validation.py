"""Messages checked against the rules written in the contract."""

from google.protobuf.message import Message
from protovalidate import Violation, collect_violations

from crm_kit.errors import FieldViolation, InvalidArgument


def check_message(message: Message) -> None:
    """Raise InvalidArgument naming each field, rule and position that the contract refuses."""
    found = collect_violations(message)
    if not found:
        return
    violations = [FieldViolation(path_of(each), each.proto.rule_id, each.proto.message) for each in found]
    detail = "; ".join(f"{each.field}: {each.detail}" for each in violations[:5])
    raise InvalidArgument(detail, violations=violations)


def path_of(violation: Violation) -> str:
    """`account.phone_numbers[2]`."""
    if violation.proto.field is None:
        return violation.proto.rule_id
    parts = []
    for element in violation.proto.field.elements:
        subscript = element.subscript
        parts.append(element.field_name + (f"[{subscript.value}]" if subscript is not None else ""))
    return ".".join(parts)

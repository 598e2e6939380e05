"""What the rules of the contract say of a field that is not set.

Asking the validator of the services would take 20 MB: it compiles every rule of every message.
"""

import re
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import FieldDescriptor

_FIELD: Any = validate_pb2.field


def refuses_empty(field: FieldDescriptor) -> bool:
    """Whether a message without the field breaks a rule of the field."""
    rules = field.GetOptions().Extensions[_FIELD]
    if rules.required:
        return True
    kind = rules.WhichOneof("type")
    if kind is None or field.has_presence or rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE:
        return False
    of_kind = getattr(rules, kind)
    match kind:
        case "repeated":
            return bool(of_kind.min_items)
        case "map":
            return bool(of_kind.min_pairs)
        case "string":
            return _refuses_no_text(of_kind)
        case "bytes":
            return bool(of_kind.min_len)
        case "bool":
            return bool(of_kind.const)
        case "enum":
            return _refuses_choice(of_kind, 0)
        case _:
            return _refuses_zero(of_kind)


def _refuses_no_text(rules: Any) -> bool:
    form = rules.WhichOneof("well_known")
    if rules.min_len or rules.len or (form and getattr(rules, form)):
        return True
    return bool(rules.pattern and not re.search(rules.pattern, "")) or _refuses_choice(rules, "")


def _refuses_zero(rules: Any) -> bool:
    above, below = rules.WhichOneof("greater_than"), rules.WhichOneof("less_than")
    if (above == "gt" and rules.gt >= 0) or (above == "gte" and rules.gte > 0):
        return True
    if (below == "lt" and rules.lt <= 0) or (below == "lte" and rules.lte < 0):
        return True
    return _refuses_choice(rules, 0)


def _refuses_choice(rules: Any, empty: object) -> bool:
    chosen = getattr(rules, "in")
    if rules.HasField("const") and rules.const != empty:
        return True
    return empty in rules.not_in or bool(chosen and empty not in chosen)

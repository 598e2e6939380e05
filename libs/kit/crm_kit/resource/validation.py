"""Messages checked against the rules written in the contract."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from buf.validate import validate_pb2
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from protovalidate import Violation, collect_violations

from crm_kit.errors import FieldViolation, InvalidArgument, invalid_field
from crm_kit.masks import ADDRESSING, EVERYTHING
from crm_kit.resource.violations import joined
from crm_kit.resource.visible import invisible_texts

# In all lists and maps of a request together. Each takes some microseconds to check, some 60 where it is wrong.
MAX_ENTRIES = 5000
# What is smaller has no more entries than can be checked in 30 ms.
COUNTED_BYTES = 1000

_BEHAVIOR: Any = field_behavior_pb2.field_behavior
# The rule, and what the validator says, of every field that is missing.
REQUIRED, IS_REQUIRED = "required", "value is required"
PATTERN = "string.pattern"


def check_message(message: Message) -> None:
    """Raise InvalidArgument naming each field, rule and position that the contract refuses.

    Lists are counted first: what has too many entries is refused before anybody looks at each of them.
    """
    if message.ByteSize() > COUNTED_BYTES:
        _count_entries(message, "", MAX_ENTRIES)
    found = collect_violations(message)
    if found and "update_mask" in message.DESCRIPTOR.fields_by_name:
        changed = _changed_fields(message)
        found = [each for each in found if _is_changed(each, changed)]
    _refuse(message, found)
    _refuse_invisible(message)


def check_fields(message: Message, names: Collection[str], *, place: str) -> None:
    """The same of some fields of a message, which a request has at `place`."""
    found = [each for each in collect_violations(message) if _first(path_of(each)) in names]
    _refuse(message, found, place)
    _refuse_invisible(message, place)


@dataclass(frozen=True, slots=True)
class _Counted:
    """A field that is a list or map, or a message that may have some. `max_entries` is the contract's, if any."""

    name: str
    is_list: bool
    is_map: bool
    max_entries: int
    holds_lists: bool


@cache
def _counted_fields(kind: Descriptor) -> tuple[_Counted, ...]:
    return tuple(_counted(field) for field in kind.fields if field.is_repeated or field.message_type is not None)


def _counted(field: FieldDescriptor) -> _Counted:
    rules = field.GetOptions().Extensions[validate_pb2.field]
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        holds_lists = entry.fields_by_name["value"].message_type is not None
        return _Counted(field.name, True, True, rules.map.max_pairs, holds_lists)
    return _Counted(field.name, field.is_repeated, False, rules.repeated.max_items, entry is not None)


def _count_entries(message: Message, path: str, left: int) -> int:
    """How many more entries a request may have; InvalidArgument when a list is too long, or all are together."""
    for field in _counted_fields(message.DESCRIPTOR):
        if not field.is_list:
            if message.HasField(field.name):
                left = _count_entries(getattr(message, field.name), f"{path}{field.name}.", left)
            continue
        entries = getattr(message, field.name)
        left -= _checked_size(field, path, len(entries), left)
        if field.holds_lists:
            for at, each in _messages(field, entries):
                left = _count_entries(each, f"{path}{field.name}[{at}].", left)
    return left


def _checked_size(field: _Counted, path: str, size: int, left: int) -> int:
    if field.max_entries and size > field.max_entries:
        rule = "map.max_pairs" if field.is_map else "repeated.max_items"
        raise invalid_field(path + field.name, rule, f"must contain no more than {field.max_entries} item(s)")
    if size > left:
        detail = f"with this the request has more than {MAX_ENTRIES} entries in all its lists"
        raise invalid_field(path + field.name, "max_entries", detail)
    return size


def _messages(field: _Counted, entries: Any) -> Iterator[tuple[object, Message]]:
    return ((key, entries[key]) for key in entries) if field.is_map else enumerate(entries)


def _refuse(message: Message, found: Sequence[Violation], place: str = "") -> None:
    if found:
        violations = list(_told(message.DESCRIPTOR, found, place))
        detail = "; ".join(f"{each.field}: {each.detail}" for each in violations[:5])
        raise InvalidArgument(detail, violations=violations)


def _refuse_invisible(message: Message, place: str = "") -> None:
    """Raise InvalidArgument for texts that people could not see, though they must see something."""
    paths = [joined(place, path) for path in invisible_texts(message)]
    if paths:
        violations = [FieldViolation(path, "blank", "must be more than blanks") for path in paths]
        raise InvalidArgument(f"{paths[0]}: must be more than blanks", violations=violations)


def _first(path: str) -> str:
    return path.partition(".")[0].partition("[")[0]


def _told(message: Any, found: Iterable[Violation], place: str) -> Iterator[FieldViolation]:
    """The violations in words. A required text that is empty or blank breaks one rule, whatever else it breaks."""
    missing: set[str] = set()
    for each in found:
        path, rule, detail = joined(place, path_of(each)), rule_of(each), each.proto.message
        if _is_missing(message, each):
            if path in missing:
                continue
            missing.add(path)
            rule, detail = REQUIRED, IS_REQUIRED
        elif rule == PATTERN:
            # What the validator says of it is a regular expression, which is for no reader.
            detail = "does not have the form it must have"
        yield FieldViolation(path, rule, detail)


def _is_missing(message: Any, violation: Violation) -> bool:
    """Whether it is about a required text in which there is nothing to read."""
    value = violation.field_value
    if violation.proto.field is None or not isinstance(value, str) or value.strip():
        return False
    field: Any = None
    inner = message
    for element in violation.proto.field.elements:
        field = inner.fields_by_name[element.field_name]
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            inner = inner.fields_by_name["value"].message_type
    return (
        field is not None
        and not field.is_repeated
        and field_behavior_pb2.REQUIRED in field.GetOptions().Extensions[_BEHAVIOR]
    )


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
    """`account.phone_numbers[2]`; of a rule about several fields of a message the one that its id names."""
    parts = []
    for element in () if violation.proto.field is None else violation.proto.field.elements:
        subscript = element.subscript
        parts.append(element.field_name + (f"[{subscript.value}]" if subscript is not None else ""))
    if _is_of_message(violation):
        parts.append(violation.proto.rule_id.rpartition(".")[0])
    return ".".join(parts)


def rule_of(violation: Violation) -> str:
    """`string.max_len`; of a rule about several fields its name alone: its id is `payment.account_id.any_of`."""
    id = violation.proto.rule_id
    return id.rpartition(".")[2] if _is_of_message(violation) else id


def _is_of_message(violation: Violation) -> bool:
    """Its id is the path of a field, and a rule: the validator says only of rules of fields where they stand."""
    return violation.proto.rule is None

"""Messages that keep the contract's rules, built from nothing but its descriptors."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from buf.validate import validate_pb2
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from protovalidate import Violation, collect_violations

Path = tuple[str, ...]
# A well-formed id of nothing.
ABSENT_ID = "6f1e2a3c-5b4d-4e6f-8a7b-9c0d1e2f3a4b"
NOON = 1_763_697_600
ROUNDS = 40
DEPTH = 6
# Tried in this order until one keeps the rules of a field.
TEXTS = (
    "示例",
    "x1",
    "1",
    "CNY",
    "+8613800138000",
    "somebody@example.com",
    "2026-01-15",
    "09:00",
    "Asia/Shanghai",
    "CN",
    "CN-GD",
    "accounts.read",
    "https://example.com",
    "sap",
    "a-long-enough-Passw0rd",
    "",
)
# Fields with a meaning that the rules of the contract do not tell.
NAMED: Mapping[str, Callable[[], Any]] = {
    "login": lambda: "somebody@example.com",
    "time_zone": lambda: "Asia/Shanghai",
    # Where one is required: of a record as it was created.
    "etag": lambda: "v1",
    # Shares are whole when there is but one.
    "percent": lambda: "100",
}
# What a rule across fields asks for; the path is relative to the message that has the rule.
SETTLED_BY: Mapping[str, tuple[Path, Any]] = {
    "day_of_month.monthly_only": (("day_of_month",), 1),
    "business_minutes.one_of": (("business_minutes",), 60),
    "calendar.one_of": (("calendar_id",), ABSENT_ID),
    "zh.any_of": (("zh",), "示例"),
    "events.one_trigger": (("events",), "CREATED"),
    "payment.account_id.any_of": (("payment", "account_id"), ABSENT_ID),
}
ONE_ACTION = "verb.one_action"
REQUIRED = field_behavior_pb2.REQUIRED
OUTPUT_ONLY = field_behavior_pb2.OUTPUT_ONLY
# The stubs do not say that these are extensions of FieldOptions.
_BEHAVIOR: Any = field_behavior_pb2.field_behavior
_RULES: Any = validate_pb2.field


def minimal(descriptor: Descriptor) -> Message:
    """A message with what the contract requires and nothing else; AssertionError when its rules cannot be kept."""
    message: Message = GetMessageClass(descriptor)()
    fill_required(message)
    return settled(message)


def settled(message: Message) -> Message:
    """The same message, with other values where the rules of the contract refuse its own."""
    for _ in range(ROUNDS):
        found = collect_violations(message)
        if not found:
            return message
        for violation in found:
            # Mending one may have taken the place of another away.
            with contextlib.suppress(LookupError):
                settle(message, violation)
    raise AssertionError(f"{message.DESCRIPTOR.full_name}: no values keep {[each.proto for each in found]}")


def fill_required(message: Message, depth: int = 0) -> None:
    """Set each field that is marked REQUIRED, and below it."""
    for field in message.DESCRIPTOR.fields:
        if depth < DEPTH and REQUIRED in field.GetOptions().Extensions[_BEHAVIOR]:
            put(message, field, depth=depth)


def put(message: Message, field: Any, value: Any = None, *, depth: int = 0) -> None:
    """Set a field to the value, or to the first one that there is for its kind."""
    current = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        current["key"].string_value = "value"
        return
    if field.message_type is not None:
        inner = current.add() if field.is_repeated else current
        inner.SetInParent()
        if field.message_type.name in {"Timestamp", "Duration"}:
            inner.seconds = NOON if field.message_type.name == "Timestamp" else 60
        fill_required(inner, depth + 1)
        return
    if value is None:
        value = next(iter(candidates(field)))
    if field.is_repeated:
        del current[:]
        current.append(value)
    else:
        setattr(message, field.name, value)


def candidates(field: FieldDescriptor) -> Sequence[Any]:
    """Values worth trying for a field that is no message."""
    if field.name in NAMED:
        return [NAMED[field.name]()]
    if field.enum_type is not None:
        return [value.number for value in reversed(field.enum_type.values)]
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            if field.type == FieldDescriptor.TYPE_BYTES:
                return [b"x"]
            # The rule is called by a word of Python's.
            if allowed := getattr(field.GetOptions().Extensions[_RULES].string, "in"):
                return [str(each) for each in allowed]
            return [ABSENT_ID, *TEXTS] if is_id(field) else TEXTS
        case FieldDescriptor.CPPTYPE_BOOL:
            return [True]
        case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
            return [1.0, 0.0]
    return [1, 0, 60]


def settle(root: Message, violation: Violation) -> None:
    """Change what the violation names to the first value that the same rules allow, or take it away."""
    elements = elements_of(violation)
    rule = violation.proto.rule_id
    if rule in SETTLED_BY:
        path, value = SETTLED_BY[rule]
        parent = message_at(root, elements)
        for name in path[:-1]:
            parent = getattr(parent, name)
        put(parent, parent.DESCRIPTOR.fields_by_name[path[-1]], value)
        return
    if rule == ONE_ACTION:
        settle_action(message_at(root, elements))
        return
    if rule.endswith(".id.required"):
        put_id(root, tuple(rule.split(".")[:-1]), ABSENT_ID)
        return
    parent = message_at(root, elements[:-1])
    field = parent.DESCRIPTOR.fields_by_name[elements[-1].field_name]
    if field.message_type is not None:
        given = field.is_repeated and len(getattr(parent, field.name)) > 0
        parent.ClearField(field.name)
        # A list that is refused is one of too many; of a map some key or value is.
        if not given and not field.message_type.GetOptions().map_entry:
            put(parent, field)
        return
    for value in candidates(field):
        put(parent, field, value)
        if not breaks(root, violation):
            return
    parent.ClearField(field.name)


def settle_action(action: Any) -> None:
    """What an automation rule does: what was put there, and nothing else; an update where nothing was."""
    if any(map(action.HasField, ("submission", "notification", "webhook_call", "creation"))):
        for name in ("verb", "request", "target"):
            action.ClearField(name)
    else:
        action.verb = "update"


def breaks(root: Message, violation: Violation) -> bool:
    """Whether some rule still refuses the field that the violation is of."""
    place = [element.field_name for element in elements_of(violation)]
    return any([each.field_name for each in elements_of(found)] == place for found in collect_violations(root))


def elements_of(violation: Violation) -> Sequence[Any]:
    """The path of what a violation is of; empty for the message as a whole."""
    path = violation.proto.field
    return list(path.elements) if path is not None else []


def message_at(root: Message, elements: Sequence[Any]) -> Any:
    """The message that the elements of a violation's path lead to."""
    message: Any = root
    for element in elements:
        message = getattr(message, element.field_name)
        if element.subscript is not None:
            message = message[element.subscript.value]
    return message


# --- ids


def is_id(field: FieldDescriptor) -> bool:
    """Whether the contract says that the text is a UUID."""
    rules = field.GetOptions().Extensions[_RULES]
    text = rules.repeated.items.string if field.is_repeated else rules.string
    return bool(text.uuid)


def id_paths(descriptor: Descriptor, depth: int = 0) -> Iterator[Path]:
    """Where callers put ids into a message: `("contact", "accounts", "account_id")`."""
    for field in descriptor.fields:
        if OUTPUT_ONLY in field.GetOptions().Extensions[_BEHAVIOR]:
            continue
        if is_id(field):
            yield (field.name,)
        elif field.message_type is not None and depth < DEPTH:
            yield from ((field.name, *below) for below in id_paths(field.message_type, depth + 1))


def put_id(message: Message, path: Path, id: str) -> None:
    """Set the id at a path; lists on the way get one element."""
    *way, last = path
    inner: Any = message
    for name in way:
        field = inner.DESCRIPTOR.fields_by_name[name]
        there = getattr(inner, name)
        if field.is_repeated and not there:
            put(inner, field)
        inner = there[0] if field.is_repeated else there
    put(inner, inner.DESCRIPTOR.fields_by_name[last], id)


def has_id(message: Message, path: Path) -> bool:
    """Whether there is an id at the path."""
    *way, last = path
    inner: Any = message
    for name in way:
        field = inner.DESCRIPTOR.fields_by_name[name]
        there = getattr(inner, name)
        if field.is_repeated and not there:
            return False
        if not field.is_repeated and not inner.HasField(name):
            return False
        inner = there[0] if field.is_repeated else there
    return bool(getattr(inner, last))

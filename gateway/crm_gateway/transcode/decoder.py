"""JSON values into messages, by a decoder compiled once per message type.

A decoder fills a message in place and adds what it refuses to a list, so that a caller learns of all mistakes at
once; paths are built only for nested values and for refusals.
"""

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from crm_gateway.json_schema.rules import enum_numbers_allowed
from crm_gateway.problems import Violation, violation
from crm_gateway.protojson import scalars
from crm_gateway.protojson.fields import (
    UNSPECIFIED,
    enum_names,
    enum_numbers,
    is_map,
    is_output_only,
    key_field,
    message_of,
    value_field,
)
from crm_gateway.protojson.scalars import Convert, Refused, expected
from crm_gateway.protojson.wellknown import FILLERS, Fill

Violations = list[Violation]
# message to fill, JSON value, path of the message with a dot at its end (or empty), where refusals go
Decode = Callable[[Any, Any, str, Violations], None]

MAX_VIOLATIONS = 50
# A request full of unknown names, or of endless ones, is no slip of the pen.
MAX_NEAR = 5
MAX_NEAR_LENGTH = 60
_VALUE = "google.protobuf.Value"

_SCALARS: Mapping[int, Convert] = {
    FieldDescriptor.TYPE_STRING: scalars.text,
    FieldDescriptor.TYPE_BOOL: scalars.boolean,
    FieldDescriptor.TYPE_BYTES: scalars.from_base64,
    FieldDescriptor.TYPE_DOUBLE: scalars.double,
    FieldDescriptor.TYPE_FLOAT: scalars.single,
    FieldDescriptor.TYPE_INT32: scalars.int32,
    FieldDescriptor.TYPE_SINT32: scalars.int32,
    FieldDescriptor.TYPE_SFIXED32: scalars.int32,
    FieldDescriptor.TYPE_UINT32: scalars.uint32,
    FieldDescriptor.TYPE_FIXED32: scalars.uint32,
    FieldDescriptor.TYPE_INT64: scalars.int64,
    FieldDescriptor.TYPE_SINT64: scalars.int64,
    FieldDescriptor.TYPE_SFIXED64: scalars.int64,
    FieldDescriptor.TYPE_UINT64: scalars.uint64,
    FieldDescriptor.TYPE_FIXED64: scalars.uint64,
}
_NUMBER_KEYS = frozenset(_SCALARS) - {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BOOL}


class Decoders:
    """The compiled decoders, one per message type, made when first asked for.

    Output-only fields are skipped whatever they hold, as updates pass over them. `keep_ids` makes an exception for
    fields named `id`: in a batch of updates there is no path that says which resource each entry is.
    `keep_output_only` keeps them all: of a create the services refuse what they cannot honour.
    """

    def __init__(self, *, keep_ids: bool = False, keep_output_only: bool = False) -> None:
        self._keep_ids = keep_ids
        self._keep_output_only = keep_output_only
        self._by_type: dict[str, Decode] = {}
        self._fields: dict[str, dict[str, Decode | None]] = {}

    def of(self, message: Descriptor) -> Decode:
        """The decoder of a message type."""
        name = message.full_name
        if name not in self._by_type:
            self._by_type[name] = lambda *arguments: self._by_type[name](*arguments)
            self._by_type[name] = self._compile(message)
        return self._by_type[name]

    def fields(self, message: Descriptor) -> Mapping[str, Decode | None]:
        """Field name -> decoder of that field of the message; None where the value is skipped."""
        name = message.full_name
        if name not in self._fields:
            self._fields[name] = {field.name: self.field(field) for field in message.fields}
        return self._fields[name]

    def _compile(self, message: Descriptor) -> Decode:
        if message.full_name in FILLERS:
            return _filled(FILLERS[message.full_name])
        fields = self.fields(message)
        # What nobody sends is not meant.
        sent = [field.name for field in message.fields if not is_output_only(field)]
        oneofs = [
            (oneof.name, frozenset(field.name for field in oneof.fields))
            for oneof in message.oneofs
            if len(oneof.fields) > 1
        ]

        def decode(target: Any, value: Any, path: str, violations: Violations) -> None:
            for name, each in value.items():
                try:
                    field = fields[name]
                except KeyError:
                    add_unknown(path, name, violations, sent)
                    continue
                if field is not None:
                    field(target, each, path, violations)
            for oneof, members in oneofs:
                _check_oneof(oneof, members, value, path, violations)

        return decode

    def field(self, field: FieldDescriptor) -> Decode | None:
        """The decoder of one field; None when its value is skipped."""
        if is_output_only(field) and not self._keep_output_only and not (self._keep_ids and field.name == "id"):
            return None
        if is_map(field):
            return self._map(field)
        if field.message_type is not None:
            return self._messages(field) if field.is_repeated else self._message(field)
        return _repeated(field.name, converter(field)) if field.is_repeated else decode_single(field)

    def _message(self, field: FieldDescriptor) -> Decode:
        name = field.name
        kind = message_of(field)
        null_is_value = kind.full_name == _VALUE
        fill = FILLERS.get(kind.full_name)
        if fill is not None:
            return _well_known(name, fill, null_is_value=null_is_value)
        decode = self.of(kind)

        def message(target: Any, value: Any, path: str, violations: Violations) -> None:
            if type(value) is dict:
                child = getattr(target, name)
                child.SetInParent()
                decode(child, value, f"{path}{name}.", violations)
            elif value is not None:
                add(path + name, expected("object", value), violations)

        return message

    def _messages(self, field: FieldDescriptor) -> Decode:
        name = field.name
        kind = message_of(field)
        fill = FILLERS.get(kind.full_name)
        decode = self.of(kind) if fill is None else None

        def messages(target: Any, value: Any, path: str, violations: Violations) -> None:
            if type(value) is not list:
                if value is not None:
                    add(path + name, expected("array", value), violations)
                return
            new = getattr(target, name).add
            for index, each in enumerate(value):
                if len(violations) >= MAX_VIOLATIONS:
                    return
                if decode is None:
                    _try_fill(fill, new(), each, f"{path}{name}[{index}]", violations)
                elif type(each) is dict:
                    decode(new(), each, f"{path}{name}[{index}].", violations)
                else:
                    add(f"{path}{name}[{index}]", expected("object", each), violations)

        return messages

    def _map(self, field: FieldDescriptor) -> Decode:
        name = field.name
        values = value_field(field)
        key = _key_converter(key_field(field))
        put = self._put_message(values) if values.message_type is not None else _put_scalar(converter(values))

        def mapping(target: Any, value: Any, path: str, violations: Violations) -> None:
            if type(value) is not dict:
                if value is not None:
                    add(path + name, expected("object", value), violations)
                return
            entries = getattr(target, name)
            for raw, each in value.items():
                if len(violations) >= MAX_VIOLATIONS:
                    return
                try:
                    put(entries, key(raw), each, f"{path}{name}.{raw}", violations)
                except Refused as refused:
                    add(f"{path}{name}.{raw}", refused, violations)

        return mapping

    def _put_message(self, values: FieldDescriptor) -> Callable[[Any, Any, Any, str, Violations], None]:
        kind = message_of(values)
        fill = FILLERS.get(kind.full_name)
        decode = self.of(kind)

        def put(entries: Any, key: Any, value: Any, path: str, violations: Violations) -> None:
            if fill is not None:
                fill(entries[key], value)
            elif type(value) is dict:
                decode(entries[key], value, path + ".", violations)
            else:
                raise expected("object", value)

        return put


def decode_single(field: FieldDescriptor) -> Decode:
    """The decoder of a field that holds one value and no message."""
    if field.type == FieldDescriptor.TYPE_STRING:
        return _text(field.name)
    return _single(field.name, converter(field))


def converter(field: FieldDescriptor) -> Convert:
    """The converter of one value of a field that is no message."""
    if field.enum_type is None:
        return _SCALARS[field.type]
    names = enum_names(field.enum_type)
    # What its rules refuse is no choice; who sends that is told which rule it breaks.
    choices = [names[number] for number in enum_numbers_allowed(field) if names[number] != UNSPECIFIED]
    return scalars.enum_number(enum_numbers(field.enum_type), ", ".join(choices))


def add(path: str, refused: Refused, violations: Violations) -> None:
    """Note a refusal, up to a number nobody reads on from."""
    if len(violations) < MAX_VIOLATIONS:
        violations.append(violation(path, refused.rule, refused.variant, **refused.values))


def add_unknown(path: str, name: str, violations: Violations, known: Collection[str]) -> None:
    """Note a field the contract does not have, with the one of those `known` that may be meant."""
    near = near_name(name, known, violations)
    add(path + name, Refused("unknown_field", "near", near=near) if near else Refused("unknown_field"), violations)


def near_name(name: str, known: Collection[str], violations: Violations) -> str:
    """The known name that looks like it; empty where none does, and where looking is not worth the time."""
    if len(name) > MAX_NEAR_LENGTH or len(violations) >= MAX_NEAR:
        return ""
    return next(iter(get_close_matches(name, known, n=1)), "")


def _text(name: str) -> Decode:
    def decode(target: Any, value: Any, path: str, violations: Violations) -> None:
        if type(value) is str:
            setattr(target, name, value)
        elif value is not None:
            add(path + name, expected("text", value), violations)

    return decode


def _single(name: str, convert: Convert) -> Decode:
    def decode(target: Any, value: Any, path: str, violations: Violations) -> None:
        if value is not None:
            try:
                setattr(target, name, convert(value))
            except Refused as refused:
                add(path + name, refused, violations)

    return decode


def _repeated(name: str, convert: Convert) -> Decode:
    def decode(target: Any, value: Any, path: str, violations: Violations) -> None:
        if type(value) is not list:
            if value is not None:
                add(path + name, expected("array", value), violations)
            return
        try:
            getattr(target, name).extend([convert(each) for each in value])
        except Refused:
            _refuse_each(name, convert, value, path, violations)

    return decode


def _refuse_each(name: str, convert: Convert, values: list[Any], path: str, violations: Violations) -> None:
    for index, each in enumerate(values):
        if len(violations) >= MAX_VIOLATIONS:
            return
        try:
            convert(each)
        except Refused as refused:
            add(f"{path}{name}[{index}]", refused, violations)


def _well_known(name: str, fill: Fill, *, null_is_value: bool) -> Decode:
    def decode(target: Any, value: Any, path: str, violations: Violations) -> None:
        if value is not None or null_is_value:
            child = getattr(target, name)
            child.SetInParent()
            _try_fill(fill, child, value, path + name, violations)

    return decode


def _filled(fill: Fill) -> Decode:
    def decode(target: Any, value: Any, path: str, violations: Violations) -> None:
        _try_fill(fill, target, value, path.removesuffix("."), violations)

    return decode


def _try_fill(fill: Fill | None, target: Any, value: Any, path: str, violations: Violations) -> None:
    assert fill is not None
    try:
        fill(target, value)
    except Refused as refused:
        add(path, refused, violations)


def _put_scalar(convert: Convert) -> Callable[[Any, Any, Any, str, Violations], None]:
    def put(entries: Any, key: Any, value: Any, _path: str, _violations: Violations) -> None:
        entries[key] = convert(value)

    return put


def _key_converter(key: FieldDescriptor) -> Convert:
    convert = _SCALARS[key.type]
    if key.type == FieldDescriptor.TYPE_BOOL:
        return lambda raw: convert(scalars.boolean_from_text(raw))
    if key.type in _NUMBER_KEYS:
        return lambda raw: convert(scalars.number_from_text(raw))
    return convert


def _check_oneof(
    oneof: str, members: frozenset[str], value: Mapping[str, Any], path: str, violations: Violations
) -> None:
    given = sorted(name for name in members if value.get(name) is not None)
    if len(given) > 1:
        add(path + oneof, Refused("oneof", choices=", ".join(given)), violations)

"""The messages of google.protobuf that have a JSON form of their own, both ways.

An encoder takes the message; a decoder takes the message to fill and the JSON value, and raises `Refused`.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from crm_gateway.protojson import scalars
from crm_gateway.protojson.scalars import Convert, Refused, expected

Fill = Callable[[Any, Any], None]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Python from 3.14 on reads 24:00:00 as the next day, RFC 3339 has no such hour.
_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt]((?:[01]\d|2[0-3]):\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII)
_MASK_PATH = re.compile(r"[A-Za-z0-9_.*]{1,200}", re.ASCII)
_LONGEST_DURATION = 315_576_000_000  # seconds; 10,000 years, the limit of google.protobuf.Duration


def encode_timestamp(message: Any) -> datetime | str:
    """RFC 3339 in UTC; finer than a microsecond as text, since datetime ends there."""
    nanos = message.nanos
    instant = _EPOCH + timedelta(0, message.seconds, nanos // 1000)
    if nanos % 1000:
        return f"{instant.replace(microsecond=0, tzinfo=None).isoformat()}.{nanos:09d}Z"
    return instant


def fill_timestamp(message: Any, value: object) -> None:
    match = _TIMESTAMP.fullmatch(scalars.text(value))
    if match is None:
        raise Refused("format", "instant")
    day, clock, fraction, offset = match.groups()
    try:
        instant = datetime.fromisoformat(f"{day}T{clock}{offset.upper()}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused("format", "no_instant") from None
    passed = instant - _EPOCH
    message.seconds = passed.days * 86_400 + passed.seconds
    message.nanos = int((fraction or "0").ljust(9, "0"))


def encode_duration(message: Any) -> str:
    seconds, nanos = message.seconds, message.nanos
    sign = "-" if seconds < 0 or nanos < 0 else ""
    fraction = f".{abs(nanos):09d}".rstrip("0") if nanos else ""
    return f"{sign}{abs(seconds)}{fraction}s"


def fill_duration(message: Any, value: object) -> None:
    match = _DURATION.fullmatch(scalars.text(value))
    if match is None or int(match[2]) > _LONGEST_DURATION:
        raise Refused("format", "duration")
    sign = -1 if match[1] else 1
    message.seconds = sign * int(match[2])
    message.nanos = sign * int((match[3] or "0").ljust(9, "0"))


def encode_mask(message: Any) -> str:
    return ",".join(message.paths)


def fill_mask(message: Any, value: object) -> None:
    """Comma-separated proto names; whether the fields exist is for the service to say."""
    paths = [path.strip() for path in scalars.text(value).split(",") if path.strip()]
    if not all(_MASK_PATH.fullmatch(path) for path in paths):
        raise Refused("format", "field_names")
    message.paths.extend(paths)


def encode_value(message: Any) -> Any:
    """The natural JSON value; a number without a fraction is written as an integer."""
    kind = message.WhichOneof("kind")
    if kind is None or kind == "null_value":
        return None
    if kind == "number_value":
        number = message.number_value
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    if kind == "struct_value":
        return encode_struct(message.struct_value)
    if kind == "list_value":
        return encode_list(message.list_value)
    return getattr(message, kind)


def fill_value(message: Any, value: object) -> None:
    match value:
        case None:
            message.null_value = 0
        case bool():
            message.bool_value = value
        case int() | float():
            message.number_value = value
        case str():
            message.string_value = value
        case list():
            message.list_value.SetInParent()
            fill_list(message.list_value, value)
        case dict():
            message.struct_value.SetInParent()
            fill_struct(message.struct_value, value)


def encode_struct(message: Any) -> dict[str, Any]:
    return {key: encode_value(value) for key, value in message.fields.items()}


def fill_struct(message: Any, value: object) -> None:
    if type(value) is not dict:
        raise expected("object", value)
    fields = message.fields
    for key, each in value.items():
        fill_value(fields[key], each)


def encode_list(message: Any) -> list[Any]:
    return [encode_value(value) for value in message.values]


def fill_list(message: Any, value: object) -> None:
    if type(value) is not list:
        raise expected("array", value)
    for each in value:
        fill_value(message.values.add(), each)


def encode_empty(_message: Any) -> dict[str, Any]:
    return {}


def fill_empty(_message: Any, value: object) -> None:
    if type(value) is not dict:
        raise expected("object", value)
    if value:
        raise Refused("unknown_field", "empty")


def _encode_wrapper(convert: Convert | None) -> Callable[[Any], Any]:
    if convert is None:
        return lambda message: message.value
    return lambda message: convert(message.value)


def _fill_wrapper(convert: Convert) -> Fill:
    def fill(message: Any, value: object) -> None:
        message.value = convert(value)

    return fill


_WRAPPERS: Mapping[str, tuple[Convert | None, Convert]] = {
    "BoolValue": (None, scalars.boolean),
    "StringValue": (None, scalars.text),
    "BytesValue": (lambda value: b64encode(value).decode(), scalars.from_base64),
    "Int32Value": (None, scalars.int32),
    "UInt32Value": (None, scalars.uint32),
    "Int64Value": (str, scalars.int64),
    "UInt64Value": (str, scalars.uint64),
    "FloatValue": (scalars.shortest, scalars.single),
    "DoubleValue": (None, scalars.double),
}

ENCODERS: Mapping[str, Callable[[Any], Any]] = {
    "google.protobuf.Timestamp": encode_timestamp,
    "google.protobuf.Duration": encode_duration,
    "google.protobuf.FieldMask": encode_mask,
    "google.protobuf.Value": encode_value,
    "google.protobuf.Struct": encode_struct,
    "google.protobuf.ListValue": encode_list,
    "google.protobuf.Empty": encode_empty,
    **{f"google.protobuf.{name}": _encode_wrapper(out) for name, (out, _) in _WRAPPERS.items()},
}

FILLERS: Mapping[str, Fill] = {
    "google.protobuf.Timestamp": fill_timestamp,
    "google.protobuf.Duration": fill_duration,
    "google.protobuf.FieldMask": fill_mask,
    "google.protobuf.Value": fill_value,
    "google.protobuf.Struct": fill_struct,
    "google.protobuf.ListValue": fill_list,
    "google.protobuf.Empty": fill_empty,
    **{f"google.protobuf.{name}": _fill_wrapper(into) for name, (_, into) in _WRAPPERS.items()},
}

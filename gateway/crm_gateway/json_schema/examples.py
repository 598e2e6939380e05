"""Examples: what a comment gives as one ("for example …"), what fields of this name hold, or what the type allows.

A property carries its example; those of objects and lists are put together from them.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from crm_gateway.json_schema.rules import Schema

_IN_COMMENT = re.compile(r"[Ff]or example (?:`([^`]+)`|\"([^\"]+)\"|([^\s,;]+))")
_BY_FORMAT = {
    "uuid": "01920f3c-8d2a-7c41-9b1e-5a2f6c7d8e90",
    "email": "li.wei@example.com",
    "uri": "https://www.example.com",
    "date": "2026-11-30",
    "date-time": "2026-01-31T09:30:00Z",
    "hostname": "www.example.com",
    "ipv4": "192.0.2.1",
}
_NESTED = "#/components/schemas/"
_MAX_DEPTH = 12


class NoExample(Exception):
    """Nothing can be shown that is sure to be valid."""


def told_example(message: str, name: str, schema: Schema, comment: str) -> Any:
    """The example to write beside a property of a message; None where its schema says enough or none is known."""
    value = schema["items"] if _kind(schema) == "array" else schema
    kind = _kind(value)
    if kind not in ("string", "integer", "number") or value.get("format") in _BY_FORMAT or "enum" in value:
        return None
    for candidate in _candidates(message, name, comment):
        if isinstance(candidate, str) is (kind == "string") and _fits(candidate, value):
            return candidate if value is schema else [candidate]
    return None


def _candidates(message: str, name: str, comment: str) -> Iterator[Any]:
    by_name = _by_name()
    if name in by_name.get(message, {}):
        yield by_name[message][name]
    if told := _IN_COMMENT.search(comment):
        text = told[told.lastindex or 0].rstrip(".")
        yield text
        if text.isdigit():
            yield int(text)
    if name in by_name:
        yield by_name[name]
    yield from (value for key, value in by_name.items() if key.startswith("_") and name.endswith(key))


@cache
def _by_name() -> dict[str, Any]:
    """Name of a field, or an end of names with `_` before it -> what such fields hold; by message where it differs."""
    return tomllib.loads(files("crm_gateway.json_schema").joinpath("examples.toml").read_text(encoding="utf-8"))


def example(schema: Schema, components: Mapping[str, Schema], depth: int = 0) -> Any:
    """A value the schema allows; NoExample when none is known."""
    if depth > _MAX_DEPTH:
        raise NoExample
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        return example(components[schema["$ref"].removeprefix(_NESTED)], components, depth + 1)
    if "anyOf" in schema:
        # What is nullable is shown with a value.
        return example(schema["anyOf"][0], components, depth)
    if chosen := schema.get("enum"):
        return chosen[0]
    if "const" in schema:
        return schema["const"]
    return _by_type(schema, components, depth)


def _by_type(schema: Schema, components: Mapping[str, Schema], depth: int) -> Any:
    match "object" if "allOf" in schema else _kind(schema):
        case "object":
            return _object(flattened(schema, components), components, depth)
        case "array":
            return _array(schema, components, depth)
        case "string":
            return _text(schema)
        case "integer" | "number":
            return max(schema.get("minimum", 1), schema.get("exclusiveMinimum", 0) + 1)
        case "boolean":
            return False
    raise NoExample


def _object(schema: Schema, components: Mapping[str, Schema], depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    required = schema.get("required", ())
    for name, inner in schema.get("properties", {}).items():
        try:
            found[name] = example(inner, components, depth + 1)
        except NoExample:
            if name in required:
                if not _takes_null(inner):
                    raise
                found[name] = None
    return found


def _array(schema: Schema, components: Mapping[str, Schema], depth: int) -> list[Any]:
    try:
        return [example(schema["items"], components, depth + 1)]
    except NoExample:
        if schema.get("minItems", 0):
            raise
        return []


def flattened(schema: Schema, components: Mapping[str, Schema]) -> Schema:
    """A schema with the properties and needs of all it is made of."""
    properties: dict[str, Schema] = {}
    required: list[str] = list(schema.get("required", ()))
    for part in schema.get("allOf", ()):
        whole = components[part["$ref"].removeprefix(_NESTED)] if "$ref" in part else part
        properties = {**whole.get("properties", {}), **properties}
        required += whole.get("required", ())
    return schema | {"properties": properties | schema.get("properties", {}), "required": required}


def _kind(schema: Schema) -> str:
    kind = schema.get("type", "")
    return str(kind[0] if isinstance(kind, list) else kind)


def _text(schema: Schema) -> str:
    candidates = [_BY_FORMAT.get(schema.get("format", ""), ""), "3600s"]
    for candidate in filter(None, candidates):
        if ("format" in schema or "pattern" in schema) and _fits(candidate, schema):
            return candidate
    raise NoExample


def _fits(value: Any, schema: Schema) -> bool:
    if not isinstance(value, str):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    if "format" in schema and value != _BY_FORMAT.get(schema["format"]):
        return False
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        return False
    return "pattern" not in schema or re.search(schema["pattern"], value) is not None


def _takes_null(schema: Schema) -> bool:
    is_anything = not schema.keys() & {"type", "$ref", "anyOf", "allOf", "enum", "const"}
    return is_anything or "null" in schema.get("type", ()) or {"type": "null"} in schema.get("anyOf", ())

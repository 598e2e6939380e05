"""Examples for schemas: what a comment gives as one ("for example …"), or what format and type allow."""

import re
from collections.abc import Mapping
from typing import Any

from crm_gateway.openapi.rules import Schema

_IN_COMMENT = re.compile(r"for example (?:`([^`]+)`|\"([^\"]+)\"|([^\s,;]+))")
_BY_FORMAT = {
    "uuid": "01920f3c-8d2a-7c41-9b1e-5a2f6c7d8e90",
    "email": "li.wei@example.com",
    "uri": "https://www.example.com",
    "date-time": "2026-01-31T09:30:00Z",
    "hostname": "www.example.com",
    "ipv4": "192.0.2.1",
}
_NESTED = "#/components/schemas/"
_DEEPEST = 6


class NoExample(Exception):
    """Nothing can be shown that is sure to be valid."""


def example(schema: Schema, components: Mapping[str, Schema], name: str = "", depth: int = 0) -> Any:
    """A value the schema allows, fit for a field of this name; NoExample when none is known."""
    if depth > _DEEPEST:
        raise NoExample
    if "$ref" in schema:
        return example(components[schema["$ref"].removeprefix(_NESTED)], components, name, depth + 1)
    if "anyOf" in schema:
        # What is nullable is shown with a value, under the comment of the field.
        told = {key: schema[key] for key in ("description",) if key in schema}
        return example(told | schema["anyOf"][0], components, name, depth)
    chosen = [schema["const"]] if "const" in schema else schema.get("enum")
    if chosen:
        return chosen[0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    match kind:
        case "object":
            return _object(schema, components, depth)
        case "array":
            return _array(schema, components, name, depth)
        case "string":
            return _text(schema, name)
        case "integer" | "number":
            return max(schema.get("minimum", 0), schema.get("exclusiveMinimum", -1) + 1)
        case "boolean":
            return False
    raise NoExample


def _object(schema: Schema, components: Mapping[str, Schema], depth: int) -> dict[str, Any]:
    required = schema.get("required", ())
    found: dict[str, Any] = {}
    for name, inner in schema.get("properties", {}).items():
        try:
            found[name] = example(inner, components, name, depth + 1)
        except NoExample:
            if name in required:
                if not _takes_null(inner):
                    raise
                found[name] = None
    return found


def _array(schema: Schema, components: Mapping[str, Schema], name: str, depth: int) -> list[Any]:
    # A list's comment speaks of its values.
    items = {"description": schema.get("description", "")} | schema["items"]
    try:
        return [example(items, components, name.removesuffix("s"), depth + 1)]
    except NoExample:
        if schema.get("minItems", 0):
            raise
        return []


def _text(schema: Schema, name: str) -> str:
    told = _IN_COMMENT.search(schema.get("description", ""))
    candidates = [told[told.lastindex or 0].rstrip(".")] if told else []
    candidates += [_BY_FORMAT[schema["format"]]] if schema.get("format") in _BY_FORMAT else []
    candidates += ["1", "3.5s"] if "pattern" in schema else []
    candidates += [_BY_FORMAT["uuid"]] if name == "id" or name.endswith("_id") else []
    candidates += ["3" if name == "etag" else name.replace("_", " ") or "text"]
    for candidate in candidates:
        if _fits(candidate, schema):
            return candidate
    raise NoExample


def _fits(text: str, schema: Schema) -> bool:
    if "format" in schema and text != _BY_FORMAT.get(schema["format"]):
        return False
    if not schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text)):
        return False
    return "pattern" not in schema or re.search(schema["pattern"], text) is not None


def _takes_null(schema: Schema) -> bool:
    return "null" in schema.get("type", ()) or {"type": "null"} in schema.get("anyOf", ())

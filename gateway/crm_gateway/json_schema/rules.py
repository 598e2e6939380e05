"""`buf.validate` rules of a field as JSON Schema keywords."""

from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import FieldDescriptor

Schema = dict[str, Any]

_FIELD: Any = validate_pb2.field
_FORMATS = {
    "uuid": "uuid",
    "email": "email",
    "uri": "uri",
    "uri_ref": "uri-reference",
    "hostname": "hostname",
    "ipv4": "ipv4",
    "ipv6": "ipv6",
}
_NUMERIC = {"gte": "minimum", "lte": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
_LENGTHS = {"min_len": "minLength", "max_len": "maxLength"}
_NUMBERS = frozenset({"int32", "uint32", "sint32", "fixed32", "sfixed32", "float", "double"})


def rules_of(field: FieldDescriptor) -> Any:
    """The field's `buf.validate.FieldRules`."""
    return field.GetOptions().Extensions[_FIELD]


def keywords(field: FieldDescriptor) -> Schema:
    """Keywords of the field's own schema; for a list or map these are its sizes, see `item_keywords`."""
    rules = rules_of(field)
    kind = rules.WhichOneof("type")
    if kind == "repeated":
        return _set_values(rules.repeated, {"min_items": "minItems", "max_items": "maxItems", "unique": "uniqueItems"})
    if kind == "map":
        return _set_values(rules.map, {"min_pairs": "minProperties", "max_pairs": "maxProperties"})
    return _scalar_keywords(rules)


def item_keywords(field: FieldDescriptor) -> Schema:
    """Keywords of one value of a list or map."""
    rules = rules_of(field)
    kind = rules.WhichOneof("type")
    if kind == "repeated":
        return _scalar_keywords(rules.repeated.items)
    return _scalar_keywords(rules.map.values) if kind == "map" else {}


def enum_numbers_allowed(field: FieldDescriptor) -> list[int]:
    """Numbers of an enum field that its rules allow, or those of a list's values."""
    rules = rules_of(field)
    chosen = rules.repeated.items.enum if rules.WhichOneof("type") == "repeated" else rules.enum
    assert field.enum_type is not None
    numbers = [value.number for value in field.enum_type.values]
    if chosen.HasField("const"):
        return [chosen.const]
    only = list(getattr(chosen, "in"))
    return [number for number in numbers if number not in chosen.not_in and (not only or number in only)]


def _scalar_keywords(rules: Any) -> Schema:
    kind = rules.WhichOneof("type")
    if kind == "string":
        return _string_keywords(rules.string)
    if kind in _NUMBERS:
        return _set_values(getattr(rules, kind), _NUMERIC) | _choices(getattr(rules, kind))
    return {}


def _string_keywords(rules: Any) -> Schema:
    schema = _set_values(rules, _LENGTHS) | _choices(rules)
    if rules.HasField("len"):
        schema |= {"minLength": rules.len, "maxLength": rules.len}
    if rules.HasField("pattern"):
        schema["pattern"] = rules.pattern
    well_known = rules.WhichOneof("well_known")
    if well_known in _FORMATS and getattr(rules, well_known):
        schema["format"] = _FORMATS[well_known]
    return schema


def _choices(rules: Any) -> Schema:
    if rules.HasField("const"):
        return {"const": rules.const}
    only = list(getattr(rules, "in"))
    return {"enum": only} if only else {}


def _set_values(rules: Any, names: dict[str, str]) -> Schema:
    """Rules that are set, under their JSON Schema names."""
    return {keyword: getattr(rules, name) for name, keyword in names.items() if rules.HasField(name)}

"""A broken rule of the contract as data: its key in the catalogue, and the limits and choices that the text names.

The services tell field and rule; what the rule demands stands in the contract, which the gateway has as well.
"""

import re
from collections.abc import Iterator
from typing import Any

from buf.validate import validate_pb2
from crm.options.v1 import options_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration

from crm_gateway.contract import Contract
from crm_gateway.json_schema.examples import told_example
from crm_gateway.json_schema.rules import enum_numbers_allowed, keywords, rules_of
from crm_gateway.protojson.fields import UNSPECIFIED, enum_names
from crm_gateway.protojson.wellknown import encode_duration

_ELEMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\[[^\]]*\])?\.?")
_NUMBERS = re.compile(
    r"(?:double|float|u?int32|u?int64|sint32|sint64|fixed32|fixed64|sfixed32|sfixed64|duration|timestamp)\."
)
PATTERN = "string.pattern"
# Patterns that words say better than an example, and the variant of the text.
_FORMS = {r"^\S(.*\S)?$": "trimmed", r"^(\S(.*\S)?)?$": "trimmed", r"\S": "blank", "^[Hh][Tt][Tt][Pp][Ss]?://": "web"}
# Rules of messages that ask for one of several fields, which their expressions name.
ALTERNATIVES = frozenset({"any_of", "one_of"})
_ASKED_FOR = re.compile(r"this\.([a-z_.]+)")
# What updates refuse, and creates, and what they are told of a field that no verb sets: it is set once, or computed.
SET_OTHERWISE = {"changed_by": "changed_by.create", "output_only": "output_only.computed"}
# What the validator says of the value's emptiness is the rule itself.
_EMPTY = "_empty"


class RuleValues:
    """Reads what the rules of a contract demand."""

    def __init__(self, contract: Contract) -> None:
        self._comments = contract.comments
        self._verbs = dict(_verbs(contract))

    def of(self, request: Descriptor, path: str, rule: str) -> tuple[str, dict[str, str]]:
        """The key of a rule in the catalogue and its values; none of these where the path leads to no field.

        Nor has a rule of the services' own any, such as `filter`; the contract's have their type: `string.email`.
        """
        key = _NUMBERS.sub("number.", rule).removesuffix(_EMPTY)
        found = _field_at(request, path)
        if found is None:
            return key, {}
        if rule in ALTERNATIVES:
            return key, {"choices": ", ".join(_alternatives(request, path, rule))}
        if rule in SET_OTHERWISE:
            return self._set_otherwise(found[0], rule)
        if "." not in rule:
            return key, {}
        field, in_list = found
        values = _limits(field, in_list)
        if field.enum_type is not None:
            names = enum_names(field.enum_type)
            choices = [names[number] for number in enum_numbers_allowed(field)]
            values["choices"] = ", ".join(name for name in choices if name != UNSPECIFIED)
        elif rule.endswith(".in"):
            allowed = getattr(getattr(_rules(field, in_list), rule.removesuffix(".in")), "in")
            # An empty one says that it may be left out.
            values["choices"] = ", ".join(str(each) for each in allowed if each != "")
        elif key == PATTERN:
            if variant := _FORMS.get(keywords(field).get("pattern", "")):
                return f"{key}.{variant}", {}
            if example := self._example(field):
                values["example"] = example
        return f"{key}.one" if values.get("min_len") == "1" and key == "string.min_len" else key, values

    def _set_otherwise(self, field: FieldDescriptor, rule: str) -> tuple[str, dict[str, str]]:
        """The verbs that set it, as paths have them: `:assign, :open`; else what does without any."""
        rpcs = field.GetOptions().Extensions[options_pb2.changed_by]
        if not rpcs:
            return SET_OTHERWISE[rule], {}
        return f"{rule}.verbs", {"verbs": ", ".join(self._verbs[rpc] for rpc in rpcs)}

    def _example(self, field: FieldDescriptor) -> str:
        kind = "array" if field.is_repeated else "string"
        schema = {"type": kind, "items": {"type": "string"}} | keywords(field)
        shown = told_example(
            field.full_name.split(".")[-2], field.name, schema, self._comments.get(field.full_name, "")
        )
        return str(shown[0] if isinstance(shown, list) else shown or "")


def _verbs(contract: Contract) -> Iterator[tuple[str, str]]:
    """The name of each rpc with a custom verb, as its contract has it, and the verb: `AssignCase`, `:assign`."""
    for rpc in contract.rpcs:
        for binding in rpc.bindings:
            _, colon, verb = binding.template.rpartition(":")
            if colon:
                yield rpc.path.rpartition("/")[2], f":{verb}"


def _field_at(message: Descriptor | None, path: str) -> tuple[FieldDescriptor, bool] | None:
    """The field that a path such as `account.phone_numbers[2]` leads to, and whether to one of its entries."""
    field, in_list = None, False
    for name, subscript in _ELEMENT.findall(path):
        if message is None or (field := message.fields_by_name.get(name)) is None:
            return None
        message, in_list = field.message_type, bool(subscript)
    return None if field is None else (field, in_list)


def _alternatives(request: Descriptor, path: str, rule: str) -> Iterator[str]:
    """The fields among which a rule lets the caller choose, by the names that they have beside the one at the path."""
    names = [name for name, _ in _ELEMENT.findall(path)]
    message: Descriptor | None = request
    for depth, name in enumerate(names):
        if message is None:
            return
        id = ".".join([*names[depth:], rule])
        for each in message.GetOptions().Extensions[validate_pb2.message].cel:
            if each.id == id:
                yield from dict.fromkeys(found.rpartition(".")[2] for found in _ASKED_FOR.findall(each.expression))
        message = message.fields_by_name[name].message_type


def _rules(field: FieldDescriptor, in_list: bool) -> Any:
    """Those of a field, or of its entries."""
    rules: Any = rules_of(field)
    if in_list and rules.WhichOneof("type") in ("repeated", "map"):
        return rules.repeated.items if rules.WhichOneof("type") == "repeated" else rules.map.values
    return rules


def _limits(field: FieldDescriptor, in_list: bool) -> dict[str, str]:
    """What the rules of a field, or of one of its entries, set as numbers and durations."""
    rules = _rules(field, in_list)
    kind = rules.WhichOneof("type")
    if kind is None:
        return {}
    limits: dict[str, str] = {}
    for limit, value in getattr(rules, kind).ListFields():
        if isinstance(value, Duration):
            limits[limit.name] = encode_duration(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            limits[limit.name] = f"{value:g}" if isinstance(value, float) else str(value)
    return limits

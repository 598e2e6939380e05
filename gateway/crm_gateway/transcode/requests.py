"""A REST request into the RPC's request message: path, query, body and `If-Match`, compiled per binding."""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import attrgetter
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from crm_gateway.contract import Binding, Rpc
from crm_gateway.problems import ProblemError, malformed, unreadable
from crm_gateway.protojson import scalars
from crm_gateway.protojson.fields import (
    is_custom,
    is_map,
    is_output_only,
    is_plain_message,
    is_value,
    is_well_known,
    message_of,
)
from crm_gateway.protojson.scalars import Refused
from crm_gateway.transcode.decoder import Decode, Decoders, Violations, add, decode_single, near_name
from crm_gateway.transcode.inclusion import BESIDE
from crm_gateway.transcode.routes import Template

# protobuf gives up below 100 nested messages, and one level of a Struct takes three of them.
MAX_JSON_DEPTH = 24
# The largest request that makes sense has some thousand; two million that mean nothing fit into a body.
MAX_JSON_VALUES = 20_000
# Possessive, and the end may be missing: it never goes back over what it has read.
_JSON_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_MASK = "update_mask"
_QUERY_DEPTH = 3

FromText = Callable[[str], object]
_NUMBERS = frozenset(
    {
        FieldDescriptor.TYPE_INT32,
        FieldDescriptor.TYPE_SINT32,
        FieldDescriptor.TYPE_SFIXED32,
        FieldDescriptor.TYPE_UINT32,
        FieldDescriptor.TYPE_FIXED32,
        FieldDescriptor.TYPE_DOUBLE,
        FieldDescriptor.TYPE_FLOAT,
    }
)


class RequestReader:
    """Reads requests of one binding of one RPC."""

    def __init__(
        self, rpc: Rpc, binding: Binding, template: Template, decoders: Decoders, about_answer: Collection[str] = ()
    ) -> None:
        self.new: Callable[[], Any] = message_factory.GetMessageClass(rpc.request)
        self.takes_body = bool(binding.body)
        self.body_optional = binding.body == "*"
        self._path = tuple(_path_setter(rpc.request, variable) for variable in template.variables)
        self._query = dict(_parameters(rpc.request, decoders, _bound(binding, template)))
        self._body = self._body_decoder(rpc.request, binding, template, decoders)
        self._masked = _masked_resource(rpc.request, binding)
        self._also_in_body = _also_in_body(binding, template)
        self._unmasked = frozenset({"etag", *self._also_in_body.values()})
        self._etag = _etag_owner(rpc.request, binding)
        # Query parameters that the service does not see.
        self._about_answer = about_answer

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the query parameters."""
        return tuple(self._query)

    @property
    def takes_etag(self) -> bool:
        return self._etag is not None

    def read(self, values: Sequence[str], query: bytes, body: bytes | None) -> Any:
        """The request message; ProblemError tells everything that cannot be read."""
        message = self.new()
        violations: Violations = []
        if self._body is not None and body is not None:
            content = parse_json(body)
            self._body(message, content, "", violations)
            self._compare(content, values, violations)
            if self._masked is not None:
                message.update_mask.SetInParent()
                message.update_mask.paths.extend(mask_of(content, self._masked, self._unmasked))
        if query:
            self._read_query(message, query, violations)
        for put, value in zip(self._path, values, strict=True):
            put(message, value, violations)
        if violations:
            raise ProblemError(unreadable(violations))
        return message

    def put_etag(self, message: Any, etag: str) -> None:
        """Put the etag of `If-Match` where the RPC looks for it; ProblemError where the body says another one."""
        assert self._etag is not None
        owner = self._etag(message)
        if owner.etag and owner.etag != etag:
            raise ProblemError(malformed("If-Match", "conflict", "etag"))
        owner.etag = etag

    def _compare(self, content: Mapping[str, Any], values: Sequence[str], violations: Violations) -> None:
        """Refuse a body that is about another resource than the path."""
        for at, name in self._also_in_body.items():
            told = content.get(name)
            if told is not None and told != values[at]:
                add(name, Refused("conflict", "path", value=told, path=values[at]), violations)

    def _read_query(self, message: Any, query: bytes, violations: Violations) -> None:
        for name, values in parse_parameters(query).items():
            parameter = self._query.get(name)
            if name in self._about_answer:
                continue
            if parameter is None:
                near = near_name(name, self._query, violations)
                variant = "near_parameter" if near else "parameter"
                add(name, Refused("unknown_field", variant, near=near), violations)
            else:
                if name == _MASK and self._masked is not None:
                    message.update_mask.Clear()
                parameter(message, values, violations)

    @staticmethod
    def _body_decoder(request: Descriptor, binding: Binding, template: Template, decoders: Decoders) -> Decode | None:
        if not binding.body:
            return None
        if binding.body == "*":
            decode = decoders.of(request)
            return _without(frozenset(template.variables), decode)
        field = binding.body
        decode_field = decoders.of(message_of(request.fields_by_name[field]))

        def decode_resource(message: Any, content: Any, path: str, violations: Violations) -> None:
            resource = getattr(message, field)
            resource.SetInParent()
            if not BESIDE.isdisjoint(content):
                # An answer may be sent back as it came, also with what stood beside it.
                content = {name: each for name, each in content.items() if name not in BESIDE}
            decode_field(resource, content, path, violations)

        return decode_resource


def parse_json(body: bytes) -> dict[str, Any]:
    """A JSON object; malformed text, doubled keys, too deep nesting and too many values are refused."""
    if _has_too_many_values(body):
        raise ProblemError(malformed("", "max_values", max_values=MAX_JSON_VALUES))
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProblemError(malformed("", "json", error=error.msg, line=error.lineno, column=error.colno)) from None
    if type(content) is not dict:
        refused: Violations = []
        add("", scalars.expected("object", content), refused)
        raise ProblemError(unreadable(refused))
    if body.count(b"{") + body.count(b"[") > MAX_JSON_DEPTH and _depth(content) > MAX_JSON_DEPTH:
        raise ProblemError(malformed("", "depth", max_depth=MAX_JSON_DEPTH))
    # Written back the same, byte for byte, it had no doubled key; anything else is looked at closely.
    if orjson.dumps(content) != body:
        _check_keys(body)
    return content


def _has_too_many_values(body: bytes) -> bool:
    """Whether it is not worth the time to parse it; told by counting, before anything is made of it."""
    if _values(body) <= MAX_JSON_VALUES:
        return False
    # A value and its key have four quotation marks at most; without texts what is left is exact.
    return body.count(b'"') > 4 * MAX_JSON_VALUES or _values(_JSON_TEXT.sub(b"", body)) > MAX_JSON_VALUES


def _values(text: bytes) -> int:
    """At least as many as there are values: before each stands one of these."""
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def _check_keys(body: bytes) -> None:
    """Refuse an object with a key that it has twice, or with a value that is nested too deep behind such a key."""
    try:
        json.loads(body.decode(), object_pairs_hook=_distinct, parse_int=str)
    except RecursionError:
        raise ProblemError(malformed("", "depth", max_depth=MAX_JSON_DEPTH)) from None


def parse_query(query: bytes) -> list[tuple[str, str]]:
    """Names and values in order, percent-decoded as UTF-8."""
    pairs = []
    for part in query.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            pairs.append((_decoded(name), _decoded(value)))
    return pairs


def parse_parameters(query: bytes) -> dict[str, list[str]]:
    """The values of each parameter, percent-decoded as UTF-8."""
    given: dict[str, list[str]] = {}
    for name, value in parse_query(query):
        given.setdefault(name, []).append(value)
    return given


def mask_of(content: Mapping[str, Any], resource: Descriptor, left_out: frozenset[str]) -> list[str]:
    """The update mask a body means: its keys; for a nested object or custom fields its keys, one level down.

    Values such as Money, maps and types with a JSON form of their own are replaced as a whole.
    """
    paths: list[str] = []
    for name, value in content.items():
        field = resource.fields_by_name.get(name)
        if field is None or name in left_out or is_output_only(field):
            continue
        if type(value) is dict and is_custom(field):
            paths.extend(f"{name}.{key}" for key in value)
        elif type(value) is dict and value and is_plain_message(field) and not is_value(field):
            nested = message_of(field).fields_by_name
            paths.extend(f"{name}.{key}" for key in value if key in nested and not is_output_only(nested[key]))
        else:
            paths.append(name)
    return paths


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ProblemError(malformed(name, "duplicate_key"))
        found[name] = value
    return found


def _depth(content: Any) -> int:
    deepest, level = 0, [content]
    while level:
        deepest += 1
        level = [
            each
            for value in level
            for each in (value.values() if isinstance(value, dict) else value)
            if isinstance(each, dict | list)
        ]
    return deepest


def _decoded(part: bytes) -> str:
    try:
        if b"%" in part or b"+" in part:
            part = unquote_to_bytes(part.replace(b"+", b" "))
        return part.decode()
    except UnicodeDecodeError:
        raise ProblemError(malformed("", "encoding", "query")) from None


def _bound(binding: Binding, template: Template) -> frozenset[str]:
    """Paths that are given elsewhere and so are no query parameters."""
    return frozenset({*template.variables, binding.body})


def _without(bound: frozenset[str], decode: Decode) -> Decode:
    """The decoder of a body that is the whole request except what the path already gives."""

    def decode_rest(message: Any, content: Any, path: str, violations: Violations) -> None:
        for name in bound & content.keys():
            add(path + name, Refused("unknown_field"), violations)
        decode(message, content, path, violations)

    return decode_rest


def _path_setter(request: Descriptor, variable: str) -> Callable[[Any, str, Violations], None]:
    *parents, name = variable.split(".")
    message = request
    for parent in parents:
        message = message_of(message.fields_by_name[parent])
    # An id is output-only in its resource, but here the path says which resource is meant.
    decode = decode_single(message.fields_by_name[name])
    from_text = _from_text(message.fields_by_name[name])
    owner = attrgetter(".".join(parents)) if parents else _itself

    def put(target: Any, raw: str, violations: Violations) -> None:
        decode(owner(target), from_text(raw), "", violations)

    return put


Parameter = Callable[[Any, list[str], Violations], None]


def _parameters(
    message: Descriptor, decoders: Decoders, bound: frozenset[str], prefix: str = "", depth: int = _QUERY_DEPTH
) -> list[tuple[str, Parameter]]:
    """Query parameters of a message: its fields, and those of nested messages with dots."""
    if "*" in bound:
        return []
    found: list[tuple[str, Parameter]] = []
    for field in message.fields:
        path = prefix + field.name
        if path in bound or is_output_only(field) or is_map(field):
            continue
        if field.message_type is not None and not is_well_known(field.message_type):
            if not field.is_repeated and depth > 1:
                found += _parameters(field.message_type, decoders, bound, f"{path}.", depth - 1)
            continue
        found.append((path, _parameter(field, prefix, decoders)))
    return found


def _parameter(field: FieldDescriptor, prefix: str, decoders: Decoders) -> Parameter:
    decode = decoders.field(field)
    assert decode is not None
    from_text = _from_text(field)
    owner = attrgetter(prefix.removesuffix(".")) if prefix else _itself
    repeated = field.is_repeated

    def put(message: Any, values: list[str], violations: Violations) -> None:
        if repeated:
            decode(owner(message), [from_text(value) for value in values], prefix, violations)
        elif len(values) > 1:
            add(prefix + field.name, Refused("duplicate_key"), violations)
        else:
            decode(owner(message), from_text(values[0]), prefix, violations)

    return put


def _from_text(field: FieldDescriptor) -> FromText:
    """From the text in a query or path to the JSON value it stands for."""
    kind = field
    if field.message_type is not None and "value" in field.message_type.fields_by_name:
        kind = field.message_type.fields_by_name["value"]
    if kind.type == FieldDescriptor.TYPE_BOOL:
        return scalars.boolean_from_text
    return scalars.number_from_text if kind.type in _NUMBERS else _itself


def _masked_resource(request: Descriptor, binding: Binding) -> Descriptor | None:
    """The resource whose keys make the update mask, when the RPC takes one."""
    if _MASK not in request.fields_by_name or binding.body in ("", "*"):
        return None
    return message_of(request.fields_by_name[binding.body])


def _also_in_body(binding: Binding, template: Template) -> dict[int, str]:
    """Which values of the path the resource in the body has, too: position in the path to key of the body."""
    prefix = binding.body + "."
    variables = enumerate(template.variables)
    return {at: name.removeprefix(prefix) for at, name in variables if name.startswith(prefix)}


def _etag_owner(request: Descriptor, binding: Binding) -> Callable[[Any], Any] | None:
    """Where the RPC expects the etag: in the request itself or in the resource of the body."""
    if "etag" in request.fields_by_name:
        return _itself
    if binding.body not in ("", "*"):
        resource = request.fields_by_name[binding.body].message_type
        if resource is not None and "etag" in resource.fields_by_name:
            return attrgetter(binding.body)
    return None


def _itself(value: Any) -> Any:
    return value

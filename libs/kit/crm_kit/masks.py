"""Update masks (AIP-134, AIP-161): which fields of a resource an update changes, and to what."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from crm_kit.errors import FieldViolation, InvalidArgument, invalid_field

# Descriptors are of the C library or of Python, depending on the platform.
_Descriptor = Any
_FieldDescriptor = Any

EVERYTHING = "*"
MAX_PATHS = 1000
MAX_PATH_LENGTH = 200
# Sent along with an update to say which resource is meant, in which version; never changed by it.
ADDRESSING = frozenset({"id", "etag"})


@dataclass(frozen=True, slots=True)
class MaskFields:
    """Top-level fields of a resource: those an update may name, and those it passes over in silence."""

    allowed: tuple[str, ...]
    output_only: frozenset[str]

    def without(self, hidden: Collection[str]) -> "MaskFields":
        """For who does not know of some fields."""
        if not hidden:
            return self
        allowed = tuple(name for name in self.allowed if name not in hidden)
        return MaskFields(allowed, self.output_only - frozenset(hidden))


@lru_cache(maxsize=1024)
def mask_fields(resource: Descriptor) -> MaskFields:
    """As the contract says by `google.api.field_behavior`; `id` and `etag` are passed over too."""
    silent = frozenset(field.name for field in resource.fields if _is_silent(field))
    allowed = tuple(field.name for field in resource.fields if field.name not in silent)
    return MaskFields(allowed, silent)


def _is_silent(field: FieldDescriptor) -> bool:
    options: Any = field.GetOptions()
    behavior: Collection[int] = options.Extensions[field_behavior_pb2.field_behavior]
    silent: set[int] = {field_behavior_pb2.OUTPUT_ONLY, field_behavior_pb2.IDENTIFIER}
    return field.name in ADDRESSING or not silent.isdisjoint(behavior)


def check_mask(paths: Iterable[str], allowed: Collection[str], output_only: Collection[str] = ()) -> list[str]:
    """The paths to change, each once, in their order, without those that lie within another one of them.

    `*` stands for all of `allowed`; paths into output-only fields are dropped. A path may go on below an
    allowed field (`address.city`). InvalidArgument names `update_mask`, each unknown path and what is known; there are
    at most 1,000 paths of at most 200 characters.
    """
    paths = list(paths)
    if len(paths) > MAX_PATHS or any(len(path) > MAX_PATH_LENGTH for path in paths):
        limits = f"must have at most {MAX_PATHS} paths of at most {MAX_PATH_LENGTH} characters"
        raise invalid_field("update_mask", "max_len", limits)
    expanded: dict[str, None] = {}
    for path in paths:
        expanded |= dict.fromkeys(allowed if path == EVERYTHING else [path])
    named = [path for path in expanded if _head(path) not in output_only]
    unknown = [path for path in named if _head(path) not in allowed]
    if unknown:
        raise _refusal(unknown, f"known: {', '.join(allowed)}")
    return [path for path in named if not any(parent in expanded for parent in _parents(path))]


def changes_of(
    sent: Message, mask: FieldMask, *, fields: MaskFields | None = None, current: Message | None = None
) -> dict[str, Any]:
    """Top-level field -> its new value, for the fields of a resource that an update changes.

    Values are what protobuf has: enums are numbers, repeated fields lists, maps dicts, messages messages; None
    for a field with presence that is not set. An empty mask changes what is populated in `sent` (AIP-134).
    Where a path goes into a singular message, a map or a Struct, the value is that of `current` (the resource
    as it is now) with this part taken from `sent`; ValueError when there is no `current`. `fields` are those
    of the contract unless given. InvalidArgument names `update_mask` and each path that does not exist.
    """
    known = fields or mask_fields(sent.DESCRIPTOR)
    if mask.paths:
        paths = check_mask(mask.paths, known.allowed, known.output_only)
    else:
        paths = [field.name for field, _ in sent.ListFields() if field.name in known.allowed]
    missing = [path for path in paths if not _exists(path.split("."), sent.DESCRIPTOR)]
    if missing:
        raise _refusal(missing, "a path goes through singular messages, or to a key of a map")
    parts = [path for path in paths if "." in path]
    source = _with_parts(sent, current, parts) if parts else sent
    heads = dict.fromkeys(_head(path) for path in paths)
    in_part = {_head(path) for path in parts}
    return {head: _value(source if head in in_part else sent, head) for head in heads}


def _with_parts(sent: Message, current: Message | None, parts: list[str]) -> Message:
    """A copy of `current` with these parts of `sent`."""
    if current is None:
        raise ValueError(f"the current resource is needed to change a part of it: {', '.join(parts)}")
    merged = type(current)()
    merged.CopyFrom(current)
    for path in parts:
        _merge(path.split("."), sent, merged)
    return merged


def _merge(path: list[str], source: Message, target: Message) -> None:
    """Make the part of `target` at the path what it is in `source`; what is not set there is cleared."""
    name, *rest = path
    if not rest:
        FieldMask(paths=[name]).MergeMessage(source, target, replace_message_field=True, replace_repeated_field=True)
    elif _has_keys(source.DESCRIPTOR.fields_by_name[name]):
        _merge_key(".".join(rest), getattr(source, name), getattr(target, name))
    else:
        _merge(rest, getattr(source, name), getattr(target, name))


def _merge_key(key: str, source: Any, target: Any) -> None:
    if isinstance(source, Struct):
        source, target = source.fields, target.fields
    if key in target:
        del target[key]
    if key in source:
        found = source[key]
        if isinstance(found, Message):
            target[key].CopyFrom(found)
        else:
            target[key] = found


def _exists(path: list[str], message: _Descriptor) -> bool:
    name, *rest = path
    field = message.fields_by_name.get(name)
    if field is None:
        return False
    if not rest or _has_keys(field):
        return all(rest)
    return field.message_type is not None and not field.is_repeated and _exists(rest, field.message_type)


def _has_keys(field: _FieldDescriptor) -> bool:
    kind = field.message_type
    return bool(kind) and (kind.GetOptions().map_entry or kind.full_name == Struct.DESCRIPTOR.full_name)


def _value(message: Message, name: str) -> Any:
    field = message.DESCRIPTOR.fields_by_name[name]
    value = getattr(message, name)
    if field.has_presence:
        return value if message.HasField(name) else None
    if field.is_repeated:
        return dict(value) if _has_keys(field) else list(value)
    return value


def _head(path: str) -> str:
    return path.partition(".")[0]


def _parents(path: str) -> list[str]:
    names = path.split(".")
    return [".".join(names[:length]) for length in range(1, len(names))]


def _refusal(paths: list[str], hint: str) -> InvalidArgument:
    violations = [FieldViolation("update_mask", "field_mask", f"{path} cannot be changed") for path in paths]
    return InvalidArgument(f"update_mask: {', '.join(paths)} cannot be changed; {hint}", violations=violations)

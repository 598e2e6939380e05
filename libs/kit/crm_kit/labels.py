"""What people call records, fields, values and verbs, read from the contract's labels.

English is the name itself in words unless the label says better; Chinese is always said.
"""

import re
from dataclasses import dataclass
from typing import Any

from crm.options.v1 import options_pb2


@dataclass(frozen=True, slots=True)
class Label:
    """What people call something, in English and in Chinese."""

    en: str
    zh: str


# Every record has these fields, and they are called the same everywhere.
STANDARD = {
    "id": Label("ID", "ID"),
    "etag": Label("Version tag", "版本标记"),
    "create_time": Label("Created", "创建时间"),
    "update_time": Label("Last changed", "更新时间"),
}


def field_label(name: str, options: Any) -> Label:
    """The label of a field, from its name and its `FieldOptions`."""
    if name in STANDARD and not options.HasExtension(options_pb2.label):
        return STANDARD[name]
    return _label(options.Extensions[options_pb2.label], without_id(name))


def value_label(name: str, options: Any) -> Label:
    """The label of an enum value, from its name without the type's prefix and its `EnumValueOptions`."""
    return _label(options.Extensions[options_pb2.value_label], name)


def noun_label(name: str, options: Any) -> Label:
    """What one record is called, from the message's name and its `MessageOptions`."""
    return _label(options.Extensions[options_pb2.noun], name)


def verb_label(verb: str, options: Any) -> Label:
    """The label of a verb, from its name in paths, such as `changeStatus`, and its `MethodOptions`."""
    return _label(options.Extensions[options_pb2.verb_label], verb)


def in_words(name: str) -> str:
    """`display_name`, `displayName`, `DisplayName` and `DISPLAY_NAME` are `Display name`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("_", " ")
    return words[:1].upper() + words[1:]


def without_id(name: str) -> str:
    """What an id is about: `owner` of `owner_id`, `roles` of `role_ids`."""
    if name.endswith("_ids"):
        return f"{name[:-4]}s"
    return name.removesuffix("_id")


def name_beside(id: str) -> str:
    """What the name beside an id is called: `owner_name` for `owner_id`, `user_names` for `user_ids`; else empty."""
    if id.endswith("_ids"):
        return f"{id[:-4]}_names"
    return f"{id[:-3]}_name" if id.endswith("_id") else ""


def collection_field(target: str) -> str:
    """The field that names the collection of an id's record: `collection` of `{collection}`; else empty."""
    return target[1:-1] if target.startswith("{") else ""


def _label(said: Any, name: str) -> Label:
    return Label(said.en or in_words(name), said.zh)

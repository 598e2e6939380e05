"""What operations say alike, said once: their parameters and the bodies of their verbs become components."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson

from crm_gateway.json_schema.rules import Schema

Paths = dict[str, dict[str, Any]]
_MAX_NAMED_PROPERTIES = 2


def share_parameters(paths: Paths) -> dict[str, Schema]:
    """The parameters that more than one operation has, by component name; operations refer to them from now on.

    Of parameters with the same name but another meaning only the most frequent is shared.
    """
    counts = Counter(_text(each) for entry in _operations(paths) for each in entry["parameters"] if "$ref" not in each)
    shared: dict[str, str] = {}
    for text, count in counts.most_common():
        if count > 1:
            shared.setdefault(_camel(orjson.loads(text)["name"]), text)
    refs = {text: {"$ref": f"#/components/parameters/{name}"} for name, text in shared.items()}
    for entry in _operations(paths):
        entry["parameters"] = [refs.get(_text(each), each) for each in entry["parameters"]]
    return {name: orjson.loads(text) for name, text in sorted(shared.items())}


def share_bodies(paths: Paths) -> dict[str, Schema]:
    """The small bodies that more than one operation takes, such as an etag alone, by the name of their component."""
    written = [media for entry in _operations(paths) for media in _inline_bodies(entry)]
    counts = Counter(_text(media["schema"]) for media in written)
    shared: dict[str, str] = {}
    for text, count in counts.most_common():
        names = list(orjson.loads(text)["properties"])
        if count > 1 and len(names) <= _MAX_NAMED_PROPERTIES:
            shared.setdefault("".join(map(_camel, names)) + "Body", text)
    refs = {text: {"$ref": f"#/components/schemas/{name}"} for name, text in shared.items()}
    for media in written:
        media["schema"] = refs.get(_text(media["schema"]), media["schema"])
    return {name: orjson.loads(text) for name, text in sorted(shared.items())}


def _operations(paths: Paths) -> Iterator[Any]:
    return (entry for entries in paths.values() for entry in entries.values())


def _inline_bodies(entry: Schema) -> Iterator[Any]:
    for media in entry.get("requestBody", {}).get("content", {}).values():
        if "properties" in media["schema"]:
            yield media


def _text(value: Schema) -> str:
    return orjson.dumps(value).decode()


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in re.split(r"[_.-]", name))

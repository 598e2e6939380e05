"""What is told of an action that could never be done: by field, with what would be possible."""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.message import Message

from crm_kit.errors import InvalidArgument, invalid_field
from crm_kit.resource.actions import verbs_of

REFUSED = "cannot be set here"


def one_of(field: str, known: Mapping[str, Any] | Sequence[str]) -> InvalidArgument:
    """What is told of a word that is none of those that are known."""
    choices = ", ".join(sorted(known))
    return invalid_field(field, "string.in", f"must be one of {choices}", metadata={"choices": choices})


def expecting(place: str, rule: str, detail: str, choices: Sequence[str]) -> InvalidArgument:
    """What is told by a rule of which `problem` tells the catalogue that there are choices."""
    told = ", ".join(choices)
    metadata = {"problem": "choices", "choices": told}
    return invalid_field(place, rule, f"{detail}expected one of {told}", metadata=metadata)


def without_custom_fields(place: str) -> InvalidArgument:
    """What is told of a custom field where there is none at all."""
    detail = "there is no such field; the collection has no custom fields"
    return invalid_field(place, "unknown_field", detail, metadata={"problem": "custom"})


def of_another_service(place: str) -> InvalidArgument:
    """What is told of a field that refers to records of another service."""
    return invalid_field(place, "other_service", f"{REFUSED}: what it refers to is not looked up in the background")


def not_changeable(resource: type[Message], name: str, rpcs: Sequence[str]) -> InvalidArgument:
    """What is told of a field that updates do not change: the verbs that do, as paths have them."""
    verbs = {each.rpc: f":{each.name}" for each in verbs_of(resource)}
    told = ", ".join(verbs[rpc] for rpc in rpcs if rpc in verbs)
    if not told:
        return invalid_field(name, "not_changeable", f"{REFUSED}: updates do not change it")
    metadata = {"problem": "verbs", "verbs": told}
    return invalid_field(name, "not_changeable", f"{REFUSED}; it is changed only by {told}", metadata=metadata)

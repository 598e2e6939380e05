"""Which records the values of a history are the ids of, so that a reader can be told what they are called."""

from collections.abc import Iterable, Iterator
from typing import Any

from crm.options.v1 import options_pb2
from crm.type.v1.change_pb2 import Change
from google.protobuf.json_format import MessageToDict

from crm_kit.custom_fields.definitions import Definitions
from crm_kit.resource.values import is_value_map


def referred_in(message: Any, custom: Definitions, changes: Iterable[Change]) -> dict[str, set[str]]:
    """The ids in changes of records that are messages of a descriptor, by the collection of what they refer to."""
    found: dict[str, set[str]] = {}
    for each in (field for change in changes for field in change.fields):
        name, _, key = each.field.partition(".")
        for value in (MessageToDict(each.old_value), MessageToDict(each.new_value)):
            if key:
                known = custom.fields.get(key)
                told = [(known.reference_collection or "", value)] if known else []
            else:
                told = list(_referred(message.fields_by_name[name], value))
            for collection, id in told:
                if collection and isinstance(id, str):
                    found.setdefault(collection, set()).add(id)
    return found


def _referred(field: Any, value: Any) -> Iterator[tuple[str, Any]]:
    """The collection and the id of each reference in the value of a field, in its parts too."""
    if isinstance(value, list):
        for each in value:
            yield from _referred(field, each)
    elif isinstance(value, dict) and field.message_type is not None and not is_value_map(field):
        parts = field.message_type.fields_by_name
        for name in value.keys() & parts.keys():
            yield from _referred(parts[name], value[name])
    else:
        yield field.GetOptions().Extensions[options_pb2.refers_to], value

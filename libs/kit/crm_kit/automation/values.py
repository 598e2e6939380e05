"""The values of a record as an event carries it, read when a filter asks for them."""

from collections import ChainMap
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

from google.protobuf.message import Message

from crm_kit.database.connections import Record
from crm_kit.resource import history
from crm_kit.resource.codecs import Unset
from crm_kit.resource.declaration import CUSTOM
from crm_kit.resource.writing import Resource


class RecordValues(Mapping[str, Any]):
    """A record's values by field, each read once: a rule looks at a few of many."""

    def __init__(self, resource: Resource[Any, Any], shown: Message) -> None:
        self._readings = resource.stored_readings
        self._shown = shown
        self._read: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._read:
            value = self._readings[name].read(self._shown)
            self._read[name] = None if value is Unset.UNSET else value
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._readings

    def __iter__(self) -> Iterator[str]:
        return iter(self._readings)

    def __len__(self) -> int:
        return len(self._readings)


def values_before(resource: Resource[Any, Any], after: Mapping[str, Any], change: Record) -> Mapping[str, Any]:
    """The record's values before a change, from those after it and what the history has of the change."""
    now = SimpleNamespace(custom=after.get(CUSTOM))
    # Nothing is written into either; a ChainMap is typed as if it might be.
    return ChainMap(history.undone(now, [change], resource.from_json), cast("Any", after))

"""What people call the values that texts name: a kind of record, its states and its fields."""

from collections.abc import Mapping

from crm_kit.labels import Label, field_label, noun_label, value_label
from crm_kit.resource.contract import snake
from google.protobuf.descriptor import Descriptor

from crm_gateway.contract import Contract
from crm_gateway.protojson.fields import enum_names
from crm_gateway.records import collection_name, messages_of
from crm_gateway.texts.catalogue import NO_LABELS

# Where the state of a record stands.
_STATES = ("state", "status")


class RecordLabels:
    """The labels of every kind of record, by its noun: `custom_field`."""

    def __init__(self, contract: Contract) -> None:
        records = [message for message in messages_of(contract) if collection_name(message)]
        self._labels = {snake(message.name): _labels(message) for message in records}

    def of(self, noun: str) -> Mapping[str, Label]:
        """What the noun, the states and the fields of such records are called; nothing for what is no record."""
        return self._labels.get(noun, NO_LABELS)


def _labels(message: Descriptor) -> dict[str, Label]:
    labels = {field.name: field_label(field.name, field.GetOptions()) for field in message.fields}
    for enum in (message.fields_by_name[name].enum_type for name in _STATES if name in message.fields_by_name):
        if enum is not None:
            names = enum_names(enum)
            labels |= {names[each.number]: value_label(names[each.number], each.GetOptions()) for each in enum.values}
    return labels | {snake(message.name): noun_label(message.name, message.GetOptions())}

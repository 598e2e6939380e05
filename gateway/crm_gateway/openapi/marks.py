"""What answers' schemas say besides shape, as `x-` keywords: labels, and what lists may do with a field."""

from crm.options.v1 import options_pb2
from crm_kit.labels import Label, collection_field, field_label, noun_label, value_label
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from crm_gateway.contract import Contract
from crm_gateway.event_types import type_names
from crm_gateway.json_schema.rules import Schema
from crm_gateway.protojson.fields import UNSPECIFIED, enum_names
from crm_gateway.records import collection_name


def record_marks(contract: Contract, message: Descriptor) -> Schema:
    """Of a record: its collection, what one is called, and the events that tell of it; nothing of other messages."""
    name = collection_name(message)
    if not name:
        return {}
    marks: Schema = {"x-collection": name, "x-label": _told(noun_label(message.name, message.GetOptions()))}
    if events := type_names(contract, message):
        marks["x-events"] = events
    return marks


def field_marks(field: FieldDescriptor) -> Schema:
    """Of a field: its label and unit, what lists may do with it, what an id refers to, and what seeing it takes."""
    options = field.GetOptions()
    listed = options.Extensions[options_pb2.listed]
    marks: Schema = {}
    if (label := field_label(field.name, options)).zh:
        marks["x-label"] = _told(label)
    if unit := options.Extensions[options_pb2.unit]:
        marks["x-unit"] = _told(unit_label(unit))
    can = {"filterable": listed.filter, "sortable": listed.order, "groupable": listed.group, "summable": listed.sum}
    marks |= {f"x-{name}": True for name, allowed in can.items() if allowed}
    target = options.Extensions[options_pb2.refers_to]
    if target and not collection_field(target):
        marks["x-refers-to"] = target
    if options.Extensions[options_pb2.without_history]:
        marks["x-without-history"] = True
    if permission := options.Extensions[options_pb2.withheld_without]:
        marks["x-withheld-without"] = permission
    return marks


def enum_marks(enum: EnumDescriptor) -> Schema:
    """Of an enum: what each value is called, where people are shown it."""
    names = enum_names(enum)
    shown = {names[value.number]: value for value in enum.values if names[value.number] != UNSPECIFIED}
    labels = {name: value_label(name, value.GetOptions()) for name, value in shown.items()}
    told = {name: _told(label) for name, label in labels.items() if label.zh}
    return {"x-labels": told} if told else {}


def unit_label(unit: int) -> Label:
    """What a number counts, in words."""
    value = options_pb2.Unit.DESCRIPTOR.values_by_number[unit]
    return value_label(value.name.removeprefix("UNIT_"), value.GetOptions())


def _told(label: Label) -> dict[str, str]:
    return {"en": label.en, "zh": label.zh}

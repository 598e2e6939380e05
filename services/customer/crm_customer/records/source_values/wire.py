"""What sources say, as the contract has it, and of which fields they can say something."""

from typing import Any

from crm.customer.v1 import source_values_pb2 as pb
from crm.options.v1 import options_pb2
from crm_kit.automation.watched import UPDATE, Call, calls_of
from crm_kit.field_rights import CUSTOM, OF_OWNERS
from crm_kit.resource.contract import ADDRESSING
from crm_kit.resource.values import to_value
from crm_kit.resource.writing import Resource
from crm_kit.wire import timestamp
from google.protobuf.descriptor import FieldDescriptor

from crm_customer.records.source_values.model import SourceValue

AnyResource = Resource[Any, Any]
# What customers have agreed to has an evidence of its own, and goes by the last word and not by sources.
APART = OF_OWNERS | {"consents"}


def statable(resource: AnyResource) -> list[str]:
    """The fields of a collection that sources can say something of: what people fill in and refers to no record."""
    contract = resource.contract
    names = [name for name, each in contract.items() if each.changeable and name not in APART | ADDRESSING | {CUSTOM}]
    return sorted(name for name in names if not _refers(contract[name].descriptor))


def _refers(field: FieldDescriptor) -> bool:
    """Whether a field, or a part of it, is another record's id."""
    if field.GetOptions().Extensions[options_pb2.refers_to]:
        return True
    parts = field.message_type.fields if field.message_type is not None else ()
    return any(part.GetOptions().Extensions[options_pb2.refers_to] for part in parts)


def update_of(resource: AnyResource) -> Call:
    """The update of a collection."""
    return calls_of(resource, options_pb2.automatable)[UPDATE]


def value_to_pb(value: SourceValue, *, agrees: bool) -> pb.SourceValue:
    """What a source says, and whether the record agrees."""
    return pb.SourceValue(
        id=str(value.id),
        field=value.field,
        source=value.source,
        value=to_value(value.value),
        agrees=agrees,
        proof=value.proof or "",
        observed_time=timestamp(value.observed_time),
        user_id=str(value.user_id),
        state_time=timestamp(value.state_time),
    )

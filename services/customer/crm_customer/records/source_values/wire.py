"""What sources say, as the contract has it."""

from crm.customer.v1 import source_values_pb2 as pb
from crm_kit.resource.values import to_value
from crm_kit.wire import timestamp

from crm_customer.records.source_values.model import SourceValue


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

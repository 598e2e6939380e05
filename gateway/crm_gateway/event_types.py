"""The types of events that each resource has, for its description."""

from google.protobuf.descriptor import Descriptor

from crm_gateway.contract import Contract
from crm_gateway.records import collection_name


def type_names(contract: Contract, message: Descriptor) -> list[str]:
    """The types of the events that tell of a resource's records, in the contract's order; none of what is none."""
    types, collection = contract.event_types, collection_name(message)
    own = any(each.collection == collection for each in types.of_records.values())
    return [each.name for each in types.all if each.collection == collection] if own else []

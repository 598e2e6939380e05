"""The types of events that each resource has, for its description."""

from functools import lru_cache

from crm_kit.thin_events.types import EventTypes, event_types
from google.protobuf.descriptor import Descriptor

from crm_gateway.contract import Contract
from crm_gateway.records import collection_name


def type_names(contract: Contract, message: Descriptor) -> list[str]:
    """The types of the events that tell of a resource's records, in the contract's order; none of what is none."""
    types, collection = _types_of(contract), collection_name(message)
    own = any(each.collection == collection for each in types.of_records.values())
    return [each.name for each in types.all if each.collection == collection] if own else []


@lru_cache(maxsize=1)
def _types_of(contract: Contract) -> EventTypes:
    """Each description asks for some of them."""
    return event_types(contract.files)

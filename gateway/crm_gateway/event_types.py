"""The types of events that each resource has, for its description."""

from collections.abc import Mapping
from functools import lru_cache

from crm_kit.thin_events.model import EventType
from crm_kit.thin_events.types import event_types
from google.protobuf.descriptor import Descriptor

from crm_gateway.contract import Contract
from crm_gateway.records import collection_name


def type_names(contract: Contract, message: Descriptor) -> list[str]:
    """The types of the events that tell of a resource's records, in the contract's order; none of what is none."""
    collection = collection_name(message)
    return [each.name for each in _types_of(contract).values() if each.collection == collection]


@lru_cache(maxsize=1)
def _types_of(contract: Contract) -> Mapping[str, EventType]:
    """Each description asks for some of them."""
    return event_types(contract.files)

"""The events that people are told of, as they choose by them: `order.placed` for `crm.sales.v1.OrderPlaced`."""

from collections.abc import Mapping
from dataclasses import dataclass

from crm_kit.resource.contract import snake
from google.protobuf.descriptor import Descriptor

from crm_gateway.contract import Contract
from crm_gateway.expansion import Collection, collections
from crm_gateway.records import messages_of

EVENTS_FILE = "/events.proto"


@dataclass(frozen=True, slots=True)
class EventType:
    """What happened to the records of a collection, which the service `owner` has."""

    name: str
    collection: str
    owner: str


def event_types(contract: Contract) -> Mapping[str, EventType]:
    """Every event that carries a resource's record, by the full name of its message."""
    resources = {each.message.full_name: each for each in collections(contract)}
    return {
        event.full_name: EventType(type_name(event, found.message), found.name, found.get.owner)
        for event in messages_of(contract)
        if event.file.name.endswith(EVENTS_FILE) and (found := _record_of(event, resources)) is not None
    }


def type_names(contract: Contract, message: Descriptor) -> list[str]:
    """The types of the events that tell of a resource's records, in the contract's order; none of what is none."""
    prefix = f"{noun_of(message)}."
    return [each.name for each in event_types(contract).values() if each.name.startswith(prefix)]


def type_name(event: Descriptor, record: Descriptor) -> str:
    """`case.created` for `CaseCreated`, and `case.milestone_warned` for `MilestoneWarned`, which carries a case."""
    noun = noun_of(record)
    return f"{noun}.{snake(event.name).removeprefix(f'{noun}_')}"


def noun_of(record: Descriptor) -> str:
    return snake(record.name)


def _record_of(event: Descriptor, resources: Mapping[str, Collection]) -> Collection | None:
    """The resource whose record the event carries: its first, where it tells of others besides."""
    for field in event.fields:
        if field.message_type is not None and (found := resources.get(field.message_type.full_name)):
            return found
    return None

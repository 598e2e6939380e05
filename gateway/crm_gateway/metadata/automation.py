"""What a collection offers to automation rules, so that a form for one can be drawn."""

from collections.abc import Collection as Several

from crm.metadata.v1 import metadata_pb2 as pb
from crm.options.v1 import options_pb2
from crm_kit.thin_events.types import EVENTS_FILE, type_name
from google.protobuf.descriptor import Descriptor

from crm_gateway.contract import Contract
from crm_gateway.expansion import collections
from crm_gateway.records import messages_of

CREATE = "create"
# What rules create at their own records.
TASKS = "tasks"
# What happens to tasks at them, which sets rules off as `TASK_COMPLETED`.
TASK = "task."
DATES = (pb.FieldMetadata.TYPE_DATE, pb.FieldMetadata.TYPE_TIME)


def say_what_rules_do(contract: Contract, found: list[pb.CollectionMetadata]) -> None:
    """Say of each collection that rules can be for what sets them off and what they do."""
    resources = list(collections(contract))
    automatable = {each.name: each for each in resources if each.automatable}
    called = {rpc.name for rpc in contract.rpcs if rpc.options.Extensions[options_pb2.automatable]}
    for each in found:
        if each.name in automatable:
            own = automatable[each.name]
            beside = {name for name, other in automatable.items() if other.get.owner == own.get.owner}
            of_tasks = [name.replace(".", "_").upper() for name in each.events if name.startswith(TASK)]
            events = [*events_of(contract, own.message), *of_tasks]
            each.automation.CopyFrom(_offered(each, events, called, beside))
            creations = [other.name for other in resources if other.creatable and other.get.owner == own.get.owner]
            each.automation.creations.extend([*creations, *([TASKS] if own.is_discussed else [])])


def _offered(
    collection: pb.CollectionMetadata, events: list[str], called: Several[str], beside: Several[str]
) -> pb.AutomationMetadata:
    return pb.AutomationMetadata(
        events=events,
        calls=[verb.name for verb in collection.verbs if verb.rpc in called and verb.name != CREATE],
        submissions=[verb.name for verb in collection.verbs if verb.submit_path],
        dates=[field.name for field in collection.fields if field.sortable and field.type in DATES],
        targets=[field.name for field in collection.fields if field.refers_to in beside and not field.list],
    )


def events_of(contract: Contract, message: Descriptor) -> list[str]:
    """The events that carry one of its records, as its history calls them."""
    return [
        type_name(event.name, message.name).rpartition(".")[2].upper()
        for event in messages_of(contract)
        if event.file.name.endswith(EVENTS_FILE)
        and event.name.startswith(message.name)
        and any(field.message_type is message for field in event.fields)
    ]

"""The collections of the platform: its resources, and what is shown to people like them."""

from crm.metadata.v1 import metadata_pb2 as pb
from crm_kit.labels import Label, in_words, noun_label
from crm_kit.resource.contract import field_contracts
from google.protobuf.descriptor import Descriptor
from google.protobuf.message_factory import GetMessageClass

from crm_gateway.contract import Contract, Rpc
from crm_gateway.event_types import type_names
from crm_gateway.expansion import collections
from crm_gateway.metadata.automation import say_what_rules_do
from crm_gateway.metadata.fields import fields_of, label_to_pb
from crm_gateway.metadata.verbs import CREATE, UPDATE, path_of, verbs_of
from crm_gateway.openapi.schemas import component_names
from crm_gateway.records import collection_name, messages_of


def collections_of(contract: Contract) -> list[pb.CollectionMetadata]:
    """All collections in the order of the contracts. ValueError for one that cannot be read."""
    schemas = component_names(contract)
    resources = {each.name for each in collections(contract)}
    paths = {path_of(rpc) for rpc in contract.rpcs}
    found = []
    for message in messages_of(contract):
        if name := collection_name(message):
            collection = _collection(contract, message, name)
            collection.schema = schemas[message.full_name]
            collection.resource = name in resources
            # What is no resource of its own may have a history all the same, such as a custom field.
            collection.history = collection.resource or f"{collection.record_path}/changes" in paths
            _say_what_lists_do(collection)
            found.append(collection)
    say_what_rules_do(contract, found)
    return found


def _collection(contract: Contract, message: Descriptor, name: str) -> pb.CollectionMetadata:
    get, list = _readers(contract, message)
    reader = get or list
    if reader is None:
        raise ValueError(f"{message.full_name}: people are shown {name}, and no rpc reads them")
    label = noun_label(message.name, message.GetOptions())
    beside = [rpc for rpc in contract.rpcs if rpc.service == reader.service]
    found = pb.CollectionMetadata(
        name=name,
        label=label_to_pb(label),
        plural=label_to_pb(Label(in_words(name), label.zh)),
        list_path=path_of(list),
        record_path=path_of(get),
        read_permission=reader.permission,
        fields=fields_of(message),
        verbs=verbs_of(beside, message, list_path=path_of(list), record_path=path_of(get)),
        events=type_names(contract, message),
    )
    _say_who_sets(found, message)
    return found


def _say_what_lists_do(collection: pb.CollectionMetadata) -> None:
    """Every list of a resource can be ordered by id; what is no resource has no facets."""
    for field in collection.fields:
        field.sortable = field.sortable or (field.name == "id" and collection.resource and bool(collection.list_path))
        for each in (field, *field.fields):
            each.facetable = each.facetable and collection.resource


def _readers(contract: Contract, message: Descriptor) -> tuple[Rpc | None, Rpc | None]:
    """The first rpc that reads one record, and the first that lists them."""
    reads = [rpc for rpc in contract.rpcs if rpc.is_read and rpc.bindings and rpc.bindings[0].verb == "GET"]
    gets = (rpc for rpc in reads if rpc.response is message)
    lists = (rpc for rpc in reads if rpc.name.startswith("List") and _lists(rpc, message))
    return next(gets, None), next(lists, None)


def _lists(rpc: Rpc, message: Descriptor) -> bool:
    return any(field.is_repeated and field.message_type is message for field in rpc.response.fields)


def _say_who_sets(collection: pb.CollectionMetadata, message: Descriptor) -> None:
    """Mark the fields that a create sets and an update changes, where there are such verbs."""
    names = {verb.name for verb in collection.verbs}
    contracts = field_contracts(GetMessageClass(message))
    for field in collection.fields:
        field.settable = CREATE in names and contracts[field.name].settable
        field.changeable = UPDATE in names and contracts[field.name].changeable

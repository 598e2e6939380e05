"""Whatever narrows a list can narrow its count: the generic operations take the filter and nothing else."""

from collections.abc import Iterator

from crm.options.v1 import options_pb2
from crm_gateway.contract import Rpc
from crm_gateway.expansion import load_contract
from crm_gateway.records import collection_name
from google.protobuf.descriptor import Descriptor

LISTS = {"filter", "order_by", "page_size", "page_token"}


def listed_records() -> Iterator[tuple[Rpc, Descriptor]]:
    """The lists of a collection's records, and what they list."""
    for rpc in load_contract().rpcs:
        if rpc.name.startswith("List"):
            for field in rpc.response.fields:
                if field.message_type is not None and collection_name(field.message_type) == field.name:
                    yield rpc, field.message_type


def filterable(message: Descriptor, path: str = "") -> Iterator[str]:
    """The paths that a filter may compare, down to those within lists of objects."""
    for field in message.fields:
        if field.GetOptions().Extensions[options_pb2.listed].filter:
            yield path + field.name
        elif field.message_type is not None and not path:
            yield from filterable(field.message_type, f"{field.name}.")


def test_whatever_narrows_a_list_is_a_field_of_its_filter() -> None:
    found = {
        (rpc.name, field.name): {path for path in filterable(record) if path.rpartition(".")[2] == field.name}
        for rpc, record in listed_records()
        for field in rpc.request.fields
        if field.name not in LISTS
    }
    assert found["ListContacts", "account_id"] == {"accounts.account_id"}
    assert [where for where, paths in found.items() if not paths] == []

"""The messages that are records: resources, and what is shown to people like them."""

from collections.abc import Iterator

from crm.options.v1 import options_pb2
from google.protobuf.descriptor import Descriptor

from crm_gateway.contract import Contract


def messages_of(contract: Contract) -> Iterator[Descriptor]:
    """Every message that is declared at the top of a file."""
    for file in contract.files:
        yield from contract.pool.FindFileByName(file.name).message_types_by_name.values()


def collection_name(message: Descriptor) -> str:
    """The collection that a message's records are of; empty for a message that is no record."""
    options = message.GetOptions()
    return options.Extensions[options_pb2.resource].collection or options.Extensions[options_pb2.view]

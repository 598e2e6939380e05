"""The rpcs of `crm.resource.v1` once for each resource, as if each had been written in its contract.

`BatchGetRecords` becomes `BatchGetAccounts` with messages of its own, in which `Record` is `Account` and the
collection is preset. Field numbers stay, so that the bytes are those of the generic rpc: nothing is converted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from crm.options.v1 import options_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

from crm_gateway.contract import Binding, Contract, Rpc, read_contract

RESOURCE = "resource"  # of generic rpcs: the permission to read the collection
PACKAGE = "crm.resource.v1"
COLLECTION = "collection"
RECORD, RECORDS = "Record", "Records"
CUSTOM_FIELD = "CustomField"


@dataclass(frozen=True, slots=True)
class Collection:
    """A resource: its message, the collection in paths, and the rpc that reads one."""

    message: Descriptor
    name: str
    get: Rpc

    @property
    def plural(self) -> str:
        """`ServiceLevels` for `serviceLevels` and `service_levels`."""
        return "".join(part[:1].upper() + part[1:] for part in self.name.split("_"))

    @property
    def path(self) -> str:
        """As paths have it: `service-levels` for `service_levels`."""
        return self.name.replace("_", "-")

    def renamed(self, name: str) -> str:
        """`BatchGetRecordsRequest` is `BatchGetAccountsRequest`, `GetRecordActions` is `GetAccountActions`."""
        name = name.replace(RECORDS, self.plural).replace(RECORD, self.message.name)
        return name.replace(CUSTOM_FIELD, f"{self.message.name}{CUSTOM_FIELD}")

    def has(self, rpc: Rpc) -> bool:
        """Whether the collection offers a generic rpc: custom fields only where records have a place for them."""
        return not rpc.service.endswith(f".{CUSTOM_FIELD}Service") or "custom" in self.message.fields_by_name

    def reworded(self, text: str) -> str:
        """A comment that speaks of this resource."""
        noun = "".join(f" {each.lower()}" if each.isupper() else each for each in self.message.name).strip()
        article = "an" if noun[0] in "aeio" else "a"
        # Several are called as their collection is: `opportunities`.
        several = self.name.replace("_", " ")
        return text.replace("records", several).replace("a record", f"{article} {noun}").replace("record", noun)


def load_contract() -> Contract:
    """The contracts of this build, the generic rpcs written out for every resource."""
    return expanded(read_contract())


def expanded(contract: Contract) -> Contract:
    """The contract with each generic rpc once for every resource, behind the rpcs that were written."""
    generic = [rpc for rpc in contract.rpcs if is_generic(rpc)]
    rpcs = [rpc for rpc in contract.rpcs if not is_generic(rpc)]
    files: list[FileDescriptorProto] = []
    comments: dict[str, str] = {}
    for collection in collections(contract) if generic else ():
        offered = [rpc for rpc in generic if collection.has(rpc)]
        file = _file(collection, offered)
        files.append(file)
        contract.pool.AddSerializedFile(file.SerializeToString())
        rpcs += [_rpc(rpc, collection, file, contract.pool) for rpc in offered]
        comments |= dict(_comments(contract, collection, offered, file))
    return contract.with_more(files, rpcs, comments)


def is_generic(rpc: Rpc) -> bool:
    """Whether an rpc is written out for every resource."""
    return rpc.service.rpartition(".")[0] == PACKAGE


def collections(contract: Contract) -> Iterator[Collection]:
    """Every resource of the contract."""
    for rpc in contract.rpcs:
        name = rpc.response.GetOptions().Extensions[options_pb2.resource].collection
        if name and not is_generic(rpc) and rpc.name == f"Get{rpc.response.name}":
            yield Collection(rpc.response, name, rpc)


def _file(collection: Collection, generic: list[Rpc]) -> FileDescriptorProto:
    """A file with the messages of the collection's rpcs."""
    file = FileDescriptorProto(name=f"crm/resource/v1/{collection.name}.proto", package=PACKAGE, syntax="proto3")
    generic_files = {rpc.request.file.name: rpc.request.file for rpc in generic}
    file.dependency.extend([*generic_files, collection.message.file.name])
    for source in generic_files.values():
        imported = FileDescriptorProto()
        source.CopyToProto(imported)
        file.dependency.extend(name for name in imported.dependency if name not in file.dependency)
    for rpc in generic:
        file.message_type.append(_message(rpc.request, collection))
        if _has_records(rpc.response):
            file.message_type.append(_message(rpc.response, collection))
    return file


def _message(generic: Descriptor, collection: Collection) -> DescriptorProto:
    message = DescriptorProto()
    generic.CopyToProto(message)
    message.name = collection.renamed(generic.name)
    kept = [field for field in message.field if field.name != COLLECTION]
    del message.field[:]
    for field in kept:
        if field.type_name == f".{PACKAGE}.{RECORD}":
            field.type_name = f".{collection.message.full_name}"
            field.name = collection.name if field.name == "records" else field.name
        message.field.append(field)
    return message


def _has_records(message: Descriptor) -> bool:
    return any(field.message_type is not None and field.message_type.name == RECORD for field in message.fields)


def _rpc(rpc: Rpc, collection: Collection, file: FileDescriptorProto, pool: Any) -> Rpc:
    request = pool.FindMessageTypeByName(f"{file.package}.{collection.renamed(rpc.request.name)}")
    response = rpc.response
    if response.name == RECORD:
        response = collection.message
    elif _has_records(response):
        response = pool.FindMessageTypeByName(f"{file.package}.{collection.renamed(response.name)}")
    return replace(
        rpc,
        service=collection.get.service,
        owner=collection.get.owner,
        name=collection.renamed(rpc.name),
        permission=collection.get.permission if rpc.permission == RESOURCE else rpc.permission,
        bindings=tuple(
            Binding(each.verb, each.template.replace(f"{{{COLLECTION}}}", collection.path), each.body)
            for each in rpc.bindings
        ),
        comment=collection.reworded(rpc.comment),
        request=request,
        response=response,
        preset=_preset(rpc.request, collection.name),
    )


def _preset(request: Descriptor, collection: str) -> bytes:
    """The bytes of the generic request that names the collection alone."""
    number = request.fields_by_name[COLLECTION].number
    name = collection.encode()
    return bytes([number << 3 | 2, len(name)]) + name


def _comments(
    contract: Contract, collection: Collection, generic: list[Rpc], file: FileDescriptorProto
) -> Iterator[tuple[str, str]]:
    made = {message.name for message in file.message_type}
    for rpc in generic:
        for message in (rpc.request, rpc.response):
            name = collection.renamed(message.name)
            if name not in made:
                continue
            yield f"{file.package}.{name}", collection.reworded(contract.comments.get(message.full_name, ""))
            for field in message.fields:
                text = contract.comments.get(field.full_name, "")
                field_name = collection.name if field.name == "records" else field.name
                yield f"{file.package}.{name}.{field_name}", collection.reworded(text)

"""The rpcs of `crm.resource.v1` once for each resource, as if each had been written in its contract.

`BatchGetRecords` becomes `BatchGetAccounts` with messages of its own, in which `Record` is `Account` and the
collection is preset. Field numbers stay, so that the bytes are those of the generic rpc: nothing is converted.

`SubmitApproval` is written out for each verb that can be approved, `SubmitSetCreditLimit`, with the verb's own request
in place of `VerbRequest`, and its permission.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from crm.options.v1 import options_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, MethodOptions

from crm_gateway.contract import Binding, Contract, Rpc, read_contract

RESOURCE = "resource"  # of generic rpcs: the permission to read the collection
PACKAGE = "crm.resource.v1"
COLLECTION = "collection"
RECORD, RECORDS = "Record", "Records"
CUSTOM_FIELD, APPROVAL, VERB_REQUEST, VERB = "CustomField", "Approval", "VerbRequest", "verb"
SUBMIT = "SubmitApproval"
RULE, RUN, REPORT = "AutomationRule", "AutomationRun", "Report"
COMMENT, ATTACHMENT, JOB, PROPOSAL, TASK = "Comment", "Attachment", "Job", "ChangeProposal", "Task"
# A service; what its rpcs are called by are records.
EXPORT = "Export"
# What a service has for all of its collections: a route of the gateway asks every service.
MY_TASK = "MyTask"
_NOUNS = re.compile(
    "|".join((RECORDS, RECORD, CUSTOM_FIELD, APPROVAL, RULE, RUN, REPORT, COMMENT, ATTACHMENT, JOB, PROPOSAL, TASK))
)


@dataclass(frozen=True, slots=True)
class Collection:
    """A resource: its message, the collection in paths, the rpc that reads one, and the verbs that can be approved.

    `automatable`: whether automation rules may call some of its rpcs. `reported`: whether it has reports.
    `bulk`: whether jobs may call some of its rpcs. `creatable`: whether automation rules may create records of it.
    `submitted` is the verb that rpcs are written out for, where they are for one alone.
    """

    message: Descriptor
    name: str
    get: Rpc
    approvable: tuple[Rpc, ...] = ()
    automatable: bool = False
    reported: bool = False
    bulk: bool = False
    submitted: Rpc | None = None
    creatable: bool = False

    @property
    def plural(self) -> str:
        """`ServiceLevels` for `serviceLevels` and `service_levels`."""
        return "".join(part[:1].upper() + part[1:] for part in self.name.split("_"))

    @property
    def is_discussed(self) -> bool:
        """Whether people comment its records."""
        return not self.message.GetOptions().Extensions[options_pb2.resource].undiscussed

    @property
    def takes_files(self) -> bool:
        """Whether people attach files to its records."""
        return self.is_discussed and not self.message.GetOptions().Extensions[options_pb2.resource].without_files

    @property
    def takes_proposals(self) -> bool:
        """Whether people propose changes of its records."""
        return bool(self.message.GetOptions().Extensions[options_pb2.resource].proposals)

    @property
    def path(self) -> str:
        """As paths have it: `service-levels` for `service_levels`."""
        return self.name.replace("_", "-")

    def renamed(self, name: str) -> str:
        """`BatchGetRecordsRequest` is `BatchGetAccountsRequest`, `GetRecordActions` is `GetAccountActions`."""
        if self.submitted is not None:
            return name.replace(SUBMIT, f"Submit{self.submitted.name}")
        own = {RECORDS: self.plural, RECORD: self.message.name}
        # In one pass: the name of a message may have one of the nouns in it.
        return _NOUNS.sub(lambda noun: own.get(noun[0], f"{self.message.name}{noun[0]}"), name)

    def has(self, rpc: Rpc) -> bool:
        """Whether the collection offers a generic rpc.

        Custom fields only where records have a place for them, approvals where a verb can be approved, automation where
        rules may do something, reports and change proposals where the contract says so, comments, tasks and files where
        records are discussed, jobs and exports where jobs may change something.
        """
        noun = rpc.service.rpartition(".")[2]
        if noun.startswith(APPROVAL):
            return bool(self.approvable)
        if noun.startswith((RULE, RUN)):
            return self.automatable
        if noun.startswith(REPORT):
            return self.reported
        if noun.startswith(MY_TASK):
            return False
        if noun.startswith((COMMENT, TASK)):
            return self.is_discussed
        if noun.startswith(ATTACHMENT):
            return self.takes_files
        if noun.startswith((JOB, EXPORT)):
            return self.bulk
        if noun.startswith(PROPOSAL):
            return self.takes_proposals
        return not noun.startswith(CUSTOM_FIELD) or "custom" in self.message.fields_by_name

    def written_out(self, rpc: Rpc) -> "Iterator[Collection]":
        """For what a generic rpc is written out: the collection, or each verb of it that is submitted."""
        if rpc.name != SUBMIT:
            yield self
        else:
            yield from (replace(self, submitted=verb) for verb in self.approvable)

    @property
    def replaced(self) -> "dict[str, Descriptor]":
        """What stands in place of the placeholders of generic messages, by their names."""
        found = {RECORD: self.message}
        return found if self.submitted is None else found | {VERB_REQUEST: self.submitted.request}

    @property
    def preset(self) -> dict[str, str]:
        """The fields of generic requests that are known, and that nobody sends."""
        found = {COLLECTION: self.name}
        return found if self.submitted is None else found | {VERB: verb_of(self.submitted)}

    def reworded(self, text: str) -> str:
        """A comment that speaks of this resource."""
        noun = "".join(f" {each.lower()}" if each.isupper() else each for each in self.message.name).strip()
        article = "an" if noun[0] in "aeio" else "a"
        # Several are called as their collection is: `opportunities`.
        several = self.name.replace("_", " ")
        return text.replace("records", several).replace("a record", f"{article} {noun}").replace("record", noun)


Offered = Sequence[tuple[Rpc, Collection]]


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
        offered = [(rpc, each) for rpc in generic if collection.has(rpc) for each in collection.written_out(rpc)]
        file = _file(collection, offered)
        files.append(file)
        contract.pool.AddSerializedFile(file.SerializeToString())
        rpcs += [_rpc(rpc, each, file, contract.pool) for rpc, each in offered]
        comments |= dict(_comments(contract, offered, file))
    return contract.with_more(files, rpcs, comments)


def is_generic(rpc: Rpc) -> bool:
    """Whether an rpc is written out for every resource."""
    return rpc.service.rpartition(".")[0] == PACKAGE


def collections(contract: Contract) -> Iterator[Collection]:
    """Every resource of the contract."""
    for rpc in contract.rpcs:
        resource = rpc.response.GetOptions().Extensions[options_pb2.resource]
        name = resource.collection
        if name and not is_generic(rpc) and rpc.name == f"Get{rpc.response.name}":
            beside = [each for each in contract.rpcs if each.service == rpc.service]
            approvable = tuple(each for each in beside if each.options.Extensions[options_pb2.approvable])
            creates = f"Create{rpc.response.name}"
            marked = [each for each in beside if each.options.Extensions[options_pb2.automatable]]
            creatable = any(each.name == creates for each in marked)
            automatable = any(each.name != creates for each in marked)
            bulk = automatable or any(each.options.Extensions[options_pb2.bulk] for each in beside)
            yield Collection(
                rpc.response, name, rpc, approvable, automatable, resource.reports, bulk, creatable=creatable
            )


def verb_of(rpc: Rpc) -> str:
    """A verb as paths have it: `setLimit` of `/v1/accounts/{account_id}/credit:setLimit`."""
    return rpc.bindings[0].template.rpartition(":")[2]


def _file(collection: Collection, offered: Offered) -> FileDescriptorProto:
    """A file with the messages of the collection's rpcs."""
    file = FileDescriptorProto(name=f"crm/resource/v1/{collection.name}.proto", package=PACKAGE, syntax="proto3")
    generic_files = {rpc.request.file.name: rpc.request.file for rpc, _ in offered}
    file.dependency.extend([*generic_files, collection.message.file.name])
    for source in generic_files.values():
        imported = FileDescriptorProto()
        source.CopyToProto(imported)
        file.dependency.extend(name for name in imported.dependency if name not in file.dependency)
    for rpc, each in offered:
        file.message_type.append(_message(rpc.request, each))
        if _has_records(rpc.response):
            file.message_type.append(_message(rpc.response, each))
    return file


def _message(generic: Descriptor, collection: Collection) -> DescriptorProto:
    message = DescriptorProto()
    generic.CopyToProto(message)
    message.name = collection.renamed(generic.name)
    kept = [field for field in message.field if field.name not in collection.preset]
    replaced = {f".{PACKAGE}.{name}": own for name, own in collection.replaced.items()}
    # What is declared within it, such as the entries of a map, was copied with it.
    within, own_within = f".{PACKAGE}.{generic.name}.", f".{PACKAGE}.{message.name}."
    del message.field[:]
    for field in kept:
        if field.type_name.startswith(within):
            field.type_name = own_within + field.type_name.removeprefix(within)
        if field.type_name in replaced:
            field.type_name = f".{replaced[field.type_name].full_name}"
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
        permission=_permission(rpc, collection),
        options=_options(rpc, collection),
        bindings=tuple(Binding(each.verb, _template(each.template, collection), each.body) for each in rpc.bindings),
        comment=collection.reworded(rpc.comment),
        request=request,
        response=response,
        preset=b"".join(_preset(rpc.request, *each) for each in collection.preset.items()),
    )


def _options(rpc: Rpc, collection: Collection) -> MethodOptions:
    """As they were said, with what undoes it under the name that this has here."""
    undone_by = rpc.options.Extensions[options_pb2.undone_by]
    if not undone_by:
        return cast("MethodOptions", rpc.options)
    options = MethodOptions()
    options.CopyFrom(rpc.options)
    options.Extensions[options_pb2.undone_by] = collection.renamed(undone_by)
    return options


def _permission(rpc: Rpc, collection: Collection) -> str:
    if rpc.permission != RESOURCE:
        return rpc.permission
    return (collection.submitted or collection.get).permission


def _template(template: str, collection: Collection) -> str:
    template = template.replace(f"{{{COLLECTION}}}", collection.path)
    if collection.submitted is None:
        return template
    return f"{template.rpartition(':')[0]}:{verb_of(collection.submitted)}"


def _preset(request: Descriptor, field: str, value: str) -> bytes:
    """The bytes of a generic request with one field alone."""
    data = value.encode()
    return bytes([request.fields_by_name[field].number << 3 | 2, len(data)]) + data


def _comments(contract: Contract, offered: Offered, file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    made = {message.name for message in file.message_type}
    for rpc, collection in offered:
        for message in (rpc.request, rpc.response):
            name = collection.renamed(message.name)
            if name not in made:
                continue
            yield f"{file.package}.{name}", collection.reworded(contract.comments.get(message.full_name, ""))
            for field in message.fields:
                text = contract.comments.get(field.full_name, "")
                field_name = collection.name if field.name == "records" else field.name
                yield f"{file.package}.{name}.{field_name}", collection.reworded(text)

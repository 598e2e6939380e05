"""What can be done with the records of a collection."""

from collections.abc import Iterable, Iterator

from crm.metadata.v1 import metadata_pb2 as pb
from crm.options.v1 import options_pb2
from crm_kit.labels import Label, verb_label
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from crm_gateway.contract import Rpc
from crm_gateway.metadata.fields import field_metadata, label_to_pb
from crm_gateway.openapi.document import variable_names
from crm_gateway.protojson.fields import is_output_only
from crm_gateway.transcode.routes import parse_template

CREATE, UPDATE = "create", "update"
METHODS = {"POST": CREATE, "PATCH": UPDATE}
# What is done by POST and PATCH alone is called the same everywhere.
LABELS = {CREATE: Label("Create", "新建"), UPDATE: Label("Edit", "编辑")}


def verbs_of(
    rpcs: Iterable[Rpc], message: Descriptor, *, list_path: str, record_path: str
) -> Iterator[pb.VerbMetadata]:
    """The verbs among the rpcs of a service, in its order."""
    rpcs = list(rpcs)
    submit_paths = {rpc.name: path_of(rpc) for rpc in rpcs}
    for rpc in rpcs:
        method, path = rpc.bindings[0].verb if rpc.bindings else "", path_of(rpc)
        base, _, custom = path.partition(":")
        if method == "POST" and custom and base in (list_path, record_path):
            verb = _verb(rpc, custom, verb_label(custom, rpc.options), on_record=base == record_path)
            verb.fields.extend(_asked_for(rpc))
            verb.submit_path = submit_paths.get(f"Submit{rpc.name}", "")
            yield verb
        elif rpc.response is message and not custom and method in METHODS:
            name = METHODS[method]
            yield _verb(rpc, name, LABELS[name], on_record=name == UPDATE)


def _asked_for(rpc: Rpc) -> Iterator[pb.FieldMetadata]:
    """The fields of a verb's request, without those that say which record is meant."""
    addressing = {*parse_template(rpc.bindings[0].template).variables, "etag"}
    for field in rpc.request.fields:
        if field.name not in addressing:
            asked = field_metadata(field)
            asked.settable = True
            given = [each for each in asked.fields if is_given(field, each.name)]
            del asked.fields[:]
            asked.fields.extend(given)
            yield asked


def is_given(field: FieldDescriptor, name: str) -> bool:
    """Whether a caller gives this field of the object that a request has in a field; others are for answers."""
    return field.message_type is None or not is_output_only(field.message_type.fields_by_name[name])


def path_of(rpc: Rpc | None) -> str:
    """Its path as the OpenAPI document has it; empty for none."""
    if rpc is None or not rpc.bindings:
        return ""
    template = parse_template(rpc.bindings[0].template)
    return template.with_names(variable_names(template))


def _verb(rpc: Rpc, name: str, label: Label, *, on_record: bool) -> pb.VerbMetadata:
    return pb.VerbMetadata(
        rpc=rpc.name,
        name=name,
        label=label_to_pb(label),
        method=rpc.bindings[0].verb,
        path=path_of(rpc),
        permission=rpc.permission,
        on_record=on_record,
        undone_by=rpc.options.Extensions[options_pb2.undone_by],
    )

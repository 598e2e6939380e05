"""The OpenAPI 3.1 document of a contract. Nothing is written per RPC."""

import re
from collections.abc import Iterable
from typing import Any

from crm.error.v1 import error_reason_pb2, etag_mismatch_pb2
from crm.metadata.v1 import metadata_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from crm_gateway.contract import Contract
from crm_gateway.json_schema.rules import Schema
from crm_gateway.openapi.fixed import (
    HEADERS,
    INTRODUCTION,
    LICENSE,
    PARAMETERS,
    PROBLEM,
    SECURITY_SCHEMES,
    SIGNED_BODY,
)
from crm_gateway.openapi.inclusion import include_parameter, included_schema
from crm_gateway.openapi.other_routes import OtherRoute
from crm_gateway.openapi.responses import Responses
from crm_gateway.openapi.schemas import Form, Schemas
from crm_gateway.openapi.sharing import share_bodies, share_parameters
from crm_gateway.protojson.fields import message_of, must_be_given
from crm_gateway.transcode.operations import Operation
from crm_gateway.transcode.routes import Template

Document = dict[str, Any]
_JSON = "application/json"
_SENTENCE_END = re.compile(r"\.\s+(?=[A-Z`])")
# What it offers is under every collection; what is left is under a tag of its own.
RESOURCES = "crm.resource.v1.ResourceService"


def openapi_document(
    contract: Contract, operations: Iterable[Operation], others: Iterable[OtherRoute] = ()
) -> Document:
    """The document, in the order of the contracts; routes that are not one RPC come last."""
    served = list(operations)
    schemas = Schemas(contract)
    schemas.components["Problem"] = _problem_schema(contract, schemas)
    schemas.components["Included"] = included_schema({each.rpc for each in served}, schemas)
    responses = Responses(schemas, served)
    paths = _paths(served, schemas, responses)
    routes = list(others)
    # Served by a route of its own, and yet a message of the contract.
    schemas.ref(metadata_pb2.Metadata.DESCRIPTOR, Form.ANSWER)
    for other in routes:
        schemas.components |= other.schemas
        paths.setdefault(other.path, {})[other.verb.lower()] = other.entry
    return {
        "openapi": "3.1.0",
        "info": {"title": "Guanxi", "version": "1", "description": INTRODUCTION, "license": LICENSE},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": _tags(contract, served, routes),
        "paths": paths,
        "components": {
            "parameters": PARAMETERS | share_parameters(paths),
            "schemas": dict(sorted((schemas.components | share_bodies(paths)).items())),
            "headers": HEADERS,
            "responses": responses.components,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _paths(served: Iterable[Operation], schemas: Schemas, responses: Responses) -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}
    seen: dict[str, int] = {}
    # OpenAPI takes templates that differ in names alone for the same path: the first names stay.
    named: dict[str, tuple[str, ...]] = {}
    for each in served:
        number = seen[each.rpc.name] = seen.get(each.rpc.name, 0) + 1
        name = each.rpc.name if number == 1 else f"{each.rpc.name}_{number}"
        variables = named.setdefault(each.template.shape, variable_names(each.template))
        entry = _operation(each, name, variables, schemas)
        entry["responses"] = responses.of(each)
        paths.setdefault(each.template.with_names(variables), {})[each.binding.verb.lower()] = entry
    return paths


def _tags(contract: Contract, served: list[Operation], others: list[OtherRoute]) -> list[Schema]:
    services = dict.fromkeys(each.rpc.service for each in served)
    described = {_tag(name): contract.comments.get(name, "") for name in (*services, RESOURCES)}
    used = dict.fromkeys((*map(_tag, services), *(tag for other in others for tag in other.entry["tags"])))
    return [{"name": name, "description": described[name]} for name in used]


def _tag(service: str) -> str:
    return service.rpartition(".")[2].removesuffix("Service")


def variable_names(template: Template) -> tuple[str, ...]:
    """Names of path parameters as documented: `id` for `account.id`, unless that makes two alike."""
    short = tuple(variable.rpartition(".")[2] for variable in template.variables)
    if len(set(short)) == len(short):
        return short
    return tuple(variable.replace(".", "_") for variable in template.variables)


def _operation(operation: Operation, name: str, variables: tuple[str, ...], schemas: Schemas) -> Schema:
    rpc = operation.rpc
    summary, description = summarized(rpc.comment)
    entry: Schema = {
        "operationId": name,
        "tags": [_tag(rpc.service)],
        "summary": summary,
        "description": description,
        "x-permission": rpc.permission,
        "parameters": _parameters(operation, variables, schemas),
    }
    if not description:
        del entry["description"]
    if operation.public:
        entry["security"] = []
    if operation.reader.takes_body:
        entry["requestBody"] = _request_body(operation, schemas)
    return entry


def summarized(comment: str) -> tuple[str, str]:
    """A comment's first sentence, and the rest; the lines of a paragraph are joined."""
    first, *others = re.split(r"\n(?=\n|- |Reasons:)", comment)
    first = " ".join(first.split())
    end = _SENTENCE_END.search(first)
    summary, rest = (first, "") if end is None else (first[: end.start() + 1], first[end.end() :])
    told = (" ".join(other.split()) if other.startswith("Reasons:") else other.strip("\n") for other in others)
    return summary, "\n".join(filter(None, [rest, *told]))


def _parameters(operation: Operation, variables: tuple[str, ...], schemas: Schemas) -> list[Schema]:
    rpc, reader = operation.rpc, operation.reader
    found = [
        _parameter(rpc.request, path, schemas, "path") | {"name": name}
        for path, name in zip(operation.template.variables, variables, strict=True)
    ]
    found += [_parameter(rpc.request, path, schemas, "query") for path in reader.parameters]
    if operation.views is not None and operation.views.references:
        found.append(include_parameter(operation.views.references))
    shared = [] if operation.views is None else ["Fields"]
    shared += ["XRequestId", "XRequestTimeout"]
    if operation.guarded:
        shared.append("IfMatch")
    if operation.binding.verb == "GET" and operation.tagged:
        shared.append("IfNoneMatch")
    if rpc.is_keyed:
        shared.append("IdempotencyKey")
    if rpc.is_signed:
        shared += ["WebhookId", "WebhookTimestamp", "WebhookSignature"]
    return found + [{"$ref": f"#/components/parameters/{name}"} for name in shared]


def _parameter(request: Descriptor, path: str, schemas: Schemas, where: str) -> Schema:
    field = _field_at(request, path)
    entry: Schema = {"name": path, "in": where, "schema": schemas.parameter(field)}
    if comment := schemas.description(field.full_name):
        entry["description"] = comment
    if where == "path" or ("." not in path and must_be_given(field)):
        entry["required"] = True
    return entry


def _field_at(message: Descriptor, path: str) -> FieldDescriptor:
    *parents, name = path.split(".")
    for parent in parents:
        message = message_of(message.fields_by_name[parent])
    return message.fields_by_name[name]


def _request_body(operation: Operation, schemas: Schemas) -> Schema:
    request, binding = operation.rpc.request, operation.binding
    if operation.rpc.is_signed:
        return {"required": True, "content": {_JSON: {"schema": SIGNED_BODY}}}
    if binding.body == "*":
        bound = frozenset(operation.template.variables)
        # A request with nothing in the path has one form only and can be shared.
        schema = schemas.without(request, bound) if bound else schemas.ref(request, Form.INPUT)
        required = "required" in _resolved(schema, schemas)
    else:
        resource = message_of(request.fields_by_name[binding.body])
        schema = schemas.ref(resource, Form.PATCH if binding.verb == "PATCH" else Form.INPUT)
        required = True
    return {"required": required, "content": {_JSON: {"schema": schema}}}


def _resolved(schema: Schema, schemas: Schemas) -> Schema:
    return schemas.components[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def error_reasons(contract: Contract) -> dict[str, str]:
    """Every reason an error can have -> what it means."""
    enum = error_reason_pb2.ErrorReason.DESCRIPTOR
    comments = contract.comments
    return {
        value.name.removeprefix("ERROR_REASON_"): comments.get(f"{enum.full_name}.{value.name}", "")
        for value in enum.values
        if value.number != 0
    }


def _problem_schema(contract: Contract, schemas: Schemas) -> Schema:
    """A problem as every reason has it, and the members that only a 412 has."""
    reasons = error_reasons(contract)
    mismatch = schemas.answer(etag_mismatch_pb2.EtagMismatch.DESCRIPTOR)
    schema: Schema = PROBLEM | {"properties": PROBLEM["properties"] | mismatch["properties"]}
    schema["properties"]["reason"] = {
        "type": "string",
        "description": "What went wrong, for programs. More may be added.",
        "examples": list(reasons),
    }
    return schema

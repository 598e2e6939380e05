"""The OpenAPI 3.1 document of a contract. Nothing is written per RPC."""

from collections.abc import Iterable
from typing import Any

from crm.error.v1 import error_reason_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from crm_gateway.contract import Contract
from crm_gateway.openapi.examples import NoExample, example
from crm_gateway.openapi.fixed import HEADERS, INTRODUCTION, PARAMETERS, PROBLEM, SECURITY_SCHEMES, STATUSES
from crm_gateway.openapi.other_routes import OtherRoute
from crm_gateway.openapi.rules import Schema, must_be_given
from crm_gateway.openapi.schemas import Form, Schemas
from crm_gateway.transcode.fields import message_of
from crm_gateway.transcode.operations import Operation
from crm_gateway.transcode.routes import Template

Document = dict[str, Any]
_JSON = "application/json"
# What it offers is under every collection; what is left is under a tag of its own.
RESOURCES = "crm.resource.v1.ResourceService"


def openapi_document(
    contract: Contract, operations: Iterable[Operation], others: Iterable[OtherRoute] = ()
) -> Document:
    """The document, in the order of the contracts; routes that are not one RPC come last."""
    served = list(operations)
    schemas = Schemas(contract)
    schemas.components["Problem"] = _problem_schema(contract)
    paths: dict[str, dict[str, Any]] = {}
    seen: dict[str, int] = {}
    # OpenAPI takes templates that differ in names alone for the same path: the first names stay.
    named: dict[str, tuple[str, ...]] = {}
    for each in served:
        number = seen[each.rpc.name] = seen.get(each.rpc.name, 0) + 1
        name = each.rpc.name if number == 1 else f"{each.rpc.name}_{number}"
        variables = named.setdefault(each.template.shape, variable_names(each.template))
        path = each.template.with_names(variables)
        paths.setdefault(path, {})[each.binding.verb.lower()] = _operation(each, name, variables, schemas)
    routes = list(others)
    for other in routes:
        paths.setdefault(other.path, {})[other.verb.lower()] = _with_example(other.entry, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Guanxi", "version": "1", "description": INTRODUCTION},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": _tags(contract, served, routes),
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "responses": {name: _problem_response(text) for name, text in STATUSES.values()},
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


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
    summary, _, rest = rpc.comment.partition("\n")
    entry: Schema = {
        "operationId": name,
        "tags": [_tag(rpc.service)],
        "summary": summary.rstrip("."),
        "description": f"{summary}\n{rest}".strip(),
        "x-permission": rpc.permission,
        "parameters": _parameters(operation, variables, schemas),
    }
    if operation.public:
        entry["security"] = []
    if operation.reader.takes_body:
        entry["requestBody"] = _request_body(operation, schemas)
    entry["responses"] = _responses(operation, schemas)
    return entry


def _parameters(operation: Operation, variables: tuple[str, ...], schemas: Schemas) -> list[Schema]:
    rpc, reader = operation.rpc, operation.reader
    found = [
        _parameter(rpc.request, path, schemas, "path") | {"name": name}
        for path, name in zip(operation.template.variables, variables, strict=True)
    ]
    found += [_parameter(rpc.request, path, schemas, "query") for path in reader.parameters]
    headers = ["XRequestId", "XRequestTimeout"]
    if operation.guarded:
        headers.append("IfMatch")
    if operation.binding.verb == "GET" and operation.tagged:
        headers.append("IfNoneMatch")
    if rpc.is_keyed:
        headers.append("IdempotencyKey")
    return found + [{"$ref": f"#/components/parameters/{header}"} for header in headers]


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
    if binding.body == "*":
        bound = frozenset(operation.template.variables)
        # A request with nothing in the path has one form only and can be shared.
        schema = schemas.without(request, bound) if bound else schemas.ref(request, Form.INPUT)
        required = "required" in _resolved(schema, schemas)
    else:
        resource = message_of(request.fields_by_name[binding.body])
        schema = schemas.ref(resource, Form.PATCH if binding.verb == "PATCH" else Form.INPUT)
        required = True
    return {"required": required, "content": {_JSON: _media(schema, schemas)}}


def _resolved(schema: Schema, schemas: Schemas) -> Schema:
    return schemas.components[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _media(schema: Schema, schemas: Schemas) -> Schema:
    try:
        return {"schema": schema, "example": example(schema, schemas.components)}
    except NoExample:
        return {"schema": schema}


def _with_example(entry: Schema, schemas: Schemas) -> Schema:
    """An operation written by hand, with the example of its answer."""
    responses = dict(entry["responses"])
    for status, answer in responses.items():
        if schema := answer.get("content", {}).get(_JSON, {}).get("schema"):
            responses[status] = answer | {"content": {_JSON: _media(schema, schemas)}}
    return entry | {"responses": responses}


def _responses(operation: Operation, schemas: Schemas) -> Schema:
    headers = ["XRequestId"] + ([] if operation.public else ["RateLimitLimit", "RateLimitRemaining", "RateLimitReset"])
    if operation.tagged:
        headers.append("ETag")
    if operation.creates and operation.located is not None:
        headers.append("Location")
    if operation.rpc.is_keyed:
        headers.append("IdempotentReplayed")
    good: Schema = {"headers": {HEADER_NAMES[name]: _header_ref(name) for name in headers}}
    if operation.empty:
        good["description"] = "Done."
    else:
        good["description"] = "Created." if operation.creates else "The answer."
        schema = schemas.ref(operation.rpc.response, Form.ANSWER)
        good["content"] = {_JSON: _media(schema, schemas)}
    status = "204" if operation.empty else "201" if operation.creates else "200"
    responses = {status: good}
    if operation.binding.verb == "GET" and operation.tagged:
        responses["304"] = {"description": "Not changed since the etag of If-None-Match."}
    for code in _problem_statuses(operation):
        responses[code] = {"$ref": f"#/components/responses/{STATUSES[code][0]}"}
    return responses


def _problem_statuses(operation: Operation) -> list[str]:
    codes = {"400", "404", "422", "429", "500", "503", "504"}
    if not operation.public:
        codes |= {"401", "403"}
    if not operation.rpc.is_read:
        codes |= {"409"}
    if operation.guarded:
        codes |= {"412"}
    if operation.reader.takes_body:
        codes |= {"408", "413", "415"}
    return sorted(codes)


HEADER_NAMES = {
    "XRequestId": "X-Request-Id",
    "RateLimitLimit": "RateLimit-Limit",
    "RateLimitRemaining": "RateLimit-Remaining",
    "RateLimitReset": "RateLimit-Reset",
    "ETag": "ETag",
    "Location": "Location",
    "IdempotentReplayed": "Idempotent-Replayed",
}


def _header_ref(name: str) -> Schema:
    return {"$ref": f"#/components/headers/{name}"}


def error_reasons(contract: Contract) -> dict[str, str]:
    """Every reason an error can have -> what it means."""
    enum = error_reason_pb2.ErrorReason.DESCRIPTOR
    comments = contract.comments
    return {
        value.name.removeprefix("ERROR_REASON_"): comments.get(f"{enum.full_name}.{value.name}", "")
        for value in enum.values
        if value.number != 0
    }


def _problem_schema(contract: Contract) -> Schema:
    reasons = error_reasons(contract)
    schema: Schema = PROBLEM | {"properties": dict(PROBLEM["properties"])}
    schema["properties"]["reason"] = {
        "type": "string",
        "description": "What went wrong, for programs. More may be added.",
        "examples": list(reasons),
    }
    return schema


def _problem_response(description: str) -> Schema:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        "description": description,
        "headers": {"X-Request-Id": _header_ref("XRequestId")}
        | ({"Retry-After": _header_ref("RetryAfter")} if "Retry-After" in description else {}),
        "content": content,
    }

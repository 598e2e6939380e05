"""The start-up check: what a contract must say before the gateway serves it."""

from collections import defaultdict
from collections.abc import Iterator

from crm.options.v1 import options_pb2
from google.protobuf.descriptor import Descriptor

from crm_gateway.contract import INTERNAL, Binding, Contract, Rpc
from crm_gateway.protojson.fields import is_well_known
from crm_gateway.transcode.routes import Template, parse_template


def contract_problems(contract: Contract) -> list[str]:
    """Everything that keeps the contract from being served, one readable line each; empty when it is whole."""
    problems = [line for rpc in contract.rpcs for line in _rpc_problems(rpc)]
    return problems + list(_doubled_routes(contract))


def _rpc_problems(rpc: Rpc) -> Iterator[str]:
    if not rpc.comment:
        yield f"{rpc.full_name}: has no comment"
    if not rpc.permission:
        yield f"{rpc.full_name}: has no (crm.options.v1.permission)"
    if rpc.idempotency == options_pb2.IDEMPOTENCY_UNSPECIFIED:
        yield f"{rpc.full_name}: has no (crm.options.v1.idempotency)"
    if rpc.permission == INTERNAL:
        return
    if not rpc.bindings:
        yield f"{rpc.full_name}: has no (google.api.http) route"
    for binding in rpc.bindings:
        yield from (f"{rpc.full_name}: {problem}" for problem in _binding_problems(rpc, binding))


def _binding_problems(rpc: Rpc, binding: Binding) -> Iterator[str]:
    try:
        template = parse_template(binding.template)
    except ValueError as error:
        yield str(error)
        return
    yield from _variable_problems(rpc.request, template)
    if binding.verb == "GET" and not rpc.is_read:
        yield "is a GET and so must be IDEMPOTENCY_READ"
    if binding.verb in ("GET", "DELETE") and binding.body:
        yield f"a {binding.verb} takes no body"
    if binding.body not in ("", "*"):
        field = rpc.request.fields_by_name.get(binding.body)
        if field is None:
            yield f"its body names {binding.body!r}, which {rpc.request.name} does not have"
        elif field.message_type is None or field.is_repeated or is_well_known(field.message_type):
            yield f"its body {binding.body!r} is no single message"


def _variable_problems(request: Descriptor, template: Template) -> Iterator[str]:
    for variable in template.variables:
        *parents, name = variable.split(".")
        message: Descriptor | None = request
        for parent in parents:
            field = message.fields_by_name.get(parent) if message is not None else None
            message = field.message_type if field is not None and not field.is_repeated else None
        field = message.fields_by_name.get(name) if message is not None else None
        if field is None or field.is_repeated or field.message_type is not None:
            yield f"its path variable {{{variable}}} is no single plain field of {request.name}"


def _doubled_routes(contract: Contract) -> Iterator[str]:
    """Routes that the same request would reach."""
    by_shape: dict[tuple[str, str], list[str]] = defaultdict(list)
    for rpc in contract.rpcs:
        if rpc.permission == INTERNAL:
            continue
        for binding in rpc.bindings:
            try:
                shape = parse_template(binding.template).shape
            except ValueError:
                continue
            by_shape[binding.verb, shape].append(rpc.full_name)
    for (verb, shape), names in by_shape.items():
        if len(names) > 1:
            yield f"{verb} {shape}: is the route of {' and of '.join(names)}"

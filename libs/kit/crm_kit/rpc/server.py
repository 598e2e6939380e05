"""The gRPC server: servicers behind the pipeline, health, reflection, and connections that do not live for ever.

Each rpc is a unary gRPC method and can be called over a link as well.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import _async, health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from crm_kit.contract import contract_problems
from crm_kit.image import read_image
from crm_kit.rpc.calls import Call, Handler
from crm_kit.rpc.link.frames import CONTRACT
from crm_kit.rpc.link.serving import MAX_RESPONSE_BYTES, TERMS, LinkServer, Terms
from crm_kit.rpc.methods import Servicer, methods_of
from crm_kit.rpc.pipeline import MAX_REQUEST_BYTES, Pipeline

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
# How long callers over links get to turn to other replicas before this one lets nobody in.
PARTING_SECONDS = 1.0

Context = grpc.aio.ServicerContext[bytes, bytes]
Behaviour = Callable[[bytes, Context], Awaitable[bytes]]


class Server:
    """Serves on one address from `start` to `stop`; not ready until told so."""

    def __init__(
        self, address: str, *, connection_max_age_seconds: float, links: bool = True, terms: Terms = TERMS
    ) -> None:
        self._address = address
        self._health = _async.HealthServicer()
        self._serves_links = links
        self._handlers: dict[str, Handler] = {}
        self._links = LinkServer(self._handlers, terms, connection_max_age_seconds=connection_max_age_seconds)
        # Without a maximum age a running client never sees a new replica.
        self._server = grpc.aio.server(
            options=(
                ("grpc.max_connection_age_ms", int(connection_max_age_seconds * 1000)),
                ("grpc.max_connection_age_grace_ms", 30_000),
                # A link may be silent for long, and its caller still asks whether somebody is there.
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
                # A little more than the pipeline allows, so that the pipeline can say it clearly.
                ("grpc.max_receive_message_length", 2 * MAX_REQUEST_BYTES),
                ("grpc.max_send_message_length", MAX_RESPONSE_BYTES),
                ("grpc.so_reuseport", 0),
            )
        )

    async def start(self, servicers: Sequence[Servicer], pipeline: Pipeline) -> None:
        """Listen. An rpc of the contract without a method here stops the start."""
        names = [servicer.contract.full_name for servicer in servicers]
        for servicer in servicers:
            handlers = handlers_of(servicer, pipeline)
            self._handlers |= handlers
            self._server.add_generic_rpc_handlers((unary_methods(servicer.contract, handlers),))
        if self._serves_links:
            self._server.add_generic_rpc_handlers((self._links.generic_handler(),))
            names.append(CONTRACT.full_name)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server)
        # Alive is not ready: a missing database must not get the process killed.
        await self._health.set("liveness", SERVING)
        await self.set_ready(ready=False)
        self._server.add_insecure_port(self._address)
        await self._server.start()

    async def set_ready(self, *, ready: bool) -> None:
        """What the health service answers, and callers over links are told."""
        await self._health.set("", SERVING if ready else NOT_SERVING)
        self._links.set_serving(serving=ready)

    async def stop(self, drain_seconds: float) -> None:
        """Say that we are leaving, let running calls finish, then close."""
        await self._health.enter_graceful_shutdown()
        await self._links.leave(min(PARTING_SECONDS, drain_seconds))
        await self._server.stop(drain_seconds)


def handlers_of(servicer: Servicer, pipeline: Pipeline) -> dict[str, Handler]:
    """Every rpc of the contract by its path, each behind the pipeline. Bytes go in and out: the pipeline parses."""
    permission_of = getattr(servicer, "permission_of", None)
    handlers: dict[str, Handler] = {}
    for method in methods_of(servicer.contract):
        run = getattr(servicer, method.name, None)
        if run is None:
            raise SystemExit(f"contract: {method.path} has no method in {type(servicer).__name__}")
        handlers[method.path] = pipeline.handler(replace(method, permission_of=permission_of), run)
    return handlers


def unary_methods(contract: ServiceDescriptor, handlers: Mapping[str, Handler]) -> grpc.GenericRpcHandler:
    """The rpcs as grpc serves them."""
    methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        path.rpartition("/")[2]: grpc.unary_unary_rpc_method_handler(unary(path, handler))
        for path, handler in handlers.items()
    }
    return grpc.method_handlers_generic_handler(contract.full_name, methods)


def unary(path: str, handler: Handler) -> Behaviour:
    """The function that grpc calls with the request's bytes."""

    async def behave(data: bytes, context: Context) -> bytes:
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        reply = await handler(Call(path, data, metadata, context.time_remaining()))
        if reply.code is not grpc.StatusCode.OK:
            await context.abort(reply.code, reply.detail, trailing_metadata=reply.metadata)
        if reply.metadata:
            context.set_trailing_metadata(reply.metadata)
        return reply.data

    return behave


def check_contract() -> None:
    """Refuse to start on a contract with an rpc that lacks comment, permission or route."""
    problems = contract_problems(read_image())
    if problems:
        raise SystemExit("contract:\n" + "\n".join(problems))

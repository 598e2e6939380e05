"""The gRPC server: servicers behind the pipeline, health, reflection, and connections that do not live for ever."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Protocol

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_health.v1 import _async, health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from crm_kit.contract import contract_problems
from crm_kit.rpc.methods import methods_of
from crm_kit.rpc.pipeline import MAX_REQUEST_BYTES, Pipeline

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
# Room for the largest page of the widest resource.
MAX_RESPONSE_BYTES = 32 * 1024 * 1024


class Servicer(Protocol):
    """One service of the contract: a method per rpc, named as there, taking the request and a reader or unit.

    A servicer whose permission depends on the request has a method `permission_of(request)` too.
    """

    contract: ServiceDescriptor


class Server:
    """Serves on one address from `start` to `stop`; not ready until told so."""

    def __init__(self, address: str, *, connection_max_age_seconds: int) -> None:
        self._address = address
        self._health = _async.HealthServicer()
        # Without a maximum age a running client never sees a new replica.
        self._server = grpc.aio.server(
            options=(
                ("grpc.max_connection_age_ms", connection_max_age_seconds * 1000),
                ("grpc.max_connection_age_grace_ms", 30_000),
                # A little more than the pipeline allows, so that the pipeline can say it clearly.
                ("grpc.max_receive_message_length", 2 * MAX_REQUEST_BYTES),
                ("grpc.max_send_message_length", MAX_RESPONSE_BYTES),
                ("grpc.so_reuseport", 0),
            )
        )

    async def start(self, servicers: Sequence[Servicer], pipeline: Pipeline) -> None:
        """Listen. An rpc of the contract without a method here stops the start."""
        for servicer in servicers:
            self._server.add_generic_rpc_handlers((handlers_of(servicer, pipeline),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = [servicer.contract.full_name for servicer in servicers]
        reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server)
        # Alive is not ready: a missing database must not get the process killed.
        await self._health.set("liveness", SERVING)
        await self.set_ready(ready=False)
        self._server.add_insecure_port(self._address)
        await self._server.start()

    async def set_ready(self, *, ready: bool) -> None:
        """What the health service answers."""
        await self._health.set("", SERVING if ready else NOT_SERVING)

    async def stop(self, drain_seconds: float) -> None:
        """Say that we are leaving, let running calls finish, then close."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(drain_seconds)


def handlers_of(servicer: Servicer, pipeline: Pipeline) -> grpc.GenericRpcHandler:
    """Every rpc of the contract, each behind the pipeline. Bytes go in and out: the pipeline parses."""
    permission_of = getattr(servicer, "permission_of", None)
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {}
    for method in methods_of(servicer.contract):
        run = getattr(servicer, method.name, None)
        if run is None:
            raise SystemExit(f"contract: {method.path} has no method in {type(servicer).__name__}")
        handlers[method.name] = grpc.unary_unary_rpc_method_handler(pipeline.behaviour(method, run, permission_of))
    return grpc.method_handlers_generic_handler(servicer.contract.full_name, handlers)


def check_contract() -> None:
    """Refuse to start on a contract with an rpc that lacks comment, permission or route."""
    image = FileDescriptorSet.FromString(files("crm_protos").joinpath("image.binpb").read_bytes())
    problems = contract_problems(image)
    if problems:
        raise SystemExit("contract:\n" + "\n".join(problems))

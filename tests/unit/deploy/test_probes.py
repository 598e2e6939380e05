"""What the probes of the manifests ask is what a service answers."""

import socket
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any
from unittest.mock import Mock

import grpc
import pytest
from crm_kit.rpc.server import Server
from grpc_health.v1 import health_pb2, health_pb2_grpc


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """A service that is up and cannot work, as when its database is away."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{free.getsockname()[1]}"
    server = Server(target, connection_max_age_seconds=300)
    await server.start([], Mock())
    await server.set_ready(ready=False)
    yield target
    await server.stop(0)


def asked(manifests: ModuleType, production: list[Any], probe: str) -> set[str]:
    """The names that this probe asks the gRPC health service for, over all services."""
    return {
        container[probe]["grpc"].get("service", "")
        for deployment in manifests.of(production, "Deployment")
        for container in manifests.containers(deployment)
        if "grpc" in container[probe]
    }


async def is_serving(address: str, name: str) -> bool:
    async with grpc.aio.insecure_channel(address) as channel:
        request = health_pb2.HealthCheckRequest(service=name)
        answer = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=60)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


@pytest.mark.parametrize("probe", ["startupProbe", "livenessProbe"])
async def test_a_service_that_cannot_work_is_not_killed(
    manifests: ModuleType, production: list[Any], address: str, probe: str
) -> None:
    (name,) = asked(manifests, production, probe)
    assert await is_serving(address, name)


async def test_a_service_that_cannot_work_gets_no_calls(
    manifests: ModuleType, production: list[Any], address: str
) -> None:
    (name,) = asked(manifests, production, "readinessProbe")
    assert not await is_serving(address, name)

"""Whether the gateway lives and is ready, and how the services behind it are.

Its readiness is its own: a service that is away or hangs must not take every gateway out of service, for what the
other services do works on, and what that one does is answered with a problem that says so.
"""

import asyncio

from crm_kit.rpc.channels import ServiceChannel
from fastapi import APIRouter, Request
from grpc.aio import AioRpcError
from grpc_health.v1 import health_pb2, health_pb2_grpc

from crm_gateway.channels import Channels

router = APIRouter(include_in_schema=False)

_CHECK_SECONDS = 2.0


class ServiceStates:
    """How the services are. Anybody may ask us, so those who do at the same time have one answer."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._asking: asyncio.Task[dict[str, str]] | None = None

    async def read(self) -> dict[str, str]:
        """The state of each service by its name."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        # Whoever goes away leaves it to the others.
        return await asyncio.shield(self._asking)

    async def _ask(self) -> dict[str, str]:
        owners = self._channels.owners
        states = await asyncio.gather(*(_state(self._channels[owner]) for owner in owners))
        return dict(zip(owners, states, strict=True))


@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "SERVING"}


@router.get("/health")
@router.get("/healthz")
@router.get("/health/ready")
async def ready() -> dict[str, str]:
    """Whether requests should be sent here: it has read its contracts and settings."""
    return {"status": "SERVING"}


@router.get("/health/services")
async def services(request: Request) -> dict[str, dict[str, str]]:
    """How each service is, asked now: SERVING, NOT_SERVING, or UNREACHABLE after two seconds. For people and alarms."""
    states: ServiceStates = request.app.state.service_states
    return {"services": await states.read()}


async def _state(channel: ServiceChannel) -> str:
    request = health_pb2.HealthCheckRequest(service="")
    try:
        async with channel.plain(_CHECK_SECONDS) as plain:
            answer = await health_pb2_grpc.HealthStub(plain).Check(request, timeout=_CHECK_SECONDS)
    except AioRpcError:
        return "UNREACHABLE"
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

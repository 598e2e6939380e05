"""Liveness and readiness. Ready means that at least one service serves; the answer names the state of each."""

import asyncio

from crm_kit.rpc.channels import ServiceChannel
from fastapi import APIRouter, Request, Response
from grpc.aio import AioRpcError
from grpc_health.v1 import health_pb2, health_pb2_grpc

from crm_gateway.channels import Channels

router = APIRouter(prefix="/health", include_in_schema=False)

_CHECK_SECONDS = 2.0


@router.get("/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "SERVING"}


@router.get("/ready")
async def ready(request: Request, response: Response) -> dict[str, object]:
    """Whether requests should be sent here, and which services answer."""
    channels: Channels = request.app.state.channels
    states = await asyncio.gather(*(_state(channels[owner]) for owner in channels.owners))
    services = dict(zip(channels.owners, states, strict=True))
    serving = "SERVING" in states
    response.status_code = 200 if serving else 503
    return {"status": "SERVING" if serving else "NOT_SERVING", "services": services}


async def _state(channel: ServiceChannel) -> str:
    request = health_pb2.HealthCheckRequest(service="")
    try:
        async with channel.plain(_CHECK_SECONDS) as plain:
            answer = await health_pb2_grpc.HealthStub(plain).Check(request, timeout=_CHECK_SECONDS)
    except AioRpcError:
        return "UNREACHABLE"
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

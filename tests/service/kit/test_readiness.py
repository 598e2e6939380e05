"""A service whose database or broker is away: it starts, says it is not ready, and becomes ready by itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import grpc
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm_customer.app import build
from crm_customer.settings import CustomerSettings
from crm_kit.ids import new_id
from crm_kit.service import running as service_running
from crm_kit.settings import read_settings
from crm_local.port_check import free_ports
from crm_local.testing import Servers
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.service.eventually import eventually
from tests.service.running import Tokens, environment, refused

SERVING = health_pb2.HealthCheckResponse.SERVING


@contextlib.asynccontextmanager
async def forwarded(port: int, url: str) -> AsyncIterator[None]:
    """While the block runs, what connects to the port reaches the server of the URL."""
    target = urlsplit(url)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(copy(reader, there_writer), copy(there_reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()


@pytest.mark.parametrize("away", ["database_url", "nats_url"])
async def test_a_service_becomes_ready_by_itself_once_what_it_needs_is_there(
    away: str, servers: Servers, tokens: Tokens
) -> None:
    await servers.migrate("customer")
    with environment(servers.environment("customer")):
        settings = read_settings(CustomerSettings)
    ports = free_ports()
    settings.listen_address, settings.drain_seconds = f"127.0.0.1:{ports.customer}", 0
    real = getattr(settings, away)
    parts = urlsplit(real)
    setattr(settings, away, real.replace(f":{parts.port}", f":{ports.sales}"))
    service = build(settings)
    async with (
        service_running(service, tokens.keys),
        grpc.aio.insecure_channel(settings.listen_address) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)

        async def status(name: str) -> int:
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
            return int(answer.status)

        async def ready() -> bool:
            return await status("") == SERVING

        assert await status("liveness") == SERVING
        assert not await ready()
        if away == "database_url":
            token = tokens.token(settings.issuer, new_id(), new_id())
            with refused("UNAVAILABLE", "UNAVAILABLE"):
                metadata = (("authorization", f"Bearer {token}"),)
                await AccountServiceStub(channel).ListAccounts(pb.ListAccountsRequest(), metadata=metadata)
        async with forwarded(ports.sales, real):
            await eventually(ready)

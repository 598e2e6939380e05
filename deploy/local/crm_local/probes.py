"""Whether something is ready: one cheap try each, True or False, never an error."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import psycopg
from grpc_health.v1 import health_pb2, health_pb2_grpc
from psycopg import AsyncConnection

Probe = Callable[[], Awaitable[bool]]
TRY_SECONDS = 2.0


def nats_ready(host: str, port: int) -> Probe:
    """A NATS server that greets and has its streams: it listens only after they are recovered."""

    async def probe() -> bool:
        greeting = await _exchange(host, port, b"", until=b"\r\n")
        if not greeting.startswith(b"INFO "):
            return False
        return bool(json.loads(greeting.removeprefix(b"INFO ")).get("jetstream"))

    return probe


def grpc_ready(host: str, port: int) -> Probe:
    """A gRPC server whose health service says SERVING for the whole of it (service "")."""

    async def probe() -> bool:
        return await grpc_health(host, port) is True

    return probe


async def grpc_health(host: str, port: int) -> bool | None:
    """Whether a gRPC server's health service says SERVING; None where it says nothing."""
    # A channel that found nobody waits a second before it tries again; a bare connection tells at once.
    if not await _listens(host, port):
        return None
    options = [("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(f"{host}:{port}", options=options) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=""), timeout=TRY_SECONDS)
        except grpc.aio.AioRpcError:
            return None
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def postgres_ready(url: str) -> Probe:
    """A PostgreSQL that answers a query."""

    async def probe() -> bool:
        try:
            async with asyncio.timeout(TRY_SECONDS), await AsyncConnection.connect(url) as connection:
                await connection.execute("SELECT 1")
        except (OSError, psycopg.Error):
            return False
        return True

    return probe


def http_ready(host: str, port: int, path: str) -> Probe:
    """An HTTP server that answers GET `path` with 200."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode()

    async def probe() -> bool:
        status_line = await _exchange(host, port, request, until=b"\r\n")
        return status_line.split(b" ")[1:2] == [b"200"]

    return probe


async def http_get_json(host: str, port: int, path: str) -> dict[str, Any]:
    """The JSON object that GET `path` answers; empty where there is none."""
    request = f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode()
    answer = await _exchange(host, port, request, until=b"}}")
    _, _, body = answer.partition(b"\r\n\r\n")
    try:
        return dict(json.loads(body))
    except ValueError:
        return {}


async def _listens(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(TRY_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    await _close(writer)
    return True


async def _exchange(host: str, port: int, request: bytes, *, until: bytes) -> bytes:
    """Send `request`, read up to `until`; b"" where nobody answers in time."""
    try:
        async with asyncio.timeout(TRY_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(request)
                return await reader.readuntil(until)
            finally:
                await _close(writer)
    except (OSError, EOFError, asyncio.LimitOverrunError):
        return b""


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        return

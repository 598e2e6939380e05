import asyncio
from concurrent.futures import ThreadPoolExecutor

import grpc
from crm_local.port_check import free_ports, is_free
from crm_local.probes import grpc_health, grpc_ready, http_ready, nats_ready
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


async def test_a_grpc_server_is_ready_only_while_it_says_serving() -> None:
    port = free_ports().customer
    ready = grpc_ready("127.0.0.1", port)
    assert not await ready()
    server = grpc.server(ThreadPoolExecutor(1))
    servicer = health.HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    assert not is_free(port)
    assert not await ready()
    assert await grpc_health("127.0.0.1", port) is False
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    assert await ready()
    await asyncio.to_thread(server.stop(None).wait)
    assert not await ready()
    assert await grpc_health("127.0.0.1", port) is None


async def answered(answer: bytes) -> tuple[asyncio.Server, int]:
    """A server that answers everything with `answer`."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def test_a_gateway_is_ready_when_it_answers_200() -> None:
    for answer, expected in (
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 503 no\r\n\r\n", False),
        (b"x\r\n", False),
        (b"", False),
    ):
        server, port = await answered(answer)
        assert await http_ready("127.0.0.1", port, "/health/ready")() is expected
        server.close()
        await server.wait_closed()
    assert not await http_ready("127.0.0.1", port, "/health/ready")()


async def test_nats_is_ready_when_it_greets_with_streams() -> None:
    for answer, expected in (
        (b'INFO {"jetstream": true}\r\n', True),
        (b'INFO {"port": 1}\r\n', False),
        (b"SSH-2.0\r\n", False),
    ):
        server, port = await answered(answer)
        assert await nats_ready("127.0.0.1", port)() is expected
        server.close()
        await server.wait_closed()

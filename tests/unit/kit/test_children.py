"""Programs that a service runs beside itself, such as the one that reads a spreadsheet."""

import asyncio
import sys

CHILDREN = """
import asyncio
import crm_kit.command_line
import grpc
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


async def main() -> None:
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)

        async def call() -> None:
            while True:
                await stub.Check(health_pb2.HealthCheckRequest())

        calls = [asyncio.create_task(call()) for _ in range(8)]
        for _ in range(20):
            child = await asyncio.create_subprocess_exec("true")
            assert await child.wait() == 0
        for each in calls:
            each.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    await server.stop(None)


uvloop.run(main())
"""


async def test_a_child_begins_without_what_grpc_would_do_in_it() -> None:
    """It crashes there now and then, when others are calling; gRPC says each time that it does not come to it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILDREN, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    _, told = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, told.decode()
    assert "fork" not in told.decode()

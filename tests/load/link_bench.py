"""What a call between two processes costs: as a gRPC call of its own, and over a link.

python -m tests.load.link_bench [--seconds S] [--rounds N]

CPU of both processes per call, the handler doing nothing. The ways take turns; what is told is the median of the
rounds. Writes build/link_bench.json.
"""

import argparse
import asyncio
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc
import orjson
import psutil
import uvloop
from crm_kit.rpc.calls import Call, Reply
from crm_kit.rpc.channels import ServiceChannel
from crm_kit.rpc.link.serving import LinkServer
from crm_kit.rpc.server import unary

from tests.load.meter import cpu_seconds, machine

RESULT = Path("build/link_bench.json")
SERVICE, METHOD = "crm.customer.v1.AccountService", "GetAccount"
PATH = f"/{SERVICE}/{METHOD}"
REQUEST, RESPONSE = b"y" * 40, b"x" * 700
METADATA = {"x-request-id": "a" * 36, "authorization": "Bearer " + "t" * 600, "traceparent": "0" * 55}
IN_FLIGHT = (1, 4, 16, 64)
WAYS = ("unary", "link")

Ask = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one way with so many calls in flight: CPU microseconds per call, and calls per second."""

    way: str
    in_flight: int
    client: float
    server: float
    calls_per_second: float

    @property
    def total(self) -> float:
        return self.client + self.server


async def answer(call: Call) -> Reply:
    return Reply(RESPONSE)


async def serve(way: str) -> None:
    """Serve until the parent ends it; the first line says where."""
    server = grpc.aio.server()
    method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(unary(PATH, answer))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: method}),))
    if way == "link":
        links = LinkServer({PATH: answer}, connection_max_age_seconds=3600)
        links.set_serving(serving=True)
        server.add_generic_rpc_handlers((links.generic_handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await asyncio.Event().wait()


async def measured(way: str, ask: Ask, in_flight: int, seconds: float, server: int) -> Cost:
    """Keep so many calls in flight for so long."""
    loop, own = asyncio.get_running_loop(), psutil.Process().pid
    count = 0

    async def keep_asking(end: float) -> None:
        nonlocal count
        while loop.time() < end:
            await ask()
            count += 1

    began, client_before, server_before = loop.time(), cpu_seconds(own), cpu_seconds(server)
    await asyncio.gather(*(keep_asking(began + seconds) for _ in range(in_flight)))
    client, served, took = cpu_seconds(own) - client_before, cpu_seconds(server) - server_before, loop.time() - began
    return Cost(way, in_flight, 1e6 * client / count, 1e6 * served / count, count / took)


async def rounds(number: int, seconds: float) -> list[Cost]:
    """All ways with all numbers of calls in flight, in turn."""
    servers, channels = [], {}
    costs: list[Cost] = []
    try:
        for way in WAYS:
            server = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.load.link_bench", "--serve", way, stdout=asyncio.subprocess.PIPE
            )
            servers.append(server)
            assert server.stdout is not None
            channels[way] = ServiceChannel(f"127.0.0.1:{int(await server.stdout.readline())}")
        for _ in range(number):
            for in_flight in IN_FLIGHT:
                for way, server in zip(WAYS, servers, strict=True):
                    ask = asker(channels[way])
                    await measured(way, ask, in_flight, seconds / 10, server.pid)
                    costs.append(await measured(way, ask, in_flight, seconds, server.pid))
    finally:
        for channel in channels.values():
            await channel.close()
        for server in servers:
            server.kill()
            await server.wait()
    return costs


def asker(channel: ServiceChannel) -> Ask:
    return lambda: channel.call(PATH, REQUEST, metadata=METADATA, seconds=10.0)


def medians(costs: Sequence[Cost]) -> list[Cost]:
    """Of each way and number in flight the round in the middle by total cost."""
    by_kind: dict[tuple[int, str], list[Cost]] = defaultdict(list)
    for cost in costs:
        by_kind[cost.in_flight, cost.way].append(cost)
    return [sorted(each, key=lambda cost: cost.total)[len(each) // 2] for each in by_kind.values()]


def printed(costs: Sequence[Cost]) -> str:
    """A line for each number in flight and way."""
    on = machine()
    lines = [f"{on['cpu']}, {on['cores']} cores, Python {on['python']}, load before {on['load_before']}", ""]
    lines.append(f"{'in flight':<12}{'way':<8}{'client us':>10}{'server us':>10}{'both us':>10}{'calls/s':>10}")
    lines += [
        f"{cost.in_flight:<12}{cost.way:<8}{cost.client:>10.0f}{cost.server:>10.0f}{cost.total:>10.0f}"
        f"{cost.calls_per_second:>10.0f}"
        for cost in costs
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tests.load.link_bench", description="Measure what a call costs.")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="how often the ways take turns")
    parser.add_argument("--serve", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.serve:
        uvloop.run(serve(given.serve))
        return 0
    costs = medians(uvloop.run(rounds(max(1, given.rounds), given.seconds)))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_bytes(orjson.dumps([asdict(cost) for cost in costs], option=orjson.OPT_INDENT_2))
    print(printed(costs))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""Replicas of a small service over real gRPC, without database: each call does what the test says."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from crm.customer.v1 import accounts_pb2
from crm_kit.rpc.calls import Call, Handler, Reply
from crm_kit.rpc.channels import ServiceChannel
from crm_kit.rpc.link.serving import TERMS, Terms
from crm_kit.rpc.methods import Method
from crm_kit.rpc.server import Server
from crm_local.port_check import free_ports

from tests.service.eventually import eventually

READ = "/crm.customer.v1.AccountService/GetAccount"
WRITE = "/crm.customer.v1.AccountService/ArchiveAccount"
Answer = Callable[[Call], Awaitable[Reply]]


def by_link(call: Call) -> bool:
    """Whether a call came over a link: gRPC's own calls name their user agent."""
    return "user-agent" not in call.metadata


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it is so."""

    async def so() -> bool:
        return condition()

    await eventually(so, seconds=20)


class Service:
    """What all replicas of a test do, and what reached them. `answer` echoes unless the test says otherwise."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.running = 0
        self.cancelled = 0
        self.changed = asyncio.Event()
        self.answer: Answer = echo

    async def handle(self, call: Call) -> Reply:
        self.calls.append(call)
        self._count(1)
        try:
            return await self.answer(call)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self._count(-1)

    def _count(self, more: int) -> None:
        self.running += more
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it is so; TimeoutError when it does not become so."""
        async with asyncio.timeout(20):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


async def echo(call: Call) -> Reply:
    return Reply(call.data)


class Gate:
    """Holds calls until it is opened."""

    def __init__(self) -> None:
        self._open = asyncio.Event()

    async def __call__(self, call: Call) -> Reply:
        await self._open.wait()
        return await echo(call)

    def open(self) -> None:
        self._open.set()


class Unwrapped:
    """Stands for the pipeline, and does nothing around a call."""

    def handler(self, method: Method, run: Any) -> Handler:
        handle: Handler = run
        return handle


class Accounts:
    """All rpcs of a contract, answered by one function."""

    contract = accounts_pb2.DESCRIPTOR.services_by_name["AccountService"]

    def __init__(self, handle: Handler) -> None:
        self._handle = handle

    def __getattr__(self, name: str) -> Handler:
        return self._handle


class Replica:
    """One process of a service, here inside the test's. `counts` says how many calls came which way."""

    def __init__(self, service: Service, address: str, *, links: bool, max_age: float, terms: Terms):
        self.address = address
        self.counts: Counter[str] = Counter()
        self._service = service
        self._server = Server(address, connection_max_age_seconds=max_age, links=links, terms=terms)

    async def start(self, *, ready: bool = True) -> None:
        await self._server.start([Accounts(self._handle)], Unwrapped())  # type: ignore[arg-type]
        await self.set_ready(ready=ready)

    async def set_ready(self, *, ready: bool) -> None:
        await self._server.set_ready(ready=ready)

    async def stop(self, drain_seconds: float) -> None:
        await self._server.stop(drain_seconds)

    async def _handle(self, call: Call) -> Reply:
        self.counts["link" if by_link(call) else "unary"] += 1
        return await self._service.handle(call)


def an_address() -> str:
    return f"127.0.0.1:{free_ports().customer}"


@asynccontextmanager
async def replica(
    service: Service,
    *,
    address: str = "",
    links: bool = True,
    ready: bool = True,
    max_age: float = 3600,
    terms: Terms = TERMS,
) -> AsyncIterator[Replica]:
    """A replica at work inside the block, ended there without a farewell."""
    started = Replica(service, address or an_address(), links=links, max_age=max_age, terms=terms)
    await started.start(ready=ready)
    try:
        yield started
    finally:
        await started.stop(0)


@asynccontextmanager
async def channel(*replicas: Replica, **options: Any) -> AsyncIterator[ServiceChannel]:
    """A channel to these replicas."""
    opened = ServiceChannel("ipv4:" + ",".join(each.address for each in replicas), **options)
    try:
        yield opened
    finally:
        await opened.close()

"""A gateway that has to leave tells its clients first, and closes connections afterwards."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
from crm_gateway.app import create_app
from crm_gateway.departure import DepartingServer, Departure
from crm_gateway.listening import uvicorn_config
from crm_gateway.settings import Settings


@pytest.fixture(autouse=True)
def signals_are_passed_on() -> Iterator[list[int]]:
    """When all is over uvicorn raises anew what it was told to end by, for whoever started it."""
    raised: list[int] = []
    before = {
        each: signal.signal(each, lambda number, _: raised.append(number)) for each in (signal.SIGTERM, signal.SIGINT)
    }
    yield raised
    for each, handler in before.items():
        signal.signal(each, handler)


@asynccontextmanager
async def departing(seconds: float) -> AsyncIterator[tuple[DepartingServer, str, "asyncio.Task[None]"]]:
    """A gateway that departs for so long; its URL, and the task that ends with it."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(Settings())
    departure = Departure(app.asgi, app.streams.leave)
    server = DepartingServer(uvicorn_config(departure, Settings()), departure, seconds)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield server, f"http://127.0.0.1:{listener.getsockname()[1]}", running
    finally:
        server.should_exit = True
        await running
        listener.close()


async def test_while_it_departs_each_answer_is_the_last_of_its_connection() -> None:
    async with departing(60) as (server, url, running), httpx.AsyncClient(base_url=url, trust_env=False) as client:
        before = await client.get("/health/ready")
        server.handle_exit(signal.SIGTERM, None)
        # Over the connection that was kept, then over a new one.
        answers = [await client.get("/health/ready") for _ in range(2)]
        assert not running.done()
    assert "connection" not in before.headers
    assert [(answer.status_code, answer.headers["connection"]) for answer in answers] == [(200, "close")] * 2


@pytest.mark.parametrize("seconds", [0, 0.01])
async def test_it_ends_once_it_has_departed(seconds: float) -> None:
    async with departing(seconds) as (server, url, running), httpx.AsyncClient(base_url=url, trust_env=False) as client:
        await client.get("/health/ready")
        server.handle_exit(signal.SIGTERM, None)
        await asyncio.wait_for(running, 30)


async def test_asked_twice_it_ends_at_once() -> None:
    async with departing(3600) as (server, url, running), httpx.AsyncClient(base_url=url, trust_env=False) as client:
        await client.get("/health/ready")
        for _ in range(2):
            server.handle_exit(signal.SIGINT, None)
        await asyncio.wait_for(running, 30)

"""A short run of both fuzzers, and proof that they see what they look for. `python -m tests.fuzz` runs longer."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import orjson
import pytest
import uvicorn

from tests.factories.places import RPCS
from tests.fuzz.grpc_fuzzer import SPARED, GrpcFuzzer
from tests.fuzz.leaks import leak_in
from tests.fuzz.report import printed
from tests.fuzz.rest_fuzzer import fuzz_rest
from tests.fuzz.run import Plan, run_fuzz
from tests.fuzz.values import Values

SECONDS = 20.0
LONGEST_SECONDS = 160.0
TRACE = 'Traceback (most recent call last):\n  File "/work/main/services/x.py", line 1'


@pytest.mark.platform
async def test_nothing_that_callers_send_breaks_the_platform() -> None:
    seconds = SECONDS
    report = await run_fuzz(Plan(seconds=seconds, seed=11))
    while report.rest.calls <= report.rest.operations and seconds < LONGEST_SECONDS:
        # A busy machine gets through less in the time: it is given longer, not asked for less.
        seconds *= 2
        report = await run_fuzz(Plan(seconds=seconds, seed=11))
    assert report.grpc.calls >= len(RPCS) - len(SPARED)
    assert report.rest.calls > report.rest.operations > 0
    assert not report.failures, printed(report)
    assert not report.exceptions, report.exceptions


@pytest.mark.parametrize(
    "text",
    [
        TRACE,
        "asyncpg.exceptions.UndefinedColumnError: it is gone",
        'relation "accounts" does not exist',
        "ValueError('x')",
        "postgresql://crm_customer:secret@localhost/crm",
        "<Lead object at 0x7f08f0d15210>",
    ],
)
def test_a_trace_of_the_inside_is_seen(text: str) -> None:
    assert leak_in(text)


@pytest.mark.parametrize("text", ["account.emails[0]: must be a valid email address", "the account does not exist"])
def test_what_is_written_for_callers_is_no_trace_of_the_inside(text: str) -> None:
    assert not leak_in(text)


def test_the_same_seed_sends_the_same_requests() -> None:
    def sent(seed: int) -> list[bytes]:
        values = Values(seed, {"accounts": ["01a20089-59ae-7151-9bd7-7245580d6633"]}, ["token"])
        return [values.request(rpc) for rpc in RPCS.values()]

    assert sent(1) == sent(1)
    assert sent(1) != sent(2)


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        (grpc.StatusCode.INTERNAL, "an internal error"),
        (grpc.StatusCode.INVALID_ARGUMENT, TRACE),
        (grpc.StatusCode.NOT_FOUND, "an error without a reason"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
async def test_a_service_that_answers_wrongly_is_found_out(code: grpc.StatusCode, detail: str) -> None:
    async def answer(request: bytes, context: "grpc.aio.ServicerContext[Any, Any]") -> bytes:
        await context.abort(code, detail)
        raise AssertionError

    class Wrong(grpc.GenericRpcHandler):
        def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any]":
            return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Wrong(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        addresses = dict.fromkeys({rpc.owner for rpc in RPCS.values()}, f"127.0.0.1:{port}")
        found = await GrpcFuzzer(addresses, "token", 1).run(0.0)
    finally:
        await server.stop(None)
    assert sum(found.failed.values()) == found.calls >= len(RPCS) - len(SPARED)


async def test_a_gateway_that_answers_wrongly_is_found_out(tmp_path: Path) -> None:
    async with wrong_gateway() as url:
        found = await fuzz_rest(url, "token", seconds=3, seed=1, folder=tmp_path)
    assert {"GET /things not_a_server_error", "GET /things nothing_leaks"} <= set(found.failed), found.told


@contextlib.asynccontextmanager
async def wrong_gateway() -> AsyncIterator[str]:
    """A server whose only operation answers 500 with a traceback."""
    document = {
        "openapi": "3.1.0",
        "info": {"title": "wrong", "version": "1"},
        "paths": {"/things": {"get": {"operationId": "things", "responses": {"200": {"description": "fine"}}}}},
    }

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        good = scope["path"] == "/openapi.json"
        kind = b"application/json" if good else b"text/plain"
        start = {"type": "http.response.start", "status": 200 if good else 500, "headers": [(b"content-type", kind)]}
        await send(start)
        await send({"type": "http.response.body", "body": orjson.dumps(document) if good else TRACE.encode()})

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(serve, lifespan="off", log_level="error"))
        task = asyncio.create_task(server.serve([listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task

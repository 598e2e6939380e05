"""Services that answer what a test tells them to, by the path of the call, and a gateway in front of them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import httpx

from tests.unit.gateway.account_service import gateway

SERVICES = ("customer", "sales", "service_desk", "scoring")
# The type of what is asked, and what is answered to it: the response, or its bytes.
Answer = tuple[Any, Callable[[Any], Any]]


class Services(grpc.GenericRpcHandler):
    """All services in one; what they have no answer to is not implemented."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self._answers = answers

    def service(self, handler_call_details: Any) -> Any:
        found = self._answers.get(handler_call_details.method)
        if found is None:
            return None
        asked, answer = found

        async def answered(data: bytes, _context: Any) -> bytes:
            response = answer(asked.FromString(data))
            return response if isinstance(response, bytes) else bytes(response.SerializeToString())

        return grpc.unary_unary_rpc_method_handler(answered)


@asynccontextmanager
async def serving(answers: dict[str, Answer], **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway in front of services with these answers."""
    server = grpc.aio.server(options=[("grpc.max_send_message_length", -1)])
    server.add_generic_rpc_handlers((Services(answers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    addresses: dict[str, Any] = {f"{name}_address": f"127.0.0.1:{port}" for name in SERVICES}
    try:
        async with gateway(rate_limit_token=0, **addresses, **settings) as client:
            yield client
    finally:
        await server.stop(None)

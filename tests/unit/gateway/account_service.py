"""A small AccountService in memory, and a gateway in front of it, for tests of the whole way through."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx
import uvicorn
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1 import accounts_pb2_grpc
from crm_gateway.admission import TokenVerifier
from crm_gateway.app import create_app
from crm_gateway.listening import probed, uvicorn_config
from crm_gateway.settings import Settings
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

ID = "0190c2f0-0000-7000-8000-000000000001"
# No request begins a trace unless its client says so.
NO_CHANCE: dict[str, Any] = {"trace_sample_ratio": 0.0}


@dataclass
class Seen:
    """What reached the service."""

    requests: list[Any] = field(default_factory=list)
    metadata: list[dict[str, Any]] = field(default_factory=list)

    @property
    def request(self) -> Any:
        return self.requests[-1]


class AccountService(accounts_pb2_grpc.AccountServiceServicer):
    """Answers what it is told to; `fail` is called first and may abort."""

    def __init__(self) -> None:
        self.seen = Seen()
        self.fail: Any = None
        self.replayed = False
        self.owner_name = ""

    async def _note(self, request: Any, context: Any) -> None:
        self.seen.requests.append(request)
        self.seen.metadata.append(dict(context.invocation_metadata()))
        if self.replayed:
            context.set_trailing_metadata((("idempotent-replayed", "true"),))
        if self.fail is not None:
            await self.fail(context)

    async def CreateAccount(self, request: Any, context: Any) -> pb.Account:
        await self._note(request, context)
        account = pb.Account()
        account.CopyFrom(request.account)
        account.id, account.etag = ID, "1"
        return account

    async def CreateAccountFromLead(self, request: Any, context: Any) -> pb.Account:
        raise AssertionError("the gateway has no route to what only services call")

    async def GetAccount(self, request: Any, context: Any) -> pb.Account:
        await self._note(request, context)
        return pb.Account(id=request.id, display_name="Huaxin Power", etag="7", owner_name=self.owner_name)

    async def ListAccounts(self, request: Any, context: Any) -> pb.ListAccountsResponse:
        await self._note(request, context)
        return pb.ListAccountsResponse(accounts=[pb.Account(id=ID)], next_page_token="next")

    async def UpdateAccount(self, request: Any, context: Any) -> pb.Account:
        await self._note(request, context)
        account: pb.Account = request.account
        return account

    async def ArchiveAccount(self, request: Any, context: Any) -> pb.Account:
        await self._note(request, context)
        return pb.Account(id=request.id, status=pb.Account.STATUS_ARCHIVED)

    async def RestoreAccount(self, request: Any, context: Any) -> pb.Account:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not implemented!")
        raise AssertionError

    async def RestrictAccount(self, request: Any, context: Any) -> pb.Account:
        raise NotImplementedError

    async def ListAccountReads(self, request: Any, context: Any) -> pb.ListAccountReadsResponse:
        raise NotImplementedError

    async def GetAccountGroup(self, request: Any, context: Any) -> pb.AccountGroup:
        raise NotImplementedError

    async def UnrestrictAccount(self, request: Any, context: Any) -> pb.Account:
        raise NotImplementedError

    async def ConfirmAccountFields(self, request: Any, context: Any) -> pb.Account:
        await self._note(request, context)
        return pb.Account(id=request.id)

    async def AdoptAccountSourceValue(self, request: Any, context: Any) -> pb.Account:
        raise NotImplementedError

    async def ChangeAccountStatus(self, request: Any, context: Any) -> pb.Account:
        await self._note(request, context)
        return pb.Account(id=request.id, status=request.status)

    async def SearchAccounts(self, request: Any, context: Any) -> pb.SearchAccountsResponse:
        await self._note(request, context)
        return pb.SearchAccountsResponse()


def failing(
    code: grpc.StatusCode, detail: str, *, reason: str = "", fields: dict[str, str] | None = None, retry: int = 0
) -> Any:
    """A failure as the services report it; without a reason as gRPC itself does."""

    async def fail(context: Any) -> None:
        if not reason:
            await context.abort(code, detail)
        details: list[Any] = [error_details_pb2.ErrorInfo(reason=reason, domain="guanxi")]
        if fields:
            violations = [
                error_details_pb2.BadRequest.FieldViolation(field=name, reason=rule, description="is wrong")
                for name, rule in fields.items()
            ]
            details.append(error_details_pb2.BadRequest(field_violations=violations))
        if retry:
            details.append(error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=retry)))
        status = status_pb2.Status(code=code.value[0], message=detail)
        for each in details:
            packed = any_pb2.Any()
            packed.Pack(each)
            status.details.append(packed)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        await context.abort(code, detail)

    return fail


@asynccontextmanager
async def running(
    service: AccountService, *, verifier: TokenVerifier | None = None, **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway in front of the service."""
    server = grpc.aio.server()
    accounts_pb2_grpc.add_AccountServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with gateway(customer_address=f"127.0.0.1:{port}", verifier=verifier, **settings) as client:
            yield client
    finally:
        await server.stop(None)


@asynccontextmanager
async def gateway(*, verifier: TokenVerifier | None = None, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway with these settings."""
    app = create_app(Settings(**NO_CHANCE | settings), verifier=verifier)
    try:
        transport = httpx.ASGITransport(app=app.asgi, raise_app_exceptions=True)
        headers = {"authorization": "Bearer t"}
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
            yield client
    finally:
        await app.close()


@asynccontextmanager
async def serving(
    service: AccountService, *, verifier: TokenVerifier | None = None, **settings: Any
) -> AsyncIterator[int]:
    """The port of a gateway under uvicorn, as it runs in earnest."""
    server = grpc.aio.server()
    accounts_pb2_grpc.add_AccountServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    listener = socket.create_server(("127.0.0.1", 0))
    chosen = Settings(customer_address=f"127.0.0.1:{port}", **NO_CHANCE | settings)
    app = create_app(chosen, verifier=verifier)
    http = uvicorn.Server(uvicorn_config(app.asgi, chosen))
    running = asyncio.create_task(http.serve(sockets=[listener]))
    try:
        async with probed(app.health, chosen):
            yield listener.getsockname()[1]
    finally:
        http.should_exit = True
        await running
        listener.close()
        await server.stop(None)

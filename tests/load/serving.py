"""Serves three rpcs of the accounts contract by grpc.aio, for the programs that ours is compared with."""

import asyncio
from typing import Any, Protocol

import grpc
from crm.customer.v1 import accounts_pb2 as pb


class Accounts(Protocol):
    """What is compared."""

    async def GetAccount(self, request: pb.GetAccountRequest, context: Any) -> pb.Account: ...
    async def ListAccounts(self, request: pb.ListAccountsRequest, context: Any) -> pb.ListAccountsResponse: ...
    async def CreateAccount(self, request: pb.CreateAccountRequest, context: Any) -> pb.Account: ...


async def serve_accounts(accounts: Accounts, address: str) -> None:
    """Serve until cancelled."""
    server = grpc.aio.server()
    service = pb.DESCRIPTOR.services_by_name["AccountService"].full_name
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "GetAccount": handler(accounts.GetAccount, pb.GetAccountRequest, pb.Account),
        "ListAccounts": handler(accounts.ListAccounts, pb.ListAccountsRequest, pb.ListAccountsResponse),
        "CreateAccount": handler(accounts.CreateAccount, pb.CreateAccountRequest, pb.Account),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    server.add_insecure_port(address)
    await server.start()
    await asyncio.Event().wait()


def handler(run: Any, request: Any, response: Any) -> "grpc.RpcMethodHandler[Any, Any]":
    """As generated code makes it."""
    return grpc.unary_unary_rpc_method_handler(run, request.FromString, response.SerializeToString)

"""What a line in the access log costs: CPU of the gateway for a 404, with CRM_ACCESS_LOG=off and =errors by turns.

python -m tests.load.access_log_bench
"""

import contextlib
import multiprocessing
import os
import statistics
import time
from multiprocessing.connection import Connection
from pathlib import Path

import grpc
import uvloop
from crm.customer.v1 import accounts_pb2_grpc
from crm_gateway.app import create_app
from crm_gateway.exchange import App, Scope
from crm_gateway.settings import Settings
from crm_kit import logging

from tests.unit.gateway.account_service import ID, AccountService, failing

ROUNDS, REQUESTS = 15, 400
PATH = f"/v1/accounts/{ID}"


def refuse(connection: Connection) -> None:
    """A customer service, in a process of its own, that knows no account."""
    uvloop.run(_refuse(connection))


async def _refuse(connection: Connection) -> None:
    service = AccountService()
    service.fail = failing(grpc.StatusCode.NOT_FOUND, "There is none.", reason="ACCOUNT_NOT_FOUND")
    server = grpc.aio.server()
    accounts_pb2_grpc.add_AccountServiceServicer_to_server(service, server)
    connection.send(server.add_insecure_port("127.0.0.1:0"))
    await server.start()
    await server.wait_for_termination()


async def cpu_per_request(app: App) -> float:
    """Microseconds of this process."""
    began = time.process_time()
    for _ in range(REQUESTS):
        assert await status_of(app) == 404
    return (time.process_time() - began) / REQUESTS * 1e6


async def status_of(app: App) -> int:
    found = 0

    async def send(event: Scope) -> None:
        nonlocal found
        found = event.get("status", found)

    async def receive() -> Scope:
        return {"type": "http.request", "body": b""}

    headers = [(b"authorization", b"Bearer t")]
    scope = {"type": "http", "method": "GET", "path": PATH, "raw_path": PATH.encode(), "headers": headers}
    await app({**scope, "client": ("127.0.0.1", 1)}, receive, send)
    return found


async def measure(port: int) -> dict[str, list[float]]:
    """CPU per request in each round, by setting; the first round warms up."""
    address = f"127.0.0.1:{port}"
    settings = {
        name: Settings(customer_address=address, rate_limit_token=0, rate_limit_tenant=0, access_log=name)
        for name in ("off", "errors")
    }
    gateways = {name: create_app(each) for name, each in settings.items()}
    rounds: dict[str, list[float]] = {name: [] for name in gateways}
    for _ in range(ROUNDS + 1):
        for name, each in gateways.items():
            rounds[name].append(await cpu_per_request(each.asgi))
    for each in gateways.values():
        await each.close()
    return {name: found[1:] for name, found in rounds.items()}


def main() -> None:
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
        logging.set_up("gateway", level="info", style="json")
        rounds = measured()
    middle = {name: statistics.median(found) for name, found in rounds.items()}
    more = statistics.median(b - a for a, b in zip(rounds["off"], rounds["errors"], strict=True))
    print(f"404: off {middle['off']:.0f} us, errors {middle['errors']:.0f} us; a line {more:.0f} us of CPU")


def measured() -> dict[str, list[float]]:
    """`measure`, beside a customer service."""
    own, theirs = multiprocessing.Pipe()
    service = multiprocessing.get_context("spawn").Process(target=refuse, args=(theirs,), daemon=True)
    service.start()
    try:
        return uvloop.run(measure(own.recv()))
    finally:
        service.terminate()


if __name__ == "__main__":
    main()

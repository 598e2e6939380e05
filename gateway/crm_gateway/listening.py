"""How the gateway listens: to everybody within the bounds of its settings, and to probes apart from them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from crm_gateway.connections import Connection, Connections
from crm_gateway.exchange import App
from crm_gateway.settings import Settings, host_and_port

MAX_PROBES = 20


def uvicorn_config(asgi: Any, settings: Settings) -> uvicorn.Config:
    """How the gateway is served: HTTP/1.1 parsed by httptools, within the bounds of the settings, no access log."""
    host, port = host_and_port(settings.listen_address)
    connections = Connections(settings.bounds)

    class BoundedConnection(Connection):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(connections, *arguments, **named)

    return uvicorn.Config(
        asgi,
        host=host,
        port=port,
        http=BoundedConnection,
        ws="none",
        log_level="warning",
        access_log=False,
        forwarded_allow_ips=settings.trusted_proxies,
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=settings.drain_timeout,
        lifespan="on",
    )


@asynccontextmanager
async def probed(health: App, settings: Settings) -> AsyncIterator[None]:
    """Answer probes at the address that is set for them, if one is.

    Places of their own: however many hold connections to the gateway, whoever asks whether it lives is told.
    """
    if not settings.health_listen_address:
        yield
        return
    connections = Connections(replace(settings.bounds, connections=MAX_PROBES, per_address=MAX_PROBES))
    config, state = uvicorn.Config(health, ws="none", log_level="warning", access_log=False), ServerState()
    config.load()
    host, port = host_and_port(settings.health_listen_address)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(connections, config, state, {}), host, port
    )
    try:
        yield
    finally:
        # Not waited for: whoever probes may keep a connection.
        server.close()

"""A service whose database or broker is away: it starts, works as far as it can, and all of it once both are there."""

import asyncio
import contextlib
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import crm_scoring
import grpc
import httpx
import structlog
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm_customer.app import build
from crm_customer.settings import CustomerSettings
from crm_kit import plumbing
from crm_kit.events.broker import Broker
from crm_kit.ids import new_id
from crm_kit.migrating import PLUMBING, migrate
from crm_kit.readiness import end
from crm_kit.service import running as service_running
from crm_kit.settings import read_settings
from crm_local.nats import nats_program
from crm_local.port_check import free_ports
from crm_local.testing import Servers
from crm_scoring.app import build as build_scoring
from crm_scoring.settings import ScoringSettings
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.service.eventually import eventually
from tests.service.running import Tokens, environment, refused

OWN_MIGRATIONS = Path(crm_scoring.__path__[0]) / "migrations"

SERVING = health_pb2.HealthCheckResponse.SERVING


@contextlib.asynccontextmanager
async def forwarded(port: int, url: str) -> AsyncIterator[None]:
    """While the block runs, what connects to the port reaches the server of the URL."""
    target = urlsplit(url)
    accepted: list[asyncio.StreamWriter] = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)
        there_reader, there_writer = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(copy(reader, there_writer), copy(there_reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        for writer in accepted:
            writer.close()


async def test_a_service_whose_database_is_made_and_migrated_later_becomes_ready(
    servers: Servers, tokens: Tokens
) -> None:
    with environment(servers.environment("scoring")):
        settings = read_settings(ScoringSettings)
    ports, name = free_ports(), f"later_{new_id().hex}"
    settings.listen_address, settings.drain_seconds = f"127.0.0.1:{ports.scoring}", 0
    settings.database_url = settings.database_url.removesuffix("crm_scoring") + name
    superuser = await asyncpg.connect(servers.superuser_url())
    owner_url = servers.migration_url("scoring").removesuffix("crm_scoring") + name
    service = build_scoring(settings)
    with structlog.testing.capture_logs() as told:
        async with service_running(service, tokens.keys) as ready:

            async def says(missing: str) -> bool:
                return any(each.get("missing") == missing for each in told)

            await eventually(lambda: says("database"))
            await superuser.execute(f"CREATE DATABASE {name} OWNER crm_scoring_owner")
            await superuser.execute(f"GRANT CONNECT ON DATABASE {name} TO crm_scoring")
            await eventually(lambda: says("schema"))
            await asyncio.to_thread(migrate, owner_url, PLUMBING.folder, role="crm_scoring")
            assert await service.database.has_tables([plumbing.outbox.name])
            assert not await service.database.has_tables(service.tables), "its own tables are still to come"
            assert not ready.is_set()
            await asyncio.to_thread(migrate, owner_url, OWN_MIGRATIONS, role="crm_scoring")
            await eventually(ready_of(ready))
    await superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await superuser.close()


def ready_of(event: asyncio.Event) -> Callable[[], Awaitable[bool]]:
    async def is_ready() -> bool:
        return event.is_set()

    return is_ready


async def test_a_broker_without_jetstream_is_asked_again_over_one_connection_at_a_time(tmp_path: Path) -> None:
    ports = free_ports()
    server = await asyncio.create_subprocess_exec(
        str(nats_program()), "-a", "127.0.0.1", "-p", str(ports.nats), "-m", str(ports.gateway),
        stdout=DEVNULL, stderr=DEVNULL, cwd=tmp_path,
    )  # fmt: skip
    broker = Broker(f"nats://127.0.0.1:{ports.nats}")
    connecting = asyncio.create_task(broker.run())
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports.gateway}", trust_env=False) as monitor:

            async def connections() -> dict[str, int]:
                with contextlib.suppress(httpx.TransportError):
                    told = (await monitor.get("/varz")).json()
                    return {"so_far": told["total_connections"], "now": told["connections"]}
                return {"so_far": 0, "now": 0}

            async def came_again() -> bool:
                return (await connections())["so_far"] >= 3

            await eventually(came_again)
            assert (await connections())["now"] <= 1
    finally:
        await end([connecting])
        server.kill()
        await server.wait()


@dataclass(frozen=True, slots=True)
class Started:
    """A service that was started while something it needs was away."""

    channel: grpc.aio.Channel
    metadata: tuple[tuple[str, str], ...]
    # Set once all of it works.
    whole: asyncio.Event
    # What connects here reaches what was away.
    port: int
    real: str

    async def list_accounts(self) -> None:
        await AccountServiceStub(self.channel).ListAccounts(pb.ListAccountsRequest(), metadata=self.metadata)

    async def serves(self, name: str = "") -> bool:
        answer = await health_pb2_grpc.HealthStub(self.channel).Check(health_pb2.HealthCheckRequest(service=name))
        return bool(answer.status == SERVING)


@contextlib.asynccontextmanager
async def started_without(away: str, servers: Servers, tokens: Tokens) -> AsyncIterator[Started]:
    """The customer service, whose setting `away` names a port where nobody listens yet."""
    await servers.migrate("customer")
    with environment(servers.environment("customer")):
        settings = read_settings(CustomerSettings)
    ports = free_ports()
    settings.listen_address, settings.drain_seconds = f"127.0.0.1:{ports.customer}", 0
    real = getattr(settings, away)
    setattr(settings, away, real.replace(f":{urlsplit(real).port}", f":{ports.sales}"))
    token = tokens.token(settings.issuer, new_id(), new_id())
    async with (
        service_running(build(settings), tokens.keys) as whole,
        grpc.aio.insecure_channel(settings.listen_address) as channel,
    ):
        metadata = (("authorization", f"Bearer {token}"),)
        yield Started(channel, metadata, whole, ports.sales, real)


async def test_a_clean_start_warns_of_nothing(servers: Servers, tokens: Tokens) -> None:
    await servers.migrate("customer")
    with environment(servers.environment("customer")):
        settings = read_settings(CustomerSettings)
    settings.listen_address, settings.drain_seconds = f"127.0.0.1:{free_ports().customer}", 0
    with structlog.testing.capture_logs() as told:
        async with service_running(build(settings), tokens.keys) as whole:
            await asyncio.wait_for(whole.wait(), 60)
    ours = [each for each in told if each["event"].startswith(("service.", "broker."))]
    assert "broker.connected" in [each["event"] for each in ours]
    assert [each for each in ours if each["log_level"] != "info"] == []


async def test_the_log_tells_once_when_the_broker_goes_and_when_it_is_back(servers: Servers) -> None:
    url, port = servers.nats_url, free_ports().nats
    broker = Broker(url.replace(f":{urlsplit(url).port}", f":{port}"))
    connecting = asyncio.create_task(broker.run())
    attempts: list[asyncio.StreamWriter] = []
    with structlog.testing.capture_logs() as told:

        def says(event: str, times: int) -> Callable[[], Awaitable[bool]]:
            async def has_said() -> bool:
                return [each["event"] for each in told].count(event) == times

            return has_said

        async def tried_often() -> bool:
            return len(attempts) >= 4

        def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            attempts.append(writer)
            writer.close()

        async with forwarded(port, url):
            await eventually(says("broker.connected", 1))
        await eventually(says("broker.lost", 1))
        refusing = await asyncio.start_server(refuse, "127.0.0.1", port)
        await eventually(tried_often)
        refusing.close()
        async with forwarded(port, url):
            await eventually(says("broker.connected", 2))
            await broker.close()
    await end([connecting])
    troubles = [each["error"] for each in told if each["event"] in ("broker.trouble", "broker.missing")]
    assert await says("broker.lost", 1)(), "leaving it is no loss"
    assert len(troubles) == len(set(troubles))


async def test_a_service_without_its_database_is_ready_once_that_is_there(servers: Servers, tokens: Tokens) -> None:
    async with started_without("database_url", servers, tokens) as service:
        assert await service.serves("liveness")
        assert not await service.serves()
        with refused("UNAVAILABLE", "UNAVAILABLE"):
            await service.list_accounts()
        async with forwarded(service.port, service.real):
            await eventually(service.serves)


async def test_a_service_without_the_broker_is_ready_and_tells_others_once_it_is_there(
    servers: Servers, tokens: Tokens
) -> None:
    async with started_without("nats_url", servers, tokens) as service:
        await eventually(service.serves)
        # Nobody is behind the token, and saying that took the database.
        with refused("UNAUTHENTICATED", "UNAUTHENTICATED"):
            await service.list_accounts()
        assert not service.whole.is_set()
        async with forwarded(service.port, service.real):
            await asyncio.wait_for(service.whole.wait(), 60)

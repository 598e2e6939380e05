"""What is compared, each as two processes on one PostgreSQL: ours, the bare and the naive program."""

import asyncio
import contextlib
import json
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from crm_local.child import Child, Program, inherited_environment, run_to_end
from crm_local.port_check import free_ports
from crm_local.testing import Servers, servers_for_tests

from tests.load.bare.schema import TABLES
from tests.load.meter import Cost, cpu_seconds
from tests.load.traffic import Job, Outcome

HOST = "127.0.0.1"
SLUG, LOGIN = "bench", "admin@bench.example"
COMPARED = "compared"
"""The database of the bare and the naive program."""
UNLIMITED = {
    "CRM_RATE_LIMIT_TOKEN": "0",
    "CRM_RATE_LIMIT_TENANT": "0",
    "CRM_RATE_LIMIT_ANONYMOUS": "0",
    "CRM_MAX_REQUESTS_PER_TENANT": "2000",
    "CRM_ACCESS_TOKEN_SECONDS": "86400",
}
START_SECONDS = 60.0
AS_IN_AN_IMAGE = """
import runpy, sys
sys.modules["rich"] = None
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
"""Runs a module without what only tools of development bring: structlog loads rich, 5 MiB, wherever it finds it."""


@dataclass
class Subject:
    """A program under load. `database_url` is the superuser's."""

    name: str
    port: int
    gateway: Child
    service: Child
    database_url: str
    headers: dict[str, str] = field(default_factory=dict)
    tenant_id: UUID | None = None
    user_id: UUID | None = None
    ids: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


class Stage:
    """Starts subjects and measures them."""

    def __init__(self, servers: Servers, traffic: asyncio.subprocess.Process) -> None:
        self.servers = servers
        self._traffic = traffic
        self._children: list[Child] = []

    async def ours(self, name: str, database: str, *, broker: bool, **gateway_variables: str) -> Subject:
        """The customer service and a gateway on the database of one of the services, with one tenant.

        Without a broker it serves all the same, but neither relay nor consumers run: what a request costs by itself.
        """
        ports = free_ports()
        rest, service = f"{HOST}:{ports.gateway}", f"{HOST}:{ports.customer}"
        variables = self.servers.environment("customer") | UNLIMITED
        variables |= {
            "CRM_DATABASE_URL": self.servers.database_url(database),
            "CRM_MIGRATION_DATABASE_URL": self.servers.migration_url(database),
            "CRM_LISTEN_ADDRESS": service,
            "CRM_ADMIN_PASSWORD": secrets.token_urlsafe(),
        }
        if not broker:
            variables["CRM_NATS_URL"] = f"nats://{HOST}:{ports.nats}"
        for command in (("migrate",), ("create-tenant", SLUG, "Bench", LOGIN)):
            await run_to_end(self._program(f"{name}-{command[0]}", "crm_customer", *command, variables=variables))
        serving = await self._start(f"{name}-service", "crm_customer", "serve", variables=variables)
        front = self.servers.environment("gateway") | UNLIMITED
        front |= {"CRM_LISTEN_ADDRESS": rest, "CRM_CUSTOMER_ADDRESS": service} | gateway_variables
        gateway = await self._start(f"{name}-gateway", "crm_gateway", "serve", variables=front)
        subject = Subject(name, ports.gateway, gateway, serving, self.servers.superuser_url(f"crm_{database}"))
        sign_in = {"tenant": SLUG, "login": LOGIN, "password": variables["CRM_ADMIN_PASSWORD"]}
        token = (await self._answer(subject, "POST", "/v1/auth:token", sign_in))["access_token"]
        subject.headers["authorization"] = f"Bearer {token}"
        async with connected(subject.database_url) as connection:
            row = await connection.fetchrow("SELECT tenant_id, id FROM access_users")
            subject.tenant_id, subject.user_id = row["tenant_id"], row["id"]
        return subject

    async def create_tenant(self, subject: Subject, slug: str, login: str, password: str) -> None:
        """One tenant more, with its administrator."""
        variables = dict(subject.service.program.environment) | {"CRM_ADMIN_PASSWORD": password}
        command = ("create-tenant", slug, slug, login)
        await run_to_end(self._program(f"{slug}-create-tenant", "crm_customer", *command, variables=variables))

    async def compared(self, name: str) -> Subject:
        """The "bare" or the "naive" program, on a database of their own."""
        ports = free_ports()
        rest, service = f"{HOST}:{ports.gateway}", f"{HOST}:{ports.customer}"
        url = self.servers.superuser_url(COMPARED)
        serving = await self._start(f"{name}-service", f"tests.load.{name}.service", service, url)
        gateway = await self._start(f"{name}-gateway", f"tests.load.{name}.gateway", rest, service)
        subject = Subject(name, ports.gateway, gateway, serving, url)
        async with connected(url) as connection:
            subject.user_id = await connection.fetchval("SELECT id FROM users")
        await self._answer(subject, "GET", "/v1/accounts?page_size=50")
        return subject

    async def gateway(self, name: str, variables: Mapping[str, str], port: int) -> Child:
        """A gateway of its own, once it answers."""
        child = await self._start(name, "crm_gateway", "serve", variables=variables)
        async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", trust_env=False) as client:
            async with asyncio.timeout(START_SECONDS):
                while True:
                    with contextlib.suppress(httpx.TransportError):
                        if (await client.get("/health/ready")).is_success:
                            return child
                    await asyncio.sleep(0.1)

    async def make_compared_database(self) -> str:
        """The superuser's URL of the database of the bare and the naive program."""
        async with connected(self.servers.superuser_url()) as connection:
            await connection.execute(f"CREATE DATABASE {COMPARED}")
        url = self.servers.superuser_url(COMPARED)
        async with connected(url) as connection:
            await connection.execute(TABLES)
        return url

    async def load(self, job: Job) -> Outcome:
        """Have the load process run a job; RuntimeError unless all answers were good."""
        assert self._traffic.stdin is not None and self._traffic.stdout is not None
        self._traffic.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
        line = await asyncio.wait_for(self._traffic.stdout.readline(), job.seconds + 60)
        if not line:
            raise RuntimeError("the load process has ended; what it said stands above")
        outcome = Outcome(**json.loads(line))
        if not outcome.all_well:
            raise RuntimeError(f"port {job.port} answered {outcome.statuses}")
        return outcome

    def spent(self, subject: Subject) -> Cost:
        """CPU seconds until now. The database serves all subjects: only one of them is under load at a time."""
        postgres = self.servers.sighting("postgres").pid
        return Cost(cpu_seconds(subject.gateway.pid), cpu_seconds(subject.service.pid), cpu_seconds(postgres))

    async def run_relay(self, database: str) -> Child:
        """A process that is nothing but the relay of one database's outbox."""
        return await self._start(
            "relay", "tests.load.relay_process", self.servers.database_url(database), self.servers.nats_url
        )

    async def run_consumers(self, database: str) -> Child:
        """A process that is nothing but the consumers of a projection, on the database of scoring."""
        return await self._start(
            "consumers", "tests.load.consumer_process", self.servers.database_url(database), self.servers.nats_url
        )

    async def stop(self, child: Child) -> None:
        """End one process early."""
        self._children.remove(child)
        await child.stop()

    async def close(self) -> None:
        """End all processes, those that were started last first."""
        while self._children:
            await self._children.pop().stop()

    async def _start(
        self, name: str, module: str, *arguments: str, variables: Mapping[str, str] | None = None
    ) -> Child:
        child = await Child.start(self._program(name, module, *arguments, variables=variables))
        self._children.append(child)
        return child

    def _program(self, name: str, module: str, *arguments: str, variables: Mapping[str, str] | None = None) -> Program:
        return Program(
            name=name,
            command=(sys.executable, "-c", AS_IN_AN_IMAGE, module, *arguments),
            log=self.servers.folder / "logs" / f"bench-{name}.log",
            environment=inherited_environment() | dict(variables or {}),
            stop_seconds=5.0,
        )

    async def _answer(self, subject: Subject, verb: str, path: str, body: object = None) -> Any:
        """The first good answer; while the processes start there is none."""
        async with httpx.AsyncClient(base_url=subject.url, trust_env=False, timeout=10) as client:
            async with asyncio.timeout(START_SECONDS):
                while True:
                    for child in (subject.service, subject.gateway):
                        if child.returncode is not None:
                            raise RuntimeError(f"{child.program.name} has ended:\n{child.last_lines()}")
                    with contextlib.suppress(httpx.TransportError):
                        answer = await client.request(verb, path, json=body, headers=subject.headers)
                        if answer.is_success:
                            return answer.json()
                        if answer.status_code < 500:
                            raise RuntimeError(f"{subject.name} {path}: {answer.text}")
                    await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def stage(begin: Callable[[], AbstractAsyncContextManager[Servers]] = servers_for_tests) -> AsyncIterator[Stage]:
    """PostgreSQL, NATS and the load process; everything is gone afterwards, however it ends."""
    async with begin() as servers:
        traffic = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.load.traffic",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        started = Stage(servers, traffic)
        try:
            yield started
        finally:
            await started.close()
            with contextlib.suppress(ProcessLookupError):
                traffic.kill()
            await traffic.wait()


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    """A connection for one question."""
    connection = await asyncpg.connect(url, command_timeout=120)
    try:
        yield connection
    finally:
        await connection.close()

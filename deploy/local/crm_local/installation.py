"""One installation: PostgreSQL, NATS, four services and the gateway, from one run folder."""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime

from crm_local.child import run_to_end
from crm_local.credentials import Credentials, load_credentials
from crm_local.examples import add_examples
from crm_local.failure import LocalFailure
from crm_local.forwarding import kept_back
from crm_local.leftovers import end_sighted
from crm_local.nats import OPERATOR, NatsServer
from crm_local.port_check import refuse_busy
from crm_local.postgres import PostgresServer
from crm_local.processes import (
    DEMO_LOGIN,
    DEMO_TENANT,
    Surroundings,
    command_program,
    decided,
    environment,
    gateway_program,
    migration_environment,
    seed_environment,
    service_program,
)
from crm_local.run_folder import Holder, RunFolder
from crm_local.settings import GATEWAY, SERVICES, Ports, Settings
from crm_local.supervisor import Supervisor, together
from crm_local.terminal import Terminal


class Installation:
    """Starts everything in order and stops it in the opposite one. `begin` comes first, `stop` last."""

    def __init__(
        self, settings: Settings, terminal: Terminal, *, given: Mapping[str, str] | None = None, durable: bool = True
    ) -> None:
        self.settings = settings
        self.folder = RunFolder(settings.run_folder)
        self.supervisor = Supervisor(terminal.say, self._note)
        self._terminal = terminal
        self._given = given or {}
        self._durable = durable
        self._credentials: Credentials
        self._postgres: PostgresServer
        self._nats: NatsServer

    @property
    def ports(self) -> Ports:
        return self.settings.ports

    @property
    def credentials(self) -> Credentials:
        return self._credentials

    @property
    def postgres(self) -> PostgresServer:
        return self._postgres

    @property
    def nats(self) -> NatsServer:
        return self._nats

    @property
    def surroundings(self) -> Surroundings:
        """What all processes share."""
        return Surroundings(
            ports=self.ports,
            nats=self._nats,
            credentials=self._credentials,
            log_level=self.settings.log_level,
            log_format=self.settings.log_format,
            files=self.folder.files,
            otlp_endpoint=self.settings.otlp_endpoint,
            given=self._given,
        )

    def begin(self, now: datetime, pid: int, processes: tuple[str, ...]) -> None:
        """Take the folder, end what a killed run left, see that the ports of `processes` are free."""
        folder = self.folder
        folder.make()
        url = f"http://{self.ports.address(GATEWAY)}"
        folder.lock(Holder(pid=pid, since=now.astimezone().isoformat(timespec="seconds"), url=url))
        ended = end_sighted(folder.read_sightings())
        if ended:
            self._terminal.say(f"ended what an earlier run left running: {', '.join(ended)}")
        self._credentials = load_credentials(folder.secrets)
        self._postgres = PostgresServer(
            folder.path / "postgres",
            folder.log("postgres"),
            self.ports.postgres,
            self._credentials,
            chosen=self.settings.postgres_bin,
            durable=self._durable,
            say=self._terminal.say,
        )
        users = {OPERATOR: self._credentials.nats_password} | self._credentials.nats
        self._nats = NatsServer(folder.path / "nats", folder.log("nats"), self.ports.nats, users)
        refuse_busy(self.ports, processes)
        ours = self._decided()
        for line in kept_back(self._given, ours):
            self._terminal.say(f"warning: {line}")
        self._given = {name: value for name, value in self._given.items() if name not in ours}

    async def start_backends(self) -> None:
        """PostgreSQL with all databases, and NATS, beside each other."""
        await together(self._start_postgres(), self._start_nats())

    async def migrate(self) -> None:
        """Bring all schemas up to date, beside each other."""
        await together(*(self._migrate(service) for service in SERVICES))

    async def start_services(self) -> None:
        """The four services, ready."""
        around, folder, seconds = self.surroundings, self.folder, self.settings.start_seconds
        async with self._terminal.step("services") as step:
            await self.supervisor.start(
                *(
                    service_program(
                        service,
                        environment(service, around, self._postgres),
                        self.ports,
                        folder.log(service),
                        seconds,
                    )
                    for service in SERVICES
                )
            )
            step.detail = ", ".join(f"{service} {self.ports.address(service)}" for service in SERVICES)

    async def seed_demo(self) -> None:
        """The demo tenant with its people; nothing happens where it is there."""
        async with self._terminal.step(f"tenant {DEMO_TENANT}"):
            await run_to_end(
                command_program(
                    "customer",
                    "seed-demo",
                    seed_environment(self.surroundings, self._postgres),
                    self.folder.log("customer-seed-demo"),
                )
            )

    async def start_gateway(self) -> None:
        """The gateway, ready."""
        around = self.surroundings
        async with self._terminal.step(GATEWAY) as step:
            variables = environment(GATEWAY, around, self._postgres)
            log, seconds = self.folder.log(GATEWAY), self.settings.start_seconds
            await self.supervisor.start(gateway_program(variables, self.ports, log, seconds))
            step.detail = around.rest_url

    async def start_all(self) -> None:
        """All of the above, in order."""
        await self.start_backends()
        await self.migrate()
        await self.start_services()
        await self.seed_demo()
        await self.start_gateway()

    async def add_examples(self) -> None:
        """What the demo tenant shows at once; whatever is refused, all goes on without it."""
        async with self._terminal.step("examples") as step:
            password = self.credentials.demo_password
            try:
                is_new = await asyncio.to_thread(add_examples, self.surroundings.rest_url, password)
            except LocalFailure as failure:
                step.detail = f"left out: {failure}"
            else:
                step.detail = "an order waits for approval: GET /v1/approvals" if is_new else "all there"

    async def stop(self) -> None:
        """Stop everything and give the folder back."""
        await self.supervisor.stop()
        self.folder.unlock()

    async def _start_postgres(self) -> None:
        async with self._terminal.step("PostgreSQL") as step:
            await self._postgres.prepare()
            await self.supervisor.start(self._postgres.program())
            await self._postgres.ensure_databases()
            step.detail = f"{self._postgres.version} at {self.ports.address('postgres')}"

    async def _start_nats(self) -> None:
        async with self._terminal.step("NATS") as step:
            await self.supervisor.start(self._nats.program())
            step.detail = self.ports.address("nats")

    async def _migrate(self, service: str) -> None:
        async with self._terminal.step(f"migrate {service}"):
            variables = migration_environment(service, self.surroundings, self._postgres)
            log = self.folder.log(f"{service}-migrate")
            await run_to_end(command_program(service, "migrate", variables, log))

    def _decided(self) -> set[str]:
        """What no process is told otherwise, whatever is given."""
        around, postgres = self.surroundings, self._postgres
        found = {name for process in (*SERVICES, GATEWAY) for name in decided(process, around, postgres)}
        return found | {"CRM_MIGRATION_DATABASE_URL", "CRM_DEMO_PASSWORD"}

    def _note(self) -> None:
        self.folder.write_sightings(self.supervisor.sightings())


def welcome(installation: Installation) -> str:
    """Where everything is, and how to begin."""
    around, folder = installation.surroundings, installation.folder
    body = json.dumps({"tenant": DEMO_TENANT, "login": DEMO_LOGIN, "password": around.credentials.demo_password})
    services = "\n".join(f"               {name:<13}{around.ports.address(name)}" for name in SERVICES)
    return f"""
  REST         {around.rest_url}
  docs         {around.rest_url}/docs
  OpenAPI      {around.rest_url}/openapi.json
  health       {around.rest_url}/health/services
  gRPC
{services}
  PostgreSQL   {around.ports.address("postgres")}  databases {", ".join(f"crm_{name}" for name in SERVICES)}
  NATS         {around.ports.address("nats")}
  passwords    {folder.secrets}
  logs         {folder.logs}/<process>.log

A token for {DEMO_LOGIN} of tenant {DEMO_TENANT}:

  curl -s {around.rest_url}/v1/auth:token -H 'Content-Type: application/json' -d '{body}'

The same, only the token: .venv/bin/python -m crm_local token
How each process is: .venv/bin/python -m crm_local status
Ctrl-C stops everything and keeps the data; `make reset` forgets it."""

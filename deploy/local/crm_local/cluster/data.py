"""PostgreSQL, NATS and the Secrets: what a cluster has before the manifests are applied."""

from pathlib import Path

import psycopg

from crm_local.cluster.network import NODE, PODS
from crm_local.credentials import Credentials
from crm_local.databases import DATABASE_SQL, creation, database_of, owner_of
from crm_local.nats import OPERATOR, NatsServer
from crm_local.postgres import PostgresServer
from crm_local.settings import GATEWAY, SERVICES
from crm_local.supervisor import Supervisor, together
from crm_local.terminal import Terminal

POSTGRES_PORT, NATS_PORT = 5432, 4222
# Where deploy/k8s/README.md expects them.
NAMES = {"postgres.guanxi-data": [NODE], "nats.guanxi-data": [NODE]}


class Data:
    """One PostgreSQL with a fresh database for each service, and one NATS, in place of an operator's."""

    def __init__(
        self, folder: Path, logs: Path, terminal: Terminal, credentials: Credentials, *, connections: int
    ) -> None:
        self._terminal = terminal
        self._credentials = credentials
        self.postgres = PostgresServer(
            folder / "postgres",
            logs / "postgres.log",
            POSTGRES_PORT,
            credentials,
            host=NODE,
            durable=False,
            connections=connections,
            say=terminal.say,
        )
        users = {OPERATOR: credentials.nats_password} | credentials.nats
        self.nats = NatsServer(folder / "nats", logs / "nats.log", NATS_PORT, users, host=NODE)
        self.keepers = {name: Supervisor(terminal.say) for name in ("postgres", "nats")}

    async def start(self) -> None:
        """Both, with the databases as an administrator makes them."""
        async with self._terminal.step("PostgreSQL and NATS"):
            await self.postgres.prepare()
            with (self.postgres.data / "pg_hba.conf").open("a") as rules:
                rules.write(f"host all all {PODS} scram-sha-256\n")
            await together(
                self.keepers["postgres"].start(self.postgres.program()), self.keepers["nats"].start(self.nats.program())
            )
            await self._make_databases()

    async def stop(self) -> None:
        for keeper in self.keepers.values():
            await keeper.stop()

    def secrets(self) -> dict[str, dict[str, str]]:
        """The Secrets that deploy/k8s/README.md tells to make."""
        made = {
            "guanxi": {"page-token-key": self._credentials.page_token_key},
            "customer-signing": {"key-secret": self._credentials.signing_key_secret},
            "sales-identity": {"key": self._credentials.sales_key},
            "service-desk-channels": {"key-secret": self._credentials.channel_key_secret},
        }
        for service in SERVICES:
            name = service.replace("_", "-")
            made[f"{name}-database"] = {"url": self._by_name(self.postgres.service_url(service), "postgres")}
            made[f"{name}-migration"] = {"url": self._by_name(self.postgres.migration_url(service), "postgres")}
        for process in (*SERVICES, GATEWAY):
            made[f"{process.replace('_', '-')}-nats"] = {"url": self._by_name(self.nats.url(process), "nats")}
        return made

    async def _make_databases(self) -> None:
        script, roles = DATABASE_SQL.read_text(), self._credentials.roles
        connection = await psycopg.AsyncConnection.connect(self.postgres.url("postgres"), autocommit=True)
        async with connection:
            for service in SERVICES:
                name, owner = database_of(service), owner_of(service)
                given = {"name": name, "owner": owner, "password": roles[name], "owner_password": roles[owner]}
                for statement in creation(script, given):
                    await connection.execute(statement.encode())

    def _by_name(self, url: str, name: str) -> str:
        return url.replace(f"@{NODE}:", f"@{name}.guanxi-data:")

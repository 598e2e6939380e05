"""PostgreSQL of one installation: its programs, its data folder, its process, its databases."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg

from crm_local.account import plain_environment
from crm_local.child import Program, run_to_end
from crm_local.credentials import Credentials, write_private
from crm_local.databases import close_shared_databases, database_of, ensure_database, owner_of
from crm_local.failure import LocalFailure
from crm_local.leftovers import end_postgres_in
from crm_local.place import Place, settle
from crm_local.postgres_binaries import find_binaries
from crm_local.settings import HOST, SERVICES
from crm_local.supervisor import together

SUPERUSER = "postgres"
FIRST_MAJOR_WITH_BUILTIN_LOCALE = 17
# For a machine with a few GiB that runs everything else as well.
CONFIGURATION = {
    "unix_socket_directories": "",
    "shared_buffers": "256MB",
    "jit": "off",
    "synchronous_commit": "on",
    "shared_preload_libraries": "pg_stat_statements",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}
# For data that nobody needs after the machine went down. A commit still outlives the kill of any process.
THROWAWAY = {
    "shared_buffers": "128MB",
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "4GB",
}


class PostgresServer:
    """One PostgreSQL with its data in `home`, or in a far place where PostgreSQL's user cannot reach `home`.

    `durable=False` trades safety of the data for speed, for tests. It takes so many `connections` at a time. `say` is
    told what a person should know.
    """

    def __init__(
        self,
        home: Path,
        log: Path,
        port: int,
        credentials: Credentials,
        *,
        host: str = HOST,
        chosen: Path | None = None,
        durable: bool = True,
        connections: int = 100,
        say: Callable[[str], None],
    ) -> None:
        self.port = port
        self._host = host
        self._near = home.resolve()
        self._log = log
        self._credentials = credentials
        self._chosen = chosen
        self._durable = durable
        self._connections = connections
        self._say = say
        self._place: Place

    @property
    def data(self) -> Path:
        """The data folder; known after `prepare`."""
        return self._place.home / "data"

    @property
    def version(self) -> str:
        return str(self._place.binaries)

    def url(self, database: str, role: str = SUPERUSER) -> str:
        """A connection URL with password. Databases: `postgres` and the services' `crm_...`."""
        credentials = self._credentials
        password = credentials.postgres_password if role == SUPERUSER else credentials.roles[role]
        return f"postgresql://{role}:{password}@{self._host}:{self.port}/{database}"

    def service_url(self, service: str) -> str:
        """As the service works: a role that owns nothing."""
        return self.url(database_of(service), database_of(service))

    def migration_url(self, service: str) -> str:
        """As its migrations work: the owner of the schema."""
        return self.url(database_of(service), owner_of(service))

    async def prepare(self) -> None:
        """Find the programs and make the data folder if there is none. A half-made one never counts."""
        self._place = await asyncio.to_thread(settle, self._near, find_binaries(self._chosen))
        if self._place.notice:
            self._say(self._place.notice)
        await self._clear()
        if not self.data.exists():
            await self._initialize()
        version = (self.data / "PG_VERSION").read_text().strip()
        binaries = self._place.binaries
        if version != str(binaries.major):
            raise LocalFailure(
                f"the data in {self.data} is of PostgreSQL {version}, the programs in {binaries.folder} are"
                f" of {binaries}: set CRM_LOCAL_POSTGRES_BIN to the programs of a PostgreSQL {version},"
                " or `make reset` forgets the data"
            )

    def program(self) -> Program:
        """What the supervisor has to run."""
        settings = CONFIGURATION | ({} if self._durable else THROWAWAY)
        settings |= {"listen_addresses": self._host, "port": str(self.port)}
        settings |= {"max_connections": str(self._connections)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            command=(str(self._place.binaries.program("postgres")), "-D", str(self.data), *options),
            log=self._log,
            environment=plain_environment(),
            ready=self._ready,
            prepare=self._clear,
            address=f"{self._host}:{self.port}",
            folder=self.data,
            account=self._place.account,
            # Fast shutdown: clients are disconnected, everything is written. Smart (SIGTERM) would wait for them.
            stop_signal=signal.SIGINT,
            orphan_signal=signal.SIGINT if self._durable else signal.SIGQUIT,
            stop_seconds=30.0,
        )

    async def ensure_databases(self) -> None:
        """Make all services' databases, roles and rights, or put them right."""
        superuser, roles = self.url("postgres"), self._credentials.roles
        try:
            await together(*(ensure_database(superuser, service, roles) for service in SERVICES))
            await close_shared_databases(superuser)
        except psycopg.OperationalError as error:
            raise LocalFailure(
                f"PostgreSQL does not take the password kept with its data: {str(error).strip()}\n"
                "the secrets are not those of this data: put them back from a copy, or `make reset` forgets all"
            ) from error

    async def _ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        # The last line is the state; PostgreSQL documents it in src/include/utils/pidfile.h.
        return len(lines) >= 8 and lines[7].strip() == "ready"

    async def _clear(self) -> None:
        await asyncio.to_thread(end_postgres_in, self.data)

    async def _initialize(self) -> None:
        """Make the data folder beside the final place, then one rename."""
        part = self._place.home / "data.part"
        if part.exists():
            await asyncio.to_thread(shutil.rmtree, part)
        password = self._place.home / "password.part"
        write_private(password, self._credentials.postgres_password)
        account = self._place.account
        if account:
            os.chown(password, account.uid, account.gid)
        try:
            await run_to_end(
                Program(
                    name="initdb",
                    command=(
                        str(self._place.binaries.program("initdb")),
                        *("-D", str(part), "-U", SUPERUSER, f"--pwfile={password}", "--auth=scram-sha-256"),
                        *("-E", "UTF8", *_locale(self._place.binaries.major), "--lc-messages=C"),
                        *(() if self._durable else ("--no-sync",)),
                    ),
                    log=self._log.with_name("initdb.log"),
                    environment=plain_environment(),
                    folder=self._place.home,
                    account=account,
                )
            )
        finally:
            password.unlink()
        part.rename(self.data)


def _locale(major: int) -> list[str]:
    """Sorted by code point and the same everywhere, whatever this machine's own language is."""
    # The C library's part decides what is a letter for pg_trgm: with plain C, no Chinese character would be one.
    library = "--locale=C.UTF-8" if sys.platform == "linux" else "--locale=en_US.UTF-8"
    if major < FIRST_MAJOR_WITH_BUILTIN_LOCALE:
        return [library, "--lc-collate=C"]
    return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", library]

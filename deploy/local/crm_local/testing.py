"""Servers for tests: PostgreSQL and NATS, or the whole platform, on free ports, gone afterwards.

    @pytest.fixture(scope="session")
    async def servers() -> AsyncIterator[Servers]:
        async with servers_for_tests() as servers:
            yield servers

They are gone too when the test process is killed: the kernel ends the children, and their folder is removed by
the next one that starts.
"""

import asyncio
import contextlib
import fcntl
import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from signal import Signals

from crm_local.account import may_work_in, unprivileged_account
from crm_local.child import run_to_end
from crm_local.failure import LocalFailure
from crm_local.installation import Installation
from crm_local.leftovers import end_postgres_in, end_sighted
from crm_local.place import delete_place
from crm_local.port_check import free_ports
from crm_local.processes import (
    DEMO_LOGIN,
    DEMO_TENANT,
    command_program,
    environment,
    migration_environment,
)
from crm_local.run_folder import RunFolder
from crm_local.settings import BACKENDS, GATEWAY, SERVICES, Settings
from crm_local.supervisor import Sighting
from crm_local.terminal import Terminal

FOLDER_PREFIX = "guanxi-test-"
Prepare = Callable[[Path], AbstractContextManager[object]]


class Servers:
    """PostgreSQL and NATS with all databases and roles; the schemas are empty until `migrate`."""

    def __init__(self, installation: Installation, told: io.StringIO) -> None:
        self._installation = installation
        self._told = told

    def environment(self, process: str) -> dict[str, str]:
        """All `CRM_...` variables of "customer" ... "gateway"; the services' with CRM_MIGRATION_DATABASE_URL.

        Listen addresses are free ports.
        """
        around, postgres = self._installation.surroundings, self._installation.postgres
        if process in SERVICES:
            return migration_environment(process, around, postgres)
        return environment(process, around, postgres)

    @property
    def nats_url(self) -> str:
        """As the operator, who may do everything."""
        return self._installation.nats.url()

    def database_url(self, service: str) -> str:
        """As the service works: a role that owns nothing."""
        return self._installation.postgres.service_url(service)

    def migration_url(self, service: str) -> str:
        """As its migrations work: the owner of the schema."""
        return self._installation.postgres.migration_url(service)

    def superuser_url(self, database: str = "postgres") -> str:
        """Beyond all rights; row-level security does not hold it either."""
        return self._installation.postgres.url(database)

    async def migrate(self, service: str) -> None:
        """Bring the schema of `service` up to date, as `make run` does."""
        log = self._installation.folder.log(f"{service}-migrate")
        await run_to_end(command_program(service, "migrate", self.environment(service), log))

    def kill(self, name: str, what: Signals = Signals.SIGKILL) -> None:
        """Send a signal to "postgres", "nats", ...; what ends by it is started again, `ready` waits for that."""
        self._installation.supervisor.send(name, what)

    async def ready(self, name: str, seconds: float = 60.0) -> None:
        """Wait until a process is ready; TimeoutError when that takes more than `seconds`."""
        async with asyncio.timeout(seconds):
            await self._installation.supervisor.ready(name)

    def sighting(self, name: str) -> Sighting:
        """Pid, state and restarts of a process."""
        return self._installation.supervisor.sighting(name)

    def log(self, name: str) -> str:
        """All that a process has written."""
        return self._installation.folder.log(name).read_text(errors="replace")

    @property
    def told(self) -> str:
        """All that a person would have read at the terminal."""
        return self._told.getvalue()

    @property
    def folder(self) -> Path:
        """Where everything is kept until it is over."""
        return self._installation.folder.path


class Platform(Servers):
    """The whole platform with the demo tenant; processes: postgres nats customer ... scoring gateway."""

    @property
    def rest_url(self) -> str:
        """For example http://127.0.0.1:23456."""
        return self._installation.surroundings.rest_url

    def address(self, process: str) -> str:
        """`host:port` of a process."""
        return self._installation.ports.address(process)

    @property
    def demo_login(self) -> dict[str, str]:
        """The body for POST /v1/auth:token."""
        password = self._installation.credentials.demo_password
        return {"tenant": DEMO_TENANT, "login": DEMO_LOGIN, "password": password}


@asynccontextmanager
async def servers_for_tests() -> AsyncIterator[Servers]:
    """PostgreSQL and NATS on free ports with all databases and roles."""
    async with _throwaway(BACKENDS) as (installation, told):
        await installation.start_backends()
        yield Servers(installation, told)


@asynccontextmanager
async def platform_for_tests(
    prepared: Prepare = nullcontext, given: Mapping[str, str] | None = None
) -> AsyncIterator[Platform]:
    """Everything that `make run` starts, on free ports. Acknowledged writes survive the kill of any process.

    `prepared` is entered with the folder before anything is in it, and left when all processes have ended. `given` are
    settings of processes.
    """
    async with _throwaway((*BACKENDS, *SERVICES, GATEWAY), prepared, given) as (installation, told):
        await installation.start_all()
        yield Platform(installation, told)


@asynccontextmanager
async def _throwaway(
    processes: tuple[str, ...], prepared: Prepare = nullcontext, given: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[Installation, io.StringIO]]:
    with throwaway_folder() as folder, prepared(folder):
        told = io.StringIO()
        settings = Settings.model_validate({"run_folder": folder, "ports": free_ports()})
        installation = Installation(settings, Terminal(told), given=given, durable=False)
        try:
            installation.begin(datetime.now(UTC), os.getpid(), processes)
            yield installation, told
        finally:
            await installation.stop()


@contextmanager
def throwaway_folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user can reach. What killed processes left of theirs is removed first."""
    base = _base()
    sweep(base)
    lock, lock_file = _own_lock(base)
    folder = lock_file.with_suffix("")
    try:
        folder.mkdir()
        yield folder
    finally:
        _remove(folder)
        lock_file.unlink(missing_ok=True)
        os.close(lock)


def sweep(base: Path) -> list[Path]:
    """Remove the folders below `base` whose owner is gone, and end what runs in them; the removed ones."""
    removed = []
    for lock_file in base.glob(f"{FOLDER_PREFIX}*.lock"):
        # Gone by now, or still held by its owner.
        with contextlib.suppress(FileNotFoundError, BlockingIOError):
            if lock_file.lstat().st_uid == os.geteuid():
                with _abandoned_lock(lock_file):
                    folder = lock_file.with_suffix("")
                    end_sighted(RunFolder(folder).read_sightings())
                    end_postgres_in(folder / "postgres" / "data")
                    _remove(folder)
                    lock_file.unlink()
                removed.append(folder)
    return removed


def _remove(folder: Path) -> None:
    """Remove a throwaway folder, and what was put elsewhere because PostgreSQL's user could not reach it."""
    if (folder / "postgres").is_mount():
        # A small disk of a run that was killed before it could take it away.
        subprocess.run(["umount", "-l", str(folder / "postgres")], check=False)  # noqa: S603, S607 -- a path of ours
    delete_place(folder / "postgres")
    shutil.rmtree(folder, ignore_errors=True)


def _own_lock(base: Path) -> tuple[int, Path]:
    """A new lock file that we hold."""
    while True:
        lock, name = tempfile.mkstemp(prefix=FOLDER_PREFIX, suffix=".lock", dir=base)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(lock).st_nlink:
            return lock, Path(name)
        # Before it was locked, somebody else's sweep took it for an abandoned one and removed it.
        os.close(lock)


@contextmanager
def _abandoned_lock(lock_file: Path) -> Iterator[None]:
    """Hold a lock that nobody holds; BlockingIOError when somebody does."""
    lock = os.open(lock_file, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock)


def _base() -> Path:
    account = unprivileged_account()
    for candidate in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):  # noqa: S108 -- mkstemp below
        if candidate.is_dir() and may_work_in(candidate, account):
            return candidate.resolve()
    raise LocalFailure("there is no folder for temporary files that PostgreSQL's user can write in")

"""One life of one child process: its start, its log, its end."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from signal import Signals

import psutil

from crm_local.account import Account, tethered
from crm_local.failure import LocalFailure
from crm_local.probes import Probe

TAIL_LINES = 20
TAIL_BYTES = 16_384
LOG_LIMIT_BYTES = 50_000_000
POLL_SECONDS = 0.05


async def _always_ready() -> bool:
    return True


async def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Program:
    """What to start and how to treat it.

    `log` takes its output. `prepare` runs before every start. `address` is shown to people. `stop_signal` asks it
    to end, after `stop_seconds` it is killed; `orphan_signal` is what it gets when its supervisor is gone.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str]
    ready: Probe = _always_ready
    prepare: Callable[[], Awaitable[None]] = _nothing
    address: str = ""
    folder: Path | None = None
    account: Account | None = None
    stop_signal: Signals = signal.SIGTERM
    orphan_signal: Signals = signal.SIGKILL
    stop_seconds: float = 15.0
    ready_seconds: float = 120.0


class Child:
    """A started program. Its output goes straight into the log, so nothing is lost whoever dies first."""

    def __init__(self, program: Program, process: Process, log_offset: int) -> None:
        self.program = program
        self.pid = process.pid
        self._process = process
        self._log_offset = log_offset
        try:
            # Together with the pid it names a process for good, as pids come again.
            self.created = psutil.Process(process.pid).create_time()
        except psutil.NoSuchProcess:
            self.created = 0.0

    @classmethod
    async def start(cls, program: Program) -> "Child":
        """Start `program` in a session of its own: a Ctrl-C at the terminal is ours to pass on, in order."""
        command = tethered(program.command, program.account, program.orphan_signal)
        with _open_log(program.log) as log:
            offset = log.seek(0, os.SEEK_END)
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=program.folder,
                env=dict(program.environment),
                start_new_session=True,
            )
        return cls(program, process, offset)

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    async def wait(self) -> int:
        """Its exit code; minus the signal's number where a signal ended it."""
        return await self._process.wait()

    async def wait_ready(self) -> bool:
        """Wait until it is ready. False when it ended before or takes longer than it may."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.program.ready_seconds
        while self.returncode is None:
            if await self.program.ready():
                return self.returncode is None
            if loop.time() > deadline:
                return False
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wait(), POLL_SECONDS)
        return False

    def send(self, what: Signals) -> None:
        """Send a signal; one that has ended gets none."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(what)

    async def stop(self) -> bool:
        """End it, by force if it takes too long. True when no force was needed."""
        self.send(self.program.stop_signal)
        # One that was halted could not even see the wish.
        self.send(signal.SIGCONT)
        try:
            await asyncio.wait_for(self.wait(), self.program.stop_seconds)
        except TimeoutError:
            await self.kill()
            return False
        return True

    async def kill(self) -> None:
        """End it at once."""
        self.send(signal.SIGKILL)
        await self.wait()

    def last_lines(self) -> str:
        """The end of what it wrote in this life, indented; it says where the rest is."""
        with self.program.log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_offset, end - TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
        text = "\n".join(f"    {line}" for line in lines) or "    (it wrote nothing)"
        return f"{text}\n  all of it: {self.program.log}"


def describe_exit(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"ended with code {code}"
    with contextlib.suppress(ValueError):
        return f"was killed by {Signals(-code).name}"
    return f"was killed by signal {-code}"


def inherited_environment() -> dict[str, str]:
    """Our own environment for a child, without settings: what of them each child is to have, the caller adds."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CRM_")}
    # A proxy that is set for the world outside is of no use between our own processes.
    for name in ("no_proxy", "NO_PROXY"):
        inherited[name] = ",".join(filter(None, (inherited.get(name, ""), "127.0.0.1", "localhost")))
    return inherited


async def run_to_end(program: Program) -> None:
    """Run a program that does one thing and ends. Raises LocalFailure with its last lines if that went wrong."""
    await program.prepare()
    child = await Child.start(program)
    try:
        code = await asyncio.wait_for(child.wait(), program.ready_seconds)
    except TimeoutError as error:
        await child.kill()
        raise LocalFailure(
            f"{program.name} took more than {program.ready_seconds:.0f} s and was ended; its last lines:\n"
            f"{child.last_lines()}"
        ) from error
    finally:
        await child.kill()
    if code != 0:
        raise LocalFailure(f"{program.name} {describe_exit(code)}; its last lines:\n{child.last_lines()}")


def _open_log(file: Path) -> FileIO:
    if file.exists() and file.stat().st_size > LOG_LIMIT_BYTES:
        file.replace(file.with_name(f"{file.name}.1"))
    log = file.open("ab", buffering=0)
    log.write(f"---- {datetime.now(UTC).isoformat(timespec='seconds')}\n".encode())
    return log

"""What is done to a platform under load, each undone again by whoever did it."""

import asyncio
import contextlib
import os
import random
import shutil
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGCONT, SIGSTOP, Signals
from subprocess import CalledProcessError, run

import asyncpg
import psutil
from crm_local.settings import PROCESSES, SERVICES
from crm_local.testing import Platform

from tests.chaos.target import Target

POSTGRES, NATS = "postgres", "nats"
FROZEN_SECONDS = (2.0, 22.0)
# Longer than a second, and shorter than what the relay sends again by itself.
LOST_SECONDS = (1.0, 4.0)
FULL_SECONDS = (2.0, 6.0)
JUMP_SECONDS = (5, 90)
DISK_MEGABYTES = 2048
MEGABYTE = 1024 * 1024
# What libfaketime reads the shift of all clocks from; `python -m tests.chaos` sets it.
CLOCK_FILE = "FAKETIME_TIMESTAMP_FILE"
# Set where nobody else sees what is mounted, and nothing is left mounted however the run ends.
OWN_MOUNTS = "CHAOS_OWN_MOUNTS"


@dataclass(frozen=True, slots=True)
class Disturbance:
    """`name` says what was done; `run` ends when it is undone, or nothing more will be done.

    `restarted` are the processes that have to come back.
    """

    name: str
    run: Callable[[], Awaitable[None]]
    restarted: Sequence[str] = ()


class Killer:
    """Kills processes, by chance: all that can be done to what was started in another way."""

    def __init__(self, target: Target, chance: random.Random, processes: Sequence[str]) -> None:
        self._target = target
        self._chance = chance
        self._processes = processes

    def deck(self) -> list[Disturbance]:
        """One round in some order: each process killed once, and two and three at once."""
        some = [self.killed(process) for process in self._processes]
        some += [self.killed_together(2), self.killed_together(2), self.killed_together(3)]
        self._chance.shuffle(some)
        return some

    def killed(self, *processes: str) -> Disturbance:
        """SIGKILL, all at once."""

        async def kill() -> None:
            for process in processes:
                self._target.kill(process, Signals.SIGKILL)

        return Disturbance(" + ".join(processes), kill, processes)

    def killed_together(self, count: int) -> Disturbance:
        """Some that were chosen by chance."""
        processes = self._chance.sample(PROCESSES, k=count)
        return Disturbance(f"{count} at once", self.killed(*processes).run, processes)


class Disturber(Killer):
    """Makes disturbances of a platform, by chance."""

    def __init__(self, platform: Platform, chance: random.Random, processes: Sequence[str]) -> None:
        super().__init__(platform, chance, processes)
        self._platform = platform

    def deck(self) -> list[Disturbance]:
        """One round in some order: each process killed once, and everything else that this machine allows."""
        some = [self.killed(process) for process in self._processes]
        if set(self._processes) == set(PROCESSES):
            some += [self.killed_together(2), self.killed_together(2), self.killed_together(3)]
            some += [self.frozen() for _ in range(3)]
            some += [self.cut(), self.broker_set_back()]
            some += [self.disk_full()] if self._disk.is_mount() else []
            some += [self.clock_moved(there=True), self.clock_moved(there=False)] if CLOCK_FILE in os.environ else []
        self._chance.shuffle(some)
        return some

    @property
    def _disk(self) -> Path:
        return disk_of(self._platform.folder)

    def frozen(self) -> Disturbance:
        """SIGSTOP to a process and all its children, and SIGCONT some seconds later: neither there nor gone."""
        process, seconds = self._chance.choice(PROCESSES), self._chance.uniform(*FROZEN_SECONDS)

        async def freeze() -> None:
            victims = family_of(self._platform.sighting(process).pid)
            try:
                signal_all(victims, SIGSTOP)
                await asyncio.sleep(seconds)
            finally:
                signal_all(victims, SIGCONT)

        return Disturbance("frozen", freeze)

    def cut(self) -> Disturbance:
        """All sessions of a database end at once, as when a proxy in between restarts."""
        service = self._chance.choice(SERVICES)

        async def cut_all() -> None:
            connection = await asyncpg.connect(self._platform.superuser_url())
            try:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", f"crm_{service}"
                )
            finally:
                await connection.close()

        return Disturbance("sessions cut", cut_all)

    def disk_full(self) -> Disturbance:
        """Not a byte is left for PostgreSQL, for some seconds."""
        seconds, ballast = self._chance.uniform(*FULL_SECONDS), self._disk / "ballast"

        async def fill() -> None:
            try:
                fill_up(ballast)
                assert shutil.disk_usage(self._disk).free < MEGABYTE, "the disk is not full"
                await asyncio.sleep(seconds)
            finally:
                ballast.unlink(missing_ok=True)

        return Disturbance("disk full", fill, [POSTGRES])

    def broker_set_back(self) -> Disturbance:
        """NATS dies, and what it had stored in its last seconds is gone when it comes back."""
        seconds = self._chance.uniform(*LOST_SECONDS)
        store = self._platform.folder / NATS / "streams"
        earlier = store.with_name("streams-earlier")

        async def set_back() -> None:
            nats = psutil.Process(self._platform.sighting(NATS).pid)
            copy_of_stopped(nats, store, earlier)
            await asyncio.sleep(seconds)
            self._platform.kill(NATS, Signals.SIGKILL)
            # Without letting go of the loop, on which the supervisor would start it again.
            replace_when_gone(nats, store, earlier)

        return Disturbance("broker set back", set_back, [NATS])

    def clock_moved(self, *, there: bool) -> Disturbance:
        """All services' clocks jump ahead, or back to the right time: nobody is ever before the start of the run."""
        shift = self._chance.randint(*JUMP_SECONDS) if there else 0

        async def move() -> None:
            set_clocks(shift)

        return Disturbance("clock moved", move)


def family_of(pid: int) -> list[psutil.Process]:
    """A process and all below it: PostgreSQL is one for each session."""
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


def signal_all(processes: Sequence[psutil.Process], what: Signals) -> None:
    """Send a signal to those that are still there."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(what)


def copy_of_stopped(process: psutil.Process, folder: Path, target: Path) -> None:
    """Copy what a process keeps, as it is in one moment."""
    process.send_signal(SIGSTOP)
    try:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(folder, target)
    finally:
        process.send_signal(SIGCONT)


def replace_when_gone(process: psutil.Process, folder: Path, source: Path) -> None:
    """Put `source` in the place of what a killed process kept."""
    with contextlib.suppress(psutil.NoSuchProcess):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            os.sched_yield()
    shutil.rmtree(folder)
    source.rename(folder)


def fill_up(ballast: Path) -> None:
    """Write until the disk takes no more."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(MEGABYTE)) == MEGABYTE:
            pass


def set_clocks(shift: int) -> None:
    """Move the clock of every process that looks at the file, within a second; `shift` is in seconds."""
    file = Path(os.environ[CLOCK_FILE])
    part = file.with_suffix(".part")
    part.write_text(f"{shift:+d}\n")
    part.rename(file)


def disk_of(folder: Path) -> Path:
    """The small disk that a platform's PostgreSQL has for itself."""
    return folder / POSTGRES


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Give PostgreSQL in the folder a disk of its own that can be filled, where one may be mounted: as root."""
    if OWN_MOUNTS not in os.environ:
        yield
        return
    place = disk_of(folder)
    place.mkdir()
    options = f"size={DISK_MEGABYTES}m,mode=0755"
    try:
        run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True, capture_output=True)
    except (OSError, CalledProcessError):
        yield
        return
    try:
        yield
    finally:
        run(["umount", "-l", str(place)], check=True)

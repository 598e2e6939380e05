"""Ends what a killed supervisor left running. Whoever calls this holds the lock of the run folder."""

import contextlib
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from crm_local.supervisor import Sighting

POLITE_SECONDS = 10.0
FORCED_SECONDS = 10.0
POLL_SECONDS = 0.02
# The clock that tells a process's age can be off by a tick of the kernel.
SAME_SECONDS = 0.05


def end_sighted(sightings: Iterable[Sighting]) -> list[str]:
    """End the processes that were noted and still run; their names. A pid that came again is left alone."""
    found: dict[psutil.Process, str] = {}
    for sighting in sightings:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(sighting.pid) if sighting.pid else None
            if process and abs(process.create_time() - sighting.created) <= SAME_SECONDS:
                found[process] = sighting.name
    _end(list(found), signal.SIGTERM)
    return list(found.values())


def end_postgres_in(data: Path) -> int:
    """End all PostgreSQL processes that work in the folder `data`, and drop a stale lock file; how many ended.

    All of a PostgreSQL's processes have its data folder as their working folder. A backend that outlives its
    postmaster keeps the shared memory, and the next postmaster refuses to start beside it.
    """
    inside = [process for process in psutil.process_iter() if _works_in(process, data)]
    # SIGQUIT: their supervisor is dead, so nobody waits for them; the log of changes makes it whole again.
    _end(inside, signal.SIGQUIT)
    (data / "postmaster.pid").unlink(missing_ok=True)
    return len(inside)


def _works_in(process: psutil.Process, data: Path) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        return process.name().startswith("postgres") and Path(process.cwd()) == data
    return False


def wait_ended(processes: Iterable[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until all have ended; those that still run after `seconds`.

    An ended one counts as such even where nobody has fetched its exit code yet, as in many containers.
    """
    deadline = time.monotonic() + seconds
    while (left := [process for process in processes if _runs(process)]) and time.monotonic() < deadline:
        processes = left
        time.sleep(POLL_SECONDS)
    return left


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _end(processes: list[psutil.Process], polite: signal.Signals) -> None:
    for what, seconds in ((polite, POLITE_SECONDS), (signal.SIGKILL, FORCED_SECONDS)):
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.send_signal(what)
        processes = wait_ended(processes, seconds)

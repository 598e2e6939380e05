"""The folder where one installation keeps everything: data, logs, secrets, and who runs it right now."""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from crm_local.credentials import write_private
from crm_local.failure import LocalFailure
from crm_local.supervisor import Sighting

# Only these are ever deleted: the folder is a setting, and a setting can be wrong.
CONTENTS = ("logs", "postgres", "nats", "secrets.json", "state.json")
LOCK_TRIES = 3
LOCK_PAUSE_SECONDS = 0.03


@dataclass(frozen=True, slots=True)
class Holder:
    """Who runs an installation. `url` is the gateway's address."""

    pid: int
    since: str
    url: str


class RunFolder:
    """A folder such as `.run`. Whoever holds its lock is the only one that starts things from it."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def files(self) -> Path:
        return self.path / "files"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets.json"

    @property
    def _state(self) -> Path:
        return self.path / "state.json"

    @property
    def _lock_file(self) -> Path:
        return self.path / "lock"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def make(self) -> None:
        """Make the folder. Only what is its owner's secret is closed: PostgreSQL may run as another user."""
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o755)
            self.logs.chmod(0o700)
        except OSError as error:
            raise LocalFailure(f"{self.path} cannot be used (CRM_LOCAL_RUN_FOLDER): {error}") from error

    def lock(self, holder: Holder) -> None:
        """Become the only one here; the lock goes with the process. Raises LocalFailure when another is."""
        lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o644)
        if not _locked(lock, fcntl.LOCK_EX):
            os.close(lock)
            raise LocalFailure(f"it is already running {self._told()}")
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps(asdict(holder)).encode(), 0)
        self._lock = lock

    def unlock(self) -> None:
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def holder(self) -> Holder | None:
        """Who runs it right now."""
        try:
            lock = os.open(self._lock_file, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            return None if _locked(lock, fcntl.LOCK_SH) else self._read_holder()
        finally:
            os.close(lock)

    def write_sightings(self, sightings: Sequence[Sighting]) -> None:
        """Note how the children are, for `status`, and for the next start should this one be killed."""
        write_private(self._state, json.dumps([asdict(one) for one in sightings]))

    def read_sightings(self) -> list[Sighting]:
        """The last note; empty where there is none to be read."""
        try:
            return [Sighting(**one) for one in json.loads(self._state.read_text())]
        except (FileNotFoundError, ValueError, TypeError):
            return []

    def delete(self) -> None:
        """Forget everything in it. Only for whoever holds the lock."""
        for name in CONTENTS:
            target = self.path / name
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)
        self._lock_file.unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()

    def _told(self) -> str:
        holder = self._read_holder()
        if holder is None:
            return f"from {self.path}"
        return f"from {self.path} (pid {holder.pid}, since {holder.since}): {holder.url}"

    def _read_holder(self) -> Holder | None:
        try:
            return Holder(**json.loads(self._lock_file.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None


def _locked(lock: int, kind: int) -> bool:
    # Who only looks whether it runs holds the lock for an instant too.
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_PAUSE_SECONDS)
        else:
            return True
    return False

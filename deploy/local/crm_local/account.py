"""Which user PostgreSQL runs as, and what that user may reach. It refuses to run as root."""

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

from crm_local.failure import LocalFailure

TETHER = Path(__file__).with_name("tether.py")
TRY_SECONDS = 60.0
CANDIDATES = ("postgres", "nobody")
HANDED_ON = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine."""

    name: str
    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """The user that PostgreSQL is started as; None means whoever we are, which is fine unless that is root."""
    if os.geteuid() != 0:
        return None
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise LocalFailure(
        "PostgreSQL does not run as root and this machine has neither a user 'postgres' nor 'nobody':"
        " run this as another user"
    )


def plain_environment() -> dict[str, str]:
    """What PostgreSQL gets of our environment: where things are, and no more of what was meant for us."""
    found = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
    return found | {"LC_ALL": "C", "TZ": "UTC"}


def may_work_in(folder: Path, account: Account | None) -> bool:
    """Whether `account` can enter `folder` and write there. Tried, not computed: ACLs and mounts count too."""
    return _succeeds(account, "/bin/sh", "-c", 'cd "$1" && test -w .', "sh", str(folder))


def may_run(program: Path, account: Account | None) -> bool:
    """Whether `account` can start `program`, tried with `--version`."""
    return _succeeds(account, str(program), "--version")


def tethered(command: Sequence[str], account: Account | None, orphan_signal: Signals = signal.SIGKILL) -> list[str]:
    """The command that becomes `account` and then `command`, and gets `orphan_signal` when we end: see tether.py.

    Not by the `user` of subprocess, which forks for it: beside gRPC's threads a fork can crash before it has become
    the program.
    """
    who = f"{account.uid}:{account.gid}" if account else "-"
    return [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), str(int(orphan_signal)), who, *command]


def _succeeds(account: Account | None, *command: str) -> bool:
    if _ends_well(account, *command):
        return True
    if account and not _ends_well(account, "/bin/true"):
        raise LocalFailure(
            f"PostgreSQL does not run as root, and this root may not become {account.name}"
            " (no CAP_SETUID): run this as another user"
        )
    return False


def _ends_well(account: Account | None, *command: str) -> bool:
    ended = subprocess.run(  # noqa: S603 -- fixed programs; the only argument is one of our own paths
        tethered(command, account),
        cwd="/",
        env=plain_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=TRY_SECONDS,
        check=False,
    )
    return ended.returncode == 0

"""Which user PostgreSQL runs as, and what that user may reach. It refuses to run as root."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from crm_local.failure import LocalFailure

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


def _succeeds(account: Account | None, *command: str) -> bool:
    try:
        return (
            subprocess.run(  # noqa: S603 -- fixed programs; the only argument is one of our own paths
                command,
                cwd="/",
                env=plain_environment(),
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=30,
                check=False,
            ).returncode
            == 0
        )
    except PermissionError as error:
        if account and not _may_change_user(account):
            raise LocalFailure(
                f"PostgreSQL does not run as root, and this root may not become {account.name}"
                " (no CAP_SETUID): run this as another user"
            ) from error
        return False
    except OSError:
        return False


def _may_change_user(account: Account) -> bool:
    try:
        subprocess.run(
            ["/bin/true"],
            cwd="/",
            env=plain_environment(),
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            check=False,
        )
    except PermissionError:
        return False
    return True

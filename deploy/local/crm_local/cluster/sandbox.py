"""Becomes a container: its network, a file system of its own, its user; then its program.

    python -I -S sandbox.py PARENT_PID SPECIFICATION PROGRAM ARGUMENT...

A program of its own, as tether.py is: code between fork and exec is not safe beside gRPC's threads. It imports
nothing outside the standard library. The specification is JSON: network, root, binds, user, group, groups, folder,
read_only, keeps_rights.
"""

import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

NEW_MOUNTS, NEW_NETWORK = 0x20000, 0x40000000
READ_ONLY, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 32, 4096, 16384, 1 << 18
DEATH_SIGNAL, DROP_BOUND, NO_NEW_PRIVILEGES = 1, 24, 38
LAST_CAPABILITY = 40
DEVICES = ("null", "zero", "full", "random", "urandom")

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    """End with what went wrong."""
    if result < 0:
        sys.exit(f"sandbox: {what}: {os.strerror(ctypes.get_errno())}")


def mount(source: str, target: Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    check(
        libc.mount(source.encode(), str(target).encode(), kind.encode() or None, flags, options.encode() or None),
        f"mount {source} on {target}",
    )


def bind(source: str, target: Path, *, writable: bool) -> None:
    """What is at `source`, at `target` as well."""
    if Path(source).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    mount(source, target, flags=BIND | RECURSIVE)
    if not writable:
        mount(source, target, flags=REMOUNT | BIND | READ_ONLY)


def file_system(root: Path, binds: list[tuple[str, str, bool]], *, read_only: bool) -> None:
    """A file system with what is bound and nothing else of the machine."""
    check(libc.unshare(NEW_MOUNTS), "unshare")
    mount("none", Path("/"), flags=RECURSIVE | PRIVATE)
    mount("tmpfs", root, "tmpfs", 0, "mode=755,size=16m")
    for source, place, writable in binds:
        bind(source, root / place.lstrip("/"), writable=writable)
    for device in DEVICES:
        bind(f"/dev/{device}", root / "dev" / device, writable=True)
    for link in ("bin", "lib", "lib64", "sbin"):
        if Path(f"/{link}").is_symlink():
            (root / link).symlink_to(f"usr/{link}")
    if read_only:
        mount("none", root, flags=REMOUNT | BIND | READ_ONLY)
    os.chroot(root)


def become(user: int, group: int, groups: list[int], *, keeps_rights: bool) -> None:
    """Give up all rights but those of the user, for good."""
    if not keeps_rights:
        for capability in range(LAST_CAPABILITY + 1):
            libc.prctl(DROP_BOUND, capability, 0, 0, 0)
    os.setgroups(groups)
    os.setgid(group)
    os.setuid(user)
    check(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")


def start(parent: str, text: str, *command: str) -> None:
    """Become the program."""
    specification: dict[str, Any] = json.loads(text)
    network = os.open(specification["network"], os.O_RDONLY)
    check(libc.setns(network, NEW_NETWORK), "setns")
    os.close(network)
    file_system(Path(specification["root"]), specification["binds"], read_only=specification["read_only"])
    os.chdir(specification["folder"])
    become(
        specification["user"],
        specification["group"],
        specification["groups"],
        keeps_rights=specification["keeps_rights"],
    )
    # A change of user clears the wish, so it comes last.
    libc.prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("sandbox: the parent is gone")
    try:
        os.execvp(command[0], command)  # noqa: S606 -- no shell is wanted
    except OSError as error:
        sys.exit(f"sandbox: {command[0]}: {error.strerror}")


if __name__ == "__main__":
    start(*sys.argv[1:])

"""Starts a program that does not outlive whoever started it, as another user where that is asked for.

    python -I -S tether.py PARENT_PID ORPHAN_SIGNAL UID:GID|- PROGRAM ARGUMENT...

It is a program of its own, since code between fork and exec is not safe beside gRPC's threads. It imports
nothing outside the standard library, and everything before it gives its rights up: the interpreter may lie
where the other user may not read. Where the system cannot tie a child to its parent (only Linux can), the
next start ends what was left.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def become(account: str) -> None:
    """Give up all rights but those of `account` ("UID:GID"), for good."""
    uid, gid = (int(number) for number in account.split(":"))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def die_with_parent(parent: int, orphan_signal: int) -> None:
    """Have the kernel send `orphan_signal` when the parent ends, however it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, orphan_signal, 0, 0, 0)
    # The parent may have ended before the kernel was asked.
    if os.getppid() != parent:
        sys.exit("tether: the parent is gone")


def start(parent: str, orphan_signal: str, account: str, *command: str) -> None:
    """Become the program."""
    if account != "-":
        become(account)
    # A change of user clears the wish, so it comes last.
    die_with_parent(int(parent), int(orphan_signal))
    try:
        os.execv(command[0], command)  # noqa: S606 -- no shell is wanted
    except OSError as error:
        sys.exit(f"tether: {command[0]}: {error.strerror}")


if __name__ == "__main__":
    start(*sys.argv[1:])

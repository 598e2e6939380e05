"""What a process does first that reads what anybody may have made: it ends with its service, and has bounds.

Its parent starts it without an environment, so it has no secrets, and tells it its process id.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

# <linux/prctl.h>
PR_SET_PDEATHSIG = 1


def end_with(service: int) -> None:
    """End this process when the service ends, however it does."""
    # Linux has it; elsewhere the bound of its time ends it.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != service:
        # It has ended already.
        sys.exit(1)


def bound(*, memory_bytes: int, cpu_seconds: int, file_bytes: int) -> None:
    """From here on this process may take so much and no more, and is the first to go when memory is short.

    `memory_bytes` is its address space, `file_bytes` the largest file that it writes.
    """
    limits = {
        resource.RLIMIT_AS: (memory_bytes, memory_bytes),
        # At the soft limit comes a signal that says what it is about, at the hard one SIGKILL.
        resource.RLIMIT_CPU: (cpu_seconds, cpu_seconds + 5),
        # Python ignores its signal: a write fails with EFBIG.
        resource.RLIMIT_FSIZE: (file_bytes, file_bytes),
        resource.RLIMIT_CORE: (0, 0),
    }
    for what, most in limits.items():
        # Not every system has each.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(what, most)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")

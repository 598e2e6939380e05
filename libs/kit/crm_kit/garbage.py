"""How often Python looks for objects that only refer to each other, and what becomes of memory that is free."""

import ctypes
import gc

YOUNG = 20_000
"""New objects after which it looks through them; Python's own figure is 700."""
LARGE_BLOCK = 1024 * 1024
"""Bytes from which on a block of memory is the system's own."""
# From <malloc.h>.
M_MMAP_THRESHOLD = -3


def collect_seldom() -> None:
    """Look seldom, and never again through what is there now. To be called once a program is set up.

    What a request makes is freed when it is answered; looking for cycles in it finds hardly any and costs a sixth of
    a batch of rows. A look at everything, modules and contracts included, holds up all requests meanwhile.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)


def return_freed_memory() -> None:
    """Give back to the system what starting has used, and from now on each large block as soon as it is free.

    Otherwise glibc keeps blocks like those, for instance the 19 MiB in which a password is hashed, once for each thread
    that has ever hashed one. With another C library nothing happens.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim"):
        libc.mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)
        libc.malloc_trim(0)

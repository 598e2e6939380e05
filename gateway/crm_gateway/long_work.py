"""What would hold the loop for long: done on a thread, one thing after the other.

Python lets threads take turns every few milliseconds, between calls into C: so a page of 10 MB holds nobody up when it
is made in many short steps. With several at once nobody would get a turn for long.

What goes on for long, such as an export, asks for a `turn_of` its tenant before each piece: so whoever comes to the
thread finds few pieces of each tenant before it, however many of them a tenant has under way.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from weakref import WeakValueDictionary

Made = TypeVar("Made")

# Bytes of a message as it comes from the service; it takes 30 ms to write JSON of so many.
MAX_BYTES_AT_ONCE = 256 * 1024

# Of one tenant, so that one is read from a service while another is written.
MAX_PIECES_AT_ONCE = 2

_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="large-answers")
# Each as long as somebody has a turn, or waits for one.
_turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()


async def on_thread(make: Callable[[], Made]) -> Made:
    """What is made on the thread, once all that came before is."""
    return await asyncio.get_running_loop().run_in_executor(_thread, make)


def turn_of(tenant_id: str) -> asyncio.Semaphore:
    """What is held while a piece of a tenant's long work is made."""
    turns = _turns.get(tenant_id)
    if turns is None:
        turns = _turns[tenant_id] = asyncio.Semaphore(MAX_PIECES_AT_ONCE)
    return turns

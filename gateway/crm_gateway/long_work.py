"""What would hold the loop for long: done on a thread, one thing after the other.

Python lets threads take turns every few milliseconds, between calls into C: so a page of 10 MB holds nobody up when it
is made in many short steps. With several at once nobody would get a turn for long.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Made = TypeVar("Made")

# Bytes of a message as it comes from the service; it takes 30 ms to write JSON of so many.
MAX_BYTES_AT_ONCE = 256 * 1024

_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="large-answers")


async def on_thread(make: Callable[[], Made]) -> Made:
    """What is made on the thread, once all that came before is."""
    return await asyncio.get_running_loop().run_in_executor(_thread, make)

"""Answers that take long to write: made on a thread, one after the other, while the event loop serves others.

Python lets threads take turns every few milliseconds, so a page of 10 MB holds nobody up; with several at once nobody
would get a turn for long.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from google.protobuf.message import Message

Made = TypeVar("Made")

# As it came from the service: JSON of it is four times as large and takes 30 ms.
MAX_BYTES_AT_ONCE = 256 * 1024

_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="large-answers")


async def written(message: Message, write: Callable[[], Made]) -> Made:
    """What `write` makes of the message."""
    if message.ByteSize() <= MAX_BYTES_AT_ONCE:
        return write()
    return await asyncio.get_running_loop().run_in_executor(_thread, write)

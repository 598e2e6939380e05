"""Answers that are large: how they are written while others are served, and how many of them may wait to be read.

They are made on a thread, one after the other: Python lets threads take turns every few milliseconds, so a page of
10 MB holds nobody up; with several at once nobody would get a turn for long. What a client does not read stays in
memory until it does, or until its connection is given up; so a tenant, and all together, have so many bytes of it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from google.protobuf.message import Message

from crm_gateway.exchange import Exchange
from crm_gateway.problems import Problem, ProblemError

Made = TypeVar("Made")

# Bytes of an answer are counted as they come from the service: JSON of them may be four times as large.
# It takes 30 ms for this many.
MAX_BYTES_AT_ONCE = 256 * 1024
# One that is larger than this has room while it is the only one.
MAX_TENANT_BYTES = 16 << 20
MAX_TOTAL_BYTES = 64 << 20

_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="large-answers")


class LargeAnswers:
    """The large answers of this process that clients have not read to their end."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    async def written(self, exchange: Exchange, message: Message, write: Callable[[], Made]) -> Made:
        """What `write` makes of the message; ProblemError RATE_LIMITED when too many such answers wait for readers."""
        size = message.ByteSize()
        if size <= MAX_BYTES_AT_ONCE:
            return write()
        self._take(exchange, size)
        return await asyncio.get_running_loop().run_in_executor(_thread, write)

    def _take(self, exchange: Exchange, size: int) -> None:
        of_tenant, of_all = self._taken[exchange.tenant_id], self._taken.total()
        if (of_tenant and of_tenant + size > MAX_TENANT_BYTES) or (of_all and of_all + size > MAX_TOTAL_BYTES):
            raise ProblemError(Problem(429, "RATE_LIMITED", retry_after=1, text="RATE_LIMITED.unread"))
        self._taken[exchange.tenant_id] += size
        exchange.at_end.append(partial(self._give_back, exchange.tenant_id, size))

    def _give_back(self, tenant_id: str, size: int) -> None:
        self._taken[tenant_id] -= size
        if not self._taken[tenant_id]:
            del self._taken[tenant_id]

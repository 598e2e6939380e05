"""Waiting for what events bring about, by condition and not by time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")
STEP_SECONDS = 0.02
# How long a machine that is busy with something else may need: it costs time only where a test fails.
PATIENCE_SECONDS = 60.0


async def eventually(condition: Callable[[], Awaitable[Value]], *, seconds: float = PATIENCE_SECONDS) -> Value:
    """What the condition gives once it is true; AssertionError with its last value when it does not become so."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not (value := await condition()):
        if loop.time() > end:
            raise AssertionError(f"did not become true within {seconds} s; last: {value!r}")
        await asyncio.sleep(STEP_SECONDS)
    return value

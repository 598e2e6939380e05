"""Pages of records that are slow to make."""

import asyncio
import time

from crm_kit.resource.reading import TURN_SECONDS, in_turns


async def test_others_have_their_turn_while_slow_records_are_made() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def slow(number: int) -> int:
        end = time.perf_counter() + 1.2 * TURN_SECONDS
        while time.perf_counter() < end:
            pass
        return -number

    task = asyncio.create_task(other())
    assert await in_turns(range(5), slow) == [0, -1, -2, -3, -4]
    task.cancel()
    assert turns >= 5

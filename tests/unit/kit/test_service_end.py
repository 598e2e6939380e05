"""How the work of a service is ended."""

import asyncio

from crm_kit.readiness import end


async def test_work_that_loses_a_cancellation_is_ended_all_the_same() -> None:
    waiting = asyncio.Event()

    async def loses_one() -> None:
        try:
            waiting.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    async def fails() -> None:
        raise RuntimeError

    tasks = [asyncio.create_task(loses_one()), asyncio.create_task(fails())]
    await waiting.wait()
    await asyncio.wait_for(end(tasks), 20)
    assert all(task.done() for task in tasks)
    assert isinstance(tasks[1].exception(), RuntimeError)
    await end([])

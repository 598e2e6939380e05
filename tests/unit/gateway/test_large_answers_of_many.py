"""However many wait for room, whose turn it is is found while others are served."""

import asyncio
import time
from typing import Any

import pytest
from crm_gateway.exchange import Exchange, open_exchange
from crm_gateway.large_answers import LargeAnswers
from crm_gateway.long_work import MAX_BYTES_AT_ONCE

from tests.steps import MAX_SECONDS

READERS, WAITING, TENANTS = 1600, 400, 4
SIZE = MAX_BYTES_AT_ONCE + 1
MODULE = "crm_gateway.large_answers"


async def nothing() -> dict[str, Any]:
    raise AssertionError("nothing is read of it")


def exchange(at: int, user_id: str) -> Exchange:
    opened = open_exchange({"method": "GET", "path": "/", "headers": []}, nothing)
    opened.tenant_id, opened.user_id = f"tenant {at % TENANTS}", f"{user_id} {at}"
    return opened


async def test_whoever_comes_holds_nobody_up_where_hundreds_read_and_hundreds_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("MAX_TENANT_BYTES", "MAX_TOTAL_BYTES", "MAX_TENANT_WAITING_BYTES", "MAX_WAITING_BYTES"):
        monkeypatch.setattr(f"{MODULE}.{name}", READERS * SIZE)
    for name in ("WAIT_SECONDS", "READING_SECONDS"):
        monkeypatch.setattr(f"{MODULE}.{name}", 1000)
    answers = LargeAnswers()
    for at in range(READERS):
        reading = exchange(at, "reads")
        await answers.room(reading, SIZE)
        answers.hold(reading, SIZE)
    waiting = [asyncio.ensure_future(answers.room(exchange(at, "waits"), SIZE)) for at in range(WAITING)]
    await asyncio.sleep(0)
    took = []
    for at in range(5):
        waiting.append(asyncio.ensure_future(answers.room(exchange(at, "comes last"), SIZE)))
        began = time.process_time()
        await asyncio.sleep(0)
        took.append(time.process_time() - began)
    assert min(took) < MAX_SECONDS
    assert not any(each.done() for each in waiting)
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

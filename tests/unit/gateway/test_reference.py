"""The reference is made once, for all who ask, however that goes."""

import asyncio

import pytest
from crm_gateway.openapi.reference import Reference, made_apart
from crm_kit.errors import Unavailable


class Maker:
    """Makes it when told to; counts how often it was asked."""

    def __init__(self) -> None:
        self.begun = 0
        self.goes_on = asyncio.Event()
        self.fails = True

    async def make(self) -> bytes:
        self.begun += 1
        await self.goes_on.wait()
        if self.fails:
            raise Unavailable("not this time")
        return b"made"


async def test_all_who_wait_for_it_hear_of_one_failure_and_the_next_one_has_it_made_anew() -> None:
    maker = Maker()
    made = Reference(maker.make)
    asked = [asyncio.ensure_future(made.archive()) for _ in range(20)]
    await asyncio.sleep(0)
    # Whoever leaves takes it from nobody else.
    asked[0].cancel()
    maker.goes_on.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert all(isinstance(each, Unavailable) for each in answers[1:])
    assert maker.begun == 1
    maker.fails = False
    assert [await made.archive() for _ in range(3)] == [b"made"] * 3
    assert maker.begun == 2


async def test_where_no_process_can_be_begun_it_is_not_there_this_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(Unavailable):
        await made_apart()

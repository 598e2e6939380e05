"""Somebody tries to learn what is hidden from them by every read that there is: two worlds answer the same."""

from difflib import unified_diff

import pytest
from crm_kit.field_rights import hideable

from tests.factories.places import SERVICES
from tests.service.examples import World
from tests.service.hiding import (
    BY_PLATFORM,
    OTHERS,
    VALUES,
    answer,
    hidden_in,
    questions,
    sides,
)


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> World:
    """All services that the contract names."""
    return World({name: request.getfixturevalue(name) for name in SERVICES})


def test_every_field_that_can_be_hidden_has_values_here() -> None:
    for collection in hideable():
        assert {*hidden_in(collection)} <= {*VALUES, *OTHERS, *BY_PLATFORM.get(collection, ())}


@pytest.mark.parametrize("collection", hideable())
async def test_no_read_tells_two_hidden_values_apart(world: World, collection: str) -> None:
    one, other = await sides(world, collection)
    theirs = (
        [each async for each in questions(world, one, collection)],
        [each async for each in questions(world, other, collection)],
    )
    told_apart, by_reader = set(), []
    for asked, again in zip(*theirs, strict=True):
        assert asked.of == again.of
        seen = [await answer(world, each, side, side.reader) for each, side in ((asked, one), (again, other))]
        if seen[0] != seen[1]:
            by_reader.append("\n".join([asked.of, *unified_diff(seen[0].splitlines(), seen[1].splitlines(), n=1)]))
        if asked.rpc.name not in told_apart:
            whole = [await answer(world, each, side, side.admin) for each, side in ((asked, one), (again, other))]
            if whole[0] != whole[1]:
                told_apart.add(asked.rpc.name)
    assert not by_reader, "\n\n".join(by_reader[:5])
    # Who sees them does tell them apart: the worlds do differ, and the requests are to the point.
    assert len(told_apart) >= 3, told_apart

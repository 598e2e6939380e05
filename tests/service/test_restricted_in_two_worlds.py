"""Somebody to whom an account is closed asks everything about it: two worlds, in which it differs, answer the same.

That is every read of the customer service, with each field in each place where it can speak of one: it takes a while.
"""

from difflib import unified_diff
from typing import Any

import pytest

from tests.factories.places import RPCS, SERVICES
from tests.service.examples import World
from tests.service.hiding import Side, answer, make, questions
from tests.service.restricting import EVERYBODY, made_at

# What is at the account, with a field that says something else on either side; the values are among what is asked for.
AT_IT = {"contacts": "department", "interactions": "body"}
VALUES = ("ibex", "tapir")
# A workbook has the time in it at which it was made.
TIMED = frozenset({"GetImportReport"})


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> World:
    return World({name: request.getfixturevalue(name) for name in SERVICES})


async def restricted_sides(world: World) -> tuple[Side, Side]:
    """A restricted account that differs in all that is not its label, with other people and calls on either side."""
    found = []
    for index in (0, 1):
        tenant_id = await world.tenant()
        side = Side(index, await world.user(tenant_id), await world.user(tenant_id, grants=EVERYBODY))
        side.names |= {str(tenant_id): "tenant", str(side.admin.id): "admin", str(side.reader.id): "reader"}
        await make(world, side, "accounts")
        for number in range(1 + index):
            for kind, name in AT_IT.items():
                await made_at(world, side.admin, kind, side.record_id, **{name: f"{VALUES[index]} {number}"})
        request: Any = await world.request(RPCS["RestrictAccount"], side.admin)
        request.id, request.reason = side.record_id, f"reason {index}"
        await world.call(RPCS["RestrictAccount"], request, side.admin.metadata)
        found.append(side)
    return found[0], found[1]


async def test_no_read_tells_two_restricted_accounts_apart(world: World) -> None:
    one, other = await restricted_sides(world)
    theirs = [
        [each async for each in questions(world, side, "accounts") if each.rpc.name not in TIMED]
        for side in (one, other)
    ]
    by_reader, told_apart = [], set()
    for asked, again in zip(*theirs, strict=True):
        seen = [await answer(world, each, side, side.reader) for each, side in ((asked, one), (again, other))]
        if seen[0] != seen[1]:
            by_reader.append("\n".join([asked.of, *unified_diff(seen[0].splitlines(), seen[1].splitlines(), n=1)]))
        if asked.rpc.name not in told_apart:
            whole = [await answer(world, each, side, side.admin) for each, side in ((asked, one), (again, other))]
            if whole[0] != whole[1]:
                told_apart.add(asked.rpc.name)
    assert not by_reader, "\n\n".join(by_reader[:5])
    assert len(told_apart) >= 3, told_apart

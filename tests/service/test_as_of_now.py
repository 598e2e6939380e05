"""A record as of now is the record as it is read, whatever kind of record it is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.message_factory import GetMessageClass

from tests.factories.places import RPCS, SERVICES, TASKS
from tests.service.examples import EXAMPLES, World

AS_OF = ":asOf"
# Each rpc that reads a record as of an instant, by its path.
AS_IT_WAS = {
    path: rpc
    for rpc in RPCS.values()
    if rpc.bindings and (path := rpc.bindings[0].template).endswith(f"/{{id}}{AS_OF}")
}
# A tenant shows a clock. What somebody wants to be told is read without an id. Credit and scores are read by their
# account, which they are of as soon as it is heard of.
READ_OTHERWISE = {
    f"/v1/{collection}/{{id}}{AS_OF}"
    for collection in ("tenants", "credit-limits", "scores", "notification-preferences")
}
# What is beside records, by one declaration for all collections: `kit/test_tasks.py`.
BESIDE = {path for path in AS_IT_WAS if path.startswith(f"/v1/{TASKS}/")}


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> World:
    """All services that the contract names."""
    return World({name: request.getfixturevalue(name) for name in SERVICES})


@pytest.mark.parametrize("path", sorted(AS_IT_WAS.keys() - READ_OTHERWISE - BESIDE))
async def test_a_record_as_of_now_is_as_it_is_read(world: World, path: str) -> None:
    as_it_was = AS_IT_WAS[path]
    collection = path.split("/")[2]
    assert collection in EXAMPLES
    user = await world.user(await world.tenant())
    read = RPCS[as_it_was.name.removesuffix("AsOf")]
    id = await world.example(collection, user)
    request: Any = GetMessageClass(as_it_was.request)(id=id)
    # An instant to come is now to who reads.
    request.read_time.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    for _ in range(10):
        before: Any = await world.call(read, GetMessageClass(read.request)(id=id), user.metadata)
        was: Any = await world.call(as_it_was, request, user.metadata)
        now: Any = await world.call(read, GetMessageClass(read.request)(id=id), user.metadata)
        # What moves by itself, such as an import, may have moved meanwhile.
        if before == now:
            break
    shown = GetMessageClass(read.response).FromString(was.SerializeToString())
    assert shown == now


def test_metadata_names_all_that_has_no_history(world: World) -> None:
    for service in world.services.values():
        for each in service.service.resources:
            told = {name for name, field in each.contract.items() if field.without_history}
            assert told == each.without_history & each.contract.keys(), each

"""What is explained of somebody's access is what they find when they try, whatever kind of record it is."""

from typing import Any

import pytest
from crm.resource.v1 import record_access_pb2 as pb
from crm.resource.v1 import resources_pb2 as generic
from crm_kit.identity.access import Scope
from google.protobuf.message_factory import GetMessageClass

from tests.factories.places import RPCS, SERVICES
from tests.service.examples import EXAMPLES, World
from tests.service.running import User

EXPLAINED = {
    path: rpc
    for rpc in RPCS.values()
    if rpc.bindings and (path := rpc.bindings[0].template).endswith("/{id}:explainAccess")
}
# Read without an id, also before anything was chosen.
READ_OTHERWISE = {"/v1/notification-preferences/{id}:explainAccess"}
EVERYTHING = {"*": Scope.ALL}
READ = 0


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> World:
    """All services that the contract names."""
    return World({name: request.getfixturevalue(name) for name in SERVICES})


async def people_beside(world: World, maker: User) -> dict[str, User]:
    """Who may do what in the tenant, from everything to nothing."""
    tenant = maker.tenant_id
    assert maker.team_id is not None
    return {
        "who made it": maker,
        "all": await world.user(tenant, grants=EVERYTHING),
        "the team's": await world.user(tenant, grants={"*": Scope.TEAM}, team_id=maker.team_id),
        "another team's": await world.user(tenant, grants={"*": Scope.TEAM}),
        "their own": await world.user(tenant, grants={"*": Scope.OWN}),
        "nothing": await world.user(tenant, grants={}),
    }


@pytest.mark.parametrize("path", sorted(EXPLAINED.keys() - READ_OTHERWISE))
async def test_what_is_explained_is_what_they_find_when_they_try(world: World, path: str) -> None:
    explain, collection = EXPLAINED[path], path.split("/")[2]
    assert collection in EXAMPLES
    maker = await world.user(await world.tenant())
    id = await world.example(collection, maker)
    for who, user in (await people_beside(world, maker)).items():
        request: Any = GetMessageClass(explain.request)(id=id, user_id=str(user.id))
        told: Any = await world.call(explain, request, maker.metadata)
        assert (told.active, told.user_id) == (True, str(user.id))
        read = RPCS[told.operations[READ].rpc]
        # Credit and scores are read by their account, and a tenant is the caller's.
        named = {key: id for key in ("id", "account_id") if key in read.request.fields_by_name}
        found = await world.answer(read, GetMessageClass(read.request)(**named), user.metadata)
        assert told.operations[READ].allowed == (found.code == "OK"), (who, found)
        if found.code == "OK":
            free = told.operations[READ].permission == "authenticated"
            assert free or told.operations[READ].scope >= told.needed_scope
            await check_as_told_to_themselves(world, explain, told, user)
        elif who == "all":
            # It is private to its maker.
            assert told.needed_scope == pb.RecordAccess.SCOPE_UNSPECIFIED


async def check_as_told_to_themselves(world: World, explain: Any, told: Any, user: User) -> None:
    """Their own question has the same answer, and `actions` say the same of each verb."""
    request: Any = GetMessageClass(explain.request)(id=told.id)
    assert await world.call(explain, request, user.metadata) == told
    actions = RPCS[explain.name.replace("Explain", "Get").removesuffix("Access") + "Actions"]
    found: Any = await world.call(actions, GetMessageClass(actions.request)(id=told.id), user.metadata)
    verbs = [each for each in told.operations if not each.rpc.startswith(("Get", "Update"))]
    assert [(each.rpc, each.allowed, each.reason, each.approval) for each in verbs] == [
        (each.rpc, each.allowed, each.reason, each.approval) for each in found.actions
    ]
    assert isinstance(found, generic.RecordActions) and isinstance(told, pb.RecordAccess)

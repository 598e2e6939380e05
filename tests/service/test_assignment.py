"""To whom records may be given, at every place of the contract that says whose a record becomes."""

import grpc
import pytest
from crm.options.v1 import options_pb2
from crm_gateway.contract import INTERNAL, Rpc
from crm_kit.identity.access import Scope
from crm_kit.identity.services import ServiceIdentity
from crm_kit.ids import new_id
from crm_kit.rpc.status import reason_of

from tests.factories.messages import Path, put_id, settled
from tests.factories.places import RPCS, SERVICES, paths_of
from tests.service.examples import World
from tests.service.running import User, violations_of

OWNERS = ("owner_id", "account_owner_id", "assignee_id")
# Whoever may read the record has tasks at it (`kit/test_tasks.py`), however far the reach of who gives them.
TASK = "task"
# Only by its own verb or never, so it is refused whoever is named.
NOT_CHANGED = {
    ("UpdateApprovalDelegation", "approval_delegation.owner_id"),
    ("UpdateCase", "case.assignee_id"),
    ("UpdateLead", "lead.owner_id"),
    ("UpdateOrder", "order.owner_id"),
}
PLACES = [
    (rpc, path)
    for rpc in RPCS.values()
    for path in paths_of(rpc)
    if path[-1] in OWNERS and path[0] != TASK and (rpc.name, ".".join(path)) not in NOT_CHANGED
]
# Feeds are the whole tenant's: whom their accounts are given to, their own tests say.
WHOLE_TENANTS = {"CreateFeed", "UpdateFeed"}
EVERYTHING = sorted({rpc.permission for rpc in RPCS.values() if "." in rpc.permission})
OUT_OF_REACH = ("INVALID_ARGUMENT", "ASSIGNMENT_NOT_ALLOWED", "assignable")
CANNOT_HAVE_IT = ("INVALID_ARGUMENT", "ASSIGNMENT_NOT_ALLOWED", "permitted")
GIVEN = ("OK", "", "")


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> World:
    """All services that the contract names."""
    return World({name: request.getfixturevalue(name) for name in SERVICES})


def named(value: object) -> str:
    return value.name if isinstance(value, Rpc) else ".".join(value) if isinstance(value, tuple) else str(value)


def test_the_places_are_there() -> None:
    assert {rpc.owner for rpc, _ in PLACES} == {"customer", "sales", "service_desk"}


@pytest.mark.parametrize(("rpc", "path"), [each for each in PLACES if each[0].name not in WHOLE_TENANTS], ids=named)
async def test_a_record_is_given_as_far_as_one_reaches(rpc: Rpc, path: Path, world: World) -> None:
    """With OWN to oneself, with TEAM within one's teams, with ALL to everybody."""
    tenant = await world.tenant()
    # What it takes besides says nothing of who is within reach.
    besides = dict.fromkeys(rpc.options.Extensions[options_pb2.more_permissions], Scope.ALL)
    for scope, expected in (
        (Scope.OWN, [GIVEN, OUT_OF_REACH, OUT_OF_REACH]),
        (Scope.TEAM, [GIVEN, GIVEN, OUT_OF_REACH]),
        (Scope.ALL, [GIVEN, GIVEN, GIVEN]),
    ):
        caller = await world.user(tenant, grants=dict.fromkeys(EVERYTHING, scope) | besides)
        teammate = await world.user(tenant, team_id=caller.team_id)
        administrator = await world.user(tenant)
        told = [await answered(world, rpc, path, caller, each) for each in (caller, teammate, administrator)]
        assert told == expected, scope


@pytest.mark.parametrize(("rpc", "path"), PLACES, ids=named)
async def test_nobody_is_given_what_their_roles_do_not_let_them_have(rpc: Rpc, path: Path, world: World) -> None:
    tenant = await world.tenant()
    caller = await world.user(tenant)
    needed = needed_permission(rpc, path)
    others = dict.fromkeys((name for name in EVERYTHING if name != needed), Scope.ALL)
    told = [
        await answered(world, rpc, path, caller, await world.user(tenant, grants=grants))
        for grants in (others, {needed: Scope.OWN}, {"*": Scope.OWN})
    ]
    assert told == [CANNOT_HAVE_IT, GIVEN, GIVEN]


def needed_permission(rpc: Rpc, path: Path) -> str:
    """What an owner needs: to read the record, and who works on a case to write it."""
    if path[-1] == "assignee_id":
        return "cases.write"
    if rpc.permission == INTERNAL:
        return f"{path[0]}s.read"
    return "accounts.read" if path[-1] == "account_owner_id" else rpc.permission.replace(".write", ".read")


async def answered(world: World, rpc: Rpc, path: Path, caller: User, owner: User) -> tuple[str, str, str]:
    """Code, reason and broken rule of what the caller is told who gives such a record to the owner."""
    request = await world.request(rpc, caller)
    put_id(request, path, str(owner.id))
    if rpc.permission == INTERNAL:
        # Another one each time: what became of a lead before is no more asked for.
        put_id(request, ("lead_id",), str(new_id()))
    try:
        await world.call(rpc, settled(request), on_behalf_of(caller, world, rpc))
    except grpc.aio.AioRpcError as error:
        (broken,) = violations_of(error)
        assert broken.field == ".".join(path)
        return error.code().name, reason_of(error), broken.reason
    return GIVEN


def on_behalf_of(caller: User, world: World, rpc: Rpc) -> tuple[tuple[str, str], ...]:
    """The credentials of the caller; of an internal rpc those of the service that calls it for them."""
    if rpc.permission != INTERNAL:
        return caller.metadata
    (name,) = rpc.options.Extensions[options_pb2.callers]
    identity = ServiceIdentity(name, world.services[rpc.owner].service.service_keys[name])
    return (("authorization", identity.authorization(rpc.path, caller.tenant_id)),)

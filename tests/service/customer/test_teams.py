"""Teams through their contract: a tree that stays one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from uuid import uuid4

import grpc
import pytest
from crm.customer.v1 import events_pb2
from crm.customer.v1 import teams_pb2 as pb
from crm.customer.v1.teams_pb2_grpc import TeamServiceStub
from crm.customer.v1.users_pb2 import GetCurrentUserRequest
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from crm_kit.identity.access import Scope
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.companies import Company, open_company
from tests.service.nameless import nameless
from tests.service.running import Running, refused

if TYPE_CHECKING:
    from crm.customer.v1.teams_pb2_grpc import TeamServiceAsyncStub

Create = Callable[..., Awaitable[pb.Team]]


@pytest.fixture
def teams(customer: Running) -> "TeamServiceAsyncStub":
    return TeamServiceStub(customer.channel)


@pytest.fixture
def create(teams: "TeamServiceAsyncStub", company: Company) -> Create:
    async def create_team(name: str = "Sales", parent: pb.Team | None = None) -> pb.Team:
        team = pb.Team(display_name=name, parent_id=parent.id if parent else "")
        return await teams.CreateTeam(pb.CreateTeamRequest(team=team), metadata=company.admin.metadata)

    return create_team


def below(team: pb.Team, parent: pb.Team | None) -> pb.UpdateTeamRequest:
    """The team moved below another one, or to the top."""
    moved = pb.Team(id=team.id, parent_id=parent.id if parent else "")
    return pb.UpdateTeamRequest(team=moved, update_mask=FieldMask(paths=["parent_id"]))


async def test_a_created_team_is_read_back_and_told(
    teams: "TeamServiceAsyncStub", company: Company, create: Create
) -> None:
    sales = await create()
    north = await create("North", sales)
    assert north.parent_id == sales.id
    assert await teams.GetTeam(pb.GetTeamRequest(id=north.id), metadata=company.admin.metadata) == north
    assert await company.told(north.id) == [events_pb2.TeamCreated(team=nameless(north))]


async def test_a_team_is_led_by_somebody_who_is_active(
    customer: Running, teams: "TeamServiceAsyncStub", company: Company, create: Create
) -> None:
    sales = await create()
    lead, gone = [await customer.user(company.admin.tenant_id) for _ in range(2)]
    await customer.change_user(gone, active=False)

    async def led_by(id: str) -> pb.Team:
        team, mask = pb.Team(id=sales.id, leader_id=id), FieldMask(paths=["leader_id"])
        return await teams.UpdateTeam(
            pb.UpdateTeamRequest(team=team, update_mask=mask), metadata=company.admin.metadata
        )

    for nobody in (str(gone.id), str(uuid4())):
        with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
            await led_by(nobody)
        assert refusal.fields == ["team.leader_id"]
        with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
            team = pb.Team(display_name="North", leader_id=nobody)
            await teams.CreateTeam(pb.CreateTeamRequest(team=team), metadata=company.admin.metadata)
    assert (await led_by(str(lead.id))).leader_id == str(lead.id)
    assert (await led_by("")).leader_id == ""


async def test_teams_are_listed_by_filter_and_order(
    teams: "TeamServiceAsyncStub", company: Company, create: Create
) -> None:
    sales = await create()
    for name in ("South", "North"):
        await create(name, sales)
    request = pb.ListTeamsRequest(filter=f'parent_id = "{sales.id}"', order_by="display_name", page_size=1)
    first = await teams.ListTeams(request, metadata=company.admin.metadata)
    assert [team.display_name for team in first.teams] == ["North"]
    request.page_token = first.next_page_token
    second = await teams.ListTeams(request, metadata=company.admin.metadata)
    assert ([team.display_name for team in second.teams], second.next_page_token) == (["South"], "")


async def test_a_team_of_another_tenant_is_not_found(
    teams: "TeamServiceAsyncStub", customer: Running, create: Create
) -> None:
    team = await create()
    stranger = (await open_company(customer)).admin
    with refused("NOT_FOUND", "TEAM_NOT_FOUND"):
        await teams.GetTeam(pb.GetTeamRequest(id=team.id), metadata=stranger.metadata)
    with refused("NOT_FOUND", "TEAM_NOT_FOUND"):
        await teams.UpdateTeam(below(team, None), metadata=stranger.metadata)


async def test_the_team_above_must_exist_in_the_tenant(
    teams: "TeamServiceAsyncStub", customer: Running, company: Company, create: Create
) -> None:
    team = await create()
    stranger = await open_company(customer)
    foreign = await teams.CreateTeam(
        pb.CreateTeamRequest(team=pb.Team(display_name="Foreign")), metadata=stranger.admin.metadata
    )
    for parent_id in (str(uuid4()), foreign.id):
        with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
            await create("North", pb.Team(id=parent_id))
        with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
            await teams.UpdateTeam(below(team, pb.Team(id=parent_id)), metadata=company.admin.metadata)


async def test_a_team_is_never_below_itself(teams: "TeamServiceAsyncStub", company: Company, create: Create) -> None:
    top = await create("Top")
    middle = await create("Middle", top)
    bottom = await create("Bottom", middle)
    for parent in (top, middle, bottom):
        with refused("FAILED_PRECONDITION", "TEAM_CYCLE"):
            await teams.UpdateTeam(below(top, parent), metadata=company.admin.metadata)
    moved = await teams.UpdateTeam(below(bottom, top), metadata=company.admin.metadata)
    assert moved.parent_id == top.id
    assert await teams.UpdateTeam(below(bottom, top), metadata=company.admin.metadata) == moved
    _, told = await company.told(bottom.id)
    assert told == events_pb2.TeamUpdated(team=nameless(moved), changed_fields=["parent_id"])


async def test_moves_at_the_same_time_make_no_circle(
    teams: "TeamServiceAsyncStub", company: Company, create: Create
) -> None:
    for _ in range(5):
        one, other = await create("One"), await create("Other")
        answers = await asyncio.gather(
            teams.UpdateTeam(below(one, other), metadata=company.admin.metadata),
            teams.UpdateTeam(below(other, one), metadata=company.admin.metadata),
            return_exceptions=True,
        )
        refusals = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
        assert [refusal.code() for refusal in refusals] == [grpc.StatusCode.FAILED_PRECONDITION]


async def test_an_update_with_a_stale_etag_is_refused(
    teams: "TeamServiceAsyncStub", company: Company, create: Create
) -> None:
    team = await create()
    renamed = pb.Team(id=team.id, display_name="Sales and marketing", etag=team.etag)
    request = pb.UpdateTeamRequest(team=renamed, update_mask=FieldMask(paths=["display_name"]))
    changed = await teams.UpdateTeam(request, metadata=company.admin.metadata)
    assert (changed.display_name, changed.parent_id) == ("Sales and marketing", "")
    with refused("ABORTED", "ETAG_MISMATCH"):
        await teams.UpdateTeam(request, metadata=company.admin.metadata)


async def test_a_create_with_a_key_happens_once(teams: "TeamServiceAsyncStub", company: Company) -> None:
    request = pb.CreateTeamRequest(team=pb.Team(display_name="Once"))
    first = await teams.CreateTeam(request, metadata=company.admin.with_key("team"))
    assert await teams.CreateTeam(request, metadata=company.admin.with_key("team")) == first


@pytest.mark.parametrize("name", ["", " Sales", "x" * 201])
async def test_a_name_that_is_none_is_refused(create: Create, name: str) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await create(name)


async def test_changing_the_tree_takes_the_permission_for_the_whole_tenant(
    teams: "TeamServiceAsyncStub", company: Company, create: Create
) -> None:
    team = await create()
    reader = company.acting(await company.user(await company.role(teams_read=Scope.OWN)))
    narrow = company.acting(await company.user(await company.role(teams_write=Scope.TEAM)))
    assert await teams.GetTeam(pb.GetTeamRequest(id=team.id), metadata=reader.metadata) == team
    for user in (reader, narrow):
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await teams.CreateTeam(pb.CreateTeamRequest(team=pb.Team(display_name="x")), metadata=user.metadata)
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await teams.UpdateTeam(below(team, None), metadata=user.metadata)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await teams.ListTeams(pb.ListTeamsRequest(), metadata=narrow.metadata)


async def test_a_moved_team_is_seen_by_those_above_at_once(
    customer: Running, teams: "TeamServiceAsyncStub", company: Company, create: Create
) -> None:
    sales, north = await create("Sales"), await create("North")
    manager = company.acting(await company.user(team_id=sales.id))
    users = UserServiceStub(customer.channel)
    before = await users.GetCurrentUser(GetCurrentUserRequest(), metadata=manager.metadata)
    await teams.UpdateTeam(below(north, sales), metadata=company.admin.metadata)
    after = await users.GetCurrentUser(GetCurrentUserRequest(), metadata=manager.metadata)
    assert (set(before.team_ids), set(after.team_ids)) == ({sales.id}, {sales.id, north.id})

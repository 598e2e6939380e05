"""Users as themselves: who they are, what they may, and what of it they change."""

from typing import TYPE_CHECKING, Any

import pytest
from crm.customer.v1 import teams_pb2
from crm.customer.v1 import users_pb2 as pb
from crm.customer.v1.teams_pb2_grpc import TeamServiceStub
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.companies import PASSWORD, Company
from tests.service.running import Running, refused

if TYPE_CHECKING:
    from crm.customer.v1.users_pb2_grpc import UserServiceAsyncStub


@pytest.fixture
def users(customer: Running) -> "UserServiceAsyncStub":
    return UserServiceStub(customer.channel)


async def team(company: Company, name: str = "Sales", parent_id: str = "") -> str:
    """The id of a new team."""
    request = teams_pb2.CreateTeamRequest(team=teams_pb2.Team(display_name=name, parent_id=parent_id))
    return (await TeamServiceStub(company.customer.channel).CreateTeam(request, metadata=company.admin.metadata)).id


async def test_the_caller_reads_who_they_are_and_what_they_may(users: "UserServiceAsyncStub", company: Company) -> None:
    sales = await team(company)
    north = await team(company, "North", sales)
    user = await company.user(
        await company.role(accounts_read=Scope.OWN, cases_read=Scope.TEAM),
        await company.role(accounts_read=Scope.ALL),
        team_id=sales,
    )
    me = await users.GetCurrentUser(pb.GetCurrentUserRequest(), metadata=company.acting(user).metadata)
    assert me.user == user
    assert {grant.permission: grant.scope for grant in me.grants} == {"accounts.read": 3, "cases.read": 2}
    assert set(me.team_ids) == {sales, north}


def own(*paths: str, **fields: Any) -> pb.UpdateCurrentUserRequest:
    return pb.UpdateCurrentUserRequest(user=pb.User(**fields), update_mask=FieldMask(paths=paths))


async def test_anybody_changes_their_own_name(users: "UserServiceAsyncStub", company: Company) -> None:
    user = await company.user()
    me = company.acting(user)
    renamed = await users.UpdateCurrentUser(own("display_name", display_name="Li Wei"), metadata=me.metadata)
    assert (renamed.id, renamed.display_name) == (user.id, "Li Wei")
    again = await users.UpdateCurrentUser(own("display_name", display_name="Li Wei"), metadata=me.metadata)
    assert again == renamed
    assert len(await company.told(user.id)) == 2


async def test_ones_own_user_may_be_sent_back_as_it_came(users: "UserServiceAsyncStub", company: Company) -> None:
    user = await company.user()
    sent = pb.UpdateCurrentUserRequest(user=user, update_mask=FieldMask(paths=["display_name", "login", "role_ids"]))
    assert await users.UpdateCurrentUser(sent, metadata=company.acting(user).metadata) == user


@pytest.mark.parametrize("field", ["login", "team_id", "role_ids"])
async def test_nobody_changes_more_of_themselves_than_their_name(
    users: "UserServiceAsyncStub", company: Company, field: str
) -> None:
    user = await company.user()
    values: dict[str, Any] = {
        "login": "other@company.test",
        "team_id": str(new_id()),
        "role_ids": [(await company.role(everything=Scope.ALL)).id],
    }
    request = own(field, "display_name", display_name="Li Wei", **{field: values[field]})
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await users.UpdateCurrentUser(request, metadata=company.acting(user).metadata)
    assert refusal.fields == [f"user.{field}"]
    read = await users.GetUser(pb.GetUserRequest(id=user.id), metadata=company.admin.metadata)
    assert read == user


async def test_a_stale_etag_of_ones_own_user_is_refused(users: "UserServiceAsyncStub", company: Company) -> None:
    user = await company.user()
    metadata = company.acting(user).metadata
    await users.UpdateCurrentUser(own("display_name", display_name="Li Wei"), metadata=metadata)
    with refused("ABORTED", "ETAG_MISMATCH"):
        stale = own("display_name", display_name="Wang Fang", etag=user.etag)
        await users.UpdateCurrentUser(stale, metadata=metadata)


async def test_a_password_of_the_users_own_needs_length(users: "UserServiceAsyncStub", company: Company) -> None:
    user = await company.user()
    for password in ("", "x" * 11, "x" * 201):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
            request = pb.SetPasswordRequest(id=user.id, password=password)
            await users.SetPassword(request, metadata=company.admin.metadata)
    with refused("NOT_FOUND", "USER_NOT_FOUND"):
        request = pb.SetPasswordRequest(id=str(new_id()), password=PASSWORD)
        await users.SetPassword(request, metadata=company.admin.metadata)

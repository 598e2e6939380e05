"""Users through their contract: who they are, what they may do, and that one administrator stays."""

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import grpc
import pytest
from crm.customer.v1 import events_pb2, teams_pb2
from crm.customer.v1 import users_pb2 as pb
from crm.customer.v1.teams_pb2_grpc import TeamServiceStub
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm_kit.identity.access import Scope
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.companies import PASSWORD, Company, open_company
from tests.service.nameless import nameless
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.users_pb2_grpc import UserServiceAsyncStub


@pytest.fixture
def users(customer: Running) -> "UserServiceAsyncStub":
    return UserServiceStub(customer.channel)


async def team(company: Company, name: str = "Sales", parent_id: str = "") -> str:
    """The id of a new team."""
    request = teams_pb2.CreateTeamRequest(team=teams_pb2.Team(display_name=name, parent_id=parent_id))
    return (await TeamServiceStub(company.customer.channel).CreateTeam(request, metadata=company.admin.metadata)).id


def patch(user: pb.User, *paths: str, **fields: Any) -> pb.UpdateUserRequest:
    """An update of these fields of the user."""
    changed = pb.User(id=user.id, **fields)
    return pb.UpdateUserRequest(user=changed, update_mask=FieldMask(paths=paths or list(fields)))


def deactivation(user: pb.User | User, etag: str = "") -> pb.DeactivateUserRequest:
    return pb.DeactivateUserRequest(id=str(user.id), etag=etag)


async def test_a_created_user_is_read_back_and_told(users: "UserServiceAsyncStub", company: Company) -> None:
    role, team_id = await company.role(), await team(company)
    created = await users.CreateUser(
        pb.CreateUserRequest(
            user=pb.User(display_name="New User", login="New.User@Company.test", team_id=team_id, role_ids=[role.id])
        ),
        metadata=company.admin.metadata,
    )
    assert (created.login, created.active, created.team_id) == ("new.user@company.test", True, team_id)
    assert list(created.role_ids) == [role.id]
    assert UUID(created.id).version == 7
    assert await users.GetUser(pb.GetUserRequest(id=created.id), metadata=company.admin.metadata) == created
    assert await company.told(created.id) == [events_pb2.UserCreated(user=nameless(created))]


async def test_a_login_is_taken_in_its_tenant_only(
    users: "UserServiceAsyncStub", company: Company, customer: Running
) -> None:
    request = pb.CreateUserRequest(user=pb.User(display_name="x", login="LI@company.test"))
    await users.CreateUser(request, metadata=company.admin.metadata)
    for typed in ("li@company.TEST", "ｌｉ＠company.test", "li@company.test\u200b"):
        request.user.login = typed
        with refused("ALREADY_EXISTS", "ALREADY_EXISTS"):
            await users.CreateUser(request, metadata=company.admin.metadata)
    other = await open_company(customer)
    assert (await users.CreateUser(request, metadata=other.admin.metadata)).login == "li@company.test"
    user = await company.user()
    with refused("ALREADY_EXISTS", "ALREADY_EXISTS"):
        await users.UpdateUser(patch(user, login="li@company.test"), metadata=company.admin.metadata)


async def test_a_create_with_a_key_happens_once(users: "UserServiceAsyncStub", company: Company) -> None:
    request = pb.CreateUserRequest(user=pb.User(display_name="x", login="once@company.test"))
    first = await users.CreateUser(request, metadata=company.admin.with_key("user"))
    assert await users.CreateUser(request, metadata=company.admin.with_key("user")) == first


async def test_users_are_listed_by_filter_and_order(users: "UserServiceAsyncStub", company: Company) -> None:
    team_id, role = await team(company), await company.role()
    both = [await company.user(role, team_id=team_id) for _ in range(2)]
    gone = await company.user(role, team_id=team_id)
    await users.DeactivateUser(deactivation(gone), metadata=company.admin.metadata)
    request = pb.ListUsersRequest(
        filter=f'active = true AND team_id = "{team_id}" AND role_ids : "{role.id}"',
        order_by="create_time",
        page_size=1,
    )
    first = await users.ListUsers(request, metadata=company.admin.metadata)
    request.page_token = first.next_page_token
    second = await users.ListUsers(request, metadata=company.admin.metadata)
    assert [*first.users, *second.users] == both
    assert second.next_page_token == ""
    with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
        await users.ListUsers(pb.ListUsersRequest(filter="password = 1"), metadata=company.admin.metadata)


async def test_users_of_another_tenant_are_not_found(
    users: "UserServiceAsyncStub", company: Company, customer: Running
) -> None:
    user = await company.user()
    metadata = (await open_company(customer)).admin.metadata
    calls: tuple[Awaitable[object], ...] = (
        users.GetUser(pb.GetUserRequest(id=user.id), metadata=metadata),
        users.UpdateUser(patch(user, display_name="x"), metadata=metadata),
        users.DeactivateUser(deactivation(user), metadata=metadata),
        users.ActivateUser(pb.ActivateUserRequest(id=user.id), metadata=metadata),
        users.SetPassword(pb.SetPasswordRequest(id=user.id, password=PASSWORD), metadata=metadata),
    )
    for call in calls:
        with refused("NOT_FOUND", "USER_NOT_FOUND"):
            await call
    listed = await users.ListUsers(pb.ListUsersRequest(), metadata=metadata)
    assert user.id not in {each.id for each in listed.users}


async def test_team_and_roles_must_exist_in_the_tenant(
    users: "UserServiceAsyncStub", company: Company, customer: Running
) -> None:
    stranger = await open_company(customer)
    user, foreign = await company.user(), await stranger.role()
    requests = (
        patch(user, team_id=str(uuid4())),
        patch(user, team_id=await team(stranger)),
        patch(user, role_ids=[str(uuid4())]),
        patch(user, role_ids=[foreign.id]),
    )
    for request in requests:
        with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
            await users.UpdateUser(request, metadata=company.admin.metadata)
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await company.user(foreign)


@pytest.mark.parametrize(
    "fields", [{"login": ""}, {"login": "two words"}, {"display_name": ""}, {"role_ids": ["admin"]}, {"team_id": "x"}]
)
async def test_a_user_that_breaks_the_contract_is_refused(
    users: "UserServiceAsyncStub", company: Company, fields: dict[str, Any]
) -> None:
    values: dict[str, Any] = {"display_name": "x", "login": "x@company.test"}
    user = pb.User(**values | fields)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await users.CreateUser(pb.CreateUserRequest(user=user), metadata=company.admin.metadata)


async def test_a_stale_etag_is_refused(users: "UserServiceAsyncStub", company: Company) -> None:
    user = await company.user()
    metadata = company.admin.metadata
    changed = await users.UpdateUser(patch(user, "display_name", display_name="New", etag=user.etag), metadata=metadata)
    assert (changed.display_name, changed.login) == ("New", user.login)
    with refused("ABORTED", "ETAG_MISMATCH"):
        await users.UpdateUser(patch(user, "display_name", display_name="Newer", etag=user.etag), metadata=metadata)
    for call in (
        users.DeactivateUser(deactivation(user, user.etag), metadata=metadata),
        users.ActivateUser(pb.ActivateUserRequest(id=user.id, etag=user.etag), metadata=metadata),
    ):
        with refused("ABORTED", "ETAG_MISMATCH"):
            await call


async def test_without_the_permission_nothing_is_done(users: "UserServiceAsyncStub", company: Company) -> None:
    user = await company.user()
    reader = company.acting(await company.user(await company.role(users_read=Scope.ALL))).metadata
    nobody = company.acting(await company.user()).metadata
    calls: list[Awaitable[object]] = [
        users.CreateUser(pb.CreateUserRequest(user=pb.User(display_name="x", login="y")), metadata=reader),
        users.UpdateUser(patch(user, display_name="x"), metadata=reader),
        users.DeactivateUser(deactivation(user), metadata=reader),
        users.ActivateUser(pb.ActivateUserRequest(id=user.id), metadata=reader),
        users.SetPassword(pb.SetPasswordRequest(id=user.id, password=PASSWORD), metadata=reader),
        users.GetUser(pb.GetUserRequest(id=user.id), metadata=nobody),
        users.ListUsers(pb.ListUsersRequest(), metadata=nobody),
    ]
    for call in calls:
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await call


# --- whom a narrower scope reaches


async def test_a_scope_reaches_oneself_or_the_teams_below(users: "UserServiceAsyncStub", company: Company) -> None:
    sales = await team(company)
    north = await team(company, "North", sales)
    team_role, own_role = await company.role(users_read=Scope.TEAM), await company.role(users_read=Scope.OWN)
    manager = await company.user(team_role, team_id=sales)
    rep = await company.user(own_role, team_id=north)
    await company.user(team_id=await team(company, "Service"))
    seen = await users.ListUsers(pb.ListUsersRequest(), metadata=company.acting(manager).metadata)
    assert {user.id for user in seen.users} == {manager.id, rep.id}
    seen = await users.ListUsers(pb.ListUsersRequest(), metadata=company.acting(rep).metadata)
    assert {user.id for user in seen.users} == {rep.id}
    with refused("NOT_FOUND", "USER_NOT_FOUND"):
        await users.GetUser(pb.GetUserRequest(id=manager.id), metadata=company.acting(rep).metadata)


async def test_a_scope_keeps_users_in_ones_own_teams(users: "UserServiceAsyncStub", company: Company) -> None:
    sales = await team(company)
    north, service = await team(company, "North", sales), await team(company, "Service")
    writer = await company.role(users_write=Scope.TEAM)
    manager = company.acting(await company.user(writer, team_id=sales))
    rep = await company.user(team_id=north, by=manager)
    moved = await users.UpdateUser(patch(rep, team_id=sales), metadata=manager.metadata)
    assert moved.team_id == sales
    for team_id in (service, ""):
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await users.UpdateUser(patch(rep, "team_id", team_id=team_id), metadata=manager.metadata)
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await company.user(team_id=team_id, by=manager)
    outside = await company.user(team_id=service)
    with refused("NOT_FOUND", "USER_NOT_FOUND"):
        await users.DeactivateUser(deactivation(outside), metadata=manager.metadata)


async def test_who_reaches_only_themselves_creates_nobody(company: Company) -> None:
    sales = await team(company)
    alone = company.acting(await company.user(await company.role(users_write=Scope.OWN), team_id=sales))
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await company.user(team_id=sales, by=alone)


async def test_nobody_borrows_rights_through_another_user(users: "UserServiceAsyncStub", company: Company) -> None:
    hr = await company.user(await company.role(users_write=Scope.ALL, users_read=Scope.ALL))
    metadata = company.acting(hr).metadata
    administrator = await company.built_in("ADMINISTRATOR")
    plain = await company.user()
    admin = await users.GetUser(pb.GetUserRequest(id=str(company.admin.id)), metadata=metadata)
    calls = (
        users.UpdateUser(patch(hr, role_ids=[administrator.id]), metadata=metadata),
        users.UpdateUser(patch(plain, role_ids=[administrator.id]), metadata=metadata),
        users.UpdateUser(patch(admin, login="mine@company.test"), metadata=metadata),
        users.SetPassword(pb.SetPasswordRequest(id=admin.id, password=PASSWORD), metadata=metadata),
        users.DeactivateUser(deactivation(admin), metadata=metadata),
    )
    for call in calls:
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await call
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await company.user(administrator, by=company.acting(hr))
    await users.SetPassword(pb.SetPasswordRequest(id=plain.id, password=PASSWORD), metadata=metadata)


# --- coming and going


async def test_a_deactivated_user_is_out_at_once_and_comes_back(
    users: "UserServiceAsyncStub", company: Company
) -> None:
    user = await company.user(await company.role(users_read=Scope.ALL))
    metadata = company.acting(user).metadata
    await users.GetCurrentUser(pb.GetCurrentUserRequest(), metadata=metadata)
    gone = await users.DeactivateUser(deactivation(user), metadata=company.admin.metadata)
    assert not gone.active
    with refused("UNAUTHENTICATED", "UNAUTHENTICATED"):
        await users.GetCurrentUser(pb.GetCurrentUserRequest(), metadata=metadata)
    assert await users.DeactivateUser(deactivation(user), metadata=company.admin.metadata) == gone
    back = await users.ActivateUser(pb.ActivateUserRequest(id=user.id), metadata=company.admin.metadata)
    assert back.active
    await users.GetCurrentUser(pb.GetCurrentUserRequest(), metadata=metadata)
    assert await company.told(user.id) == [
        events_pb2.UserCreated(user=nameless(user)),
        events_pb2.UserDeactivated(user=nameless(gone)),
        events_pb2.UserActivated(user=nameless(back)),
    ]


@pytest.mark.parametrize("active", [True, False])
async def test_only_verbs_change_whether_a_user_is_active(
    users: "UserServiceAsyncStub", company: Company, active: bool
) -> None:
    user = await company.user()
    if not active:
        user = await users.DeactivateUser(deactivation(user), metadata=company.admin.metadata)
    same = await users.UpdateUser(patch(user, "active", active=active), metadata=company.admin.metadata)
    assert same == user
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await users.UpdateUser(patch(user, "active", active=not active), metadata=company.admin.metadata)
    assert refusal.fields == ["user.active"]


async def test_a_new_user_is_active(users: "UserServiceAsyncStub", company: Company) -> None:
    draft = pb.User(display_name="x", login="active@company.test", active=True)
    created = await users.CreateUser(pb.CreateUserRequest(user=draft), metadata=company.admin.metadata)
    assert created.active
    draft = pb.User(display_name="x", login="inactive@company.test", active=False)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await users.CreateUser(pb.CreateUserRequest(user=draft), metadata=company.admin.metadata)
    assert refusal.fields == ["user.active"]
    assert "DeactivateUser" in refusal.detail


async def test_an_update_tells_which_fields_changed_and_nothing_when_none_did(
    users: "UserServiceAsyncStub", company: Company
) -> None:
    user = await company.user()
    renamed = await users.UpdateUser(
        patch(user, display_name="New", login=user.login.upper()), metadata=company.admin.metadata
    )
    again = await users.UpdateUser(patch(user, display_name="New"), metadata=company.admin.metadata)
    assert again == renamed
    _, told = await company.told(user.id)
    assert told == events_pb2.UserUpdated(user=renamed, changed_fields=["display_name"])


async def test_a_new_password_is_told_with_its_time_and_never_with_itself(
    users: "UserServiceAsyncStub", company: Company
) -> None:
    user = await company.user()
    assert not user.HasField("password_time")
    request = pb.SetPasswordRequest(id=user.id, password=PASSWORD)
    changed = await users.SetPassword(request, metadata=company.admin.metadata)
    assert changed.password_time == changed.update_time
    _, told = await company.told(user.id)
    assert told == events_pb2.UserPasswordSet(user=changed)
    assert PASSWORD.encode() not in told.SerializeToString()


async def test_a_deactivation_with_a_key_is_answered_again(users: "UserServiceAsyncStub", company: Company) -> None:
    user = await company.user()
    first = await users.DeactivateUser(deactivation(user), metadata=company.admin.with_key("out"))
    await users.ActivateUser(pb.ActivateUserRequest(id=user.id), metadata=company.admin.metadata)
    assert await users.DeactivateUser(deactivation(user), metadata=company.admin.with_key("out")) == first
    now = await users.GetUser(pb.GetUserRequest(id=user.id), metadata=company.admin.metadata)
    assert now.active


async def test_the_last_administrator_stays_one(users: "UserServiceAsyncStub", company: Company) -> None:
    me = await users.GetUser(pb.GetUserRequest(id=str(company.admin.id)), metadata=company.admin.metadata)
    out = await company.user(await company.built_in("ADMINISTRATOR"))
    await users.DeactivateUser(deactivation(out), metadata=company.admin.metadata)
    with refused("FAILED_PRECONDITION", "LAST_ADMINISTRATOR"):
        await users.DeactivateUser(deactivation(me), metadata=company.admin.metadata)
    with refused("FAILED_PRECONDITION", "LAST_ADMINISTRATOR"):
        await users.UpdateUser(patch(me, "role_ids", role_ids=[]), metadata=company.admin.metadata)
    renamed = await users.UpdateUser(patch(me, display_name="Chief"), metadata=company.admin.metadata)
    assert renamed.role_ids == me.role_ids


async def test_two_administrators_do_not_leave_at_the_same_time(
    users: "UserServiceAsyncStub", customer: Running
) -> None:
    for _ in range(4):
        company = await open_company(customer)
        other = await company.user(await company.built_in("ADMINISTRATOR"))
        # Known to the service by now, so that the two really meet.
        for each in (company.admin, company.acting(other)):
            await users.GetCurrentUser(pb.GetCurrentUserRequest(), metadata=each.metadata)
        answers = await asyncio.gather(
            users.DeactivateUser(deactivation(company.admin), metadata=company.admin.metadata),
            users.UpdateUser(patch(other, "role_ids", role_ids=[]), metadata=company.acting(other).metadata),
            return_exceptions=True,
        )
        refusals = [answer.code() for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
        assert refusals == [grpc.StatusCode.FAILED_PRECONDITION], answers


async def test_the_actions_on_a_user_are_those_that_the_caller_may_take(
    users: "UserServiceAsyncStub", company: Company
) -> None:
    customer = company.customer
    manager = await customer.user(company.tenant_id, grants={"users.read": Scope.ALL, "users.write": Scope.ALL})
    created = pb.CreateUserRequest(user=pb.User(display_name="New User", login="new.user@company.test"))
    other = await users.CreateUser(created, metadata=company.admin.metadata)

    async def refusals(of: str, by: User) -> dict[str, str]:
        request = resources_pb2.GetRecordActionsRequest(collection="users", id=of)
        told = await ResourceServiceStub(customer.channel).GetRecordActions(request, metadata=by.metadata)
        return {each.verb: each.reason for each in told.actions if each.reason}

    assert set((await refusals(str(company.admin.id), manager)).values()) == {"PERMISSION_DENIED"}
    assert (await refusals(str(company.admin.id), company.admin))["deactivate"] == "LAST_ADMINISTRATOR"
    assert not await refusals(other.id, manager)

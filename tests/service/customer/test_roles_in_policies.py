"""A role that an approval policy names is a right: who may give it, and who may come to act as one who has it."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
from crm.customer.v1 import approval_delegations_pb2 as delegations_pb2
from crm.customer.v1 import roles_pb2, teams_pb2, users_pb2
from crm.customer.v1.approval_delegations_pb2_grpc import ApprovalDelegationServiceStub
from crm.customer.v1.teams_pb2_grpc import TeamServiceStub
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.approving import ALLOW, ANY, ASK, REFUSE, Policy, Row, Step
from tests.service.customer.companies import PASSWORD, Company
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.users_pb2_grpc import UserServiceAsyncStub

DENIED = ("PERMISSION_DENIED", "PERMISSION_DENIED")
Attempt = Callable[["UserServiceAsyncStub", users_pb2.User, User], Awaitable[Any]]


@pytest.fixture
def users(customer: Running) -> "UserServiceAsyncStub":
    return UserServiceStub(customer.channel)


@pytest.fixture
async def finance(company: Company) -> roles_pb2.Role:
    """A role that grants nothing."""
    return await company.role()


def lets(*roles: roles_pb2.Role) -> Row:
    return Row(outcome=ALLOW, role_ids=[role.id for role in roles])


def asks(*roles: roles_pb2.Role, users: tuple[users_pb2.User, ...] = ()) -> Row:
    step = Step(mode=ANY, role_ids=[role.id for role in roles], user_ids=[user.id for user in users])
    return Row(outcome=ASK, steps=[step])


async def manager(company: Company, *roles: roles_pb2.Role) -> User:
    """Somebody who looks after users, with these roles besides."""
    return company.acting(await company.user(await company.role(users_write=Scope.ALL), *roles))


async def policy_writer(company: Company) -> User:
    """Such a one who may write policies, too."""
    return await manager(company, await company.role(approval_policies_write=Scope.ALL))


def giving(user_id: object, *roles: roles_pb2.Role) -> users_pb2.UpdateUserRequest:
    changed = users_pb2.User(id=str(user_id), role_ids=[role.id for role in roles])
    return users_pb2.UpdateUserRequest(user=changed, update_mask=FieldMask(paths=["role_ids"]))


@pytest.mark.parametrize("scope", Scope)
async def test_nobody_gives_themselves_a_role(
    users: "UserServiceAsyncStub", company: Company, finance: roles_pb2.Role, scope: Scope
) -> None:
    """Neither one that grants nothing and no policy names, nor one within what they may do."""
    role = await company.role(users_write=scope)
    me = company.acting(await company.user(role))
    with refused(*DENIED) as refusal:
        await users.UpdateUser(giving(me.id, role, finance), metadata=me.metadata)
    assert refusal.metadata["rule"] == "own_roles"
    given_up = await users.UpdateUser(giving(me.id), metadata=me.metadata)
    assert not given_up.role_ids


async def test_nor_do_administrators(users: "UserServiceAsyncStub", company: Company, finance: roles_pb2.Role) -> None:
    administrator = await company.built_in("ADMINISTRATOR")
    with refused(*DENIED) as refusal:
        await users.UpdateUser(giving(company.admin.id, administrator, finance), metadata=company.admin.metadata)
    assert refusal.metadata["rule"] == "own_roles"
    second = company.acting(await company.user(administrator))
    given = await users.UpdateUser(giving(company.admin.id, administrator, finance), metadata=second.metadata)
    assert finance.id in given.role_ids


@pytest.mark.parametrize("row", [lets, asks])
async def test_a_role_that_a_policy_names_is_given_by_who_may_write_policies(
    users: "UserServiceAsyncStub", company: Company, finance: roles_pb2.Role, row: Callable[[roles_pb2.Role], Row]
) -> None:
    hr, writer = await manager(company), await policy_writer(company)
    plain = await company.user()
    await users.UpdateUser(giving(plain.id, finance), metadata=hr.metadata)
    await users.UpdateUser(giving(plain.id), metadata=hr.metadata)
    await company.hear_of_policy(row(finance), asks())
    with refused(*DENIED) as refusal:
        await users.UpdateUser(giving(plain.id, finance), metadata=hr.metadata)
    assert refusal.metadata == {"rule": "policy_role", "role_id": finance.id}
    with refused(*DENIED):
        await company.user(finance, by=hr)
    assert (await users.UpdateUser(giving(plain.id, finance), metadata=writer.metadata)).role_ids
    assert (await company.user(finance, by=writer)).role_ids == [finance.id]


async def test_who_may_write_policies_of_some_records_only_does_not_give_it(
    company: Company, finance: roles_pb2.Role
) -> None:
    some = await company.role(approval_policies_write=Scope.TEAM)
    await company.hear_of_policy(asks(finance))
    with refused(*DENIED):
        await company.user(finance, by=await manager(company, some))


async def test_a_role_of_which_a_policy_asks_more_is_not_taken_away(
    users: "UserServiceAsyncStub", company: Company
) -> None:
    """Trainees are refused what others do alone: not to be one is to have more."""
    trainees = await company.role()
    trainee, hr = await company.user(trainees), await manager(company)
    await company.hear_of_policy(Row(outcome=REFUSE, role_ids=[trainees.id]), Row(outcome=ALLOW))
    with refused(*DENIED):
        await users.UpdateUser(giving(trainee.id), metadata=hr.metadata)
    other = await company.role()
    with refused(*DENIED):
        await users.UpdateUser(giving(trainee.id, other), metadata=hr.metadata)
    both = await users.UpdateUser(giving(trainee.id, trainees, other), metadata=hr.metadata)
    assert set(both.role_ids) == {trainees.id, other.id}


def password(users: "UserServiceAsyncStub", user: users_pb2.User, by: User) -> Awaitable[Any]:
    request = users_pb2.SetPasswordRequest(id=user.id, password=PASSWORD)
    return users.SetPassword(request, metadata=by.metadata)


def login(users: "UserServiceAsyncStub", user: users_pb2.User, by: User) -> Awaitable[Any]:
    """They are found by it at an identity provider."""
    changed = users_pb2.User(id=user.id, login=f"{new_id().hex[-12:]}@company.test")
    request = users_pb2.UpdateUserRequest(user=changed, update_mask=FieldMask(paths=["login"]))
    return users.UpdateUser(request, metadata=by.metadata)


async def back(users: "UserServiceAsyncStub", user: users_pb2.User, by: User) -> Any:
    """Somebody may still know the password of who has left."""
    await users.DeactivateUser(users_pb2.DeactivateUserRequest(id=user.id), metadata=by.metadata)
    return await users.ActivateUser(users_pb2.ActivateUserRequest(id=user.id), metadata=by.metadata)


@pytest.mark.parametrize("attempt", [password, login, back])
@pytest.mark.parametrize("by_role", [True, False])
async def test_nobody_comes_to_act_as_an_approver(
    users: "UserServiceAsyncStub", company: Company, finance: roles_pb2.Role, attempt: Attempt, by_role: bool
) -> None:
    hr, writer = await manager(company), await policy_writer(company)
    approver = await company.user(finance)
    await attempt(users, approver, hr)
    await company.hear_of_policy(asks(finance) if by_role else asks(users=(approver,)))
    with refused(*DENIED) as refusal:
        await attempt(users, approver, hr)
    assert refusal.metadata["rule"] == "policy_user"
    await attempt(users, approver, writer)


async def test_approvers_look_after_themselves_and_others_after_the_rest_of_them(
    users: "UserServiceAsyncStub", company: Company, finance: roles_pb2.Role
) -> None:
    approver = await company.user(finance, await company.role(users_write=Scope.OWN))
    await company.hear_of_policy(asks(finance, users=(approver,)))
    await password(users, approver, company.acting(approver))
    hr = await manager(company)
    changed = users_pb2.User(id=approver.id, display_name="赵敏")
    request = users_pb2.UpdateUserRequest(user=changed, update_mask=FieldMask(paths=["display_name"]))
    assert (await users.UpdateUser(request, metadata=hr.metadata)).display_name == "赵敏"
    out = await users.DeactivateUser(users_pb2.DeactivateUserRequest(id=approver.id), metadata=hr.metadata)
    assert not out.active


async def test_what_counts_is_what_policies_in_use_name_now(company: Company, finance: roles_pb2.Role) -> None:
    hr, other = await manager(company), await company.role()
    policy = await company.hear_of_policy(asks(finance))
    await company.hear_of_policy(asks(other), id=policy.id, version=3)
    # It comes late, and changes nothing.
    await company.hear_of_policy(asks(finance), id=policy.id, version=2)
    assert await company.user(finance, by=hr)
    with refused(*DENIED):
        await company.user(other, by=hr)
    await company.hear_of_policy(asks(other), id=policy.id, version=4, archived=True)
    assert await company.user(other, by=hr)
    await company.hear_of_policy(asks(other), id=policy.id, version=5)
    with refused(*DENIED):
        await company.user(other, by=hr)


async def test_policies_of_another_tenant_bind_nobody(
    company: Company, customer: Running, finance: roles_pb2.Role
) -> None:
    stranger = await customer.user()
    other = Company(customer, stranger.tenant_id, "", stranger)
    await other.hear_of_policy(asks(finance))
    assert await company.user(finance, by=await manager(company))


def asks_leaders() -> Row:
    return Row(outcome=ASK, steps=[Step(mode=ANY, team_leaders_of=[Policy.PARTY_SUBMITTER])])


async def test_who_leads_a_team_is_said_by_policy_writers_where_policies_ask_leaders(
    users: "UserServiceAsyncStub", company: Company, customer: Running
) -> None:
    teams, leader = TeamServiceStub(customer.channel), await company.user()
    role = await company.role(teams_write=Scope.ALL, users_write=Scope.ALL)
    hr, writer = company.acting(await company.user(role)), await policy_writer(company)

    async def led(by: User) -> teams_pb2.Team:
        team = teams_pb2.Team(display_name="North", leader_id=leader.id)
        return await teams.CreateTeam(teams_pb2.CreateTeamRequest(team=team), metadata=by.metadata)

    async def without(team: teams_pb2.Team, by: User) -> teams_pb2.Team:
        request = teams_pb2.UpdateTeamRequest(
            team=teams_pb2.Team(id=team.id), update_mask=FieldMask(paths=["leader_id"])
        )
        return await teams.UpdateTeam(request, metadata=by.metadata)

    team = await led(hr)
    await company.hear_of_policy(asks_leaders())
    for attempt in (led(hr), without(team, hr)):
        with refused(*DENIED) as refusal:
            await attempt
        assert refusal.metadata["rule"] == "policy_leader"
    with refused(*DENIED):
        await password(users, leader, hr)
    await password(users, leader, writer)
    unled = teams_pb2.CreateTeamRequest(team=teams_pb2.Team(display_name="South"))
    await teams.CreateTeam(unled, metadata=hr.metadata)
    assert not (await without(team, company.admin)).leader_id
    await password(users, leader, hr)


async def test_nobody_is_moved_below_another_leader_but_by_policy_writers_where_policies_ask_leaders(
    users: "UserServiceAsyncStub", company: Company, customer: Running
) -> None:
    """Neither oneself, nor others, nor the team that they are in: who would approve is another by that."""
    teams = TeamServiceStub(customer.channel)
    role = await company.role(teams_write=Scope.ALL, users_write=Scope.ALL)

    async def team(leader_id: str = "") -> teams_pb2.Team:
        request = teams_pb2.CreateTeamRequest(team=teams_pb2.Team(display_name="North", leader_id=leader_id))
        return await teams.CreateTeam(request, metadata=company.admin.metadata)

    def moved(id: str, to: teams_pb2.Team, by: User) -> Awaitable[Any]:
        request = users_pb2.UpdateUserRequest(
            user=users_pb2.User(id=id, team_id=to.id), update_mask=FieldMask(paths=["team_id"])
        )
        return users.UpdateUser(request, metadata=by.metadata)

    def put_below(lower: teams_pb2.Team, upper: teams_pb2.Team, by: User) -> Awaitable[Any]:
        request = teams_pb2.UpdateTeamRequest(
            team=teams_pb2.Team(id=lower.id, parent_id=upper.id), update_mask=FieldMask(paths=["parent_id"])
        )
        return teams.UpdateTeam(request, metadata=by.metadata)

    old, friends = await team((await company.user()).id), await team((await company.user()).id)
    hr = company.acting(await company.user(role, team_id=old.id))
    submitter = await company.user(team_id=old.id)
    writer = company.acting(await company.user(role, await company.role(approval_policies_write=Scope.ALL)))
    policy = await company.hear_of_policy(asks_leaders())
    for attempt in (moved(str(hr.id), friends, hr), moved(submitter.id, friends, hr), put_below(old, friends, hr)):
        with refused(*DENIED) as refusal:
            await attempt
        assert refusal.metadata["rule"] == "policy_leader"
    assert await company.user(team_id=friends.id, by=hr)
    assert (await moved(submitter.id, friends, writer)).team_id == friends.id
    assert (await put_below(old, friends, writer)).parent_id == friends.id
    await company.hear_of_policy(asks_leaders(), id=policy.id, version=2, archived=True)
    assert (await moved(str(hr.id), friends, hr)).team_id == friends.id


async def test_nobody_comes_to_act_as_the_deputy_of_an_approver(
    users: "UserServiceAsyncStub", company: Company, customer: Running, finance: roles_pb2.Role
) -> None:
    hr, deputy = await manager(company), await company.user()
    approver = await company.user(finance, await company.role(approval_delegations_read=Scope.OWN))
    await company.hear_of_policy(asks(finance))
    await password(users, deputy, hr)
    delegations = ApprovalDelegationServiceStub(customer.channel)
    delegation = delegations_pb2.ApprovalDelegation(
        owner_id=approver.id, deputy_id=deputy.id, first_date="2900-01-01", last_date="2900-01-01"
    )
    request = delegations_pb2.CreateApprovalDelegationRequest(approval_delegation=delegation)
    made = await delegations.CreateApprovalDelegation(request, metadata=company.admin.metadata)
    with refused(*DENIED) as refusal:
        await password(users, deputy, hr)
    assert refusal.metadata["rule"] == "policy_user"
    cancelled = delegations_pb2.CancelApprovalDelegationRequest(id=made.id)
    await delegations.CancelApprovalDelegation(cancelled, metadata=company.admin.metadata)
    await password(users, deputy, hr)

"""Nobody comes by more rights than they have, by no path: what counts is whose records they reach."""

from typing import TYPE_CHECKING, Any

import pytest
from crm.customer.v1 import accounts_pb2, roles_pb2, teams_pb2, users_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.roles_pb2_grpc import RoleServiceStub
from crm.customer.v1.teams_pb2_grpc import TeamServiceStub
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from crm_kit.identity.access import Scope
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.companies import PASSWORD, Company
from tests.service.customer.customers import new_account
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.roles_pb2_grpc import RoleServiceAsyncStub
    from crm.customer.v1.teams_pb2_grpc import TeamServiceAsyncStub
    from crm.customer.v1.users_pb2_grpc import UserServiceAsyncStub

DENIED = ("PERMISSION_DENIED", "PERMISSION_DENIED")


@pytest.fixture
def users(customer: Running) -> "UserServiceAsyncStub":
    return UserServiceStub(customer.channel)


@pytest.fixture
def teams(customer: Running) -> "TeamServiceAsyncStub":
    return TeamServiceStub(customer.channel)


@pytest.fixture
def roles(customer: Running) -> "RoleServiceAsyncStub":
    return RoleServiceStub(customer.channel)


async def new_team(company: Company, name: str, above: teams_pb2.Team | None = None) -> teams_pb2.Team:
    team = teams_pb2.Team(display_name=name, parent_id=above.id if above else "")
    request = teams_pb2.CreateTeamRequest(team=team)
    return await TeamServiceStub(company.customer.channel).CreateTeam(request, metadata=company.admin.metadata)


def moved(team: teams_pb2.Team, parent_id: str) -> teams_pb2.UpdateTeamRequest:
    changed = teams_pb2.Team(id=team.id, parent_id=parent_id)
    return teams_pb2.UpdateTeamRequest(team=changed, update_mask=FieldMask(paths=["parent_id"]))


def patch(user_id: object, *paths: str, **fields: Any) -> users_pb2.UpdateUserRequest:
    changed = users_pb2.User(id=str(user_id), **fields)
    return users_pb2.UpdateUserRequest(user=changed, update_mask=FieldMask(paths=paths or list(fields)))


def granting(role: roles_pb2.Role, permission: str, scope: "roles_pb2.Grant.Scope.ValueType") -> Any:
    changed = roles_pb2.Role(id=role.id, grants=[roles_pb2.Grant(permission=permission, scope=scope)])
    return roles_pb2.UpdateRoleRequest(role=changed, update_mask=FieldMask(paths=["grants"]))


class Firm:
    """Two branches below the head office, and a manager of the first who looks after users, teams and roles."""

    def __init__(self, company: Company, head: teams_pb2.Team, north: teams_pb2.Team, south: teams_pb2.Team) -> None:
        self.company, self.head, self.north, self.south = company, head, north, south
        self.manager: User
        self.role: roles_pb2.Role

    async def opened(self) -> "Firm":
        self.role = await self.company.role(
            users_write=Scope.ALL,
            users_read=Scope.ALL,
            teams_write=Scope.ALL,
            teams_read=Scope.ALL,
            roles_write=Scope.ALL,
            roles_read=Scope.ALL,
            accounts_read=Scope.TEAM,
            accounts_write=Scope.TEAM,
        )
        self.manager = self.company.acting(await self.company.user(self.role, team_id=self.north.id))
        return self

    async def sees(self, user: User, account_id: str) -> bool:
        stub = AccountServiceStub(self.company.customer.channel)
        found = await stub.ListAccounts(
            accounts_pb2.ListAccountsRequest(filter=f'id = "{account_id}"'), metadata=user.metadata
        )
        return bool(found.accounts)


@pytest.fixture
async def firm(company: Company) -> Firm:
    head = await new_team(company, "Head office")
    north, south = await new_team(company, "North", head), await new_team(company, "South", head)
    return await Firm(company, head, north, south).opened()


async def test_nobody_moves_themselves_to_where_their_scope_reaches_more(
    users: "UserServiceAsyncStub", firm: Firm, customer: Running
) -> None:
    theirs = await firm.company.user(firm.role, team_id=firm.south.id)
    account = await new_account(customer, firm.company.acting(theirs))
    for team_id in (firm.head.id, firm.south.id):
        with refused(*DENIED):
            await users.UpdateUser(patch(firm.manager.id, team_id=team_id), metadata=firm.manager.metadata)
    assert not await firm.sees(firm.manager, account.id)


async def test_nobody_moves_a_team_below_their_own_that_they_do_not_reach(
    teams: "TeamServiceAsyncStub", firm: Firm
) -> None:
    with refused(*DENIED):
        await teams.UpdateTeam(moved(firm.south, firm.north.id), metadata=firm.manager.metadata)
    assert (await teams.UpdateTeam(moved(firm.south, firm.north.id), metadata=firm.company.admin.metadata)).parent_id


async def test_a_team_goes_up_or_aside_where_nobody_gains_by_it(teams: "TeamServiceAsyncStub", firm: Firm) -> None:
    """Those above the old place reached it already, and nobody is above the top."""
    west = await new_team(firm.company, "West", firm.south)
    for parent_id in (firm.head.id, ""):
        assert (await teams.UpdateTeam(moved(west, parent_id), metadata=firm.manager.metadata)).parent_id == parent_id
    colleague = await firm.company.user(firm.role, team_id=firm.south.id)
    assert colleague.active
    with refused(*DENIED):
        await teams.UpdateTeam(moved(west, firm.south.id), metadata=firm.manager.metadata)


async def test_nobody_borrows_the_wider_team_of_somebody_with_the_same_role(
    users: "UserServiceAsyncStub", firm: Firm
) -> None:
    above = await firm.company.user(firm.role, team_id=firm.head.id)
    beside = await firm.company.user(await firm.company.role(accounts_read=Scope.OWN), team_id=firm.south.id)
    for other in (above, beside):
        with refused(*DENIED):
            await users.SetPassword(
                users_pb2.SetPasswordRequest(id=other.id, password=PASSWORD), metadata=firm.manager.metadata
            )
        with refused(*DENIED):
            await users.UpdateUser(patch(other.id, login="mine@company.test"), metadata=firm.manager.metadata)
        with refused(*DENIED):
            await users.UpdateUser(patch(other.id, team_id=firm.north.id), metadata=firm.manager.metadata)
    own = await firm.company.user(await firm.company.role(accounts_read=Scope.OWN), team_id=firm.north.id)
    await users.SetPassword(users_pb2.SetPasswordRequest(id=own.id, password=PASSWORD), metadata=firm.manager.metadata)


async def test_nobody_borrows_what_somebody_owns_in_a_team_that_they_have_left(
    users: "UserServiceAsyncStub", firm: Firm, customer: Running
) -> None:
    """What they got in the south stays there, where it is not the manager's to see."""
    own = await firm.company.role(accounts_read=Scope.OWN)
    for former in (firm.south.id, ""):
        moved_here = await firm.company.user(own, team_id=former)
        account = await new_account(customer, firm.company.admin, owner_id=moved_here.id)
        await users.UpdateUser(patch(moved_here.id, team_id=firm.north.id), metadata=firm.company.admin.metadata)
        assert not await firm.sees(firm.manager, account.id)
        password = users_pb2.SetPasswordRequest(id=moved_here.id, password=PASSWORD)
        wider = await firm.company.role(accounts_read=Scope.TEAM)
        with refused(*DENIED):
            await users.SetPassword(password, metadata=firm.manager.metadata)
        with refused(*DENIED):
            await users.UpdateUser(patch(moved_here.id, login="mine@company.test"), metadata=firm.manager.metadata)
        with refused(*DENIED):
            more = patch(moved_here.id, role_ids=[own.id, wider.id])
            await users.UpdateUser(more, metadata=firm.manager.metadata)
        # What lends nothing of it is the manager's to do, as with everybody of the team.
        await users.UpdateUser(patch(moved_here.id, display_name="Zhao"), metadata=firm.manager.metadata)
        await users.DeactivateUser(users_pb2.DeactivateUserRequest(id=moved_here.id), metadata=firm.manager.metadata)
        await users.SetPassword(password, metadata=firm.company.admin.metadata)


async def test_nobody_widens_a_role_for_what_its_holders_own_in_teams_that_they_have_left(
    users: "UserServiceAsyncStub", roles: "RoleServiceAsyncStub", firm: Firm
) -> None:
    role = await firm.company.role(users_read=Scope.OWN)
    holder = await firm.company.user(role, team_id=firm.north.id)
    widened = await roles.UpdateRole(
        granting(role, "accounts.read", roles_pb2.Grant.SCOPE_OWN), metadata=firm.manager.metadata
    )
    for team_id in (firm.south.id, firm.north.id):
        await users.UpdateUser(patch(holder.id, team_id=team_id), metadata=firm.company.admin.metadata)
    with refused(*DENIED):
        await roles.UpdateRole(
            granting(widened, "accounts.write", roles_pb2.Grant.SCOPE_OWN), metadata=firm.manager.metadata
        )


async def test_nobody_creates_or_promotes_somebody_who_reaches_more(users: "UserServiceAsyncStub", firm: Firm) -> None:
    with refused(*DENIED):
        await firm.company.user(firm.role, team_id=firm.head.id, by=firm.manager)
    plain = await firm.company.user(team_id=firm.head.id)
    with refused(*DENIED):
        await users.UpdateUser(patch(plain.id, role_ids=[firm.role.id]), metadata=firm.manager.metadata)
    assert (await firm.company.user(firm.role, team_id=firm.north.id, by=firm.manager)).team_id == firm.north.id


async def test_a_role_is_not_widened_for_those_who_reach_further(roles: "RoleServiceAsyncStub", firm: Firm) -> None:
    shared = await firm.company.role()
    await firm.company.user(shared, team_id=firm.head.id)
    with refused(*DENIED):
        await roles.UpdateRole(
            granting(shared, "accounts.read", roles_pb2.Grant.SCOPE_TEAM), metadata=firm.manager.metadata
        )
    local = await firm.company.role()
    await firm.company.user(local, team_id=firm.north.id)
    await roles.UpdateRole(granting(local, "accounts.read", roles_pb2.Grant.SCOPE_TEAM), metadata=firm.manager.metadata)


async def test_who_may_do_everything_moves_whom_and_what_they_like(
    users: "UserServiceAsyncStub", teams: "TeamServiceAsyncStub", firm: Firm
) -> None:
    admin = firm.company.admin.metadata
    assert (await users.UpdateUser(patch(firm.manager.id, team_id=firm.head.id), metadata=admin)).team_id
    await teams.UpdateTeam(moved(firm.south, firm.north.id), metadata=admin)

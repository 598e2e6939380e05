"""Whatever people do to a directory and to owners, nobody reaches what neither they nor who did it reached before.

Nor does anybody come to decide on approvals by people who may not say who decides.
"""

import random
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import pytest
from crm.customer.v1 import accounts_pb2, roles_pb2, teams_pb2, users_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.roles_pb2_grpc import RoleServiceStub
from crm.customer.v1.teams_pb2_grpc import TeamServiceStub
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from crm_kit.identity.access import Scope
from crm_kit.rpc.status import reason_of
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.approving import ALLOW, ANY, Row, Step, asks
from tests.service.customer.companies import PASSWORD, SCOPES, Company
from tests.service.customer.customers import new_account
from tests.service.running import User

MANAGING = ("users.write", "teams.write", "roles.write")
WRITES_POLICIES = "approval_policies.write"
PERMISSIONS = ("accounts.read", "accounts.write", "orders.write")
# Where scopes differ by whom they reach, there is most to get wrong.
SOME_SCOPES = (Scope.OWN, Scope.TEAM, Scope.TEAM, Scope.TEAM, Scope.ALL)
STEPS = 150
REFUSED = (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND)
# A permission, and what it is for: `team` all records of a team, `record` one that there is, `all` every record.
Reach = frozenset[tuple[str, str, str]]


@dataclass(frozen=True)
class Member:
    team_id: str
    role_ids: tuple[str, ...]


@dataclass(frozen=True)
class Record:
    """An account: whose it is, and the team in which they got it."""

    owner_id: str
    team_id: str


@dataclass(frozen=True)
class Directory:
    """A directory and its accounts as plain values: the oracle, which knows nothing of how the service decides."""

    parents: dict[str, str] = field(default_factory=dict)
    grants: dict[str, dict[str, Scope]] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    # What the one policy in use names: roles and users.
    named: set[str] = field(default_factory=set)

    def writes_policies(self, user_id: str) -> bool:
        roles = self.members[user_id].role_ids
        return any(self.grants[id].get(WRITES_POLICIES) is Scope.ALL for id in roles)

    def parts(self, user_id: str) -> set[str]:
        """As what a user takes part in approvals: as themselves, or as one who has a role."""
        return self.named & {user_id, *self.members[user_id].role_ids}

    def is_below(self, team_id: str, top_id: str) -> bool:
        while team_id and team_id != top_id:
            team_id = self.parents[team_id]
        return bool(team_id)

    def reach(self, user_id: str) -> Reach:
        """What a user reaches, written out record by record."""
        member, found = self.members[user_id], set()
        for role_id in member.role_ids:
            for permission, scope in self.grants[role_id].items():
                below = [id for id in self.parents if self.is_below(id, member.team_id)] if member.team_id else []
                if scope is Scope.OWN:
                    below = []
                found |= {(permission, "team", id) for id in below}
                found |= {
                    (permission, "record", id)
                    for id, each in self.records.items()
                    if each.owner_id == user_id or each.team_id in below or scope is Scope.ALL
                }
                if scope is Scope.ALL:
                    found |= {(permission, "team", id) for id in self.parents} | {(permission, "all", "")}
        return frozenset(found)


class Walk:
    """People of a company who change its directory and owners at random, and what follows from it."""

    def __init__(self, company: Company, seed: int) -> None:
        self.company, self.random = company, random.Random(seed)
        self.teams = TeamServiceStub(company.customer.channel)
        self.roles = RoleServiceStub(company.customer.channel)
        self.users = UserServiceStub(company.customer.channel)
        self.accounts = AccountServiceStub(company.customer.channel)
        self.directory = Directory()
        self.done = self.denied = self.given = 0
        self.policy_id, self.policy_version = "", 0

    async def open(self) -> None:
        """A random tree of teams, random roles, and people in both, some of whom were elsewhere before."""
        admin = self.company.admin
        for _ in range(6):
            await self.create_team(admin, parent_id=self.random.choice(["", *self.directory.parents]))
        for _ in range(4):
            await self.create_role(admin)
        await self.create_role(admin, dict.fromkeys(PERMISSIONS, Scope.ALL))
        for _ in range(7):
            await self.create_user(admin)
        for _ in range(5):
            await self.move_user(admin)
        await self.change_policy()

    async def change_policy(self) -> None:
        """Have a policy name other roles and users, or be put away."""
        self.policy_version += 1
        archived = self.random.random() < 0.2
        roles, users = self.some_roles(), [self.some_user()]
        rows = [Row(outcome=ALLOW, role_ids=roles[:1]), asks(Step(mode=ANY, role_ids=roles[1:], user_ids=users))]
        policy = await self.company.hear_of_policy(
            *rows, id=self.policy_id, version=self.policy_version, archived=archived
        )
        self.policy_id = policy.id
        self.directory.named.clear()
        self.directory.named.update([] if archived else [*roles, *users])

    def some_grants(self) -> dict[str, Scope]:
        chosen = {name: self.random.choice(SOME_SCOPES) for name in PERMISSIONS if self.random.random() < 0.6}
        if self.random.random() < 0.4:
            chosen[WRITES_POLICIES] = Scope.ALL
        # Nobody is given what they cannot read.
        return (
            {"accounts.read": Scope.OWN} | chosen | {name: Scope.ALL for name in MANAGING if self.random.random() < 0.7}
        )

    async def create_team(self, by: User, *, parent_id: str) -> None:
        team = teams_pb2.Team(display_name="Team", parent_id=parent_id)
        made = await self.teams.CreateTeam(teams_pb2.CreateTeamRequest(team=team), metadata=by.metadata)
        self.directory.parents[made.id] = parent_id

    async def create_role(self, by: User, grants: dict[str, Scope] | None = None) -> None:
        grants = self.some_grants() if grants is None else grants
        names = {name.replace(".", "_"): scope for name, scope in grants.items()}
        self.directory.grants[(await self.company.role(by=by, **names)).id] = grants

    async def create_user(self, by: User) -> None:
        member = Member(self.some_team(), self.some_roles())
        user = users_pb2.User(
            display_name="x", login=f"{self.random.random()}@x.test", team_id=member.team_id, role_ids=member.role_ids
        )
        made = await self.users.CreateUser(users_pb2.CreateUserRequest(user=user), metadata=by.metadata)
        self.directory.members[made.id] = member
        await self.create_account(made.id)

    async def create_account(self, owner_id: str) -> None:
        """An account of theirs, in the team that they are in now; none for who may not read accounts."""
        roles = self.directory.members[owner_id].role_ids
        if not any("accounts.read" in self.directory.grants[id] for id in roles):
            return
        made = await new_account(self.company.customer, self.company.admin, owner_id=owner_id)
        self.directory.records[made.id] = Record(owner_id, self.directory.members[owner_id].team_id)
        assert made.owner_team_id == self.directory.members[owner_id].team_id

    async def give_account(self, by: User) -> None:
        """Who has an account may pass it on: then those gain who have it now, or are above them."""
        id, owner_id = self.random.choice(list(self.directory.records)), self.some_user()
        request = accounts_pb2.UpdateAccountRequest(
            account=accounts_pb2.Account(id=id, owner_id=owner_id), update_mask=FieldMask(paths=["owner_id"])
        )
        before = self.directory.records[id]
        given = await self.accounts.UpdateAccount(request, metadata=by.metadata)
        if owner_id != before.owner_id:
            self.directory.records[id] = Record(owner_id, given.owner_team_id)
            self.passed_on = id if before.owner_id == str(by.id) else ""
            self.given += not self.passed_on

    async def move_user(self, by: User) -> None:
        id, team_id = self.some_user(), self.some_team()
        await self.update_user(by, id, "team_id", team_id=team_id)
        self.directory.members[id] = replace(self.directory.members[id], team_id=team_id)
        await self.create_account(id)

    async def give_roles(self, by: User) -> None:
        id, role_ids = self.some_user(), self.some_roles()
        await self.update_user(by, id, "role_ids", role_ids=role_ids)
        self.directory.members[id] = replace(self.directory.members[id], role_ids=role_ids)

    async def update_user(self, by: User, id: str, path: str, **fields: Any) -> None:
        user = users_pb2.User(id=id, **fields)
        request = users_pb2.UpdateUserRequest(user=user, update_mask=FieldMask(paths=[path]))
        await self.users.UpdateUser(request, metadata=by.metadata)

    async def move_team(self, by: User) -> None:
        id, parent_id = self.random.choice(list(self.directory.parents)), self.some_team()
        team = teams_pb2.Team(id=id, parent_id=parent_id)
        request = teams_pb2.UpdateTeamRequest(team=team, update_mask=FieldMask(paths=["parent_id"]))
        await self.teams.UpdateTeam(request, metadata=by.metadata)
        self.directory.parents[id] = parent_id

    async def regrant(self, by: User) -> None:
        id, grants = self.random.choice(list(self.directory.grants)), self.some_grants()
        told = [roles_pb2.Grant(permission=name, scope=SCOPES[scope]) for name, scope in grants.items()]
        role = roles_pb2.Role(id=id, grants=told)
        request = roles_pb2.UpdateRoleRequest(role=role, update_mask=FieldMask(paths=["grants"]))
        await self.roles.UpdateRole(request, metadata=by.metadata)
        self.directory.grants[id] = grants

    async def set_password(self, by: User) -> None:
        """Whoever sets a password may sign in with it."""
        id = self.some_user()
        await self.users.SetPassword(users_pb2.SetPasswordRequest(id=id, password=PASSWORD), metadata=by.metadata)
        assert self.directory.reach(id) <= self.directory.reach(str(by.id)), f"{by.id} borrows from {id}"
        decides = not self.directory.parts(id) or id == str(by.id) or self.directory.writes_policies(str(by.id))
        assert decides, f"{by.id} comes to decide as {id}"

    def some_team(self) -> str:
        return self.random.choice(["", *self.directory.parents])

    def some_user(self) -> str:
        return self.random.choice(list(self.directory.members))

    def some_roles(self) -> tuple[str, ...]:
        return tuple(self.random.sample(list(self.directory.grants), self.random.randint(1, 2)))

    async def step(self) -> None:
        """One change by somebody, who may be refused: then nothing has changed."""
        by, self.passed_on = self.some_user(), ""
        if self.random.random() < 0.1:
            await self.change_policy()
        before = {id: self.directory.reach(id) for id in self.directory.members}
        parts = {id: self.directory.parts(id) for id in self.directory.members}
        own_roles, writes_policies = self.directory.members[by].role_ids, self.directory.writes_policies(by)
        there = {*self.directory.parents, *self.directory.records, ""}
        change = self.random.choice(
            [self.create_role, self.create_user, self.move_user, self.give_roles]
            + [self.move_team, self.regrant, self.set_password, self.give_account, self.give_account] * 3
        )
        try:
            await change(self.company.acting(users_pb2.User(id=by)))
        except grpc.aio.AioRpcError as error:
            assert error.code() in REFUSED or reason_of(error) == "ASSIGNMENT_NOT_ALLOWED", error
            self.denied += 1
            return
        self.done += 1
        for id, reached in before.items():
            # What is made by the change was nobody's before, and what is passed on is its owner's to give.
            came = {each for each in self.directory.reach(id) if each[2] in there - {self.passed_on}}
            gained = came - reached - before[by]
            assert not gained, f"{change.__name__} by {by} gave {id} {gained}"
        assert set(self.directory.members[by].role_ids) <= set(own_roles), f"{by} gave themselves a role"
        for id in self.directory.members:
            moved = self.directory.parts(id) ^ parts.get(id, set())
            assert not moved or writes_policies, f"{change.__name__} by {by} changed what {id} is in approvals: {moved}"

    async def sees(self, user: User) -> set[str]:
        page = await self.accounts.ListAccounts(accounts_pb2.ListAccountsRequest(page_size=200), metadata=user.metadata)
        return {each.id for each in page.accounts}


@pytest.mark.parametrize("seed", range(8))
async def test_nobody_gains_by_what_others_or_they_themselves_do(company: Company, seed: int) -> None:
    walk = Walk(company, seed)
    await walk.open()
    for _ in range(STEPS):
        await walk.step()
    assert walk.done > STEPS / 15, "too little was allowed to tell anything"
    assert walk.denied > STEPS / 10, "too little was refused to tell anything"
    assert walk.given, "nobody has given what is another's"
    for id, member in walk.directory.members.items():
        acting = company.acting(users_pb2.User(id=id))
        me = await walk.users.GetCurrentUser(users_pb2.GetCurrentUserRequest(), metadata=acting.metadata)
        below = {team for team in walk.directory.parents if walk.directory.is_below(team, member.team_id)}
        assert set(me.team_ids) == (below if member.team_id else set())
        granted = {name for role_id in member.role_ids for name in walk.directory.grants[role_id]}
        assert {grant.permission for grant in me.grants} == granted
        if "accounts.read" in granted:
            reached = walk.directory.reach(id)
            assert await walk.sees(acting) == {
                each for each in walk.directory.records if ("accounts.read", "record", each) in reached
            }

"""Whatever people do to a directory, nobody comes to reach what neither they nor who did it reached before."""

import random
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import pytest
from crm.customer.v1 import roles_pb2, teams_pb2, users_pb2
from crm.customer.v1.roles_pb2_grpc import RoleServiceStub
from crm.customer.v1.teams_pb2_grpc import TeamServiceStub
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from crm_kit.identity.access import Scope
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.companies import PASSWORD, SCOPES, Company
from tests.service.running import User

MANAGING = ("users.write", "teams.write", "roles.write")
PERMISSIONS = ("accounts.read", "orders.write")
# Where scopes differ by whom they reach, there is most to get wrong.
SOME_SCOPES = (Scope.OWN, Scope.TEAM, Scope.TEAM, Scope.TEAM, Scope.ALL)
STEPS = 120
# A permission, and what it is for: `team` all records of a team, `own` the records of a user, `all` every record.
Reach = frozenset[tuple[str, str, str]]


@dataclass(frozen=True)
class Member:
    team_id: str
    role_ids: tuple[str, ...]


@dataclass(frozen=True)
class Directory:
    """A directory as plain values: the oracle, which knows nothing of how the service decides."""

    parents: dict[str, str] = field(default_factory=dict)
    grants: dict[str, dict[str, Scope]] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)

    def is_below(self, team_id: str, top_id: str) -> bool:
        while team_id and team_id != top_id:
            team_id = self.parents[team_id]
        return bool(team_id)

    def reach(self, user_id: str) -> Reach:
        """What a user reaches, written out record by record."""
        member, found = self.members[user_id], set()
        for role_id in member.role_ids:
            for permission, scope in self.grants[role_id].items():
                found.add((permission, "own", user_id))
                if scope >= Scope.TEAM and member.team_id:
                    below = [id for id in self.parents if self.is_below(id, member.team_id)]
                    found |= {(permission, "team", id) for id in below}
                    found |= {(permission, "own", id) for id, each in self.members.items() if each.team_id in below}
                if scope is Scope.ALL:
                    found |= {(permission, "team", id) for id in self.parents} | {(permission, "all", "")}
                    found |= {(permission, "own", id) for id in self.members}
        return frozenset(found)


class Walk:
    """People of a company who change its directory at random, and what follows from it."""

    def __init__(self, company: Company, seed: int) -> None:
        self.company, self.random = company, random.Random(seed)
        self.teams = TeamServiceStub(company.customer.channel)
        self.roles = RoleServiceStub(company.customer.channel)
        self.users = UserServiceStub(company.customer.channel)
        self.directory = Directory()
        self.done = self.denied = 0

    async def open(self) -> None:
        """A random tree of teams, random roles, and people in both."""
        admin = self.company.admin
        for _ in range(6):
            await self.create_team(admin, parent_id=self.random.choice(["", *self.directory.parents]))
        for _ in range(6):
            await self.create_role(admin)
        for _ in range(7):
            await self.create_user(admin)

    def some_grants(self) -> dict[str, Scope]:
        chosen = {name: self.random.choice(SOME_SCOPES) for name in PERMISSIONS if self.random.random() < 0.7}
        return chosen | {name: Scope.ALL for name in MANAGING if self.random.random() < 0.7}

    async def create_team(self, by: User, *, parent_id: str) -> None:
        team = teams_pb2.Team(display_name="Team", parent_id=parent_id)
        made = await self.teams.CreateTeam(teams_pb2.CreateTeamRequest(team=team), metadata=by.metadata)
        self.directory.parents[made.id] = parent_id

    async def create_role(self, by: User) -> None:
        grants = self.some_grants()
        names = {name.replace(".", "_"): scope for name, scope in grants.items()}
        self.directory.grants[(await self.company.role(by=by, **names)).id] = grants

    async def create_user(self, by: User) -> None:
        member = Member(self.some_team(), self.some_roles())
        user = users_pb2.User(
            display_name="x", login=f"{self.random.random()}@x.test", team_id=member.team_id, role_ids=member.role_ids
        )
        made = await self.users.CreateUser(users_pb2.CreateUserRequest(user=user), metadata=by.metadata)
        self.directory.members[made.id] = member

    async def move_user(self, by: User) -> None:
        id, team_id = self.some_user(), self.some_team()
        await self.update_user(by, id, "team_id", team_id=team_id)
        self.directory.members[id] = replace(self.directory.members[id], team_id=team_id)

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

    def some_team(self) -> str:
        return self.random.choice(["", *self.directory.parents])

    def some_user(self) -> str:
        return self.random.choice(list(self.directory.members))

    def some_roles(self) -> tuple[str, ...]:
        return tuple(self.random.sample(list(self.directory.grants), self.random.randint(0, 2)))

    async def step(self) -> None:
        """One change by somebody, who may be refused: then nothing has changed."""
        by = self.some_user()
        before = {id: self.directory.reach(id) for id in self.directory.members}
        change = self.random.choice(
            [self.create_role, self.create_user, self.move_user, self.give_roles]
            + [self.move_team, self.regrant, self.set_password] * 3
        )
        try:
            await change(self.company.acting(users_pb2.User(id=by)))
        except grpc.aio.AioRpcError as error:
            assert error.code() in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.FAILED_PRECONDITION), error
            self.denied += 1
            return
        self.done += 1
        for id, reached in before.items():
            # Somebody moved into a team takes no records along.
            came = {each for each in self.directory.reach(id) if each[1] != "own" or each[2] == id}
            came = {each for each in came if each[2] in self.directory.parents or each[2] in before or not each[2]}
            gained = came - reached - before[by]
            assert not gained, f"{change.__name__} by {by} gave {id} {gained}"


@pytest.mark.parametrize("seed", range(6))
async def test_nobody_gains_by_what_others_or_they_themselves_do(company: Company, seed: int) -> None:
    walk = Walk(company, seed)
    await walk.open()
    for _ in range(STEPS):
        await walk.step()
    assert walk.done > STEPS / 10, "too little was allowed to tell anything"
    assert walk.denied > STEPS / 10, "too little was refused to tell anything"
    for id, member in walk.directory.members.items():
        me = await walk.users.GetCurrentUser(
            users_pb2.GetCurrentUserRequest(), metadata=company.acting(users_pb2.User(id=id)).metadata
        )
        below = {team for team in walk.directory.parents if walk.directory.is_below(team, member.team_id)}
        assert set(me.team_ids) == (below if member.team_id else set())
        granted = {name for role_id in member.role_ids for name in walk.directory.grants[role_id]}
        assert {grant.permission for grant in me.grants} == granted

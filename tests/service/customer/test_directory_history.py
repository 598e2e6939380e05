"""What the directory was at an instant, read back from its history, is what was told then."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from crm.customer.v1 import roles_pb2, teams_pb2, users_pb2
from crm.customer.v1.roles_pb2_grpc import RoleServiceStub
from crm.customer.v1.teams_pb2_grpc import TeamServiceStub
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from crm.resource.v1 import resources_pb2 as generic
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm_customer.directory.tenants.commands import advance_test_clock
from crm_customer.directory.tenants.resource import TENANTS
from crm_kit.identity.access import Scope
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from tests.service.customer.companies import PASSWORD, Company, open_company
from tests.service.customer.told import as_of
from tests.service.running import Running, refused

if TYPE_CHECKING:
    from crm.customer.v1.users_pb2_grpc import UserServiceAsyncStub

CASES_READ = roles_pb2.Grant(permission="cases.read", scope=roles_pb2.Grant.SCOPE_TEAM)


@pytest.fixture
def users(customer: Running) -> "UserServiceAsyncStub":
    return UserServiceStub(customer.channel)


async def then(company: Company, collection: str, told: Any) -> Message:
    """The record at the instant of its state, by the history."""
    return await as_of(company.customer, company.admin, collection, told)


async def test_every_state_of_a_user_is_read_back(users: "UserServiceAsyncStub", company: Company) -> None:
    metadata = company.admin.metadata
    role = await company.role(accounts_read=Scope.OWN)
    states = [await company.user()]
    id = states[0].id
    roles = users_pb2.UpdateUserRequest(
        user=users_pb2.User(id=id, display_name="New", role_ids=[role.id]),
        update_mask=FieldMask(paths=["display_name", "role_ids"]),
    )
    states.append(await users.UpdateUser(roles, metadata=metadata))
    states.append(await users.SetPassword(users_pb2.SetPasswordRequest(id=id, password=PASSWORD), metadata=metadata))
    states.append(await users.DeactivateUser(users_pb2.DeactivateUserRequest(id=id), metadata=metadata))
    assert [await then(company, "users", each) for each in states] == states
    before = Timestamp()
    before.FromDatetime(states[0].create_time.ToDatetime(UTC) - timedelta(seconds=1))
    with refused("NOT_FOUND", "USER_NOT_FOUND"):
        await then(company, "users", users_pb2.User(id=id, update_time=before))


async def test_every_state_of_a_role_and_of_a_team_is_read_back(company: Company) -> None:
    channel, metadata = company.customer.channel, company.admin.metadata
    role = await company.role(accounts_read=Scope.OWN)
    changed = roles_pb2.Role(id=role.id, grants=[CASES_READ, *role.grants])
    request = roles_pb2.UpdateRoleRequest(role=changed, update_mask=FieldMask(paths=["grants"]))
    roles = [role, await RoleServiceStub(channel).UpdateRole(request, metadata=metadata)]
    assert [await then(company, "roles", each) for each in roles] == roles
    stub = TeamServiceStub(channel)
    made = [
        await stub.CreateTeam(teams_pb2.CreateTeamRequest(team=teams_pb2.Team(display_name=name)), metadata=metadata)
        for name in ("Sales", "North")
    ]
    moved = teams_pb2.Team(id=made[1].id, parent_id=made[0].id)
    move = teams_pb2.UpdateTeamRequest(team=moved, update_mask=FieldMask(paths=["parent_id"]))
    teams = [*made, await stub.UpdateTeam(move, metadata=metadata)]
    assert [await then(company, "teams", each) for each in teams] == teams


async def test_what_the_test_clock_was_is_in_the_history(customer: Running) -> None:
    sandbox = await open_company(customer, sandbox=True)
    ahead: list[timedelta] = []
    for days in (1, 30):
        async with customer.unit_of_work(sandbox.tenant_id) as work:
            tenant = await advance_test_clock(work, timedelta(days=days))
        ahead.append(tenant.clock_offset)
    eyes = sandbox.eyes
    eyes.now = datetime.now(UTC) + ahead[-1]
    shown = [await TENANTS.as_of(eyes, str(sandbox.tenant_id), datetime.now(UTC) + offset) for offset in ahead]
    assert [each.clock_offset.ToTimedelta() for each in shown] == ahead


async def test_the_verbs_of_a_user_are_told_with_who_may_do_them(
    users: "UserServiceAsyncStub", company: Company
) -> None:
    user = await company.user()
    reader = company.acting(await company.user(await company.role(users_read=Scope.ALL)))
    request = generic.GetRecordActionsRequest(collection="users", id=user.id)
    stub = ResourceServiceStub(company.customer.channel)
    for who, allowed in ((company.admin, True), (reader, False)):
        found = await stub.GetRecordActions(request, metadata=who.metadata)
        assert {each.rpc: each.allowed for each in found.actions} == dict.fromkeys(
            ("DeactivateUser", "ActivateUser", "SetPassword"), allowed
        )

"""Roles through their contract: what they grant takes effect at once, and nobody grants more than they have."""

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest
from crm.customer.v1 import accounts_pb2, events_pb2
from crm.customer.v1 import roles_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.roles_pb2_grpc import RoleServiceStub
from crm.customer.v1.users_pb2 import DeactivateUserRequest, GetCurrentUserRequest
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from crm_customer.directory.roles import commands
from crm_customer.directory.roles.built_in import BUILT_IN
from crm_customer.directory.roles.model import granted
from crm_customer.directory.roles.queries import get_built_in_roles
from crm_customer.directory.roles.renewal import RoleRenewal
from crm_kit.background import Tenants
from crm_kit.identity.access import Scope
from crm_kit.permissions import known_permissions
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.companies import Company, open_company
from tests.service.running import Running, refused

if TYPE_CHECKING:
    from crm.customer.v1.roles_pb2_grpc import RoleServiceAsyncStub

READ_OWN = pb.Grant(permission="accounts.read", scope=pb.Grant.SCOPE_OWN)
READ_ALL = pb.Grant(permission="accounts.read", scope=pb.Grant.SCOPE_ALL)
EVERYTHING = pb.Grant(permission="*", scope=pb.Grant.SCOPE_ALL)


@pytest.fixture
def roles(customer: Running) -> "RoleServiceAsyncStub":
    return RoleServiceStub(customer.channel)


def regrant(role: pb.Role, *grants: pb.Grant, etag: str = "") -> pb.UpdateRoleRequest:
    """The role with these grants and no others."""
    changed = pb.Role(id=role.id, grants=grants, etag=etag)
    return pb.UpdateRoleRequest(role=changed, update_mask=FieldMask(paths=["grants"]))


async def test_a_new_tenant_has_the_roles_that_the_platform_brings(
    roles: "RoleServiceAsyncStub", company: Company
) -> None:
    found = await roles.ListRoles(pb.ListRolesRequest(filter="built_in = true"), metadata=company.admin.metadata)
    assert {role.display_name for role in found.roles} == set(BUILT_IN)
    administrator = await company.built_in("ADMINISTRATOR")
    assert list(administrator.grants) == [EVERYTHING]


async def test_a_created_role_is_read_back_and_told(roles: "RoleServiceAsyncStub", company: Company) -> None:
    role = await company.role(accounts_read=Scope.TEAM, accounts_write=Scope.OWN)
    assert await roles.GetRole(pb.GetRoleRequest(id=role.id), metadata=company.admin.metadata) == role
    assert {grant.permission: grant.scope for grant in role.grants} == {
        "accounts.read": pb.Grant.SCOPE_TEAM,
        "accounts.write": pb.Grant.SCOPE_OWN,
    }
    assert await company.told(role.id) == [events_pb2.RoleCreated(role=role)]


async def test_a_role_of_another_tenant_is_not_found(
    roles: "RoleServiceAsyncStub", customer: Running, company: Company
) -> None:
    role = await company.role()
    stranger = (await open_company(customer)).admin
    with refused("NOT_FOUND", "ROLE_NOT_FOUND"):
        await roles.GetRole(pb.GetRoleRequest(id=role.id), metadata=stranger.metadata)
    with refused("NOT_FOUND", "ROLE_NOT_FOUND"):
        await roles.UpdateRole(regrant(role), metadata=stranger.metadata)


async def test_two_roles_of_a_tenant_differ_by_name(roles: "RoleServiceAsyncStub", company: Company) -> None:
    for name in ("SALES_REP", "SALES_REP\u200b", "\ufeffSALES_REP"):
        request = pb.CreateRoleRequest(role=pb.Role(display_name=name))
        with refused("ALREADY_EXISTS", "ALREADY_EXISTS"):
            await roles.CreateRole(request, metadata=company.admin.metadata)


async def test_a_create_with_a_key_happens_once(roles: "RoleServiceAsyncStub", company: Company) -> None:
    request = pb.CreateRoleRequest(role=pb.Role(display_name="Once", grants=[READ_OWN]))
    first = await roles.CreateRole(request, metadata=company.admin.with_key("role"))
    assert await roles.CreateRole(request, metadata=company.admin.with_key("role")) == first


@pytest.mark.parametrize(
    "grants",
    [
        [pb.Grant(permission="accounts", scope=pb.Grant.SCOPE_ALL)],
        [pb.Grant(permission="accounts.read")],
        [READ_OWN, READ_ALL],
    ],
)
async def test_grants_that_mean_nothing_are_refused(
    roles: "RoleServiceAsyncStub", company: Company, grants: list[pb.Grant]
) -> None:
    request = pb.CreateRoleRequest(role=pb.Role(display_name="x", grants=grants))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await roles.CreateRole(request, metadata=company.admin.metadata)


async def test_a_permission_that_nothing_asks_for_is_refused_with_those_that_there_are(
    roles: "RoleServiceAsyncStub", company: Company
) -> None:
    unknown = pb.Grant(permission="nope.read", scope=pb.Grant.SCOPE_ALL)
    request = pb.CreateRoleRequest(role=pb.Role(display_name="x", grants=[READ_OWN, unknown]))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as error:
        await roles.CreateRole(request, metadata=company.admin.metadata)
    assert error.fields == ["role.grants[1].permission"]
    assert "there is no permission nope.read" in error.detail
    for each in ("accounts.read", "custom_fields.write", "opportunities.override"):
        assert each in error.detail
    role = await company.role(accounts_read=Scope.OWN)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await roles.UpdateRole(regrant(role, unknown), metadata=company.admin.metadata)


def test_the_roles_that_the_platform_brings_grant_what_some_rpc_asks_for() -> None:
    granted_by_us = {permission for scopes in BUILT_IN.values() for permission in scopes} - {"*"}
    assert granted_by_us <= known_permissions()


async def test_what_a_role_grants_takes_effect_at_once(
    roles: "RoleServiceAsyncStub", customer: Running, company: Company
) -> None:
    role = await company.role(accounts_read=Scope.OWN)
    user = company.acting(await company.user(role))
    accounts = AccountServiceStub(customer.channel)
    request = accounts_pb2.ListAccountsRequest()
    await accounts.ListAccounts(request, metadata=user.metadata)
    nothing = await roles.UpdateRole(regrant(role), metadata=company.admin.metadata)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await accounts.ListAccounts(request, metadata=user.metadata)
    more = await roles.UpdateRole(regrant(role, READ_ALL), metadata=company.admin.metadata)
    await accounts.ListAccounts(request, metadata=user.metadata)
    assert await company.told(role.id) == [
        events_pb2.RoleCreated(role=role),
        events_pb2.RoleUpdated(role=nothing, changed_fields=["grants"]),
        events_pb2.RoleUpdated(role=more, changed_fields=["grants"]),
    ]


async def test_grants_are_in_the_order_of_their_permissions_however_they_were_given(
    roles: "RoleServiceAsyncStub", company: Company
) -> None:
    role = await company.role(cases_read=Scope.ALL, accounts_read=Scope.OWN)
    assert [each.permission for each in role.grants] == ["accounts.read", "cases.read"]
    again = await roles.UpdateRole(regrant(role, *reversed(role.grants)), metadata=company.admin.metadata)
    assert again == role


async def test_the_widest_of_several_roles_counts_also_beside_everything(customer: Running, company: Company) -> None:
    narrow = await company.role(accounts_read=Scope.OWN)
    user = company.acting(await company.user(narrow, await company.built_in("ADMINISTRATOR")))
    accounts = AccountServiceStub(customer.channel)
    account = accounts_pb2.Account(kind=accounts_pb2.Account.KIND_PERSON, display_name="Somebody else's")
    created = await accounts.CreateAccount(
        accounts_pb2.CreateAccountRequest(account=account), metadata=company.admin.metadata
    )
    request = accounts_pb2.GetAccountRequest(id=created.id)
    assert (await accounts.GetAccount(request, metadata=user.metadata)).id == created.id


async def test_a_stale_etag_is_refused(roles: "RoleServiceAsyncStub", company: Company) -> None:
    role = await company.role()
    await roles.UpdateRole(regrant(role, READ_OWN, etag=role.etag), metadata=company.admin.metadata)
    with refused("ABORTED", "ETAG_MISMATCH"):
        await roles.UpdateRole(regrant(role, READ_ALL, etag=role.etag), metadata=company.admin.metadata)


@pytest.mark.parametrize("name", list(BUILT_IN))
async def test_a_role_that_the_platform_brings_cannot_be_changed(
    roles: "RoleServiceAsyncStub", company: Company, name: str
) -> None:
    with refused("FAILED_PRECONDITION", "ROLE_BUILT_IN"):
        await roles.UpdateRole(regrant(await company.built_in(name), READ_OWN), metadata=company.admin.metadata)


async def test_nobody_grants_more_than_they_have(roles: "RoleServiceAsyncStub", company: Company) -> None:
    holder = await company.role(roles_write=Scope.ALL, accounts_read=Scope.OWN)
    user = company.acting(await company.user(holder))
    mine = await company.role(by=user, accounts_read=Scope.OWN)
    for grant in (READ_ALL, EVERYTHING, pb.Grant(permission="cases.read", scope=pb.Grant.SCOPE_OWN)):
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            request = pb.CreateRoleRequest(role=pb.Role(display_name="more", grants=[grant]))
            await roles.CreateRole(request, metadata=user.metadata)
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await roles.UpdateRole(regrant(mine, grant), metadata=user.metadata)


async def test_changing_roles_takes_the_permission_for_the_whole_tenant(
    roles: "RoleServiceAsyncStub", company: Company
) -> None:
    role = await company.role(roles_write=Scope.TEAM)
    for user in (company.acting(await company.user(role)), company.acting(await company.user())):
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await company.role(by=user)
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await roles.UpdateRole(regrant(role), metadata=user.metadata)
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await roles.GetRole(pb.GetRoleRequest(id=role.id), metadata=user.metadata)


async def test_the_role_of_the_last_administrator_keeps_everything(
    roles: "RoleServiceAsyncStub", customer: Running, company: Company
) -> None:
    own = await company.role(everything=Scope.ALL)
    second = company.acting(await company.user(own))
    users = UserServiceStub(customer.channel)
    await users.DeactivateUser(DeactivateUserRequest(id=str(company.admin.id)), metadata=second.metadata)
    with refused("FAILED_PRECONDITION", "LAST_ADMINISTRATOR"):
        await roles.UpdateRole(regrant(own, READ_ALL), metadata=second.metadata)


async def test_two_roles_do_not_give_up_everything_at_the_same_time(
    roles: "RoleServiceAsyncStub", customer: Running
) -> None:
    for _ in range(3):
        company = await open_company(customer)
        one, other = await company.role(everything=Scope.ALL), await company.role(everything=Scope.ALL)
        first, second = company.acting(await company.user(one)), company.acting(await company.user(other))
        users = UserServiceStub(customer.channel)
        await users.DeactivateUser(DeactivateUserRequest(id=str(company.admin.id)), metadata=first.metadata)
        answers = await asyncio.gather(
            roles.UpdateRole(regrant(one), metadata=first.metadata),
            roles.UpdateRole(regrant(other), metadata=second.metadata),
            return_exceptions=True,
        )
        refusals = [answer.code() for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
        assert len(refusals) == 1, answers
        me = [await users.GetCurrentUser(GetCurrentUserRequest(), metadata=user.metadata) for user in (first, second)]
        assert sum(list(each.grants) == [EVERYTHING] for each in me) == 1


async def test_a_release_brings_its_roles_to_tenants_that_are_there(customer: Running, company: Company) -> None:
    service = customer.service
    present = await get_built_in_roles(company.eyes)
    old = present["ANALYST"]
    async with customer.unit_of_work(company.tenant_id) as work:
        commands.renew_role(work, old, granted({"accounts.read": "OWN"}))
    renewal = RoleRenewal(Tenants(service.database, service.clock), service.directory)
    assert await renewal.renew_all() == 1
    renewed = await get_built_in_roles(company.eyes)
    assert renewed["ANALYST"].grants == old.grants
    assert renewed["ANALYST"].version == old.version + 2
    assert await renewal.renew_all() == 0
    assert renewed | {"ANALYST": old} == present
    _, *told = await company.told(str(old.id))
    assert [type(each) for each in told] == [events_pb2.RoleRenewed, events_pb2.RoleRenewed]

"""Who may give an account to another owner: nobody comes by it to what is done at an account, nor lends it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import pytest
from crm.customer.v1 import accounts_pb2, events_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.options.v1 import options_pb2
from crm_customer.records.timeline.model import Kind, permission_of
from crm_kit.accounts import FOLLOWING
from crm_kit.identity.access import Scope
from crm_kit.resource.owners import resource_of
from google.protobuf.field_mask_pb2 import FieldMask

from tests.factories.places import RPCS
from tests.service.customer.customers import new_account
from tests.service.customer.told import told_of
from tests.service.running import ADMIN, Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub

DENIED = ("PERMISSION_DENIED", "PERMISSION_DENIED")
# All accounts, and of what is done at them only what is one's own.
STEWARD = {
    "accounts.read": Scope.ALL,
    "accounts.write": Scope.ALL,
    "opportunities.read": Scope.OWN,
    "opportunities.write": Scope.OWN,
}
SELLER = dict.fromkeys(("accounts.read", "accounts.write", "opportunities.read", "opportunities.write"), Scope.OWN)
MANAGER = dict.fromkeys((*SELLER, "payments.write"), Scope.TEAM)
OVER_ALL = {"accounts.read": Scope.ALL, "accounts.write": Scope.ALL}
# To whom they give accounts is not limited by their scope.
TO_ANYBODY = {"accounts.write": Scope.ALL}


async def give(
    customer: Running, account: accounts_pb2.Account, to: User, *, by: User, keep: bool = False
) -> accounts_pb2.Account:
    stub: AccountServiceAsyncStub = AccountServiceStub(customer.channel)
    given = accounts_pb2.Account(id=account.id, owner_id=str(to.id))
    mask = FieldMask(paths=["owner_id"])
    request = accounts_pb2.UpdateAccountRequest(account=given, update_mask=mask, keep_opportunities=keep)
    return await stub.UpdateAccount(request, metadata=by.metadata)


@pytest.mark.parametrize("permission", sorted(f"{resource}.read" for resource in FOLLOWING))
async def test_nobody_takes_an_account_to_reach_what_is_done_at_it(customer: Running, permission: str) -> None:
    tenant = await customer.tenant()
    account = await new_account(customer, await customer.user(tenant, grants=SELLER))
    grants = {"accounts.read": Scope.ALL, "accounts.write": Scope.ALL, permission: Scope.OWN}
    steward = await customer.user(tenant, grants=grants)
    with refused(*DENIED):
        await give(customer, account, steward, by=steward)


@pytest.mark.parametrize("keep", [True, False])
async def test_nobody_has_a_friend_take_it(customer: Running, *, keep: bool) -> None:
    tenant = await customer.tenant()
    account = await new_account(customer, await customer.user(tenant, grants=SELLER))
    steward, friend = [await customer.user(tenant, grants=STEWARD) for _ in range(2)]
    with refused(*DENIED):
        await give(customer, account, friend, by=steward, keep=keep)


async def test_nobody_gives_an_account_into_a_team_to_reach_it_from_above(customer: Running) -> None:
    tenant = await customer.tenant()
    north, south = await customer.team(tenant), await customer.team(tenant)
    account = await new_account(customer, await customer.user(tenant, grants=SELLER, team_id=north))
    over_all = {"accounts.read": Scope.ALL, "accounts.write": Scope.ALL}
    lead = await customer.user(tenant, grants=over_all | {"opportunities.read": Scope.TEAM}, team_id=south)
    plain = await customer.user(tenant, grants={"accounts.read": Scope.OWN}, team_id=south)
    with refused(*DENIED):
        await give(customer, account, plain, by=lead)


async def test_an_owner_passes_an_account_on_to_whomever_their_scope_reaches(customer: Running) -> None:
    """What those may do with it who are above the new owner is theirs to do, as with any other account there."""
    tenant = await customer.tenant()
    north, south = await customer.team(tenant), await customer.team(tenant)
    li = await customer.user(tenant, grants=SELLER | TO_ANYBODY, team_id=north)
    wang = await customer.user(tenant, grants=SELLER, team_id=south)
    await customer.user(tenant, grants=MANAGER, team_id=south)
    given = await give(customer, await new_account(customer, li), wang, by=li)
    assert (given.owner_id, given.owner_team_id) == (str(wang.id), str(south))
    with refused("INVALID_ARGUMENT", "ASSIGNMENT_NOT_ALLOWED"):
        await give(customer, await new_account(customer, wang), li, by=wang)


async def test_a_manager_gives_the_accounts_of_their_team_to_whom_may_do_no_more(customer: Running) -> None:
    tenant = await customer.tenant()
    head = await customer.team(tenant)
    north, south = [await customer.team(tenant, head) for _ in range(2)]
    li, wang = [await customer.user(tenant, grants=SELLER, team_id=team) for team in (north, south)]
    manager = await customer.user(tenant, grants=MANAGER | TO_ANYBODY, team_id=north)
    account = await new_account(customer, li)
    given = await give(customer, account, wang, by=manager)
    assert given.owner_id == str(wang.id)
    release = MANAGER | TO_ANYBODY | {"orders.release": Scope.TEAM}
    of_south = await customer.user(tenant, grants=release, team_id=south)
    with refused(*DENIED):
        await give(customer, await new_account(customer, li), wang, by=manager)
    # Who is above both reaches it already, and who reaches everything comes to nothing by it.
    await customer.user(tenant, grants={"orders.release": Scope.TEAM}, team_id=head)
    over_all = await customer.user(tenant, grants=MANAGER | {"orders.release": Scope.ALL})
    account = await new_account(customer, of_south)
    assert (await give(customer, account, over_all, by=of_south)).owner_id == str(over_all.id)


async def test_who_may_do_more_by_another_role_gains_nothing(customer: Running) -> None:
    """A manager who reads everything as an analyst reads no more because an account comes below them."""
    tenant = await customer.tenant()
    north, south = await customer.team(tenant), await customer.team(tenant)
    li = await customer.user(tenant, grants=SELLER, team_id=north)
    assistant = await customer.user(tenant, grants=dict.fromkeys(SELLER, Scope.TEAM) | TO_ANYBODY, team_id=north)
    for grants in ({"accounts.read": Scope.OWN, "cases.read": Scope.ALL}, {"*": Scope.ALL, "cases.read": Scope.TEAM}):
        other = await customer.user(tenant, grants=grants, team_id=south)
        given = await give(customer, await new_account(customer, li), other, by=assistant)
        assert given.owner_id == str(other.id)


async def test_deals_stay_where_they_are_when_who_gives_the_account_may_not_write_them(customer: Running) -> None:
    tenant = await customer.tenant()
    account = await new_account(customer, await customer.user(tenant, grants=SELLER))
    clerk = await customer.user(tenant, grants=OVER_ALL)
    reader = await customer.user(tenant, grants=OVER_ALL | {"opportunities.read": Scope.ALL})
    stays = []
    for by, to in ((clerk, OVER_ALL), (reader, OVER_ALL | {"opportunities.read": Scope.OWN})):
        await give(customer, account, await customer.user(tenant, grants=to), by=by)
        stays.append(await deals_stay(customer, tenant, account))
    assert stays == [True, True]


async def test_deals_go_along_to_nobody_who_could_not_be_given_them_singly(customer: Running) -> None:
    tenant = await customer.tenant()
    north, south = [await customer.team(tenant) for _ in range(2)]
    account = await new_account(customer, await customer.user(tenant, grants=SELLER, team_id=north))
    deals = ("opportunities.read", "opportunities.write")
    head = await customer.user(tenant, grants=OVER_ALL | dict.fromkeys(deals, Scope.ALL))
    lead = await customer.user(tenant, grants=OVER_ALL | dict.fromkeys(deals, Scope.TEAM), team_id=north)
    northern = await customer.user(tenant, grants=SELLER, team_id=north)
    southern = await customer.user(tenant, grants=SELLER, team_id=south)
    agent = await customer.user(tenant, grants={"accounts.read": Scope.ALL}, team_id=north)
    stays = []
    for by, to in ((head, agent), (head, northern), (lead, southern), (head, northern), (lead, agent)):
        await give(customer, account, to, by=by)
        stays.append(await deals_stay(customer, tenant, account))
    assert stays == [True, False, True, False, True]


async def deals_stay(customer: Running, tenant: UUID, account: accounts_pb2.Account) -> bool:
    """Whether sales was last told to leave the deals at an account where they are."""
    told = await told_of(customer, tenant, account.id)
    return cast("events_pb2.AccountOwnerChanged", told[-1]).keep_opportunities


@pytest.mark.parametrize(
    "grants", [ADMIN, STEWARD | {"opportunities.read": Scope.ALL, "opportunities.write": Scope.ALL}]
)
async def test_who_reaches_all_that_goes_along_gives_any_account(
    customer: Running, grants: Mapping[str, Scope]
) -> None:
    tenant = await customer.tenant()
    account = await new_account(customer, await customer.user(tenant, grants=SELLER))
    wang = await customer.user(tenant, grants=SELLER)
    assert (await give(customer, account, wang, by=await customer.user(tenant, grants=grants))).owner_id == str(wang.id)


def names_accounts(message: Any) -> bool:
    """Whether a message, or one of ours within it, has the id of an account."""
    return any(
        field.GetOptions().Extensions[options_pb2.refers_to] == "accounts"
        or (
            (field.message_type is not None and field.message_type.file.package != "google.protobuf")
            and names_accounts(field.message_type)
        )
        for field in message.fields
    )


def test_all_that_the_contract_says_of_accounts_goes_along_with_them() -> None:
    found = {resource_of(rpc.permission) for rpc in RPCS.values() if names_accounts(rpc.response)}
    # Messages that we send name their case alone, with which they are seen. What is read by a link, such as the file of
    # an export, is read by the rights of who made it.
    assert found - {"accounts", "internal", "public", "resource"} == FOLLOWING - {"outbound_messages"}


def test_all_that_a_timeline_shows_goes_along_with_the_account() -> None:
    """Such as what was said to a lead that became the account, which is seen with it."""
    shown = {resource_of(permission_of(kind)) for kind in Kind}
    assert shown - {"accounts"} <= FOLLOWING

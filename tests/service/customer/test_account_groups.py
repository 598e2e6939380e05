"""Accounts below one another: trees without circles, and the groups that filters take."""

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm_kit.identity.access import Scope
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.customers import new_account
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub

ACTIVE = pb.Account.STATUS_ACTIVE


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
def accounts(customer: Running) -> "AccountServiceAsyncStub":
    return AccountServiceStub(customer.channel)


async def below(customer: Running, by: User, parent: str, name: str, **fields: Any) -> str:
    return (await new_account(customer, by, display_name=name, parent_id=parent, **fields)).id


async def move(accounts: "AccountServiceAsyncStub", by: User, id: str, parent: str) -> pb.Account:
    request = pb.UpdateAccountRequest(
        account=pb.Account(id=id, parent_id=parent), update_mask=FieldMask(paths=["parent_id"])
    )
    return await accounts.UpdateAccount(request, metadata=by.metadata)


async def group(accounts: "AccountServiceAsyncStub", by: User, id: str) -> pb.AccountGroup:
    return await accounts.GetAccountGroup(pb.GetAccountGroupRequest(id=id), metadata=by.metadata)


async def names(accounts: "AccountServiceAsyncStub", by: User, filter: str) -> list[str]:
    request = pb.ListAccountsRequest(filter=filter, order_by="display_name")
    page = await accounts.ListAccounts(request, metadata=by.metadata)
    return [each.display_name for each in page.accounts]


async def test_of_two_who_put_two_accounts_below_each_other_at_once_one_is_refused(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User
) -> None:
    for _ in range(5):
        one, two = [(await new_account(customer, user)).id for _ in range(2)]
        moves = [move(accounts, user, one, two), move(accounts, user, two, one)]
        answers = await asyncio.gather(*moves, return_exceptions=True)
        errors = [each for each in answers if isinstance(each, grpc.aio.AioRpcError)]
        assert [each.code() for each in errors] == [grpc.StatusCode.INVALID_ARGUMENT]
        tops = await names(accounts, user, f'id IN ("{one}", "{two}") AND parent_id = null')
        assert len(tops) == 1


async def test_accounts_are_below_one_another_on_ten_levels_and_no_more(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User
) -> None:
    ids = [(await new_account(customer, user, display_name="level 1")).id]
    for level in range(2, 11):
        ids.append(await below(customer, user, ids[-1], f"level {level}"))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await below(customer, user, ids[-1], "level 11")
    assert refusal.fields == ["account.parent_id"]
    top = (await new_account(customer, user)).id
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await move(accounts, user, ids[0], top)
    assert (await move(accounts, user, ids[1], top)).parent_id == top
    assert (await group(accounts, user, top)).levels == 9


async def test_ten_levels_are_ten_whoever_creates_below_what_somebody_moves(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User
) -> None:
    ids = [(await new_account(customer, user)).id]
    for _ in range(8):
        ids.append(await below(customer, user, ids[-1], "level"))
    for _ in range(5):
        moved = (await new_account(customer, user)).id
        await asyncio.gather(
            move(accounts, user, moved, ids[-1]),
            *(below(customer, user, moved, "below") for _ in range(3)),
            return_exceptions=True,
        )
        assert (await group(accounts, user, ids[0])).levels <= 9
        await accounts.UpdateAccount(
            pb.UpdateAccountRequest(account=pb.Account(id=moved), update_mask=FieldMask(paths=["parent_id"])),
            metadata=user.metadata,
        )


async def test_a_group_is_an_account_with_all_below_it_in_lists_and_sums(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User
) -> None:
    top = (await new_account(customer, user, display_name="A")).id
    middle = await below(customer, user, top, "B", industry="steel")
    await below(customer, user, middle, "C", industry="steel")
    gone = await below(customer, user, middle, "D")
    await new_account(customer, user, display_name="elsewhere")
    await accounts.ArchiveAccount(pb.ArchiveAccountRequest(id=gone), metadata=user.metadata)
    assert await names(accounts, user, f'group_ids:"{top}"') == ["A", "B", "C"]
    assert await names(accounts, user, f'group_ids:"{middle}" AND industry = "steel"') == ["B", "C"]
    assert await names(accounts, user, f'NOT group_ids:"{middle}"') == ["A", "elsewhere"]
    summary = await ResourceServiceStub(customer.channel).SummarizeRecords(
        resources_pb2.SummarizeRecordsRequest(
            collection="accounts", filter=f'group_ids:"{top}"', group_by=["industry"]
        ),
        metadata=user.metadata,
    )
    assert {each.key.get("industry", ""): each.count for each in summary.groups} == {"": 1, "steel": 2}
    found = await group(accounts, user, middle)
    assert (found.account_count, found.hidden_count, found.levels, found.truncated) == (2, 0, 1, False)
    assert (list(found.above_ids), list(found.above_names)) == ([top], ["A"])


async def test_a_group_tells_how_many_of_it_the_reader_does_not_see_and_nothing_more(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User
) -> None:
    own = await customer.user(
        user.tenant_id, grants={"accounts.read": Scope.OWN, "accounts.write": Scope.OWN}, name="own"
    )
    top = (await new_account(customer, user, display_name="A")).id
    middle = await below(customer, user, top, "B", owner_id=str(own.id))
    hidden = await below(customer, user, middle, "C")
    await below(customer, user, hidden, "D", owner_id=str(own.id))
    found = await group(accounts, own, middle)
    assert (found.account_count, found.hidden_count, found.levels) == (2, 1, 2)
    assert not found.above_ids
    assert await names(accounts, own, f'group_ids:"{middle}"') == ["B", "D"]
    for unseen in (top, hidden):
        with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
            await group(accounts, own, unseen)
        with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
            await names(accounts, own, f'group_ids:"{unseen}"')
    blind = await customer.user(user.tenant_id, hidden_fields=["accounts.parent_id"])
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await group(accounts, blind, top)
    with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
        await names(accounts, blind, f'group_ids:"{top}"')


async def test_a_restricted_account_is_told_of_no_group_to_whom_it_is_closed(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User
) -> None:
    reader = await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL})
    top = (await new_account(customer, user, display_name="A")).id
    closed = await below(customer, user, top, "B")
    await below(customer, user, closed, "C")
    restrict = pb.RestrictAccountRequest(id=closed, reason="secret")
    await accounts.RestrictAccount(restrict, metadata=user.metadata)
    assert await names(accounts, reader, 'display_name = "B"') == ["B"]
    assert await names(accounts, reader, f'group_ids:"{top}"') == ["A", "C"]
    found = await group(accounts, reader, top)
    assert (found.account_count, found.hidden_count) == (2, 1)
    with refused("PERMISSION_DENIED", "ACCOUNT_RESTRICTED"):
        await group(accounts, reader, closed)
    with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
        await names(accounts, reader, f'group_ids:"{closed}"')

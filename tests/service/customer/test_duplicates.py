"""Duplicates of accounts: found by whoever may see them, refused on demand, and nothing told of what is not seen."""

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

import grpc
import pytest
from crm.customer.v1 import accounts_pb2, duplicates_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.duplicates_pb2_grpc import DuplicateServiceStub
from crm_customer.records.accounts.likeness import COMPARED
from crm_customer.records.duplicate_rules.tables import duplicate_key_backfills, duplicate_keys
from crm_customer.records.duplicates.backfill import KeyBackfill
from crm_customer.records.duplicates.queries import MAX_OF_A_KEY
from crm_kit.background import Tenants
from crm_kit.clock import TenantClock, system_now
from crm_kit.database.statements import compile_statement
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.rpc.status import reason_of
from sqlalchemy import delete, select, update

from tests.service.customer.customers import new_account, renamed
from tests.service.restricting import EVERYBODY
from tests.service.running import ADMIN, Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.duplicates_pb2_grpc import DuplicateServiceAsyncStub

Account = accounts_pb2.Account
Reason = duplicates_pb2.DuplicateEvidence
NAME, PHONE, OTHER_PHONE = "深圳市华信电力设备有限公司", "+8675586661234", "+8675586669999"
OWN = dict.fromkeys(ADMIN, Scope.OWN)


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
def accounts(customer: Running) -> "AccountServiceAsyncStub":
    return AccountServiceStub(customer.channel)


@pytest.fixture
def duplicates(customer: Running) -> "DuplicateServiceAsyncStub":
    return DuplicateServiceStub(customer.channel)


async def found(
    duplicates: "DuplicateServiceAsyncStub", by: User, name: str = NAME, **fields: Any
) -> duplicates_pb2.FindDuplicatesResponse:
    values: dict[str, Any] = {"kind": Account.KIND_ORGANIZATION, "display_name": name}
    request = duplicates_pb2.FindDuplicatesRequest(account=duplicates_pb2.AccountDraft(**values | fields))
    return await duplicates.FindDuplicates(request, metadata=by.metadata)


def told(answer: Any) -> list[tuple[str, bool]]:
    return [(each.account_id, each.likely) for each in answer.duplicates]


async def keys_in(customer: Running, tenant_id: UUID, account_id: str) -> set[int]:
    table = duplicate_keys.c
    query = select(table.key).where(table.tenant_id == tenant_id, table.account_id == UUID(account_id))
    async with customer.unit_of_work(tenant_id) as work:
        return {row["key"] for row in await work.all(compile_statement(query))}


async def test_what_is_not_saved_yet_is_found_however_it_is_written(
    customer: Running, user: User, duplicates: "DuplicateServiceAsyncStub"
) -> None:
    account = await new_account(customer, user, display_name=NAME, phone_numbers=[PHONE])
    branch = await new_account(customer, user, display_name=f"{NAME}北京分公司")
    for name in ("華信電力設備（深圳）股份有限公司", "Shenzhen Huaxin Electric Power Equipment Co., Ltd", "深圳华信"):
        answer = await found(duplicates, user, name, phone_numbers=["0755-8666 1234"])
        assert (account.id, True) in told(answer), name
        assert (branch.id, True) not in told(answer), name
    first = (await found(duplicates, user, phone_numbers=[PHONE])).duplicates[0]
    assert first.account_name == NAME
    assert first.owner_id == str(user.id)
    assert first.score == min(100, sum(each.points for each in first.evidence))
    assert [each.reason for each in first.evidence][:2] == [Reason.REASON_SAME_NAME, Reason.REASON_SAME_PHONE]
    assert (await found(duplicates, user, "天泰化工有限公司")).duplicates == []
    assert (await found(duplicates, await customer.user())).unseen_count == 0


async def test_an_account_that_is_there_is_compared_with_all_but_itself(
    customer: Running, user: User, duplicates: "DuplicateServiceAsyncStub", accounts: "AccountServiceAsyncStub"
) -> None:
    one, other = [await new_account(customer, user, display_name=NAME) for _ in range(2)]
    request = duplicates_pb2.FindAccountDuplicatesRequest(id=one.id)
    assert told(await duplicates.FindAccountDuplicates(request, metadata=user.metadata)) == [(other.id, True)]
    await accounts.ArchiveAccount(accounts_pb2.ArchiveAccountRequest(id=other.id), metadata=user.metadata)
    assert told(await duplicates.FindAccountDuplicates(request, metadata=user.metadata)) == []
    assert await keys_in(customer, user.tenant_id, other.id) == set()
    await accounts.RestoreAccount(accounts_pb2.RestoreAccountRequest(id=other.id), metadata=user.metadata)
    assert told(await duplicates.FindAccountDuplicates(request, metadata=user.metadata)) == [(other.id, True)]
    await renamed(accounts, user, other.id, "天泰化工有限公司")
    assert told(await duplicates.FindAccountDuplicates(request, metadata=user.metadata)) == []
    assert told(await found(duplicates, user, "天泰化工")) == [(other.id, True)]


async def test_of_accounts_of_others_nothing_is_told_but_that_there_is_one_of_the_name(
    customer: Running, user: User, duplicates: "DuplicateServiceAsyncStub"
) -> None:
    seller = await customer.user(user.tenant_id, grants=OWN)
    await new_account(customer, user, display_name="华信电力", phone_numbers=[PHONE], emails=["info@hx.example"])
    near = {"phone_numbers": [PHONE], "emails": ["info@hx.example"]}
    assert (await found(duplicates, seller, "华信电力", **near)).unseen_count == 1
    assert (await found(duplicates, seller, "华信电力", **near)).duplicates == []
    for known in ({}, near):
        # Whoever sees it is told; to who does not the number that both have makes no difference.
        assert (await found(duplicates, seller, "华信", **known)).unseen_count == 0
    assert len((await found(duplicates, user, "华信", **near)).duplicates) == 1


async def test_a_number_does_not_tell_whose_it_is_where_more_have_the_name_than_can_be_the_same(
    customer: Running, user: User, duplicates: "DuplicateServiceAsyncStub"
) -> None:
    seller = await customer.user(user.tenant_id, grants=OWN)
    outsider = await customer.user(user.tenant_id, grants=EVERYBODY)
    places = [accounts_pb2.Address(city="东莞")]
    first = await new_account(customer, user, display_name="华信电力", phone_numbers=[PHONE], addresses=places)
    for _ in range(MAX_OF_A_KEY):
        await new_account(customer, user, display_name="华信电力")
    unknown = await found(duplicates, seller, "华信电力", phone_numbers=[OTHER_PHONE])
    for known in ({"phone_numbers": [PHONE]}, {"addresses": places}):
        answer = await found(duplicates, seller, "华信电力", **known)
        assert answer.unseen_count == unknown.unseen_count == 0, known
    request = accounts_pb2.RestrictAccountRequest(id=first.id, reason="price negotiation")
    await AccountServiceStub(customer.channel).RestrictAccount(request, metadata=user.metadata)
    assert told(await found(duplicates, outsider, "华信电力", phone_numbers=[PHONE])) == []
    assert told(await found(duplicates, user, "华信电力", phone_numbers=[PHONE])) == [(first.id, True)]


async def test_a_hidden_name_does_not_even_make_a_candidate(
    customer: Running, user: User, duplicates: "DuplicateServiceAsyncStub"
) -> None:
    clerk = await customer.user(user.tenant_id, hidden_fields=["accounts.legal_name"])
    # A letter of each half differs: the names that are seen are similar, and have no key in common.
    tried, called = "qwertyuiopas", "qwxrtyuixpas"
    for legal_name in ("", tried):
        await new_account(customer, user, display_name=called, legal_name=legal_name)
    assert told(await found(duplicates, clerk, tried)) == []
    assert len((await found(duplicates, user, tried)).duplicates) == 1


async def test_a_refusal_that_tells_of_a_restricted_account_is_noted(
    customer: Running, user: User, accounts: "AccountServiceAsyncStub"
) -> None:
    closed = await new_account(customer, user, display_name=NAME, phone_numbers=[PHONE])
    request = accounts_pb2.RestrictAccountRequest(id=closed.id, reason="price negotiation")
    await accounts.RestrictAccount(request, metadata=user.metadata)
    refusing = accounts_pb2.CreateAccountRequest(
        account=Account(kind=Account.KIND_ORGANIZATION, display_name="深圳华信", phone_numbers=[PHONE]),
        on_duplicates=accounts_pb2.CreateAccountRequest.ON_DUPLICATES_REFUSE,
    )
    with refused("ALREADY_EXISTS", "DUPLICATE_FOUND"):
        await accounts.CreateAccount(refusing, metadata=user.metadata)
    noted = await accounts.ListAccountReads(accounts_pb2.ListAccountReadsRequest(id=closed.id), metadata=user.metadata)
    assert accounts_pb2.AccountRead.METHOD_SEARCH in {each.method for each in noted.reads}


async def test_of_a_restricted_account_the_name_alone_is_compared(
    customer: Running, user: User, duplicates: "DuplicateServiceAsyncStub", accounts: "AccountServiceAsyncStub"
) -> None:
    outsider = await customer.user(user.tenant_id, grants=EVERYBODY)
    closed = await new_account(customer, user, display_name=NAME, phone_numbers=[PHONE])
    request = accounts_pb2.RestrictAccountRequest(id=closed.id, reason="price negotiation")
    await accounts.RestrictAccount(request, metadata=user.metadata)
    for phone in (PHONE, OTHER_PHONE):
        answer = await found(duplicates, outsider, phone_numbers=[phone])
        assert told(answer) == [(closed.id, True)]
        assert {each.reason for each in answer.duplicates[0].evidence} == {
            Reason.REASON_SAME_NAME,
            Reason.REASON_SAME_PLACE,
        }
        assert (await found(duplicates, outsider, "深圳华信", phone_numbers=[phone])).duplicates == []
    with refused("PERMISSION_DENIED", "ACCOUNT_RESTRICTED"):
        own = duplicates_pb2.FindAccountDuplicatesRequest(id=closed.id)
        await duplicates.FindAccountDuplicates(own, metadata=outsider.metadata)
    reads = accounts_pb2.ListAccountReadsRequest(id=closed.id)
    await found(duplicates, user, phone_numbers=[PHONE])
    noted = (await accounts.ListAccountReads(reads, metadata=user.metadata)).reads
    assert {(each.user_id, each.method) for each in noted} >= {(str(user.id), accounts_pb2.AccountRead.METHOD_SEARCH)}


async def test_fields_that_are_hidden_from_the_caller_are_not_compared(
    customer: Running, user: User, duplicates: "DuplicateServiceAsyncStub"
) -> None:
    clerk = await customer.user(user.tenant_id, hidden_fields=["accounts.phone_numbers"])
    one, other = [
        await new_account(customer, user, display_name=name, phone_numbers=[PHONE]) for name in (NAME, "深圳华信")
    ]
    request = duplicates_pb2.FindAccountDuplicatesRequest(id=one.id)
    answer = await duplicates.FindAccountDuplicates(request, metadata=user.metadata)
    assert told(answer) == [(other.id, True)]
    answer = await duplicates.FindAccountDuplicates(request, metadata=clerk.metadata)
    assert {each.reason for found in answer.duplicates for each in found.evidence} <= {
        Reason.REASON_SHORTER_NAME,
        Reason.REASON_SAME_PLACE,
    }
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await found(duplicates, clerk, phone_numbers=[PHONE])
    assert refusal.fields == ["account.phone_numbers"]


def test_a_draft_has_fields_of_accounts_under_their_numbers() -> None:
    of_account = Account.DESCRIPTOR.fields_by_name
    for field in duplicates_pb2.AccountDraft.DESCRIPTOR.fields:
        same = of_account[field.name]
        assert (field.number, field.type, field.is_repeated) == (same.number, same.type, same.is_repeated)
    assert set(COMPARED) <= {field.name for field in duplicates_pb2.AccountDraft.DESCRIPTOR.fields}


async def test_what_more_accounts_have_in_common_than_can_be_the_same_finds_none(
    customer: Running, user: User, duplicates: "DuplicateServiceAsyncStub"
) -> None:
    names = [f"第{number}号代账客户" for number in range(MAX_OF_A_KEY)]
    for name in names:
        await new_account(customer, user, display_name=name, phone_numbers=[PHONE], emails=["office@agency.example"])
    near: dict[str, Any] = {"phone_numbers": [PHONE], "emails": ["office@agency.example"]}
    assert (await found(duplicates, user, "华信", **near)).duplicates
    await new_account(customer, user, display_name="又一家", **near)
    assert (await found(duplicates, user, "华信", **near)).duplicates == []


async def test_a_create_is_refused_on_demand_and_of_two_at_once_one_comes_in(
    customer: Running, user: User, accounts: "AccountServiceAsyncStub"
) -> None:
    async def create(by: User, key: str = "", **fields: Any) -> str:
        values: dict[str, Any] = {"kind": Account.KIND_ORGANIZATION, "display_name": NAME}
        refusing = accounts_pb2.CreateAccountRequest(
            account=Account(**values | fields), on_duplicates=accounts_pb2.CreateAccountRequest.ON_DUPLICATES_REFUSE
        )
        metadata = by.with_key(key) if key else by.metadata
        try:
            return (await accounts.CreateAccount(refusing, metadata=metadata)).id
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.ALREADY_EXISTS
            return reason_of(error)

    outcomes = await asyncio.gather(*(create(user) for _ in range(4)))
    assert outcomes.count("DUPLICATE_FOUND") == 3
    (id,) = set(outcomes) - {"DUPLICATE_FOUND"}
    with refused("ALREADY_EXISTS", "DUPLICATE_FOUND") as refusal:
        request = accounts_pb2.CreateAccountRequest(
            account=Account(kind=Account.KIND_ORGANIZATION, display_name="華信電力設備(深圳)"),
            on_duplicates=accounts_pb2.CreateAccountRequest.ON_DUPLICATES_REFUSE,
        )
        await accounts.CreateAccount(request, metadata=user.metadata)
    assert refusal.metadata == {"account_ids": id, "unseen_count": "0"}
    key = new_id().hex
    other = await create(user, key, display_name="天泰化工有限公司")
    assert await create(user, key, display_name="天泰化工有限公司") == other
    seller = await customer.user(user.tenant_id, grants=OWN)
    assert await create(seller) == "DUPLICATE_FOUND"
    with refused("ALREADY_EXISTS", "DUPLICATE_FOUND") as refusal:
        await accounts.CreateAccount(
            accounts_pb2.CreateAccountRequest(
                account=Account(kind=Account.KIND_ORGANIZATION, display_name=NAME),
                on_duplicates=accounts_pb2.CreateAccountRequest.ON_DUPLICATES_REFUSE,
            ),
            metadata=seller.metadata,
        )
    # The text names no accounts where there are none to be named.
    assert refusal.metadata == {"account_ids": "", "unseen_count": "1", "rule": "unseen_accounts"}
    # Nobody who does not ask is refused.
    assert (await new_account(customer, user, display_name=NAME)).id


async def test_accounts_that_were_there_before_get_their_keys_and_nothing_is_done_twice(
    customer: Running, user: User, duplicates: "DuplicateServiceAsyncStub"
) -> None:
    made = [await new_account(customer, user, display_name=f"{NAME}{n or ''}") for n in range(3)]
    before = [await keys_in(customer, user.tenant_id, each.id) for each in made]
    assert all(before)
    async with customer.unit_of_work(user.tenant_id) as work:
        work.execute(compile_statement(delete(duplicate_keys).where(duplicate_keys.c.tenant_id == user.tenant_id)))
        work.insert(duplicate_key_backfills, {"due_time": system_now()})
    assert (await found(duplicates, user)).duplicates == []
    database = customer.service.database
    backfills = [KeyBackfill(Tenants(database, TenantClock(database))) for _ in range(2)]
    await asyncio.gather(*(each.fill_due() for each in backfills))
    await backfills[0].fill_due()
    assert [await keys_in(customer, user.tenant_id, each.id) for each in made] == before
    # What a version has changed meanwhile that knows nothing of keys follows, wherever it is, and then it is over.
    query = compile_statement(delete(duplicate_keys).where(duplicate_keys.c.account_id == UUID(made[0].id)))
    table = duplicate_key_backfills
    due = update(table).where(table.c.tenant_id == user.tenant_id).values(due_time=system_now())
    async with customer.unit_of_work(user.tenant_id) as work:
        work.execute(query)
        work.execute(compile_statement(due))
    await backfills[0].fill_due()
    assert [await keys_in(customer, user.tenant_id, each.id) for each in made] == before
    query = compile_statement(select(table.c.tenant_id).where(table.c.tenant_id == user.tenant_id))
    async with customer.unit_of_work(user.tenant_id) as work:
        assert await work.all(query) == []

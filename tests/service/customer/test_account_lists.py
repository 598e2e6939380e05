"""Accounts as they are found: page by page, by filters, by search, and in their history."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.customers import new_account, new_contact
from tests.service.history import changes_of
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub

Create = Callable[..., Awaitable[pb.Account]]


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
def accounts(customer: Running) -> "AccountServiceAsyncStub":
    return AccountServiceStub(customer.channel)


@pytest.fixture
def create(customer: Running, user: User) -> Create:
    """Creates an organization as `user`; keywords are its fields, `by` another user."""

    async def create_account(*, by: User = user, **fields: Any) -> pb.Account:
        return await new_account(customer, by, **fields)

    return create_account


def patch(account: pb.Account, *paths: str, **fields: Any) -> pb.UpdateAccountRequest:
    """An update of these fields of the account, without an etag unless it is among them."""
    mask = FieldMask(paths=paths or list(fields))
    return pb.UpdateAccountRequest(account=pb.Account(id=account.id, **fields), update_mask=mask)


async def test_pages_give_each_account_once_although_others_are_created_meanwhile(
    accounts: "AccountServiceAsyncStub", user: User, create: Create
) -> None:
    before = {(await create(display_name=f"n{number:02}")).id for number in range(25)}
    seen: list[str] = []
    token = ""
    while True:
        page = await accounts.ListAccounts(
            pb.ListAccountsRequest(page_size=10, page_token=token, order_by="display_name"), metadata=user.metadata
        )
        seen += [account.id for account in page.accounts]
        await create(display_name="n00")
        token = page.next_page_token
        if not token:
            break
    assert [id for id in seen if id in before] == sorted(before, key=seen.index)
    assert before <= set(seen)
    assert len(seen) == len(set(seen))


async def test_pages_lead_back_to_the_first_past_what_was_created_meanwhile(
    accounts: "AccountServiceAsyncStub", user: User, create: Create
) -> None:
    for number in range(7):
        await create(display_name=f"n{number}")

    async def page(token: str = "") -> pb.ListAccountsResponse:
        request = pb.ListAccountsRequest(page_size=3, page_token=token, order_by="display_name")
        return await accounts.ListAccounts(request, metadata=user.metadata)

    def names(page: pb.ListAccountsResponse) -> list[str]:
        return [account.display_name for account in page.accounts]

    first = await page()
    last = await page((await page(first.next_page_token)).next_page_token)
    assert (first.prev_page_token, names(last), last.next_page_token) == ("", ["n6"], "")
    await create(display_name="n2.5")
    back = await page(last.prev_page_token)
    assert names(back) == ["n3", "n4", "n5"]
    assert names(await page(back.next_page_token)) == ["n6"]
    back = await page(back.prev_page_token)
    assert names(back) == ["n1", "n2", "n2.5"]
    back = await page(back.prev_page_token)
    assert (names(back), back.prev_page_token) == (["n0"], "")
    assert names(await page(back.next_page_token)) == ["n1", "n2", "n2.5"]


async def test_a_list_goes_on_though_the_last_record_of_its_page_is_put_away_or_renamed(
    accounts: "AccountServiceAsyncStub", customer: Running, user: User
) -> None:
    for name in "ABCDEF":
        await new_account(customer, user, display_name=name)

    async def page(token: str) -> pb.ListAccountsResponse:
        request = pb.ListAccountsRequest(page_size=2, order_by="display_name", page_token=token)
        return await accounts.ListAccounts(request, metadata=user.metadata)

    first = await page("")
    await accounts.ArchiveAccount(pb.ArchiveAccountRequest(id=first.accounts[-1].id), metadata=user.metadata)
    second = await page(first.next_page_token)
    renamed = pb.Account(id=second.accounts[-1].id, display_name="Z")
    await accounts.UpdateAccount(pb.UpdateAccountRequest(account=renamed), metadata=user.metadata)
    third = await page(second.next_page_token)
    fourth = await page(third.next_page_token)
    names = [[each.display_name for each in each.accounts] for each in (first, second, third, fourth)]
    # Where it has gone to it is a match of its own.
    assert names == [["A", "B"], ["C", "D"], ["E", "F"], ["Z"]]
    assert not fourth.next_page_token


async def test_a_filter_chooses_and_a_bad_one_says_where_it_is_bad(
    accounts: "AccountServiceAsyncStub", user: User, create: Create
) -> None:
    wanted = await create(tags=["vip"], region_code="CN-GD")
    await create(tags=["vip"], region_code="CN-BJ")
    request = pb.ListAccountsRequest(filter='tags:vip AND region_code = "CN-GD" AND status = POTENTIAL')
    page = await accounts.ListAccounts(request, metadata=user.metadata)
    assert [account.id for account in page.accounts] == [wanted.id]
    with refused("INVALID_ARGUMENT", "INVALID_FILTER") as refusal:
        await accounts.ListAccounts(pb.ListAccountsRequest(filter="tags:vip AND colour = red"), metadata=user.metadata)
    assert "14" in refusal.detail


@pytest.mark.parametrize("field", ["phone_numbers", "emails", "tags", "roles"])
async def test_a_list_without_members_is_no_value(
    accounts: "AccountServiceAsyncStub", user: User, create: Create, field: str
) -> None:
    values = {"phone_numbers": "+8613800138000", "emails": "li@customer.test", "tags": "vip"}
    with_value = await create(**{field: [values.get(field, pb.Account.ROLE_PARTNER)]})
    without = await create()
    for filter, found in {
        f"{field} = null": without,
        f"NOT {field} != null": without,
        f"{field} != null": with_value,
        f"{field}:*": with_value,
    }.items():
        page = await accounts.ListAccounts(pb.ListAccountsRequest(filter=filter), metadata=user.metadata)
        assert [each.id for each in page.accounts] == [found.id], filter


@pytest.mark.parametrize("typed", ["13800138000", "138 0013 8000", "+86 138-0013-8000", "１３８００１３８０００"])
async def test_a_telephone_number_is_found_as_people_write_it(
    accounts: "AccountServiceAsyncStub", user: User, create: Create, typed: str
) -> None:
    account = await create(phone_numbers=["13800138000"])
    await create(phone_numbers=["13900139000"])
    page = await accounts.ListAccounts(
        pb.ListAccountsRequest(filter=f'phone_numbers:"{typed}"'), metadata=user.metadata
    )
    assert [each.id for each in page.accounts] == [account.id]


@pytest.mark.parametrize("typed", ["030 901820", "+49 30 901820", "0049 30 901820"])
async def test_a_telephone_number_without_country_code_is_one_of_the_tenants_country(
    accounts: "AccountServiceAsyncStub", customer: Running, user: User, create: Create, typed: str
) -> None:
    await customer.know_tenant(user.tenant_id, default_region="DE", version=2)
    account = await create(phone_numbers=["030 901820"])
    assert account.phone_numbers == ["+4930901820"]
    contact = await new_contact(customer, user, account.id, phone_numbers=["(030) 90 18 20"])
    assert contact.phone_numbers == account.phone_numbers
    # The region of a record goes before.
    await create(phone_numbers=["138 0013 8000"], region_code="CN-GD")
    for filter in (f'phone_numbers:"{typed}"', f'NOT phone_numbers:"138 0013 8000" AND phone_numbers:"{typed}"'):
        page = await accounts.ListAccounts(pb.ListAccountsRequest(filter=filter), metadata=user.metadata)
        assert [each.id for each in page.accounts] == [account.id]


async def test_a_filter_knows_who_asks_and_when(
    accounts: "AccountServiceAsyncStub", customer: Running, user: User, create: Create
) -> None:
    team = await customer.team(user.tenant_id)
    leader = await customer.user(user.tenant_id, team_id=team)
    seller = await customer.user(user.tenant_id, team_id=await customer.team(user.tenant_id, team))
    account = await create(by=seller)
    await create(by=user)

    async def found(by: User, filter: str) -> list[str]:
        page = await accounts.ListAccounts(pb.ListAccountsRequest(filter=filter), metadata=by.metadata)
        return [each.id for each in page.accounts]

    for by, filter in (
        (seller, "owner_id = me"),
        (seller, "owner_team_id = my_team"),
        (leader, "owner_team_id = my_team"),
    ):
        assert await found(by, filter) == [account.id]
        # Midnight may have passed since.
        assert await found(by, f"{filter} AND create_time IN (yesterday, today)") == [account.id]
        assert await found(by, f"{filter} AND create_time > now-1h AND create_time <= this_year") == [account.id]
        assert await found(by, f"{filter} AND NOT create_time > now-1d") == []
    assert await found(leader, "owner_id = me") == []


async def test_a_page_token_holds_for_its_own_list_only(
    accounts: "AccountServiceAsyncStub", user: User, create: Create, customer: Running
) -> None:
    for _ in range(2):
        await create()
    page = await accounts.ListAccounts(pb.ListAccountsRequest(page_size=1), metadata=user.metadata)
    other_filter = pb.ListAccountsRequest(page_token=page.next_page_token, filter="tags:vip")
    with refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN"):
        await accounts.ListAccounts(other_filter, metadata=user.metadata)
    stranger = await customer.user()
    with refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN"):
        await accounts.ListAccounts(pb.ListAccountsRequest(page_token=page.next_page_token), metadata=stranger.metadata)


# --- finding and history


@pytest.mark.parametrize("query", ["信电", "huaxin", "hxdl", "Rheinstal", "Rhienstahl", "1234", "sap-77", "电力"])
async def test_an_account_is_found_by(
    query: str, accounts: "AccountServiceAsyncStub", user: User, create: Create
) -> None:
    wanted = await create(
        short_name="Rheinstahl",
        phone_numbers=["+8675586661234"],
        external_ids=[pb.ExternalId(source="x", value="sap-77")],
    )
    await create(display_name="北京燕山食品厂")
    found = await accounts.SearchAccounts(pb.SearchAccountsRequest(query=query), metadata=user.metadata)
    assert [account.id for account in found.accounts] == [wanted.id]


async def test_a_renamed_account_is_found_by_its_new_name_alone(
    accounts: "AccountServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create()
    await accounts.UpdateAccount(patch(created, display_name="东方航运"), metadata=user.metadata)

    async def found(query: str) -> int:
        answer = await accounts.SearchAccounts(pb.SearchAccountsRequest(query=query), metadata=user.metadata)
        return len(answer.accounts)

    assert (await found("东方"), await found("华信")) == (1, 0)


async def test_history_says_who_changed_which_field_from_what_to_what(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create(source="fair")
    await accounts.UpdateAccount(patch(created, "source", "tags", source="web", tags=["a"]), metadata=user.metadata)
    await accounts.ArchiveAccount(pb.ArchiveAccountRequest(id=created.id), metadata=user.metadata)
    answer = await changes_of(customer, "accounts", created.id, user.metadata)
    assert [change.action for change in answer.changes] == ["ARCHIVED", "UPDATED", "CREATED"]
    update = answer.changes[1]
    assert update.actor_id == str(user.id)
    changed = {field.field: (field.old_value, field.new_value) for field in update.fields}
    assert set(changed) == {"source", "tags"}
    assert changed["source"][0].string_value == "fair"
    assert changed["source"][1].string_value == "web"
    assert [each.string_value for each in changed["tags"][1].list_value.values] == ["a"]


async def test_a_number_of_employees_that_is_not_known_is_neither_small_nor_there_and_none_is_a_number(
    accounts: "AccountServiceAsyncStub", user: User, create: Create
) -> None:
    unknown, none, few = await create(), await create(employee_count=0), await create(employee_count=9)
    names = {unknown.id: "unknown", none.id: "none", few.id: "few"}
    assert [each.HasField("employee_count") for each in (unknown, none, few)] == [False, True, True]

    async def taken(filter: str) -> set[str]:
        page = await accounts.ListAccounts(pb.ListAccountsRequest(filter=filter), metadata=user.metadata)
        return {names[each.id] for each in page.accounts}

    assert await taken("employee_count < 10") == {"none", "few"}
    assert await taken("NOT employee_count < 10") == {"unknown"}
    assert await taken("employee_count:*") == {"none", "few"}
    assert await taken("employee_count = null") == {"unknown"}
    assert await taken("employee_count = 0") == {"none"}
    cleared = await accounts.UpdateAccount(patch(few, "employee_count"), metadata=user.metadata)
    assert not cleared.HasField("employee_count")
    assert await taken("employee_count = null") == {"unknown", "few"}

"""Search by contacts' phones and e-mails, and search page by page with a filter: who is found, and by whom."""

from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1 import contacts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.contacts_pb2_grpc import ContactServiceStub
from crm_customer.records.accounts import search as accounts_search
from crm_customer.records.search import searching
from crm_kit.identity.access import Scope

from tests.service.customer.customers import new_account, new_contact
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.contacts_pb2_grpc import ContactServiceAsyncStub

FindAccounts = Callable[..., Awaitable[pb.SearchAccountsResponse]]
FindContacts = Callable[..., Awaitable[list[str]]]


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
async def account(customer: Running, user: User) -> pb.Account:
    return await new_account(customer, user)


@pytest.fixture
def contacts(customer: Running) -> "ContactServiceAsyncStub":
    return ContactServiceStub(customer.channel)


@pytest.fixture
def callers(contacts: "ContactServiceAsyncStub", user: User) -> FindContacts:
    """The ids of the contacts that a text finds, best first; `by` another user."""

    async def find(query: str, *, by: User | None = None, **asked: Any) -> list[str]:
        request = contacts_pb2.SearchContactsRequest(query=query, **asked)
        answer = await contacts.SearchContacts(request, metadata=(by or user).metadata)
        return [each.id for each in answer.contacts]

    return find


@pytest.fixture
def search(customer: Running, user: User) -> FindAccounts:
    """A page of what a text finds among accounts; `by` another user."""
    stub: AccountServiceAsyncStub = AccountServiceStub(customer.channel)

    async def find(query: str, *, by: User | None = None, **asked: Any) -> pb.SearchAccountsResponse:
        return await stub.SearchAccounts(pb.SearchAccountsRequest(query=query, **asked), metadata=(by or user).metadata)

    return find


def ids(page: pb.SearchAccountsResponse) -> list[str]:
    return [each.id for each in page.accounts]


# --- contacts


@pytest.mark.parametrize(
    "query",
    [
        *("13912345678", "+86 139-1234-5678", "0086 139 1234 5678", "2345678", "0755-8222 3344 转 12"),
        *("na.li@lantian.example", "NA.LI", "lantian.example", "@lantian.example", "Li Na <na.li@lantian.example>"),
        *("李娜", "lina", "ln"),
    ],
)
async def test_a_contact_is_found_by(
    query: str, customer: Running, user: User, account: pb.Account, callers: FindContacts
) -> None:
    phones, emails = ["139 1234 5678", "0755 82223344"], ["Na.Li@lantian.example"]
    wanted = await new_contact(customer, user, account.id, display_name="李娜", phone_numbers=phones, emails=emails)
    await new_contact(customer, user, account.id, display_name="王强", phone_numbers=["13912345679"])
    assert await callers(query) == [wanted.id]


async def test_a_contact_is_found_by_the_number_it_has_now(
    customer: Running, user: User, account: pb.Account, callers: FindContacts, contacts: "ContactServiceAsyncStub"
) -> None:
    created = await new_contact(customer, user, account.id, phone_numbers=["13912345678"], emails=["a@old.example"])
    changed = contacts_pb2.Contact(id=created.id, phone_numbers=["13600001111"], emails=["a@new.example"])
    await contacts.UpdateContact(contacts_pb2.UpdateContactRequest(contact=changed), metadata=user.metadata)
    assert [await callers(query) for query in ("13912345678", "old.example")] == [[], []]
    assert [await callers(query) for query in ("13600001111", "new.example")] == [[created.id]] * 2


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("鑫", ["鑫", "xin"]),
        ("한국전력공사", ["한국", "전력", "\u1112\u1161\u11ab\u1100\u116e\u11a8"]),
        ("ｶﾞｽ工業", ["ガス", "がす", "ｶﾞｽ", "工業"]),
        ("さくら商事", ["さくら", "サクラ", "商事"]),
        ("𠮷野家", ["𠮷野", "野家"]),
        ("บริษัท ปตท จำกัด", ["ปตท"]),
        ("شركة الاتصالات", ["الاتصالات"]),
        ("İstanbul Gıda", ["istanbul", "İSTANBUL", "gida"]),
        ("Ёлка", ["елка", "ЁЛКА"]),
        ("The Who", ["the", "the who"]),
        ("IT AG", ["it"]),
        ("C++ Systems", ["c++", "C++ systems"]),
        ("O’Brien & Sons", ["o'brien", "obrien", "O’Brien & Sons"]),
        ("50%_off", ["50%", "50%_off"]),
    ],
)
async def test_a_name_of_any_script_and_length_is_found(
    search: FindAccounts, customer: Running, user: User, name: str, typed: list[str]
) -> None:
    named = await new_account(customer, user, display_name=name)
    await new_account(customer, user, display_name="别处有限公司")
    for text in typed:
        page = await search(text)
        assert [each.id for each in page.accounts] == [named.id], text


async def test_an_archived_contact_is_found_only_when_the_filter_speaks_of_its_status(
    customer: Running, user: User, account: pb.Account, callers: FindContacts, contacts: "ContactServiceAsyncStub"
) -> None:
    gone = await new_contact(customer, user, account.id, phone_numbers=["13912345678"])
    await contacts.ArchiveContact(contacts_pb2.ArchiveContactRequest(id=gone.id), metadata=user.metadata)
    successor = await new_contact(customer, user, account.id, phone_numbers=["13912345678"])
    assert await callers("13912345678") == [successor.id]
    assert await callers("13912345678", filter="status = ARCHIVED") == [gone.id]
    assert set(await callers("13912345678", filter="status IN (ACTIVE, ARCHIVED)")) == {gone.id, successor.id}
    await contacts.RestoreContact(contacts_pb2.RestoreContactRequest(id=gone.id), metadata=user.metadata)
    assert set(await callers("13912345678")) == {gone.id, successor.id}


async def test_a_caller_is_found_by_those_who_may_see_the_contact_and_by_nobody_else(
    customer: Running, user: User, callers: FindContacts
) -> None:
    team = await customer.team(user.tenant_id)

    async def seller(scope: Scope, **fields: Any) -> User:
        return await customer.user(user.tenant_id, grants={"accounts.read": scope, "contacts.read": scope}, **fields)

    owner, leader = await seller(Scope.OWN, team_id=team), await seller(Scope.TEAM, team_id=team)
    stranger, outsider = await seller(Scope.OWN, team_id=team), await customer.user()
    at_own_account = await new_account(customer, user, owner_id=str(owner.id))
    contact = await new_contact(
        customer, user, at_own_account.id, phone_numbers=["13912345678"], emails=["a@b.example"]
    )
    for query in ("13912345678", "b.example", "李小明"):
        for by in (user, owner, leader):
            assert await callers(query, by=by) == [contact.id]
        for by in (stranger, outsider):
            assert await callers(query, by=by) == []
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await callers("13912345678", by=await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL}))


async def test_accounts_are_not_found_by_names_of_contacts_that_the_caller_may_not_see(
    customer: Running, user: User, account: pb.Account, search: FindAccounts
) -> None:
    await new_contact(customer, user, account.id, display_name="欧阳修远")
    everything = {"accounts.read": Scope.ALL, "contacts.read": Scope.ALL}
    assert ids(await search("欧阳修远", by=await customer.user(user.tenant_id, grants=everything))) == [account.id]
    for contacts_too in ({}, {"contacts.read": Scope.OWN}):
        by = await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL, **contacts_too})
        assert ids(await search("欧阳修远", by=by)) == []
        assert ids(await search("华信", by=by)) == [account.id]


async def test_an_account_is_found_by_its_newest_contacts_and_all_of_them_by_themselves(
    customer: Running, user: User, account: pb.Account, search: FindAccounts, callers: FindContacts
) -> None:
    names = [f"甲{number:03}" for number in range(accounts_search.MAX_CONTACT_NAMES + 2)]
    made = [await new_contact(customer, user, account.id, display_name=name) for name in names]
    assert ids(await search(names[-1])) == ids(await search(names[2])) == [account.id]
    assert ids(await search(names[0])) == ids(await search(names[1])) == []
    assert [await callers(names[at]) for at in (0, -1)] == [[made[0].id], [made[-1].id]]


# --- filters and pages


async def test_a_filter_chooses_among_what_a_text_finds(customer: Running, user: User, search: FindAccounts) -> None:
    wanted = await new_account(customer, user, display_name="远山电力", tags=["vip"], region_code="CN-GD")
    await new_account(customer, user, display_name="远山科技", tags=["vip"], region_code="CN-BJ")
    await new_account(customer, user, display_name="近水电力", tags=["vip"], region_code="CN-GD")
    assert ids(await search("远山", filter='tags:vip AND region_code = "CN-GD"')) == [wanted.id]
    assert ids(await search("远山", filter='owner_id = me AND NOT region_code = "CN-BJ"')) == [wanted.id]
    with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
        await search("远山", filter="colour = red")
    # A bad filter is bad whatever is looked for.
    with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
        await search("!?", filter="colour = red")


async def test_an_archived_account_is_found_only_when_the_filter_speaks_of_its_status(
    customer: Running, user: User, search: FindAccounts
) -> None:
    stub: AccountServiceAsyncStub = AccountServiceStub(customer.channel)
    gone, here = [await new_account(customer, user, display_name="远山科技") for _ in range(2)]
    await stub.ArchiveAccount(pb.ArchiveAccountRequest(id=gone.id), metadata=user.metadata)
    assert ids(await search("远山")) == [here.id]
    assert ids(await search("远山", filter="status = ARCHIVED")) == [gone.id]
    assert set(ids(await search("远山", filter="status != LOST"))) == {gone.id, here.id}


async def all_pages(search: FindAccounts, query: str, **asked: Any) -> list[list[str]]:
    pages, token = [], ""
    while True:
        page = await search(query, page_token=token, **asked)
        pages.append(ids(page))
        token = page.next_page_token
        if not token:
            assert not page.truncated
            return pages


@pytest.mark.parametrize("filter", ["", "tags:vip"])
async def test_pages_have_every_match_once_with_the_best_first(
    filter: str, customer: Running, user: User, search: FindAccounts
) -> None:
    begins = [await new_account(customer, user, display_name=f"远山{n}", tags=["vip"]) for n in range(12)]
    inside = [await new_account(customer, user, display_name=f"新远山{n}", tags=["vip"]) for n in range(12)]
    await new_account(customer, user, display_name="别的", tags=["vip"])
    pages = await all_pages(search, "远山", page_size=5, filter=filter)
    found = [id for page in pages for id in page]
    assert sorted(found) == sorted(each.id for each in (*begins, *inside))
    assert set(found[:12]) == {each.id for each in begins}
    assert [len(page) for page in pages][:4] == [5, 5, 5, 5]


async def test_a_page_that_ends_with_the_last_match_is_the_last(
    customer: Running, user: User, search: FindAccounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "CHOICE", 1)
    for n in range(4):
        await new_account(customer, user, display_name=f"远山{n}")
    assert [len(page) for page in await all_pages(search, "远山", page_size=2)] == [2, 2]


async def test_what_is_written_while_somebody_pages_is_neither_doubled_nor_pushes_anything_out(
    customer: Running, user: User, search: FindAccounts
) -> None:
    there = [await new_account(customer, user, display_name=f"远山{n:02}") for n in range(30)]
    found, token = [], ""
    while True:
        page = await search("远山", page_size=4, page_token=token)
        found += ids(page)
        token = page.next_page_token
        if not token:
            break
        for name in ("远山", "远山00", "新远山"):
            await new_account(customer, user, display_name=name)
    assert len(found) == len(set(found))
    assert {each.id for each in there} <= set(found)


async def test_a_search_looks_through_all_candidates_for_those_that_the_filter_takes(
    customer: Running, user: User, search: FindAccounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "MIN_NARROWED", 2)
    for n in range(15):
        await new_account(customer, user, display_name=f"远山{n}")
    wanted = {(await new_account(customer, user, display_name="远山", tags=["vip"])).id for _ in range(3)}
    pages = await all_pages(search, "远山", page_size=2, filter="tags:vip")
    assert sorted(id for page in pages for id in page) == sorted(wanted)


async def test_a_search_that_ends_early_says_so(
    customer: Running, user: User, search: FindAccounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "MAX_CANDIDATES", 5)
    for n in range(8):
        await new_account(customer, user, display_name=f"远山{n}")
    first = await search("远山", page_size=3)
    last = await search("远山", page_size=3, page_token=first.next_page_token)
    assert (len(first.accounts), first.truncated) == (3, False)
    assert (len(last.accounts), last.next_page_token, last.truncated) == (2, "", True)


async def test_a_page_token_holds_for_its_own_search_only(
    customer: Running, user: User, search: FindAccounts, callers: FindContacts
) -> None:
    for n in range(3):
        await new_account(customer, user, display_name=f"远山{n}")
    token = (await search("远山", page_size=1)).next_page_token
    stranger = await customer.user()
    for asked in ({"query": "远山0"}, {"query": "远山", "filter": "tags:vip"}, {"query": "远山", "by": stranger}):
        with refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN"):
            await search(page_token=token, **asked)
    with refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN"):
        await callers("远山", page_token=token)
    with refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN"):
        await search("远山", page_token=token[:-2])
    stub: AccountServiceAsyncStub = AccountServiceStub(customer.channel)
    listed = await stub.ListAccounts(pb.ListAccountsRequest(page_size=1), metadata=user.metadata)
    with refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN"):
        await search("远山", page_token=listed.next_page_token)


async def test_a_page_token_tells_nothing_of_records_that_its_holder_may_not_see(
    customer: Running, user: User, account: pb.Account, contacts: "ContactServiceAsyncStub"
) -> None:
    grants = {"contacts.read": Scope.OWN}
    seller = await customer.user(user.tenant_id, grants=grants)
    for _ in range(3):
        await new_contact(customer, user, account.id, owner_id=str(seller.id), display_name="远山")
    hidden = [await new_contact(customer, user, account.id, display_name="远山") for _ in range(9)]
    asked = contacts_pb2.SearchContactsRequest(query="远山", page_size=1)
    page = await contacts.SearchContacts(asked, metadata=seller.metadata)
    assert page.contacts and page.next_page_token
    token = urlsafe_b64decode(page.next_page_token + "=" * (-len(page.next_page_token) % 4))
    for each in hidden:
        id = UUID(each.id)
        assert id.bytes not in token and str(id).encode() not in token

"""Texts in lists as people compare and order them: whatever their case, accents and width, Chinese by pinyin."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import asyncpg
import pytest
from crm.customer.v1 import accounts_pb2, contacts_pb2, users_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.contacts_pb2_grpc import ContactServiceStub
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from crm.resource.v1 import resources_pb2 as generic
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_kit.database.statements import Statement
from crm_kit.filtering.parsing import parse_filter
from crm_kit.filtering.sql import filter_values
from crm_kit.filtering.tree import EVERYTHING, Shaped
from crm_kit.identity.access import Scope
from crm_kit.listing import select_page, select_rows
from crm_kit.paging import parse_order_by
from crm_local.testing import Servers
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.customers import new_account, new_contact
from tests.service.kit.custom_fields import message_values, new_field
from tests.service.kit.plans import binds_of_reader, plan_of, scans_of_rows
from tests.service.running import Running, User
from tests.unit.kit.filtering_examples import CONTEXT

NAMES = ["apple", "Émile & Co", "Müller", "Zebra", "阿里", "李宁（中国）", "欧派", "万科", "重庆啤酒"]


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


async def listed(customer: Running, user: User, filter: str = "", order_by: str = "display_name") -> list[str]:
    """What the accounts of a list are called."""
    request = accounts_pb2.ListAccountsRequest(filter=filter, order_by=order_by)
    stub: Any = AccountServiceStub(customer.channel)
    page = await stub.ListAccounts(request, metadata=user.metadata)
    return [account.display_name for account in page.accounts]


@pytest.mark.parametrize(
    ("filter", "names"),
    [
        ("display_name = muller", ["Müller"]),
        ("display_name = ＭÜＬＬＥＲ", ["Müller"]),
        ("display_name IN (muller, ZEBRA)", ["Müller", "Zebra"]),
        ("display_name:ULL", ["Müller"]),
        ('display_name:"(中国)"', ["李宁（中国）"]),
        ("display_name:中国 AND display_name:宁", ["李宁（中国）"]),
        ("display_name != muller AND display_name != EMILE", [n for n in NAMES if n != "Müller"]),
        ("NOT display_name IN (muller, zebra, apple)", [n for n in NAMES if n not in {"Müller", "Zebra", "apple"}]),
        ("NOT display_name:e", ["阿里", "李宁（中国）", "欧派", "万科", "重庆啤酒"]),
        ("display_name >= 李 AND display_name < 王", ["李宁（中国）", "欧派", "万科"]),
        ("legal_name = 'POWER gmbh'", ["Müller"]),
        ("legal_name != 'power GMBH'", [n for n in NAMES if n != "Müller"]),
        ("legal_name:*", ["Müller"]),
        ("legal_name = null AND industry = null", [n for n in NAMES if n != "Müller"]),
        ("industry = QUALITE", ["Müller"]),
        ("emails:SALES@muller.example", ["Müller"]),
        ("NOT emails:sales@Muller.EXAMPLE", [n for n in NAMES if n != "Müller"]),
        # Codes are compared letter by letter.
        ("region_code = cn-gd", []),
        ("region_code = CN-GD", ["Müller"]),
        ("tags:VIP", []),
    ],
)
async def test_a_filter_compares_texts_as_people_do(
    customer: Running, user: User, filter: str, names: list[str]
) -> None:
    for name in reversed(NAMES):
        more: dict[str, Any] = {}
        if name == "Müller":
            more = {"legal_name": "Power GmbH", "industry": "Qualité", "emails": ["Sales@Muller.example"]}
            more |= {"region_code": "CN-GD", "tags": ["vip"]}
        await new_account(customer, user, display_name=name, **more)
    assert await listed(customer, user, filter) == names
    assert await listed(customer, user, filter, "display_name desc") == names[::-1]


async def test_pages_go_through_names_in_the_order_of_people_and_back(customer: Running, user: User) -> None:
    for name in (*NAMES[1::2], *NAMES[::2], "muller", "MÜLLER"):
        await new_account(customer, user, display_name=name)
    stub: Any = AccountServiceStub(customer.channel)

    async def pages(next_token: Callable[[Any], str], token: str = "") -> list[list[str]]:
        found = []
        while True:
            request = accounts_pb2.ListAccountsRequest(page_size=2, page_token=token, order_by="display_name")
            page = await stub.ListAccounts(request, metadata=user.metadata)
            found.append([account.display_name for account in page.accounts])
            token = next_token(page)
            if not token:
                return [*found, [page.prev_page_token]]

    *forward, (back,) = await pages(lambda page: page.next_page_token)
    flat = [name for page in forward for name in page]
    assert [name for name in flat if name in NAMES] == NAMES
    assert sorted(flat[2:5]) == ["MÜLLER", "Müller", "muller"]
    *backward, _ = await pages(lambda page: page.prev_page_token, back)
    assert backward[::-1] == forward[:-1]


async def test_a_list_within_a_scope_is_in_the_same_order(customer: Running, user: User) -> None:
    narrow = await customer.user(user.tenant_id, grants={"accounts.read": Scope.OWN, "accounts.write": Scope.OWN})
    for name in reversed(NAMES):
        await new_account(customer, narrow, display_name=name)
    assert await listed(customer, narrow) == NAMES


async def test_a_name_that_is_changed_is_found_and_placed_by_the_new_one(customer: Running, user: User) -> None:
    for name in ("Bosch", "Zuse"):
        await new_account(customer, user, display_name=name)
    renamed = await new_account(customer, user, display_name="Adler", legal_name="Adler AG")
    stub: Any = AccountServiceStub(customer.channel)
    account = accounts_pb2.Account(id=renamed.id, display_name="Müller")
    mask = FieldMask(paths=["display_name", "legal_name"])
    await stub.UpdateAccount(
        accounts_pb2.UpdateAccountRequest(account=account, update_mask=mask), metadata=user.metadata
    )
    assert await listed(customer, user) == ["Bosch", "Müller", "Zuse"]
    assert await listed(customer, user, "display_name = adler OR legal_name:adler") == []


async def test_contacts_are_found_by_their_addresses_whatever_the_case(customer: Running, user: User) -> None:
    account = await new_account(customer, user)
    contact = await new_contact(
        customer, user, account.id, emails=["Li.Na@Customer.example"], job_title="Geschäftsführerin"
    )
    stub: Any = ContactServiceStub(customer.channel)
    for filter in ("emails:li.na@customer.EXAMPLE", "job_title = geschaftsfuhrerin", "job_title:FÜHRER"):
        page = await stub.ListContacts(contacts_pb2.ListContactsRequest(filter=filter), metadata=user.metadata)
        assert [(each.id, list(each.emails)) for each in page.contacts] == [(contact.id, ["Li.Na@Customer.example"])]


async def test_users_are_found_by_their_login_whatever_the_case(customer: Running, user: User) -> None:
    stub: Any = UserServiceStub(customer.channel)
    new = users_pb2.User(login="Li.Na@huaxin.example", display_name="李娜")
    created = await stub.CreateUser(users_pb2.CreateUserRequest(user=new), metadata=user.metadata)
    for filter in ('login = "li.na@HUAXIN.example"', "login:LI.NA AND display_name:娜"):
        page = await stub.ListUsers(users_pb2.ListUsersRequest(filter=filter), metadata=user.metadata)
        assert [each.id for each in page.users] == [created.id]


async def test_the_spellings_of_a_text_are_one_value_of_facets_and_one_group(customer: Running, user: User) -> None:
    for industry in ("Steel", "steel", "ＳＴＥＥＬ", "Énergie", "energie", ""):
        await new_account(customer, user, industry=industry)
    stub: Any = ResourceServiceStub(customer.channel)
    facets = await stub.CountRecordValues(
        generic.CountRecordValuesRequest(collection="accounts", field="industry"), metadata=user.metadata
    )
    assert facets.unset_count == 1
    assert [(each.value, each.count) for each in facets.values] == [("Steel", 3), ("energie", 2)]
    summary = await stub.SummarizeRecords(
        generic.SummarizeRecordsRequest(collection="accounts", group_by=["industry"]), metadata=user.metadata
    )
    groups = {each.key.get("industry", ""): each.count for each in summary.groups}
    assert groups == {"Steel": 3, "energie": 2, "": 1}
    for value, count in groups.items():
        filter = f'industry = "{value}"' if value else "industry = null"
        assert len(await listed(customer, user, filter)) == count


async def test_the_spellings_of_a_custom_text_are_one_group(customer: Running, user: User) -> None:
    await new_field(customer, user, "city")
    for city in ("Köln", "köln", "KOLN", "köln", "北京", "北京", "北京", ""):
        await new_account(customer, user, custom=message_values({"city": city} if city else {}))
    summary = await ResourceServiceStub(customer.channel).SummarizeRecords(
        generic.SummarizeRecordsRequest(collection="accounts", group_by=["custom.city"]), metadata=user.metadata
    )
    groups = [(each.key.get("custom.city", ""), each.count) for each in summary.groups]
    assert groups == [("köln", 4), ("北京", 3), ("", 1)]


async def test_custom_texts_are_ordered_by_pinyin_and_unique_ones_are_exact(customer: Running, user: User) -> None:
    await new_field(customer, user, "city")
    await new_field(customer, user, "number", unique=True)
    for name, city, number in (("a", "重庆", "x-1"), ("b", "北京", "X-1"), ("c", "Köln", "x-2")):
        await new_account(customer, user, display_name=name, custom=message_values({"city": city, "number": number}))
    assert await listed(customer, user, order_by="custom.city") == ["c", "b", "a"]
    assert await listed(customer, user, "custom.city = koln OR custom.city:庆") == ["a", "c"]
    assert await listed(customer, user, "custom.number = X-1") == ["b"]
    assert await listed(customer, user, "custom.number:X-1") == ["a", "b"]


@pytest.fixture
async def many(customer: Running, servers: Servers, user: User) -> AsyncIterator[User]:
    """A user whose tenant has so many accounts that the planner prefers the index that fits."""
    connection: Any = await asyncpg.connect(servers.superuser_url("crm_customer"))
    await connection.execute(
        """
        INSERT INTO accounts (tenant_id, id, kind, display_name, display_name_key, status, roles, addresses,
                              phone_numbers, emails, emails_key, external_ids, tags, consents, version, create_time,
                              update_time)
        SELECT $1, gen_random_uuid(), 'ORGANIZATION', md5(n::text), md5(n::text), 'ACTIVE', '{}', '[]', '{}', '{}',
               '{}', '[]', '{}', '[]', 1, now(), now()
        FROM generate_series(1, 3000) n
        """,
        user.tenant_id,
    )
    await connection.execute("ANALYZE accounts")
    yield user
    await connection.execute("DELETE FROM accounts WHERE tenant_id = $1", user.tenant_id)
    await connection.close()


async def scans_by_name(customer: Running, many: User, statement: Statement, values: Mapping[str, Any]) -> list[str]:
    """The kinds of nodes in the plan of a statement that is served by the index of names."""
    asked = {"tenant_id": many.tenant_id, **binds_of_reader(many.id), **values}
    plan = await plan_of(customer.service.database, many.tenant_id, statement, asked)
    assert "accounts_display_name_index" in str(plan)
    return scans_of_rows(plan)


@pytest.mark.parametrize("order_by", ["display_name", "display_name desc"])
async def test_an_index_serves_the_order_by_name(customer: Running, many: User, order_by: str) -> None:
    listing = ACCOUNTS.listing
    order = parse_order_by(order_by, listing.orders, "id")
    statement = select_page(listing, Scope.ALL, Shaped.of(EVERYTHING), order, None)
    assert "Sort" not in await scans_by_name(customer, many, statement, {"page_limit": 51})


@pytest.mark.parametrize(
    "filter",
    [
        "display_name = MÜLLER",
        "display_name IN (muller, zebra)",
        'display_name >= "李" AND display_name < "王"',
        'NOT display_name >= "00"',
    ],
)
async def test_an_index_serves_a_comparison_of_names(customer: Running, many: User, filter: str) -> None:
    tree = parse_filter(filter, ACCOUNTS.filter_schema)
    statement = select_rows(ACCOUNTS.listing, Scope.ALL, Shaped.of(tree))
    await scans_by_name(customer, many, statement, filter_values(tree, CONTEXT))

"""What people type into accounts: numbers, names and addresses of the web."""

import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.customers import new_account
from tests.service.running import Running, User, refused
from tests.service.web import bearer, gateway

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.mark.parametrize(
    ("typed", "region", "kept"),
    [
        ("138 0013 8000", "", "+8613800138000"),
        ("0755-8666 1234 转801", "CN-GD", "+8675586661234;ext=801"),
        ("030 901820", "DE-BE", "+4930901820"),
        ("2345 6789", "CN-HK", "+85223456789"),
        ("(302) 555-0123 ext. 12", "US-DE", "+13025550123;ext=12"),
    ],
)
async def test_a_number_is_kept_in_one_form_however_it_is_typed(
    typed: str, region: str, kept: str, customer: Running, user: User
) -> None:
    made = await new_account(customer, user, phone_numbers=[typed, kept], region_code=region)
    assert list(made.phone_numbers) == [kept]
    accounts: AccountServiceAsyncStub = AccountServiceStub(customer.channel)
    sent = pb.Account(id=made.id, phone_numbers=[typed])
    request = pb.UpdateAccountRequest(account=sent, update_mask=FieldMask(paths=["phone_numbers"]))
    assert await accounts.UpdateAccount(request, metadata=user.metadata) == made


async def test_what_is_no_telephone_number_is_named(customer: Running, user: User) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await new_account(customer, user, phone_numbers=["+8613800138000", "call me maybe"])
    assert refusal.fields == ["account.phone_numbers[1]"]


@pytest.mark.parametrize("name", ["\u200b", "\u2060\u200d", "\u3164", "\u00ad", "\u2800\u2800"])
async def test_a_name_that_nobody_sees_is_refused(name: str, customer: Running, user: User) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await new_account(customer, user, display_name=name)
    assert refusal.fields == ["account.display_name"]
    made = await new_account(customer, user, display_name=f"华\u200b信{name}")
    assert made.display_name == f"华\u200b信{name}"


@pytest.mark.parametrize("website", ["javascript:alert(1)", "data:text/html,x", "ftp://x.example", "JavaScript://x"])
async def test_a_website_is_on_the_web(website: str, customer: Running, user: User) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await new_account(customer, user, website=website)
    assert refusal.fields == ["account.website"]
    made = await new_account(customer, user, website="HTTPS://x.example/a?b=c")
    assert made.website == "HTTPS://x.example/a?b=c"


async def test_a_letter_and_its_accent_are_one_whoever_typed_them(customer: Running, user: User) -> None:
    apart: dict[str, Any] = {
        "display_name": "Cafe\u0301 Mu\u0308ller",
        "industry": "Mo\u0308bel",
        "tags": ["Gro\u0308ße"],
    }
    made = await new_account(customer, user, **apart)
    assert (made.display_name, made.industry, list(made.tags)) == ("Café Müller", "Möbel", ["Größe"])
    accounts: AccountServiceAsyncStub = AccountServiceStub(customer.channel)
    filters = ['display_name = "{}"', 'display_name:"{}"', 'industry IN ("x", "{}")', 'tags:"{}"']
    for filter, told in zip(filters, ["Café Müller", "Müll", "Möbel", "Größe"], strict=True):
        for typed in (told, unicodedata.normalize("NFD", told)):
            asked = pb.ListAccountsRequest(filter=filter.format(typed))
            page = await accounts.ListAccounts(asked, metadata=user.metadata)
            assert [each.id for each in page.accounts] == [made.id], asked.filter
    sent = pb.Account(id=made.id, **apart)
    request = pb.UpdateAccountRequest(account=sent, update_mask=FieldMask(paths=list(apart)))
    assert await accounts.UpdateAccount(request, metadata=user.metadata) == made
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await new_account(customer, user, tags=["Gro\u0308ße", "Größe"])
    assert refusal.fields == ["account.tags"]


@pytest.mark.parametrize("website", ["ftp://x.example", "www.huaxin.example"])
@pytest.mark.parametrize(
    ("language", "text"), [("en", "must begin with http:// or https://"), ("zh", "应以 http:// 或 https:// 开头")]
)
async def test_a_website_of_another_kind_is_refused_with_what_is_right(
    customer: Running, user: User, website: str, language: str, text: str
) -> None:
    async with gateway(customer) as web:
        headers = bearer(user) | {"accept-language": language}
        body = {"kind": "ORGANIZATION", "display_name": "甲", "website": website}
        answer = await web.post("/v1/accounts", json=body, headers=headers)
    assert answer.status_code == 422
    details = [each["detail"] for each in answer.json()["errors"] if each["field"] == "website"]
    assert any(text in detail for detail in details), details

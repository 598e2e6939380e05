"""Entries of lists in which nothing is told are refused, by name and place, wherever a caller may set a list."""

from typing import Any

import grpc
import pytest
from crm.customer.v1 import accounts_pb2 as pb

from tests.service.customer.customers import new_account
from tests.service.running import Running, User, violations_of
from tests.service.web import bearer, gateway

EMPTY: list[tuple[str, Any]] = [
    ("addresses", pb.Address()),
    ("addresses", pb.Address(kind=pb.Address.KIND_OFFICE)),
    ("external_ids", pb.ExternalId()),
    ("consents", pb.Consent()),
    *((name, "") for name in ("phone_numbers", "emails", "tags")),
]


@pytest.mark.parametrize(("field", "entry"), EMPTY, ids=str)
async def test_an_empty_entry_of_an_account_is_refused(customer: Running, user: User, field: str, entry: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await new_account(customer, user, display_name="甲", **{field: [entry]})
    assert any(each.field.startswith(f"account.{field}[0]") for each in violations_of(refused.value))


async def test_an_address_with_one_thing_told_is_taken(customer: Running, user: User) -> None:
    places = [
        pb.Address(region_code="CN-GD"),
        pb.Address(city="深圳"),
        pb.Address(line="1"),
        pb.Address(postal_code="5"),
    ]
    account = await new_account(customer, user, display_name="甲", addresses=places)
    assert list(account.addresses) == places


@pytest.mark.parametrize(("language", "text"), [("zh", "地址须至少填写"), ("en", "an address has a region, a city")])
async def test_an_empty_address_is_told_in_the_language_of_the_caller(
    customer: Running, user: User, language: str, text: str
) -> None:
    async with gateway(customer) as web:
        headers = bearer(user) | {"accept-language": language}
        body = {"kind": "ORGANIZATION", "display_name": "甲", "addresses": [{}]}
        answer = await web.post("/v1/accounts", json=body, headers=headers)
    assert answer.status_code == 422
    error = answer.json()["errors"][0]
    assert (error["field"], error["detail"][: len(text)]) == ("addresses[0]", text)

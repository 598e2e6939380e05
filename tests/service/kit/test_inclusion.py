"""`include=`: what an answer refers to beside it, through a gateway in front of two services."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from crm.sales.v1 import opportunities_pb2
from crm_kit.identity.access import Scope
from crm_kit.projections import put_newest
from crm_sales.accounts.tables import accounts

from tests.conformity import Document
from tests.service.customer.customers import new_account
from tests.service.running import ADMIN, Running, User
from tests.service.sales.selling import also_in, clients, cny
from tests.service.web import bearer, gateway


@pytest.fixture
async def user(customer: Running, sales: Running) -> User:
    user = await customer.user()
    await also_in(sales, user)
    return user


@pytest.fixture
async def web(customer: Running, sales: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(customer, sales) as client:
        yield client


# As `new_account` calls it: the event that tells of it may come at any time.
NAME = "华信电力有限公司"


async def new_deal(customer: Running, sales: Running, user: User, account_id: str = "") -> Any:
    """An opportunity, and the account, known to both services, that it is with."""
    id = account_id or (await new_account(customer, user)).id
    async with sales.unit_of_work(user.tenant_id) as work:
        put_newest(work, accounts, {"id": UUID(id), "display_name": NAME, "owner_id": user.id, "version": 1})
    opportunity = opportunities_pb2.Opportunity(account_id=id, display_name="Boiler", amount=cny("1000.00"))
    request = opportunities_pb2.CreateOpportunityRequest(opportunity=opportunity)
    return await clients(sales).opportunities.CreateOpportunity(request, metadata=user.metadata)


async def reading(web: httpx.AsyncClient, path: str, user: User, **params: str) -> Any:
    """A good answer, which is as the document says."""
    answer = await web.get(path, params=params, headers=bearer(user))
    assert answer.status_code == 200, answer.text
    document = Document((await web.get("/openapi.json")).json())
    assert list(document.wrong_with("GET", path, 200, answer.json())) == []
    return answer.json()


async def test_a_record_brings_what_it_refers_to_from_every_service(
    customer: Running, sales: Running, user: User, web: httpx.AsyncClient
) -> None:
    deal = await new_deal(customer, sales, user)
    path = f"/v1/opportunities/{deal.id}"
    answer = await reading(web, path, user, include="account,pipeline,lead")
    account = await reading(web, f"/v1/accounts/{deal.account_id}", user)
    pipeline = await reading(web, f"/v1/pipelines/{deal.pipeline_id}", user)
    assert answer["included"] == {
        "accounts": {account["id"]: account},
        "pipelines": {pipeline["id"]: pipeline},
        "leads": {},
    }
    assert answer["missing"] == []
    assert await reading(web, path, user) == {
        name: each for name, each in answer.items() if name not in ("included", "missing")
    }


async def test_a_search_shows_fields_and_brings_what_it_refers_to_as_a_list_does(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    above = await new_account(customer, user, display_name="Fabrikam")
    account = await new_account(customer, user, display_name="Northwind Traders", parent_id=above.id)
    path, asked = "/v1/accounts:search", {"query": "northwind", "fields": "id,display_name", "include": "parent"}
    answer = (await web.get(path, params=asked, headers=bearer(user))).json()
    assert answer["accounts"] == [{"id": account.id, "display_name": "Northwind Traders"}]
    assert answer["included"]["accounts"][above.id]["display_name"] == "Fabrikam"


async def test_a_list_brings_each_record_once_also_when_the_id_is_not_shown(
    customer: Running, sales: Running, user: User, web: httpx.AsyncClient
) -> None:
    first, second = [await new_deal(customer, sales, user) for _ in range(2)]
    third = await new_deal(customer, sales, user, first.account_id)
    answer = await reading_some(web, user, fields="id", include="account")
    assert answer["opportunities"] == [{"id": each.id} for each in (third, second, first)]
    assert answer["included"].keys() == {"accounts"}
    assert answer["included"]["accounts"].keys() == {first.account_id, second.account_id}


async def reading_some(web: httpx.AsyncClient, user: User, **params: str) -> Any:
    """A page of opportunities of which not all fields are shown."""
    answer = await web.get("/v1/opportunities", params=params, headers=bearer(user))
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("grants", [{"accounts.read": Scope.OWN}, {"contacts.read": Scope.ALL}])
async def test_what_the_caller_may_not_see_is_left_out(
    customer: Running, sales: Running, user: User, web: httpx.AsyncClient, grants: dict[str, Scope]
) -> None:
    deal = await new_deal(customer, sales, user)
    narrow = await customer.user(user.tenant_id, grants=grants)
    await also_in(sales, narrow, ADMIN)
    answer = await reading(web, f"/v1/opportunities/{deal.id}", narrow, include="account")
    assert (answer["included"], answer["missing"]) == ({"accounts": {}}, [])
    assert answer["account_name"] == NAME


async def test_a_collection_whose_service_is_down_is_named_and_the_rest_is_there(
    customer: Running, sales: Running, user: User
) -> None:
    deal = await new_deal(customer, sales, user)
    async with gateway(sales) as without_customer:
        path = f"/v1/opportunities/{deal.id}"
        answer = await reading(without_customer, path, user, include="owner,account,pipeline")
    assert (answer["id"], answer["missing"]) == (deal.id, ["users", "accounts"])
    assert answer["included"].keys() == {"pipelines"}


async def test_an_answer_may_be_sent_back_with_what_stood_beside_it(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    above = await new_account(customer, user)
    account = await new_account(customer, user, parent_id=above.id)
    path = f"/v1/accounts/{account.id}"
    answer = await reading(web, path, user, include="parent")
    assert answer["included"]["accounts"].keys() == {above.id}
    again = await web.patch(path, json=answer, headers=bearer(user))
    assert again.json() == await reading(web, path, user)


async def test_words_that_are_no_reference_are_named_with_those_that_are(user: User, web: httpx.AsyncClient) -> None:
    for include, told in (
        (
            "account,stage",
            "stage cannot be asked for; expected one of account, pipeline, owner, owner_team, lead, actions",
        ),
        (
            "account_id",
            "account_id cannot be asked for; expected one of account, pipeline, owner, owner_team, lead, actions",
        ),
        ("account,lead,account", "account is there twice"),
        ("", "expected one of account, pipeline, owner, owner_team, lead, actions"),
    ):
        answer = await web.get("/v1/opportunities", params={"include": include}, headers=bearer(user))
        assert answer.status_code == 400
        assert [(each["field"], each["detail"]) for each in answer.json()["errors"]] == [("include", told)]


async def test_what_refers_to_nothing_brings_its_actions_alone(user: User, web: httpx.AsyncClient) -> None:
    answer = await web.get("/v1/pipelines", params={"include": "owner"}, headers=bearer(user))
    assert (answer.status_code, answer.json()["errors"][0]["detail"]) == (
        400,
        "owner cannot be asked for; expected one of actions",
    )
    count = await web.get("/v1/pipelines:count", params={"include": "owner"}, headers=bearer(user))
    assert (count.status_code, count.json()["errors"][0]["rule"]) == (400, "unknown_field")

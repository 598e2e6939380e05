"""Search as a front end asks for it."""

from collections.abc import AsyncIterator, Mapping

import httpx
import pytest
from crm_gateway.app import create_app
from crm_gateway.settings import Settings

from tests.service.running import Running

ACCOUNT = {"kind": "ORGANIZATION", "display_name": "远山电力"}


@pytest.fixture
async def web(customer: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway in front of the service, called by somebody who may do everything."""
    gateway = create_app(Settings(customer_address=customer.service.settings.listen_address))
    transport = httpx.ASGITransport(app=gateway.asgi)
    headers = {"authorization": f"Bearer {(await customer.user()).token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
        yield client
    await gateway.close()


async def made(web: httpx.AsyncClient, path: str, body: Mapping[str, object]) -> str:
    answer = await web.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_a_caller_is_found_with_the_account(web: httpx.AsyncClient) -> None:
    account_id = await made(web, "/v1/accounts", ACCOUNT)
    contact = {
        "display_name": "李娜",
        "accounts": [{"account_id": account_id}],
        "phone_numbers": ["0755-8666 1234 转801"],
    }
    contact_id = await made(web, "/v1/contacts", contact)
    asked = {"query": "(0755) 8666 1234", "fields": "id,display_name,accounts"}
    answer = (await web.get("/v1/contacts:search", params=asked)).json()
    (found,) = answer["contacts"]
    assert (found["id"], found["accounts"][0]["account_name"]) == (contact_id, "远山电力")
    assert (answer["next_page_token"], answer["truncated"]) == (None, False)


async def test_a_search_is_paged_and_filtered(web: httpx.AsyncClient) -> None:
    ids = {await made(web, "/v1/accounts", {**ACCOUNT, "tags": ["vip"]}) for _ in range(3)}
    await made(web, "/v1/accounts", ACCOUNT)
    asked = {"query": "远山", "filter": "tags:vip", "page_size": "2"}
    first = (await web.get("/v1/accounts:search", params=asked)).json()
    second = (await web.get("/v1/accounts:search", params={**asked, "page_token": first["next_page_token"]})).json()
    assert {each["id"] for each in (*first["accounts"], *second["accounts"])} == ids
    assert second["next_page_token"] is None


async def test_what_is_wrong_with_a_search_is_told_in_the_language_of_the_caller(web: httpx.AsyncClient) -> None:
    headers = {"Accept-Language": "zh"}
    for name, value, reason in (
        ("filter", "colour = red", "INVALID_FILTER"),
        ("page_token", "x", "INVALID_PAGE_TOKEN"),
    ):
        answer = await web.get("/v1/contacts:search", params={"query": "李", name: value}, headers=headers)
        problem = answer.json()
        assert (answer.status_code, problem["reason"], problem["errors"][0]["field"]) == (422, reason, name)
        assert any("\u4e00" <= character <= "\u9fff" for character in problem["errors"][0]["detail"])
    assert (await web.get("/v1/contacts:search", headers=headers)).status_code == 422

"""What somebody is told who tries the API for the first time and is not quite right."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from crm_customer.integrations.webhook_endpoints import model
from crm_kit.errors import InvalidArgument
from crm_kit.ids import new_id
from crm_kit.outbound_http.addresses import Reach, reach_of

from tests.service.running import Running, User
from tests.service.web import bearer, gateway


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
async def web(customer: Running, user: User) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(customer) as client:
        client.headers.update(bearer(user))
        yield client


async def errors_of(answer: httpx.Response) -> list[tuple[str, str]]:
    """The field and the rule of each error."""
    assert answer.status_code in (400, 422), answer.text
    return [(each["field"], each["rule"]) for each in answer.json()["errors"]]


async def account(web: httpx.AsyncClient) -> str:
    answer = await web.post("/v1/accounts", json={"kind": "ORGANIZATION", "display_name": "华信电力"})
    id: str = answer.json()["id"]
    return id


async def test_a_verb_that_there_is_not_is_answered_with_those_that_there_are(web: httpx.AsyncClient) -> None:
    answer = await web.post(f"/v1/accounts/{new_id()}:zzz", json={})
    assert (answer.status_code, answer.json()["reason"]) == (404, "ROUTE_NOT_FOUND")
    verbs = answer.json()["metadata"]["verbs"].split(", ")
    assert {"archive", "restore", "restrict"} < set(verbs)
    assert verbs == sorted(verbs)
    assert answer.json()["detail"].endswith(f"{answer.json()['metadata']['verbs']}.")
    chinese = await web.post("/v1/accounts:zzz", json={}, headers={"accept-language": "zh"})
    assert "batchGet" in chinese.json()["metadata"]["verbs"]
    assert chinese.json()["detail"].startswith("这里没有该操作")
    # One that is served beside the rpcs is among them.
    misspelt = await web.get(f"/v1/jobs/accounts/{new_id()}:donwload")
    assert misspelt.json()["metadata"]["verbs"] == "cancel, download, link"
    # Where nothing is there are no verbs either.
    assert (await web.post("/v1/zzz:zzz", json={})).json().get("metadata", {}) == {}


async def test_nul_in_a_text_is_refused_by_the_field_that_has_it(web: httpx.AsyncClient) -> None:
    fields: dict[str, Any] = {"kind": "ORGANIZATION", "display_name": "a\0b", "tags": ["vip", "\0"]}
    answer = await web.post("/v1/accounts", json=fields | {"custom": {"plan": "x\0"}})
    assert await errors_of(answer) == [
        ("display_name", "string.nul"),
        ("tags[1]", "string.nul"),
        ("custom.plan", "string.nul"),
    ]


async def test_a_reason_that_is_missing_is_one_error(web: httpx.AsyncClient) -> None:
    id = await account(web)
    for verb in ("restrict", "unrestrict"):
        for body in ({}, {"reason": ""}, {"reason": "  "}):
            assert await errors_of(await web.post(f"/v1/accounts/{id}:{verb}", json=body)) == [("reason", "required")]


async def test_records_of_no_collection_cannot_be_muted(web: httpx.AsyncClient) -> None:
    async def mute(*collections: str) -> httpx.Response:
        muted = [{"collection": each, "record_id": str(new_id())} for each in collections]
        return await web.patch("/v1/notification-preference", json={"muted_records": muted})

    answer = await mute("cases", "acounts")
    assert await errors_of(answer) == [
        ("muted_records[1].collection", "webhook_collection"),
    ]
    assert "accounts" in answer.json()["errors"][0]["detail"]
    assert (await mute("cases", "opportunities", "accounts")).status_code == 200


async def test_an_empty_choice_of_events_is_told_to_be_empty(web: httpx.AsyncClient) -> None:
    for name in ("collections", "types"):
        answer = await web.get("/v1/events", params={name: ""})
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert (error["field"], error["detail"].startswith("is empty")) == (name, True)


async def test_a_field_that_nobody_sends_is_not_the_one_that_is_meant(service_desk: Running) -> None:
    by = await service_desk.user()
    async with gateway(service_desk) as web:
        answer = await web.post("/v1/mailboxes", json={"password": "x"}, headers=bearer(by))
        (error,) = [each for each in answer.json()["errors"] if each["field"].endswith("password")]
        assert error["rule"] == "unknown_field"
        assert "password_time" not in error["detail"]
        mail = {"display_name": "客服邮箱", "kind": "MAIL", "addresses": ["service@huaxin.example", "nowhere"]}
        answer = await web.post("/v1/channels", json=mail, headers=bearer(by))
        assert await errors_of(answer) == [("addresses[1]", "string.email")]
        # A number is one where messages are none.
        sms = mail | {"kind": "SMS", "addresses": ["+8675586661234"]}
        assert (await web.post("/v1/channels", json=sms, headers=bearer(by))).status_code == 201


@pytest.mark.parametrize("host", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]"])
def test_an_address_that_no_call_may_reach_is_refused_when_an_endpoint_is_given_it(host: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        model.require_reach(f"https://{host}/hook", Reach())
    assert [(each.field, each.rule) for each in caught.value.violations] == [
        ("webhook_endpoint.url", "webhook_address")
    ]


async def test_a_webhook_to_an_inner_address_is_refused_when_it_is_created(web: httpx.AsyncClient) -> None:
    endpoint = {"display_name": "ERP", "url": "https://10.0.0.1/hook", "event_types": ["account.created"]}
    answer = await web.post("/v1/webhook-endpoints", json=endpoint)
    assert await errors_of(answer) == [("url", "webhook_address")]
    assert answer.json()["errors"][0]["detail"].startswith("10.0.0.1 is no public address")
    named = endpoint | {"url": "https://hooks.huaxin.example/hook"}
    assert (await web.post("/v1/webhook-endpoints", json=named)).status_code == 201


def test_what_calls_may_reach_and_names_are_taken() -> None:
    model.require_reach("https://10.0.0.1/hook", reach_of(["10.0.0.0/8"], loopback=False))
    model.require_reach("https://93.184.216.34/hook", Reach())
    model.require_reach("https://hooks.huaxin.example/hook", Reach())

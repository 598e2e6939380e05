"""What can be done with a record, over REST: why not, in the caller's language."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.service.customer.customers import new_account
from tests.service.running import Running, User
from tests.service.web import bearer, gateway

ZH = {"accept-language": "zh-CN"}


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
async def web(customer: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(customer) as client:
        yield client


def by_verb(actions: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["verb"]: each for each in actions}


async def test_why_something_cannot_be_done_is_told_in_the_language_of_the_caller(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    account = await new_account(customer, user)
    path = f"/v1/accounts/{account.id}"
    archived = await web.post(f"{path}:archive", headers=bearer(user))
    assert archived.status_code == 200
    english = await web.get(f"{path}/actions", headers=bearer(user))
    chinese = await web.get(f"{path}/actions", headers=bearer(user) | ZH)
    assert (english.headers["content-language"], chinese.headers["content-language"]) == ("en", "zh")
    assert "Accept-Language" in chinese.headers["vary"]
    told = [by_verb(each.json()["actions"])["archive"] for each in (english, chinese)]
    assert told[0]["detail"].startswith("an account that is ARCHIVED cannot be archived; it must be ")
    assert told[1]["detail"].startswith("当前状态为“已归档”，不能归档；须为：")
    assert told[0]["metadata"] == told[1]["metadata"]
    assert {name: told[1]["metadata"][name] for name in ("rule", "noun", "state", "done")} == {
        "rule": "wrong_state",
        "noun": "account",
        "state": "ARCHIVED",
        "done": "archived",
    }
    refused = await web.post(f"{path}:archive", headers=bearer(user) | ZH)
    assert (refused.status_code, refused.json()["detail"]) == (409, told[1]["detail"])


async def test_a_filter_is_refused_with_its_position_in_the_language_of_the_caller(
    user: User, web: httpx.AsyncClient
) -> None:
    refused = await web.get("/v1/accounts", params={"filter": "status = "}, headers=bearer(user) | ZH)
    (error,) = refused.json()["errors"]
    assert (error["field"], error["detail"], error["metadata"]) == (
        "filter",
        "从第 10 个字符起无法识别",
        {"position": "10"},
    )

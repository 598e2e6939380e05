"""What can be done with a record, over REST: why not, in the caller's language."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from crm_kit.database.connections import Database
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id

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
        "从第 10 个字符起无法识别：应为 值，实为 结尾",
        {"position": "10", "problem": "syntax", "expected": "a value", "found": "the end"},
    )


async def test_what_a_list_cannot_go_by_is_named_with_what_it_can_in_the_language_of_the_caller(
    user: User, web: httpx.AsyncClient
) -> None:
    ordered = await web.get("/v1/accounts", params={"order_by": "emails"}, headers=bearer(user) | ZH)
    (error,) = ordered.json()["errors"]
    assert error["detail"].startswith("不能按emails排序；可用：")
    assert error["metadata"]["field"] == "emails"
    assert "create_time" in error["metadata"]["possible"].split(", ")
    filtered = await web.get("/v1/accounts", params={"filter": "kind = PERSON AND fax = 1"}, headers=bearer(user) | ZH)
    (error,) = filtered.json()["errors"]
    assert error["detail"].startswith("第 19 个字符处的字段 fax 不存在，可用：")
    assert (error["metadata"]["found"], error["metadata"]["position"]) == ("fax", "19")
    assert "industry" in error["metadata"]["fields"].split(", ")


async def test_rows_of_a_list_bring_what_can_be_done_with_them(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    ids = [(await new_account(customer, user)).id for _ in range(3)]
    await web.post(f"/v1/accounts/{ids[0]}:archive", headers=bearer(user))
    asked = {"include": "actions", "fields": "display_name", "filter": "status IN (POTENTIAL, ARCHIVED)"}
    page = (await web.get("/v1/accounts", params=asked, headers=bearer(user) | ZH)).json()
    told = page["included"]["actions"]
    assert (set(told), page["missing"]) == (set(ids), [])
    for id in ids:
        one = (await web.get(f"/v1/accounts/{id}/actions", headers=bearer(user) | ZH)).json()
        assert (one["id"], one["actions"]) == (id, told[id])
    assert by_verb(told[ids[0]])["archive"]["detail"].startswith("当前状态为“已归档”")
    record = (await web.get(f"/v1/accounts/{ids[1]}", params={"include": "actions"}, headers=bearer(user))).json()
    assert by_verb(record["included"]["actions"][ids[1]])["archive"]["allowed"]


async def test_actions_of_rows_cost_a_query_for_each_scope_and_not_for_each_row(
    customer: Running, user: User, web: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL, "accounts.write": Scope.OWN})
    mine = [(await new_account(customer, owner)).id for _ in range(4)]
    others = [(await new_account(customer, user)).id for _ in range(4)]
    asked: list[str] = []
    fetch = Database.all

    async def noted(self: Database, tenant: Any, query: Any, values: Any) -> Any:
        # Who the caller is may be asked again at any time, and jobs read beside.
        if "FROM accounts" in query.sql:
            asked.append(query.sql)
        return await fetch(self, tenant, query, values)

    monkeypatch.setattr(Database, "all", noted)
    costs = []
    for ids in (mine, mine[:1] + others[:1], mine + others):
        asked.clear()
        answer = await web.get("/v1/accounts:batchGetActions", params={"ids": ids}, headers=bearer(owner))
        told = {each["id"]: by_verb(each["actions"])["archive"] for each in answer.json()["record_actions"]}
        assert {id: each["reason"] for id, each in told.items()} == {
            id: None if id in mine else "PERMISSION_DENIED" for id in ids
        }
        costs.append(len(asked))
    assert costs[1] == costs[2] > 0
    nobody = str(new_id())
    missing = await web.get("/v1/accounts:batchGetActions", params={"ids": [nobody, mine[0]]}, headers=bearer(owner))
    assert missing.json()["missing_ids"] == [nobody]
    many = [str(new_id()) for _ in range(51)]
    assert (
        await web.get("/v1/accounts:batchGetActions", params={"ids": many}, headers=bearer(owner))
    ).status_code == 422

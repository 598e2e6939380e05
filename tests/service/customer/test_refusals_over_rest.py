"""What front ends are told of what is refused: the permission or the field, in both languages."""

from collections.abc import AsyncIterator

import httpx
import pytest
from crm_kit.identity.access import Scope

from tests.service.running import Running
from tests.service.web import bearer, gateway

NOBODY = "0190c2f0-0000-7000-8000-000000000001"


@pytest.fixture
async def web(customer: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(customer) as client:
        yield client


@pytest.mark.parametrize(
    ("language", "said"), [("en", "the permission users.write is needed"), ("zh", "缺少权限 users.write。")]
)
async def test_a_permission_that_is_missing_is_named(
    customer: Running, web: httpx.AsyncClient, language: str, said: str
) -> None:
    reader = await customer.user(grants={"users.read": Scope.ALL})
    headers = bearer(reader) | {"accept-language": language}
    refused = await web.post(f"/v1/users/{NOBODY}:deactivate", headers=headers)
    problem = refused.json()
    assert (refused.status_code, problem["reason"], problem["detail"]) == (403, "PERMISSION_DENIED", said)
    assert problem["metadata"]["permission"] == "users.write"


@pytest.mark.parametrize(
    ("language", "said"), [("en", "another user has this login already"), ("zh", "已被其他记录占用")]
)
async def test_the_field_that_is_taken_is_named(
    customer: Running, web: httpx.AsyncClient, language: str, said: str
) -> None:
    admin = await customer.user(grants={"*": Scope.ALL})
    role = await web.post("/v1/roles", json={"display_name": "Readers"}, headers=bearer(admin))
    user = {"login": "wang.fang@huaxin.example", "display_name": "王芳", "role_ids": [role.json()["id"]]}
    assert (await web.post("/v1/users", json=user, headers=bearer(admin))).status_code == 201
    refused = await web.post("/v1/users", json=user, headers=bearer(admin) | {"accept-language": language})
    assert (refused.status_code, refused.json()["reason"]) == (409, "ALREADY_EXISTS")
    (error,) = refused.json()["errors"]
    assert (error["field"], error["rule"], error["detail"]) == ("login", "taken", said)

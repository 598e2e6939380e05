"""Settings of users, and all that a front end begins with in one answer."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from crm.customer.v1 import user_settings_pb2 as pb
from crm.customer.v1 import users_pb2
from crm.customer.v1.user_settings_pb2_grpc import UserSettingsServiceStub
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Value

from tests.service.customer.companies import Company, open_company
from tests.service.running import Running, User, refused
from tests.service.web import bearer, gateway

MINE = "/v1/users/me/settings"


@pytest.fixture
async def web(customer: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(customer) as client:
        yield client


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user(grants={})


async def change(web: httpx.AsyncClient, user: User, asked: dict[str, Any], **headers: str) -> httpx.Response:
    return await web.patch(MINE, json=asked, headers={**bearer(user), **headers})


async def test_settings_are_there_before_anybody_changes_them_and_are_ones_own(
    web: httpx.AsyncClient, customer: Running, user: User
) -> None:
    first = (await web.get(MINE, headers=bearer(user))).json()
    assert first == {
        "language": None,
        "theme": "SYSTEM",
        "density": "COMFORTABLE",
        "time_format": "H24",
        "start_page": None,
        "values": {},
        "etag": "v0",
        "update_time": None,
    }
    asked = {"language": "ZH", "theme": "DARK", "start_page": "/deals?view=board", "values": {"tour": {"step": 3}}}
    changed = await change(web, user, asked)
    assert changed.status_code == 200, changed.text
    assert {name: changed.json()[name] for name in asked} == asked
    assert (changed.json()["density"], changed.json()["etag"]) == ("COMFORTABLE", "v1")
    assert (await web.get(MINE, headers=bearer(user))).json() == changed.json()
    # An answer may be sent back as it came, and changes nothing.
    assert (await change(web, user, changed.json())).json() == changed.json()
    colleague = await customer.user(user.tenant_id)
    assert (await web.get(MINE, headers=bearer(colleague))).json() == first


async def test_what_is_null_is_as_it_was_before_anybody_chose(web: httpx.AsyncClient, user: User) -> None:
    await change(web, user, {"language": "EN", "theme": "LIGHT", "start_page": "/home"})
    back = (await change(web, user, {"language": None, "theme": None, "start_page": None})).json()
    assert (back["language"], back["theme"], back["start_page"]) == (None, "SYSTEM", None)


async def test_keys_of_front_ends_are_changed_one_by_one(web: httpx.AsyncClient, user: User) -> None:
    await change(web, user, {"values": {"tour": True, "widths": {"name": 220}}})
    assert (await change(web, user, {"values": {"tour": None, "recent": ["a"]}})).json()["values"] == {
        "recent": ["a"],
        "widths": {"name": 220},
    }


async def test_who_has_seen_older_settings_does_not_write_over_newer_ones(web: httpx.AsyncClient, user: User) -> None:
    assert (await change(web, user, {"theme": "DARK"}, **{"if-match": '"v0"'})).status_code == 200
    assert (await change(web, user, {"theme": "LIGHT"}, **{"if-match": '"v0"'})).status_code == 412
    assert (await change(web, user, {"theme": "LIGHT"}, **{"if-match": '"v1"'})).status_code == 200


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("theme", {"theme": "PURPLE"}),
        ("start_page", {"start_page": "https://elsewhere.example"}),
        ("start_page", {"start_page": "//elsewhere.example"}),
        ("start_page", {"start_page": "/\\elsewhere.example"}),
        ("start_page", {"start_page": "/\t/elsewhere.example"}),
        ("values", {"values": {"big": "x" * 16_400}}),
        ("values", {"values": {"1": True}}),
    ],
)
async def test_what_is_no_setting_is_refused_by_name(
    web: httpx.AsyncClient, user: User, field: str, asked: dict[str, Any]
) -> None:
    answer = await change(web, user, asked)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["errors"][0]["field"].startswith(field)
    assert (await web.get(MINE, headers=bearer(user))).json()["etag"] == "v0"


async def test_many_small_keys_are_bounded_together(web: httpx.AsyncClient, user: User) -> None:
    assert (await change(web, user, {"values": {"a": "x" * 9_000}})).status_code == 200
    answer = await change(web, user, {"values": {"b": "x" * 9_000}})
    assert answer.json()["errors"][0]["rule"] == "json_bytes"


async def test_first_changes_at_the_same_time_are_both_kept(customer: Running, user: User) -> None:
    stub = UserSettingsServiceStub(customer.channel)

    async def put(key: str) -> None:
        settings = pb.UserSettings(values={key: Value(bool_value=True)})
        mask = FieldMask(paths=[f"values.{key}"])
        request = pb.UpdateUserSettingsRequest(user_settings=settings, update_mask=mask)
        await stub.UpdateUserSettings(request, metadata=user.metadata)

    await asyncio.gather(*(put(key) for key in "abcd"))
    found = await stub.GetUserSettings(pb.GetUserSettingsRequest(), metadata=user.metadata)
    assert (set(found.values), found.etag) == (set("abcd"), "v4")


async def test_a_language_that_there_is_not_is_refused(customer: Running, user: User) -> None:
    settings: Any = pb.UserSettings(language=99)  # type: ignore[arg-type]
    request = pb.UpdateUserSettingsRequest(user_settings=settings, update_mask=FieldMask(paths=["language"]))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await UserSettingsServiceStub(customer.channel).UpdateUserSettings(request, metadata=user.metadata)


async def test_one_answer_says_who_one_is_what_one_may_do_ones_settings_and_the_time(
    web: httpx.AsyncClient, company: Company
) -> None:
    me = bearer(company.admin)
    await web.patch(MINE, json={"theme": "DARK"}, headers=me)
    found = (await web.get("/v1/users:me", headers=me)).json()
    assert found["user"]["id"] == str(company.admin.id)
    assert found["grants"] == [{"permission": "*", "scope": "ALL"}]
    assert found["settings"] == (await web.get(MINE, headers=me)).json()
    assert found["clock_offset"] == "0s"
    assert found["server_time"].endswith("Z")


async def test_the_time_in_a_sandbox_is_that_of_its_clock(customer: Running) -> None:
    company = await open_company(customer, sandbox=True)
    users = UserServiceStub(customer.channel)

    async def me() -> users_pb2.CurrentUser:
        return await users.GetCurrentUser(users_pb2.GetCurrentUserRequest(), metadata=company.admin.metadata)

    before = await me()
    await customer.know_tenant(company.tenant_id, sandbox=True, clock_offset=timedelta(days=30), version=1_000_000)
    after = await me()
    assert after.clock_offset.ToTimedelta() == timedelta(days=30)
    assert after.server_time.ToDatetime() - before.server_time.ToDatetime() >= timedelta(days=30)

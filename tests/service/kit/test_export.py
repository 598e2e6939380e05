"""Exports over REST, on accounts."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx
import openpyxl
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.resource.v1.custom_fields_pb2 import CustomField
from crm_gateway.app import create_app
from crm_gateway.routes import export
from crm_gateway.settings import Settings
from crm_kit.identity.access import Scope

from tests.service.customer.customers import new_account, new_contact
from tests.service.kit.custom_fields import MULTI_SELECT, NUMBER, message_values, new_field, options
from tests.service.running import Running, User


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
async def web(customer: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway in front of the service."""
    gateway = create_app(Settings(customer_address=customer.service.settings.listen_address))
    transport = httpx.ASGITransport(app=gateway.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client
    await gateway.close()


def rows_of(response: httpx.Response) -> list[dict[str, str]]:
    assert response.status_code == 200, response.text
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))


def bearer(user: User) -> dict[str, str]:
    return {"authorization": f"Bearer {user.token}"}


async def test_a_list_is_exported_whole_in_its_order_whatever_the_page(
    web: httpx.AsyncClient, customer: Running, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"客户 {number:02}" for number in range(7)]
    for name in reversed(names):
        await new_account(customer, user, display_name=name)
    monkeypatch.setattr(export, "PAGE_SIZE", 3)
    response = await web.get("/v1/accounts:export", params={"order_by": "display_name"}, headers=bearer(user))
    assert [row["display_name"] for row in rows_of(response)] == names
    assert response.headers["content-disposition"] == 'attachment; filename="accounts.csv"'


async def test_an_export_has_the_filter_and_the_scope_of_the_list(
    web: httpx.AsyncClient, customer: Running, user: User
) -> None:
    archived = await new_account(customer, user, display_name="put away")
    stub = AccountServiceStub(customer.channel)
    await stub.ArchiveAccount(pb.ArchiveAccountRequest(id=archived.id), metadata=user.metadata)
    await new_account(customer, user, display_name="steel works", industry="steel")
    await new_account(customer, user, display_name="power works", industry="power")
    found = await web.get("/v1/accounts:export", params={"filter": "industry = steel"}, headers=bearer(user))
    assert [row["display_name"] for row in rows_of(found)] == ["steel works"]
    narrow = await customer.user(user.tenant_id, grants={"accounts.read": Scope.OWN, "accounts.write": Scope.OWN})
    await new_account(customer, narrow, display_name="mine")
    own = await web.get("/v1/accounts:export", headers=bearer(narrow))
    assert [row["display_name"] for row in rows_of(own)] == ["mine"]


async def test_pages_get_smaller_until_they_fit_into_a_message(
    customer: Running, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = "长" * 4000
    for number in range(6):
        await new_account(customer, user, display_name=f"客户 {number}", preferences=note, taboos=note)
    sizes: list[int] = []
    sent = export.Pages.next

    async def noted(pages: export.Pages) -> Any:
        page = await sent(pages)
        sizes.append(pages.request.page_size)
        return page

    monkeypatch.setattr(export.Pages, "next", noted)
    limit = 100_000
    gateway = create_app(Settings(customer_address=customer.service.settings.listen_address, max_message_bytes=limit))
    transport = httpx.ASGITransport(app=gateway.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as web:
        response = await web.get("/v1/accounts:export", params={"order_by": "display_name"}, headers=bearer(user))
        assert [row["display_name"] for row in rows_of(response)] == [f"客户 {number}" for number in range(6)]
    await gateway.close()
    assert sizes[0] < export.PAGE_SIZE


async def test_asking_for_the_head_of_an_export_reads_one_page(
    web: httpx.AsyncClient, customer: Running, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        await new_account(customer, user, display_name=f"客户 {number}")
    monkeypatch.setattr(export, "PAGE_SIZE", 1)
    monkeypatch.setattr(export, "content_of", None)
    response = await web.head("/v1/accounts:export", headers=bearer(user))
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"


async def test_a_list_with_parameters_of_its_own_is_exported_with_them(
    web: httpx.AsyncClient, customer: Running, user: User
) -> None:
    ours, theirs = await new_account(customer, user), await new_account(customer, user)
    await new_contact(customer, user, ours.id, display_name="王芳")
    await new_contact(customer, user, theirs.id, display_name="李雷")
    response = await web.get("/v1/contacts:export", params={"account_id": ours.id}, headers=bearer(user))
    assert [row["display_name"] for row in rows_of(response)] == ["王芳"]


async def test_a_workbook_holds_what_the_list_shows(web: httpx.AsyncClient, customer: Running, user: User) -> None:
    await new_account(customer, user, display_name="=1+1", phone_numbers=["+8613800138000"])
    response = await web.get("/v1/accounts:export", params={"format": "xlsx"}, headers=bearer(user))
    heading, row = openpyxl.load_workbook(io.BytesIO(response.content)).worksheets[0].iter_rows(values_only=True)
    shown = dict(zip(heading, row, strict=False))
    assert (shown["display_name"], shown["phone_numbers"]) == ("=1+1", "+8613800138000")


async def test_a_file_has_the_columns_that_are_asked_for_in_their_order(
    web: httpx.AsyncClient, customer: Running, user: User
) -> None:
    account = await new_account(customer, user, display_name="客户")
    parameters = {"fields": "display_name,competitor_profile,create_time"}
    (row,) = rows_of(await web.get("/v1/accounts:export", params=parameters, headers=bearer(user)))
    first, *_, last = row
    assert (first, last) == ("display_name", "create_time")
    assert {name.partition(".")[0] for name in row} == {"display_name", "competitor_profile", "create_time"}
    shown = (await web.get(f"/v1/accounts/{account.id}", headers=bearer(user))).json()
    assert (row["display_name"], row["create_time"]) == ("客户", shown["create_time"])


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/v1/nothing:export", 404, "ROUTE_NOT_FOUND"),
        ("/v1/accounts:export?format=pdf", 400, "INVALID_ARGUMENT"),
        ("/v1/accounts:export?page_size=1", 400, "INVALID_ARGUMENT"),
        ("/v1/accounts:export?filter=a&filter=b", 400, "INVALID_ARGUMENT"),
        ("/v1/accounts:export?format=csv&format=csv", 400, "INVALID_ARGUMENT"),
        ("/v1/accounts:export?fields=id,nope", 400, "INVALID_ARGUMENT"),
        ("/v1/accounts:export?fields=id,id", 400, "INVALID_ARGUMENT"),
        ("/v1/accounts:export?include=owner", 400, "INVALID_ARGUMENT"),
        ("/v1/accounts:export?filter=%FF", 400, "INVALID_ARGUMENT"),
        ("/v1/accounts:export?filter=colour+%3D+1", 422, "INVALID_FILTER"),
    ],
)
async def test_what_cannot_be_exported_is_said_before_anything_is_sent(
    web: httpx.AsyncClient, user: User, path: str, status: int, reason: str
) -> None:
    response = await web.get(path, headers=bearer(user))
    assert (response.status_code, response.json()["reason"]) == (status, reason), response.text


async def test_an_export_needs_a_token_and_the_permission_to_read(web: httpx.AsyncClient, customer: Running) -> None:
    assert (await web.get("/v1/accounts:export")).status_code == 401
    nobody = await customer.user(grants={"contacts.read": Scope.ALL})
    assert (await web.get("/v1/accounts:export", headers=bearer(nobody))).status_code == 403


async def test_custom_fields_have_columns_under_their_labels_in_the_language_of_the_caller(
    web: httpx.AsyncClient, customer: Running, user: User
) -> None:
    await new_field(customer, user, "contract_no", label=CustomField.Label(zh="合同编号", en="Contract number"))
    await new_field(customer, user, "area", NUMBER, label=CustomField.Label(en="Floor area"))
    await new_field(customer, user, "marks", MULTI_SELECT, options=options("a", "b"))
    values = message_values({"contract_no": "=A-1", "area": "120.5", "marks": ["b", "a"]})
    await new_account(customer, user, custom=values)
    (english,) = rows_of(await web.get("/v1/accounts:export", headers=bearer(user)))
    assert [english[name] for name in ("Contract number", "Floor area", "marks")] == ["'=A-1", "120.5", "a; b"]
    assert "custom" not in english
    chinese = await web.get("/v1/accounts:export", headers={**bearer(user), "accept-language": "zh-CN"})
    assert rows_of(chinese)[0]["合同编号"] == "'=A-1"
    assert rows_of(chinese)[0]["Floor area"] == "120.5"


async def test_no_two_columns_of_an_export_are_called_alike(
    web: httpx.AsyncClient, customer: Running, user: User
) -> None:
    labels = {"one": "Size", "two": "size", "three": "Status", "four": "five", "five": "Five", "six": "Weight"}
    for key, text in labels.items():
        await new_field(customer, user, key, label=CustomField.Label(en=text))
    await new_account(customer, user, custom=message_values({key: key for key in labels}))
    (row,) = rows_of(await web.get("/v1/accounts:export", headers=bearer(user)))
    headings = ["custom.one", "custom.two", "custom.three", "custom.four", "custom.five", "Weight"]
    assert [row[each] for each in headings] == list(labels)
    assert row["status"] == "POTENTIAL"


@pytest.mark.parametrize("name", ['a "b" c', "a\\b", "100%", "a_b", "O'Neil", "x,y;z"])
async def test_an_export_is_filtered_by_text_with_signs_in_it(
    web: httpx.AsyncClient, customer: Running, user: User, name: str
) -> None:
    for each in (name, "aXb", "100 of 100", "x y z"):
        await new_account(customer, user, display_name=each)
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    for filter in (f'display_name = "{quoted}"', f'display_name:"{quoted}"'):
        found = await web.get("/v1/accounts:export", params={"filter": filter}, headers=bearer(user))
        assert [row["display_name"] for row in rows_of(found)] == [name]


async def test_times_are_told_in_the_zone_that_is_asked_for_or_the_tenants_where_people_read(
    web: httpx.AsyncClient, customer: Running, user: User
) -> None:
    await new_account(customer, user, display_name="华信")

    async def created(language: dict[str, str], **params: str) -> str:
        asked = {"fields": "create_time"} | params
        (row,) = rows_of(await web.get("/v1/accounts:export", params=asked, headers=bearer(user) | language))
        return next(iter(row.values()))

    for_program, for_people = await created({}), await created({"accept-language": "zh"})
    assert (for_program[-1], for_people[-6:]) == ("Z", "+08:00")
    assert datetime.fromisoformat(for_people) == datetime.fromisoformat(for_program)
    assert (await created({"accept-language": "zh"}, time_zone="UTC"))[-1] == "Z"
    assert (await created({}, time_zone="Asia/Kathmandu"))[-6:] == "+05:45"
    refused = await web.get("/v1/accounts:export", params={"time_zone": "Mars"}, headers=bearer(user))
    assert (refused.status_code, refused.json()["errors"][0]["rule"]) == (400, "iana")

"""Exports over REST, on accounts."""

import csv
import io
from collections.abc import AsyncIterator

import httpx
import openpyxl
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm_gateway.app import create_app
from crm_gateway.routes import export
from crm_gateway.settings import Settings
from crm_kit.identity.access import Scope

from tests.service.customer.customers import new_account
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


async def test_a_workbook_holds_what_the_list_shows(web: httpx.AsyncClient, customer: Running, user: User) -> None:
    await new_account(customer, user, display_name="=1+1", phone_numbers=["+8613800138000"])
    response = await web.get("/v1/accounts:export", params={"format": "xlsx"}, headers=bearer(user))
    heading, row = openpyxl.load_workbook(io.BytesIO(response.content)).worksheets[0].iter_rows(values_only=True)
    shown = dict(zip(heading, row, strict=False))
    assert (shown["display_name"], shown["phone_numbers"]) == ("=1+1", "+8613800138000")


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/v1/nothing:export", 404, "ROUTE_NOT_FOUND"),
        ("/v1/accounts:export?format=pdf", 400, "INVALID_ARGUMENT"),
        ("/v1/accounts:export?page_size=1", 400, "INVALID_ARGUMENT"),
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

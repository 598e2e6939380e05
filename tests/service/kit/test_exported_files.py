"""The files of exports that were made in the background, over REST: those that a direct export would have been."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openpyxl
import pytest
from crm.customer.v1 import accounts_pb2
from crm.resource.v1 import jobs_pb2
from crm_gateway.app import create_app
from crm_gateway.long_work import turn_of
from crm_gateway.settings import Settings

from tests.service.bulk_changing import Jobs
from tests.service.customer.customers import new_account
from tests.service.kit.custom_fields import MULTI_SELECT, message_values, new_field, options
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


def bearer(user: User, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {user.token}", **more}


async def exported(web: httpx.AsyncClient, customer: Running, user: User, **asked: Any) -> str:
    """The path of an export that has ended."""
    begun = await web.post("/v1/accounts:export", json=asked, headers=bearer(user))
    assert begun.status_code == 200, begun.text
    ended = await Jobs(customer).ended(user, jobs_pb2.Job(id=begun.json()["id"]))
    assert ended.state == jobs_pb2.Job.STATE_SUCCEEDED, ended
    return f"/v1/jobs/accounts/{ended.id}"


@pytest.fixture
async def full(customer: Running, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant with accounts of all kinds of values, of which exports are made in several parts."""
    monkeypatch.setattr("crm_kit.exports.exporting.PART_BYTES", 1500)
    await new_field(customer, user, key="lines", type=MULTI_SELECT, options=options("steel", "power"))
    for at in range(5):
        await new_account(
            customer,
            user,
            display_name="=1+1" if at == 3 else f"客户 {at}",
            phone_numbers=["+8613800138000", "+8613800138001"],
            employee_count=at,
            addresses=[accounts_pb2.Address(region_code="CN-GD", city="深圳")],
            custom=message_values({"lines": ["steel", "power"]}),
        )


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("language", ["", "zh", "en"])
async def test_the_file_is_the_same_that_a_direct_export_gives(
    web: httpx.AsyncClient, customer: Running, user: User, language: str
) -> None:
    """The oracle is the export that is answered while it is made."""
    accepts = {"accept-language": language} if language else {}
    columns = ["display_name", "custom.lines", "addresses.city", "create_time", "employee_count"]
    for fields in ([], columns):
        asked: dict[str, Any] = {"order_by": "create_time", "filter": "employee_count < 5"}
        job = await exported(web, customer, user, **asked, fields=fields, language=language)
        own = await web.get(f"{job}:download", headers=bearer(user))
        query = asked | ({"fields": ",".join(fields)} if fields else {})
        direct = await web.get("/v1/accounts:export", params=query, headers=bearer(user, **accepts))
        assert (own.status_code, direct.status_code) == (200, 200)
        assert own.content == direct.content
        assert own.headers["content-type"] == direct.headers["content-type"]
    rows = list(csv.reader(io.StringIO(own.content.decode("utf-8-sig"))))
    assert [row[0] for row in rows[1:]] == ["客户 0", "客户 1", "客户 2", "'=1+1", "客户 4"]


@pytest.mark.usefixtures("full")
async def test_a_workbook_has_cells_of_their_kind(web: httpx.AsyncClient, customer: Running, user: User) -> None:
    job = await exported(
        web, customer, user, order_by="create_time", format="XLSX", fields=["display_name", "employee_count"]
    )
    response = await web.get(f"{job}:download", headers=bearer(user))
    assert response.headers["content-disposition"] == 'attachment; filename="accounts.xlsx"'
    rows = openpyxl.load_workbook(io.BytesIO(response.content)).worksheets[0].iter_rows(values_only=True)
    assert list(rows)[4] == ("=1+1", 3)
    head = await web.head(f"{job}:download", headers=bearer(user))
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.usefixtures("full")
async def test_a_link_reads_the_file_without_a_token_and_nothing_else(
    web: httpx.AsyncClient, customer: Running, user: User
) -> None:
    job = await exported(web, customer, user, fields=["display_name", "custom.lines"], language="zh")
    link = (await web.get(f"{job}:link", headers=bearer(user))).json()["path"]
    with_token = await web.get(f"{job}:download", headers=bearer(user))
    by_link = await web.get(link)
    assert (by_link.status_code, by_link.content) == (200, with_token.content)
    other = await exported(web, customer, user, fields=["display_name"])
    bent = link[:-10] + ("A" if link[-10] != "A" else "B") + link[-9:]
    for path in (link.replace(job, other), bent, f"{job}:download?link=x"):
        refused = await web.get(path)
        assert (refused.status_code, refused.json()["reason"]) == (422, "EXPORT_LINK_INVALID")
    assert (await web.get(f"{job}:download")).status_code == 401


async def test_a_file_is_deleted_over_rest_and_its_links_lead_nowhere(
    web: httpx.AsyncClient, customer: Running, user: User
) -> None:
    job = await exported(web, customer, user)
    link = (await web.get(f"{job}:link", headers=bearer(user))).json()["path"]
    deleted = await web.delete(f"{job}/file", headers=bearer(user))
    assert (deleted.status_code, deleted.content) == (204, b"")
    answers = [await web.get(f"{job}:download", headers=bearer(user)), await web.get(link)]
    answers.append(await web.delete(f"{job}/file", headers=bearer(user)))
    assert [(each.status_code, each.json()["reason"]) for each in answers] == [(404, "EXPORT_NOT_FOUND")] * 3
    told = (await web.get(job, headers=bearer(user))).json()
    assert (told["state"], told["expire_time"]) == ("SUCCEEDED", None)
    assert told["file_delete_time"] >= told["finish_time"]


@pytest.mark.usefixtures("full")
async def test_a_file_that_is_read_by_a_link_takes_of_the_share_of_its_tenant(
    web: httpx.AsyncClient, customer: Running, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[str] = []

    def turn(tenant_id: str) -> asyncio.Semaphore:
        turns.append(tenant_id)
        return turn_of(tenant_id)

    job = await exported(web, customer, user)
    link = (await web.get(f"{job}:link", headers=bearer(user))).json()["path"]
    monkeypatch.setattr("crm_gateway.routes.export.turn_of", turn)
    assert (await web.get(link)).status_code == 200
    # Whose it is says the first part, which is read before.
    assert set(turns[1:]) == {str(user.tenant_id)}


async def test_the_path_of_exports_takes_get_and_post(web: httpx.AsyncClient, user: User) -> None:
    refused = await web.delete("/v1/accounts:export", headers=bearer(user))
    assert refused.status_code == 405
    assert refused.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    preflight = {"origin": "http://console", "access-control-request-method": "GET"}
    assert (await web.options("/v1/accounts:export", headers=preflight)).headers["allow"] == "GET, HEAD, OPTIONS, POST"
    unknown = await web.get("/v1/nothing:export", headers=bearer(user))
    assert unknown.status_code == 404
    id = "0199d5c8-7a31-7c4b-9d5e-2f6a8b1c3d4e"
    assert (await web.get(f"/v1/jobs/nothing/{id}:download", headers=bearer(user))).status_code == 404

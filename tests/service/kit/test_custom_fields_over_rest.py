"""Custom fields as front ends see them: over REST, on accounts."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from crm_gateway.app import create_app
from crm_gateway.settings import Settings

from tests.service.running import Running, User

ACCOUNT = {"kind": "ORGANIZATION", "display_name": "华信电力有限公司"}
LABEL = {"zh": "合同编号", "en": "Contract number"}


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
async def web(customer: Running, user: User) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway in front of the service, called as the user."""
    gateway = create_app(Settings(customer_address=customer.service.settings.listen_address))
    transport = httpx.ASGITransport(app=gateway.asgi)
    headers = {"authorization": f"Bearer {user.token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
        yield client
    await gateway.close()


async def made(web: httpx.AsyncClient, path: str, content: dict[str, Any]) -> Any:
    response = await web.post(path, json=content)
    assert response.status_code == 201, response.text
    return response.json()


async def test_a_field_is_defined_used_and_put_away(web: httpx.AsyncClient) -> None:
    fields = "/v1/custom-fields/accounts"
    field = await made(web, fields, {"key": "contract_no", "type": "TEXT", "label": LABEL, "unique": True})
    assert (field["collection"], field["state"], field["options"]) == ("accounts", "ACTIVE", [])
    await made(web, fields, {"key": "area", "type": "NUMBER", "label": {"en": "Floor area"}})
    assert [each["key"] for each in (await web.get(fields)).json()["custom_fields"]] == ["contract_no", "area"]
    account = await made(web, "/v1/accounts", {**ACCOUNT, "custom": {"contract_no": "A-1", "area": 120.5}})
    assert account["custom"] == {"contract_no": "A-1", "area": "120.5"}
    path = f"/v1/accounts/{account['id']}"
    assert (await web.patch(path, json={"custom": {"area": "121"}})).json()["custom"] == {
        "contract_no": "A-1",
        "area": "121",
    }
    # An answer may be sent back as it came.
    current = (await web.get(path)).json()
    assert (await web.patch(path, json=current)).json() == current
    assert (await web.patch(path, json={"custom": {"area": None}})).json()["custom"] == {"contract_no": "A-1"}
    found = await web.get("/v1/accounts", params={"filter": 'custom.contract_no = "A-1"', "order_by": "custom.area"})
    assert [each["id"] for each in found.json()["accounts"]] == [account["id"]]
    archived = await web.post(f"{fields}/{field['id']}:archive", json={})
    assert (archived.json()["record_count"], archived.json()["custom_field"]["state"]) == (1, "ARCHIVED")
    await web.patch(path, json={"custom": {"area": "7"}})
    # All values are cleared but those that are put away, which are not shown; naming one of these is refused.
    assert (await web.patch(path, json={"custom": None})).json()["custom"] == {}
    assert (await web.patch(path, json={"custom": {"contract_no": None}})).status_code == 422
    assert (await web.post(f"{fields}/{field['id']}:restore", json={})).json()["state"] == "ACTIVE"
    assert (await web.get(path)).json()["custom"] == {"contract_no": "A-1"}
    assert (await web.patch(path, json={"custom": None})).json()["custom"] == {}


async def test_a_tenant_without_custom_fields_has_none_of_it(web: httpx.AsyncClient) -> None:
    account = await made(web, "/v1/accounts", ACCOUNT)
    assert account["custom"] == {}
    refused = await web.post("/v1/accounts", json={**ACCOUNT, "custom": {"contract_no": "A-1"}})
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert (error["field"], error["rule"]) == ("custom.contract_no", "unknown_field")


async def test_what_is_wrong_is_told_in_the_language_of_the_caller(web: httpx.AsyncClient) -> None:
    fields = "/v1/custom-fields/accounts"
    await made(web, fields, {"key": "contract_no", "type": "TEXT", "label": LABEL, "unique": True})
    await made(web, fields, {"key": "signed", "type": "DATE", "label": LABEL})
    await made(web, "/v1/accounts", {**ACCOUNT, "custom": {"contract_no": "A-1"}})
    chinese = {"accept-language": "zh-CN"}
    taken = await web.post("/v1/accounts", json={**ACCOUNT, "custom": {"contract_no": "A-1"}}, headers=chinese)
    assert (taken.status_code, taken.json()["reason"]) == (409, "CUSTOM_FIELD_VALUE_TAKEN")
    assert taken.json()["title"] == "该值已被其他记录使用"
    assert taken.json()["errors"][0]["field"] == "custom.contract_no"
    wrong = await web.post("/v1/accounts", json={**ACCOUNT, "custom": {"signed": "tomorrow"}}, headers=chinese)
    assert wrong.json()["errors"][0]["detail"] == "不是有效日期"


async def test_a_list_goes_on_to_its_end_though_the_field_of_its_order_is_neither_shown_nor_set(
    web: httpx.AsyncClient,
) -> None:
    await made(web, "/v1/custom-fields/accounts", {"key": "area", "type": "NUMBER", "label": LABEL})
    for name, value in (("a", None), ("b", "2"), ("c", None), ("d", "1"), ("e", "1")):
        await made(web, "/v1/accounts", ACCOUNT | {"display_name": name, "custom": {"area": value}})
    params = {"fields": "display_name", "page_size": "2"}
    for order, names in (("custom.area", "debac"), ("custom.area desc", "bedca"), ("last_contact_time", "abcde")):
        found, token = "", ""
        while token is not None:
            asked = {**params, "order_by": order, **({"page_token": token} if token else {})}
            page = (await web.get("/v1/accounts", params=asked)).json()
            found += "".join(each["display_name"] for each in page["accounts"])
            token = page["next_page_token"]
        assert found == names


async def test_of_a_unique_field_any_number_of_records_have_no_value(web: httpx.AsyncClient) -> None:
    field = {"key": "contract_no", "type": "TEXT", "label": LABEL, "unique": True}
    await made(web, "/v1/custom-fields/accounts", field)
    for custom in ({"contract_no": ""}, {"contract_no": None}, {}, {"contract_no": ""}):
        assert (await made(web, "/v1/accounts", ACCOUNT | {"custom": custom}))["custom"] == {}

"""Metadata and the values in use over REST, for people of a real directory."""

from collections.abc import AsyncIterator

import httpx
import pytest
from crm_gateway.app import create_app
from crm_gateway.settings import Settings
from crm_kit.identity.access import Scope

from tests.service.customer.companies import Company
from tests.service.customer.customers import new_account
from tests.service.running import Running, User


@pytest.fixture
async def web(customer: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway in front of the service."""
    gateway = create_app(Settings(customer_address=customer.service.settings.listen_address))
    transport = httpx.ASGITransport(app=gateway.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client
    await gateway.close()


def bearer(user: User) -> dict[str, str]:
    return {"authorization": f"Bearer {user.token}"}


async def test_everybody_is_told_what_their_own_roles_grant(web: httpx.AsyncClient, company: Company) -> None:
    reader = company.acting(await company.user(await company.role(accounts_read=Scope.TEAM)))
    told = await web.get("/v1/metadata/accounts", headers=bearer(reader))
    assert told.json()["grants"] == [{"permission": "accounts.read", "scope": "TEAM"}]
    tag = {"if-none-match": told.headers["etag"]}
    assert (await web.get("/v1/metadata/accounts", headers=bearer(reader) | tag)).status_code == 304
    admins = await web.get("/v1/metadata/accounts", headers=bearer(company.admin) | tag)
    assert {each["scope"] for each in admins.json()["grants"]} == {"ALL"}
    assert admins.json()["fields"] == told.json()["fields"]


async def test_only_what_is_asked_for_is_told_with_an_etag_of_its_own(web: httpx.AsyncClient, company: Company) -> None:
    headers = bearer(company.admin)
    whole = await web.get("/v1/metadata", headers=headers)
    asked = {"fields": "name,label,fields.name,fields.values"}
    told = await web.get("/v1/metadata", params=asked, headers=headers)
    assert told.json()["collections"] == [
        {
            "name": each["name"],
            "label": each["label"],
            "fields": [{"name": field["name"], "values": field["values"]} for field in each["fields"]],
        }
        for each in whole.json()["collections"]
    ]
    tag = {"if-none-match": told.headers["etag"]}
    assert (await web.get("/v1/metadata", params=asked, headers=headers | tag)).status_code == 304
    assert (await web.get("/v1/metadata", headers=headers | tag)).status_code == 200
    names = await web.get("/v1/metadata/accounts", params={"fields": "fields.name"}, headers=headers)
    assert names.json()["fields"][0] == {"name": "id"}
    for params in ({"fields": "colour"}, {"fields": "name,name"}, {"include": "owner"}):
        refused = await web.get("/v1/metadata", params=params, headers=headers)
        assert (refused.status_code, len(refused.json()["errors"])) == (400, 1)


async def test_metadata_is_small_on_the_wire(web: httpx.AsyncClient, company: Company) -> None:
    headers = bearer(company.admin) | {"accept-encoding": "gzip"}
    whole = await web.get("/v1/metadata", headers=headers)
    assert whole.headers["content-encoding"] == "gzip"
    # Each room adds its collections: it is what one of them takes that stays small.
    assert int(whole.headers["content-length"]) < 2_000 * len(whole.json()["collections"])
    some = {"fields": "name,label,list_path,grants"}
    short = await web.get("/v1/metadata", params=some, headers=headers)
    assert int(short.headers["content-length"]) < 4_000


async def test_a_tenants_own_fields_stand_behind_those_of_the_contract(
    web: httpx.AsyncClient, customer: Running, company: Company
) -> None:
    label, options = {"zh": "等级"}, [{"key": key, "label": {"en": key, "zh": key}} for key in ("A", "B")]
    levels = {"key": "level", "type": "SINGLE_SELECT", "label": label, "options": options, "required": True}
    for field in (levels, {"key": "area", "type": "NUMBER", "label": {"en": "Floor area", "zh": "面积"}}):
        made = await web.post("/v1/custom-fields/accounts", json=field, headers=bearer(company.admin))
        assert made.status_code == 201, made.text
    told = await web.get("/v1/metadata/accounts", headers=bearer(company.admin))
    level, area = told.json()["fields"][-2:]
    assert (level["name"], level["type"], level["required"]) == ("custom.level", "ENUM", True)
    assert level["label"] == {"en": "等级", "zh": "等级"}
    assert [each["value"] for each in level["values"]] == ["A", "B"]
    assert (area["name"], area["type"], area["label"]) == ("custom.area", "DECIMAL", {"en": "Floor area", "zh": "面积"})
    assert all(each["filterable"] and each["sortable"] and each["changeable"] for each in (level, area))
    assert [(each["groupable"], each["summable"]) for each in (level, area)] == [(True, False), (True, True)]
    blind = company.acting(await company.user(await company.role(leads_read=Scope.ALL)))
    unseen = (await web.get("/v1/metadata/accounts", headers=bearer(blind))).json()["fields"]
    assert unseen == told.json()["fields"][:-2]


async def test_a_token_that_does_not_hold_reads_no_metadata(web: httpx.AsyncClient) -> None:
    answer = await web.get("/v1/metadata", headers={"authorization": "Bearer abc.def.ghi"})
    assert (answer.status_code, answer.json()["reason"]) == (401, "UNAUTHENTICATED")


async def test_the_values_that_metadata_calls_facetable_are_counted(
    web: httpx.AsyncClient, customer: Running, company: Company
) -> None:
    await new_account(customer, company.admin, industry="steel", tags=["vip"])
    metadata = (await web.get("/v1/metadata/accounts", headers=bearer(company.admin))).json()
    for field in metadata["fields"]:
        answer = await web.get("/v1/accounts:facets", params={"field": field["name"]}, headers=bearer(company.admin))
        assert answer.status_code == (200 if field["facetable"] else 422), answer.text
    answer = await web.get("/v1/accounts:facets", params={"field": "industry"}, headers=bearer(company.admin))
    assert answer.json() == {
        "values": [{"value": "steel", "count": 1, "name": None}],
        "unset_count": 0,
        "total_count": 1,
        "truncated": False,
        "exact": True,
    }


async def test_a_field_that_has_no_values_to_offer_is_refused_by_name(web: httpx.AsyncClient, company: Company) -> None:
    answer = await web.get("/v1/accounts:facets", params={"field": "emails"}, headers=bearer(company.admin))
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"], error["rule"]) == (422, "field", "facet")
    chinese = await web.get(
        "/v1/accounts:facets", params={"field": "emails"}, headers=bearer(company.admin) | {"accept-language": "zh"}
    )
    assert "industry" in chinese.json()["errors"][0]["detail"]

"""The 360 page while processes of the real platform die: it answers, and says what is missing."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from crm_local.testing import Platform

from tests.e2e.story.people import Person, sign_in

pytestmark = pytest.mark.platform

OWNED = {
    "customer": {"account", "contacts", "timeline"},
    "sales": {"open_opportunities", "recent_orders"},
    "service_desk": {"open_cases"},
    "scoring": {"scores", "credit"},
}


@pytest.fixture(scope="module")
async def person(platform: Platform) -> AsyncIterator[Person]:
    async with httpx.AsyncClient(base_url=platform.rest_url, timeout=30) as http:
        login = platform.demo_login
        yield await sign_in(http, "The administrator", login["login"], login["password"])


@pytest.fixture(scope="module")
async def path(person: Person) -> str:
    account = await person.post("/v1/accounts", {"kind": "ORGANIZATION", "display_name": "Beizhan Steel"})
    page = f"/v1/accounts/{account['id']}/360"
    await person.until(page, whole, "all services know the account")
    return page


def whole(page: Any) -> bool:
    return bool(page["missing"] == [])


@pytest.mark.parametrize("service", OWNED)
async def test_whichever_service_is_killed_the_page_answers_without_its_parts(
    platform: Platform, person: Person, path: str, service: str
) -> None:
    platform.kill(service)
    page = await person.get(path)
    assert {entry["service"] for entry in page["missing"]} == {service}
    assert {entry["part"] for entry in page["missing"]} == OWNED[service]
    assert {name for name in set().union(*OWNED.values()) if page[name] is None} == OWNED[service]
    await platform.ready(service)
    await person.until(path, whole, f"{service} is back")


async def test_a_colleague_without_the_rights_for_a_part_gets_the_others(platform: Platform, path: str) -> None:
    login = platform.demo_login
    async with httpx.AsyncClient(base_url=platform.rest_url, timeout=30) as http:
        agent = await sign_in(http, "Service agent", "service.agent@demo.example", login["password"])
        page = await agent.get(path)
    assert {(entry["part"], entry["reason"]) for entry in page["missing"]} == {
        ("credit", "PERMISSION_DENIED"),
        ("open_opportunities", "PERMISSION_DENIED"),
    }
    assert page["account"]["display_name"] == "Beizhan Steel"


async def test_who_may_not_know_the_account_is_told_nothing(platform: Platform, path: str) -> None:
    async with httpx.AsyncClient(base_url=platform.rest_url, timeout=30) as http:
        rep = await sign_in(http, "Salesperson north", "sales.north@demo.example", platform.demo_login["password"])
        hidden = await rep.send("GET", path)
        unknown = await rep.send("GET", path.replace(path[14:18], "0000"))
    assert (hidden.status_code, hidden.json()["reason"]) == (404, "ACCOUNT_NOT_FOUND")
    assert hidden.json().keys() == unknown.json().keys()
    assert hidden.json()["detail"] == unknown.json()["detail"]

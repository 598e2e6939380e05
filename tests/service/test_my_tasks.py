"""What somebody is to do, of all services in one list, whichever of them is there."""

import orjson
import pytest
from crm_gateway.__main__ import openapi_text
from crm_kit.identity.access import Scope

from tests.conformity import Document
from tests.factories.places import SERVICES, TASKS
from tests.service.examples import EXAMPLES, World
from tests.service.running import User
from tests.service.test_waiting_approvals import as_user, gateway_to

URL = "/v1/tasks"


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> World:
    """All services that the contract names."""
    return World({name: request.getfixturevalue(name) for name in SERVICES})


async def given(world: World, user: User, *collections: str) -> list[tuple[str, str]]:
    """Tasks of these collections, as paths have them, that are the user's, each due a day before the one before."""
    found = []
    async with gateway_to(world) as web:
        for at, collection in enumerate(collections):
            id = await EXAMPLES[f"{TASKS}/{collection}"].make(world, user)
            values = {"assignee_id": str(user.id), "due_date": f"2031-01-{28 - at:02}"}
            changed = await web.patch(f"{URL}/{collection}/{id}", json=values, headers=as_user(user))
            assert changed.status_code == 200, changed.text
            found.append((collection, id))
    return found


async def test_what_is_due_first_comes_first_whichever_service_has_it_page_by_page(world: World) -> None:
    user = await world.user(await world.tenant())
    tasks = await given(world, user, "accounts", "orders", "cases", "credit-limits")
    ids = [id for _, id in reversed(tasks)]
    async with gateway_to(world) as web:
        answer = await web.get(URL, headers=as_user(user))
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert [each["id"] for each in found["tasks"]] == ids
        assert [each["collection"] for each in found["tasks"]] == ["credit_limits", "cases", "orders", "accounts"]
        assert (found["next_page_token"], found["missing"]) == (None, [])
        document = Document(orjson.loads(openapi_text()))
        assert list(document.wrong_with("GET", URL, 200, found)) == []
        seen, token = [], ""
        while token is not None:
            asked = {"page_size": "1", "page_token": token}
            page = (await web.get(URL, params=asked, headers=as_user(user))).json()
            seen += [each["id"] for each in page["tasks"]]
            token = page["next_page_token"]
        assert seen == ids
        some = await web.get(URL, params={"filter": "due_date < 2031-01-27"}, headers=as_user(user))
        assert [each["id"] for each in some.json()["tasks"]] == ids[:2]
        counts = await web.get(f"{URL}:count", headers=as_user(user))
        assert counts.json() == {"open_count": 4, "overdue_count": 0, "today_count": 0, "missing": []}
        assert list(document.wrong_with("GET", f"{URL}:count", 200, counts.json())) == []
        done = f"{URL}/cases/{tasks[2][1]}:complete"
        assert (await web.post(done, json={}, headers=as_user(user))).status_code == 200
        left = (await web.get(URL, headers=as_user(user))).json()["tasks"]
        assert [each["id"] for each in left] == [ids[0], *ids[2:]]


async def test_a_service_that_does_not_answer_is_named_and_the_rest_is_there(world: World) -> None:
    user = await world.user(await world.tenant())
    (_, id), _ = await given(world, user, "accounts", "orders")
    missing = [{"service": "sales", "reason": "UNAVAILABLE"}]
    async with gateway_to(world, down=("sales",)) as web:
        found = (await web.get(URL, headers=as_user(user))).json()
        assert ([each["id"] for each in found["tasks"]], found["missing"]) == ([id], missing)
        counted = (await web.get(f"{URL}:count", headers=as_user(user))).json()
        assert (counted["open_count"], counted["missing"]) == (1, missing)
    async with gateway_to(world, down=SERVICES) as web:
        for url in (URL, f"{URL}:count"):
            assert (await web.get(url, headers=as_user(user))).status_code == 503


async def test_nobody_is_shown_what_they_may_not_read_and_what_asks_wrongly_is_told_so(world: World) -> None:
    tenant_id = await world.tenant()
    caller = await world.user(tenant_id, grants={"accounts.read": Scope.ALL})
    async with gateway_to(world) as web:
        empty = await web.get(URL, headers=as_user(caller))
        assert empty.json() == {"tasks": [], "next_page_token": None, "missing": []}
        for url in (URL, f"{URL}:count"):
            assert (await web.get(url)).status_code == 401
        for params, field in (
            ({"nothing": "3"}, "nothing"),
            ({"page_size": "x"}, "page_size"),
            ({"page_size": "201"}, "page_size"),
            ({"page_token": "x"}, "page_token"),
        ):
            wrong = await web.get(URL, params=params, headers=as_user(caller))
            assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, field), wrong.text
        wrong = await web.get(URL, params={"filter": "nothing = 1"}, headers=as_user(caller))
        assert (wrong.status_code, wrong.json()["reason"]) == (422, "INVALID_FILTER")

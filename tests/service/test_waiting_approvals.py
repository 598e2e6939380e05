"""What waits for somebody's decision, of all services in one list, whichever of them is there."""

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx
import orjson
import pytest
from crm_gateway.__main__ import openapi_text
from crm_gateway.app import create_app
from crm_gateway.routes import approvals
from crm_gateway.settings import Settings
from crm_kit.identity.access import Scope

from tests.conformity import Document
from tests.factories.places import APPROVALS, SERVICES
from tests.service.examples import EXAMPLES, World
from tests.service.running import User

URL = "/v1/approvals"


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> World:
    """All services that the contract names."""
    return World({name: request.getfixturevalue(name) for name in SERVICES})


@contextlib.asynccontextmanager
async def gateway_to(world: World, *, down: tuple[str, ...] = ()) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway that finds nobody where the services are that are down."""
    addresses: dict[str, Any] = {
        f"{name}_address": "127.0.0.1:1" if name in down else each.service.settings.listen_address
        for name, each in world.services.items()
    }
    gateway = create_app(Settings(**addresses))
    transport = httpx.ASGITransport(app=gateway.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client
    await gateway.close()


def as_user(user: User) -> dict[str, str]:
    return {"authorization": f"Bearer {user.token}"}


async def boss_of(world: World, tenant: User) -> User:
    """Whom the examples ask."""
    return await world.known(f"all of {tenant.tenant_id}", lambda: world.user(tenant.tenant_id))


async def submitted(world: World, user: User, *collections: str) -> list[str]:
    return [await EXAMPLES[f"{APPROVALS}/{each}"].make(world, user) for each in collections]


async def test_the_oldest_of_all_collections_comes_first_whichever_service_has_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await world.user(await world.tenant())
    ids = await submitted(world, user, "credit-limits", "orders", "credit-limits")
    boss = await boss_of(world, user)
    async with gateway_to(world) as web:
        answer = await web.get(URL, headers=as_user(boss))
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert [each["id"] for each in found["approvals"]] == ids
        assert [each["collection"] for each in found["approvals"]] == ["credit_limits", "orders", "credit_limits"]
        times = [datetime.fromisoformat(each["create_time"]) for each in found["approvals"]]
        assert times == sorted(times)
        assert (found["more"], found["missing"]) == ([], [])
        assert list(Document(orjson.loads(openapi_text())).wrong_with("GET", URL, 200, found)) == []
        # Nobody decides on what they have submitted.
        assert (await web.get(URL, headers=as_user(user))).json()["approvals"] == []
        approve = f"{URL}/credit-limits/{ids[0]}:approve"
        assert (await web.post(approve, json={}, headers=as_user(boss))).status_code == 200
        assert [each["id"] for each in (await web.get(URL, headers=as_user(boss))).json()["approvals"]] == ids[1:]
        one = await web.get(
            URL, params={"filter": f'record_id = "{found["approvals"][1]["record_id"]}"'}, headers=as_user(boss)
        )
        assert [each["id"] for each in one.json()["approvals"]] == ids[1:2]
        wrong = await web.get(URL, params={"filter": "nothing = 1"}, headers=as_user(boss))
        assert (wrong.status_code, wrong.json()["reason"]) == (422, "INVALID_FILTER")
        monkeypatch.setattr(approvals, "MAX_APPROVALS", 1)
        cut = (await web.get(URL, headers=as_user(boss))).json()
        assert ([each["id"] for each in cut["approvals"]], cut["more"]) == (ids[1:2], ["credit-limits"])


async def test_a_service_that_does_not_answer_is_named_and_the_rest_is_there(world: World) -> None:
    user = await world.user(await world.tenant())
    of_credit, _ = await submitted(world, user, "credit-limits", "orders")
    boss = await boss_of(world, user)
    async with gateway_to(world, down=("sales",)) as web:
        found = (await web.get(URL, headers=as_user(boss))).json()
        assert [each["id"] for each in found["approvals"]] == [of_credit]
        of_sales = {"service": "sales", "reason": "UNAVAILABLE"}
        assert found["missing"] == [{"collection": each} | of_sales for each in ("orders", "quotes")]
    async with gateway_to(world, down=("sales", "scoring")) as web:
        assert (await web.get(URL, headers=as_user(boss))).status_code == 503


async def test_what_somebody_may_not_read_does_not_wait_for_them(world: World) -> None:
    tenant_id = await world.tenant()
    caller = await world.user(tenant_id, grants={"accounts.read": Scope.ALL})
    async with gateway_to(world) as web:
        empty = await web.get(URL, headers=as_user(caller))
        assert empty.json() == {"approvals": [], "more": [], "missing": []}
        assert (await web.get(URL)).status_code == 401
        wrong = await web.get(URL, params={"page_size": "3"}, headers=as_user(caller))
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "page_size")

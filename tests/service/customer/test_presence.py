"""Who else is at a record, told by several gateways alike, to who may read it and to nobody else."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from crm_gateway.presence.board import LASTS_SECONDS
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_local.testing import Servers

from tests.service.customer.companies import Company, open_company
from tests.service.customer.customers import new_account
from tests.service.eventually import eventually
from tests.service.running import Running, User
from tests.service.streaming import Listening, listening
from tests.service.web import bearer


@dataclass
class Door:
    """A gateway, with the clock by which it forgets who is silent."""

    gateway: Listening
    client: httpx.AsyncClient
    now: float = 1000.0

    def clock(self) -> float:
        return self.now

    async def says(self, user: User, path: str, activity: str = "VIEWING", **body: Any) -> httpx.Response:
        return await self.client.post(path, json={"activity": activity, **body}, headers=bearer(user))

    async def seen(self, user: User, path: str) -> list[tuple[str, str]]:
        answer = await self.client.get(path, headers=bearer(user))
        assert answer.status_code == 200, answer.text
        return [(each["user_id"], each["activity"]) for each in answer.json()["present"]]


@pytest.fixture
async def doors(servers: Servers, customer: Running) -> AsyncIterator[tuple[Door, Door]]:
    async with contextlib.AsyncExitStack() as stack:
        made = []
        for _ in range(2):
            gateway = await stack.enter_async_context(listening(servers, customer))
            stack.push_async_callback(gateway.gateway.presence.close)
            client = await stack.enter_async_context(httpx.AsyncClient(base_url=gateway.url))
            door = Door(gateway, client)
            gateway.gateway.presence.clock = door.clock
            made.append(door)
        yield made[0], made[1]


async def test_two_who_look_at_a_record_through_two_gateways_see_each_other_until_they_are_silent(
    customer: Running, company: Company, doors: tuple[Door, Door]
) -> None:
    one = company.admin
    two = company.acting(await company.user(await company.role(accounts_read=Scope.ALL)))
    first, second = doors
    path = f"/v1/accounts/{(await new_account(customer, one)).id}:present"
    # Each gateway listens from its first request on.
    assert await first.seen(one, path) == await second.seen(two, path) == []
    answer = await first.says(one, path, "EDITING", client_id="tab-1")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"present": [], "beat_seconds": 10, "lasts_seconds": 30}
    assert answer.headers["cache-control"] == "no-store"

    async def is_seen() -> bool:
        return await second.seen(two, path) == [(str(one.id), "EDITING")]

    await eventually(is_seen)
    answer = await second.says(two, path)
    (shown,) = answer.json()["present"]
    assert (shown["user_id"], bool(shown["user_name"])) == (str(one.id), True)

    async def sees_the_other() -> bool:
        return await first.seen(one, path) == [(str(two.id), "VIEWING")]

    await eventually(sees_the_other)
    first.now += LASTS_SECONDS - 1
    assert await first.seen(one, path) == [(str(two.id), "VIEWING")]
    first.now += 1
    assert await first.seen(one, path) == []
    # The clock of the other stands still: it is told at once that somebody has left.
    assert await second.seen(two, path) == [(str(one.id), "EDITING")]
    await first.says(one, path, "LEFT", client_id="tab-1")

    async def is_gone() -> bool:
        return await second.seen(two, path) == []

    await eventually(is_gone)


async def test_who_may_not_read_a_record_neither_sees_who_is_there_nor_is_seen(
    customer: Running, company: Company, doors: tuple[Door, Door]
) -> None:
    owner, stranger = company.admin, (await open_company(customer)).admin
    narrow = company.acting(await company.user(await company.role(accounts_read=Scope.OWN)))
    none = company.acting(await company.user(await company.role(contacts_read=Scope.ALL)))
    door, _ = doors
    path = f"/v1/accounts/{(await new_account(customer, owner)).id}:present"
    await door.says(owner, path)
    for user, status in ((narrow, 404), (stranger, 404), (none, 403)):
        said = await door.says(user, path)
        asked = await door.client.get(path, headers=bearer(user))
        assert [said.status_code, asked.status_code] == [status, status], (user, said.text)
        # As where there is no such record.
        absent = await door.says(user, f"/v1/accounts/{new_id()}:present")
        assert (absent.status_code, absent.json()["reason"]) == (status, said.json()["reason"])
    assert await door.seen(owner, path) == []
    assert (await door.client.post(path, json={"activity": "VIEWING"})).status_code == 401
    for wrong, status in ((f"/v1/roles/{new_id()}:present", 404), (f"/v1/nothing/{new_id()}:present", 404)):
        assert (await door.says(owner, wrong)).status_code == status
    refused = await door.says(owner, path, "DANCING")
    assert (refused.status_code, [each["field"] for each in refused.json()["errors"]]) == (400, ["activity"])

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
from tests.service.streaming import Listening, Reader, listening, reading
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


async def shown_on(stream: Reader) -> tuple[str, list[tuple[str, str]]]:
    """The next record of which a stream tells who is there, and who that is."""
    told = (await stream.until("presence"))[-1].data
    return told["record_id"], [(each["user_id"], each["activity"]) for each in told["present"]]


async def test_who_is_at_a_record_is_told_on_their_streams_when_others_come_edit_and_go(
    customer: Running, company: Company, doors: tuple[Door, Door]
) -> None:
    one = company.admin
    two = company.acting(await company.user(await company.role(accounts_read=Scope.ALL)))
    first, second = doors
    account = await new_account(customer, one)
    path = f"/v1/accounts/{account.id}:present"
    async with reading(second.gateway, two) as stream:
        await stream.until("ready")
        await second.says(two, path)
        assert await shown_on(stream) == (account.id, [])
        assert "id" not in (await first.says(one, path, client_id="1")).json()
        assert await shown_on(stream) == (account.id, [(str(one.id), "VIEWING")])
        # The same again is nothing new; another window is, where it edits.
        await first.says(one, path, client_id="1")
        await first.says(one, path, "EDITING", client_id="2")
        assert await shown_on(stream) == (account.id, [(str(one.id), "EDITING")])
        await first.says(one, path, "LEFT", client_id="2")
        assert await shown_on(stream) == (account.id, [(str(one.id), "VIEWING")])
        # Nobody says a word any more but who reads the stream.
        second.now += LASTS_SECONDS - 1
        await second.says(two, path)
        second.now += 1
        assert await shown_on(stream) == (account.id, [])


async def test_presence_is_told_to_nobody_who_is_not_there_may_not_read_the_record_or_wants_something_else(
    customer: Running, company: Company, doors: tuple[Door, Door]
) -> None:
    one = company.admin
    role = await company.role(accounts_read=Scope.OWN)
    reader = company.acting(await company.user(role))
    door, _ = doors
    elsewhere, taken, own = [(await new_account(customer, one, owner_id=str(reader.id))).id for _ in range(3)]
    async with (
        reading(door.gateway, reader, types="presence") as stream,
        reading(door.gateway, reader, types="account.updated") as other,
    ):
        for each in (stream, other):
            await each.until("ready")
        for id in (taken, own):
            await door.says(reader, f"/v1/accounts/{id}:present")
            assert await shown_on(stream) == (id, [])
        given = await door.client.patch(
            f"/v1/accounts/{taken}", json={"owner_id": str(one.id)}, headers={**bearer(one), "if-match": "*"}
        )
        assert given.status_code == 200, given.text
        for id in (elsewhere, taken, own):
            await door.says(one, f"/v1/accounts/{id}:present", "EDITING")
        assert await shown_on(stream) == (own, [(str(one.id), "EDITING")])
        changed = await door.client.patch(
            f"/v1/accounts/{own}", json={"short_name": "华信"}, headers={**bearer(one), "if-match": "*"}
        )
        assert changed.status_code == 200, changed.text
        assert {each.name for each in await other.until("account.updated")} == {"account.updated"}

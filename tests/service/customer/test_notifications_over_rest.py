"""Notifications as a console has them: in the language of who asks, as they happen, and nobody else's."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from crm_kit.ids import new_id
from crm_kit.notices import Kind
from crm_local.testing import Servers

from tests.service.customer.companies import open_company
from tests.service.customer.test_notifications import notice, tell
from tests.service.running import Running
from tests.service.streaming import Listening, listening, reading
from tests.service.web import bearer, gateway


@pytest.fixture
async def listener(servers: Servers, customer: Running) -> AsyncIterator[Listening]:
    async with listening(servers, customer, stream_heartbeat=0.05) as started:
        yield started


async def test_titles_are_in_the_language_of_who_asks(customer: Running) -> None:
    user = await customer.user()
    values = {"what_en": "Set credit limit", "what_zh": "核定额度", "outcome": "REJECTED"}
    raised = notice(user, record_id=new_id(), kind=Kind.NOTICE_KIND_APPROVAL_DECIDED, values=values)
    await tell(customer, user.tenant_id, raised)

    async def titles(language: str) -> list[Any]:
        headers = bearer(user) | {"accept-language": language}
        answer = await client.get("/v1/notifications?filter=read = false", headers=headers)
        return [each["title"] for each in answer.json()["notifications"]]

    async with gateway(customer) as client:
        assert await titles("en") == ["Rejected: Set credit limit"]
        assert await titles("zh-CN") == ["审批被拒绝：核定额度"]
        counted = await client.get("/v1/notifications:count?filter=read = false", headers=bearer(user))
        assert counted.json() == {"count": 1, "exact": True}


async def test_all_are_marked_until_what_was_seen_last(customer: Running) -> None:
    user = await customer.user()
    await tell(customer, user.tenant_id, notice(user, record_id=new_id()))
    async with gateway(customer) as client:
        listed = await client.get("/v1/notifications", headers=bearer(user))
        until = listed.json()["notifications"][0]["notice_time"]
        marked = await client.post(
            "/v1/notifications:markAllRead", headers=bearer(user), json={"until_time": until, "kind": "MENTIONED"}
        )
        assert marked.json() == {"marked_count": 1}


async def test_preferences_are_chosen_and_sent_back_as_they_came(customer: Running) -> None:
    user = await customer.user()
    url = "/v1/notification-preference"
    async with gateway(customer) as client:
        choices = [{"kind": "COMMENTED", "in_app": False, "mail": "NEVER"}]
        chosen = await client.patch(url, headers=bearer(user), json={"choices": choices})
        assert chosen.json()["choices"] == choices
        again = await client.patch(url, headers=bearer(user), json=chosen.json())
        assert (again.status_code, again.json()) == (200, chosen.json())
        assert (await client.get(url, headers=bearer(user))).json() == chosen.json()


async def test_a_stream_tells_the_user_alone(customer: Running, listener: Listening) -> None:
    company = await open_company(customer)
    user, administrator = company.acting(await company.user()), company.admin
    async with reading(listener, user) as own, reading(listener, administrator) as others:
        await tell(customer, user.tenant_id, notice(user, record_id=new_id()))
        (told,) = await own.told(1)
        assert (told.name, told.data["collection"]) == ("notification.created", "notifications")
        # What comes behind it is told to both: the notification was none of the other's.
        await tell(customer, user.tenant_id, notice(administrator, record_id=new_id()))
        (first,) = await others.told(1)
        assert first.name == "notification.created"
        assert first.data["record_id"] != told.data["record_id"]

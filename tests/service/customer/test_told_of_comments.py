"""From a comment to what people find: the notification, which says who and where and never what was said."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from crm_kit.identity.access import Scope

from tests.service.customer.customers import new_account
from tests.service.discussing import Talk
from tests.service.eventually import eventually
from tests.service.running import Running, User
from tests.service.web import bearer, gateway

NOTIFICATIONS = "/v1/notifications"


@pytest.fixture
async def web(customer: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(customer) as client:
        yield client


async def test_who_is_mentioned_and_whose_record_it_is_find_a_notification(
    web: httpx.AsyncClient, customer: Running
) -> None:
    owner = await customer.user(name="王芳")
    reader = {"accounts.read": Scope.ALL}
    author, mentioned = [await customer.user(owner.tenant_id, grants=reader, name=name) for name in ("李强", "赵敏")]
    account = await new_account(customer, owner)
    await Talk(customer, account.id).say(author, "a secret", mentioned_user_ids=[str(mentioned.id)])

    async def found(who: User, language: str = "en") -> list[dict[str, Any]]:
        answer = await web.get(NOTIFICATIONS, headers={**bearer(who), "accept-language": language})
        assert answer.status_code == 200, answer.text
        each: list[dict[str, Any]] = answer.json()["notifications"]
        return each

    async def both_are_told() -> bool:
        return bool(await found(mentioned)) and bool(await found(owner))

    await eventually(both_are_told)
    for who, kind in ((mentioned, "MENTIONED"), (owner, "COMMENTED")):
        (told,) = await found(who)
        assert (told["kind"], told["collection"], told["record_id"]) == (kind, "accounts", account.id)
        assert (told["record_title"], told["actor_name"]) == ("华信电力有限公司", "李强")
        assert "a secret" not in str(told)
        assert (await found(who, "zh"))[0]["title"] != told["title"]
    assert await found(author) == []

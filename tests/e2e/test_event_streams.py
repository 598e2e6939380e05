"""Streams of events on the real platform: sessions that end, and gateways that are killed."""

from collections.abc import AsyncIterator

import httpx
import pytest
from crm_local.testing import Platform

from tests.service.eventually import eventually
from tests.service.streaming import reading

pytestmark = pytest.mark.platform

SESSION = "/v1/auth/session"


@pytest.fixture
async def browser(platform: Platform) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=platform.rest_url, timeout=30) as client:
        yield client


async def token_of(browser: httpx.AsyncClient, platform: Platform) -> str:
    begun = await browser.post(SESSION, json=platform.demo_login)
    assert begun.status_code == 200, begun.text
    token: str = begun.json()["access_token"]
    browser.headers["authorization"] = f"Bearer {token}"
    return token


async def new_account(browser: httpx.AsyncClient, name: str) -> str:
    answer = await browser.post("/v1/accounts", json={"kind": "ORGANIZATION", "display_name": name})
    assert answer.status_code == 201, answer.text
    id: str = answer.json()["id"]
    return id


async def demo_is_whole(browser: httpx.AsyncClient) -> None:
    """What the demo tenant's feed has brought when it was made is in: nothing more comes of it."""

    async def is_in() -> bool:
        answer = await browser.get("/v1/feed-deliveries")
        assert answer.status_code == 200, answer.text
        states = {each["state"] for each in answer.json()["feed_deliveries"]}
        return bool(states) and states <= {"SUCCEEDED", "HELD"}

    await eventually(is_in)


async def test_who_signs_out_is_told_nothing_more(platform: Platform, browser: httpx.AsyncClient) -> None:
    token = await token_of(browser, platform)
    async with reading(platform.rest_url, token) as stream:
        await stream.until("ready")
        assert (await browser.delete(SESSION)).status_code == 204
        assert (await stream.until("expired"))[-1].data == {"reason": "SESSION_ENDED"}
        assert await stream.next() is None


async def test_a_reader_of_a_gateway_that_is_killed_goes_on_and_misses_nothing(
    platform: Platform, browser: httpx.AsyncClient
) -> None:
    token = await token_of(browser, platform)
    await demo_is_whole(browser)
    async with reading(platform.rest_url, token, types="account.created") as stream:
        await stream.until("ready")
        first = await new_account(browser, "Behind all that was before")
        while (await stream.told(1))[0].data["record_id"] != first:
            pass
        made = [await new_account(browser, f"Account {number}") for number in range(3)]
        told = await stream.told(1)
        last_id = stream.last_id
        platform.kill("gateway")
        with pytest.raises(httpx.TransportError):
            await stream.ends()
    await platform.ready("gateway")
    made += [await new_account(browser, f"Account {number}") for number in range(3, 6)]
    async with reading(platform.rest_url, token, last_id=last_id, types="account.created") as again:
        told += await again.told(5)
        made.append(await new_account(browser, "The last"))
        told += await again.told(1)
    assert [each.data["record_id"] for each in told] == made

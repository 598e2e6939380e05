"""A browser's session on the real platform: two tabs, a lost answer, and its end."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from crm_local.testing import Platform

pytestmark = pytest.mark.platform

URL = "/v1/auth/session"


@pytest.fixture
async def browser(platform: Platform) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=platform.rest_url, timeout=30) as client:
        begun = await client.post(URL, json=platform.demo_login)
        assert begun.status_code == 200, begun.text
        yield client


async def me(browser: httpx.AsyncClient, session: httpx.Response) -> int:
    headers = {"authorization": f"Bearer {session.json()['access_token']}"}
    return (await browser.get("/v1/users:me", headers=headers)).status_code


async def test_two_tabs_that_refresh_at_the_same_time_both_go_on(browser: httpx.AsyncClient) -> None:
    sent = dict(browser.cookies)
    tabs = await asyncio.gather(*(browser.post(f"{URL}:refresh", cookies=sent) for _ in range(2)))
    assert [tab.status_code for tab in tabs] == [200, 200]
    assert len({tab.cookies["guanxi_session"] for tab in tabs}) == 1
    assert [await me(browser, tab) for tab in tabs] == [200, 200]
    assert (await browser.post(f"{URL}:refresh")).status_code == 200


async def test_a_session_that_was_ended_does_not_go_on(browser: httpx.AsyncClient) -> None:
    kept = dict(browser.cookies)
    assert (await browser.delete(URL)).status_code == 204
    refused = await browser.post(f"{URL}:refresh", cookies=kept)
    assert (refused.status_code, refused.json()["reason"]) == (401, "INVALID_CREDENTIALS")

"""Who may come in at all: tokens that hold, and no more requests than the limits say."""

from typing import Any

import httpx
import pytest
from crm_gateway.admission import Caller
from crm_kit.errors import Unauthenticated

from tests.unit.gateway.account_service import ID, AccountService, gateway, running

URL = f"/v1/accounts/{ID}"


@pytest.fixture
def service() -> AccountService:
    return AccountService()


class Verifier:
    """Takes `<tenant>/<token>` and nothing else."""

    async def verify(self, token: str) -> Caller:
        tenant, slash, _ = token.partition("/")
        if not slash:
            raise Unauthenticated("The token does not hold.")
        return Caller(tenant, token)


async def test_a_token_that_does_not_hold_is_refused_at_the_door(service: AccountService) -> None:
    async with running(service, verifier=Verifier()) as client:
        answer = await client.get(URL)
    assert (answer.status_code, answer.json()["detail"]) == (401, "The token does not hold.")
    assert service.seen.requests == []


async def test_whoever_tries_bad_tokens_is_slowed_down_and_disturbs_nobody_with_a_good_one(
    service: AccountService,
) -> None:
    limits: Any = {"rate_limit_anonymous": 0.01, "rate_limit_anonymous_burst": 3}
    async with running(service, verifier=Verifier(), **limits) as client:

        async def get(header: str) -> httpx.Response:
            return await client.get(URL, headers={"authorization": header})

        bad = [await get(header) for header in ("Bearer bad-1", "Basic x", "Bearer bad-2", "Bearer bad-3", "Basic x")]
        assert [each.status_code for each in bad] == [401, 401, 401, 429, 429]
        assert (bad[3].json()["reason"], bad[3].headers["ratelimit-remaining"]) == ("RATE_LIMITED", "0")
        assert int(bad[3].headers["retry-after"]) > 90
        # Whoever shares its address with them signs in as ever, with a token that was never seen before, too.
        assert (await get("Bearer t/good")).status_code == 200
        # What needs no token has a bucket of its own.
        assert (await client.get("/v1/auth/keys")).status_code == 503


async def test_tokens_and_tenants_have_their_limits(service: AccountService) -> None:
    limits: Any = {"rate_limit_token": 0.01, "rate_limit_token_burst": 2, "rate_limit_tenant": 0.01}
    async with running(service, verifier=Verifier(), **limits, rate_limit_tenant_burst=3) as client:

        async def get(token: str) -> httpx.Response:
            return await client.get(URL, headers={"authorization": f"Bearer {token}"})

        answers = [await get(token) for token in ["t/1", "t/1", "t/1", "t/2", "t/2", "u/1"]]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 200, 429, 200]
    assert answers[0].headers["ratelimit-limit"] == "2"
    assert [answer.headers["ratelimit-remaining"] for answer in answers[:3]] == ["1", "0", "0"]
    assert answers[2].json()["reason"] == "RATE_LIMITED"
    assert int(answers[2].headers["retry-after"]) > 90


async def test_each_of_several_gateways_admits_its_part_of_a_limit(service: AccountService) -> None:
    limits: Any = {"rate_limit_token": 0.4, "rate_limit_token_burst": 5, "rate_limit_tenant": 0}
    async with running(service, **limits, gateway_replicas=2) as client:
        answers = [await client.get(URL) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].headers["ratelimit-limit"] == "3"
    assert answers[3].headers["retry-after"] == "5"


async def test_the_reference_is_limited_by_address_as_all_that_needs_no_token() -> None:
    async with gateway(rate_limit_anonymous=0.001, rate_limit_anonymous_burst=3) as client:
        answers = [await client.get(path) for path in ("/docs", "/docs/errors", "/openapi.json", "/openapi.json")]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].json()["reason"] == "RATE_LIMITED"

"""Identity providers that fail or lead elsewhere let nobody in."""

from typing import Any

import pytest

from tests.service.customer.openid_provider import Answer
from tests.service.customer.sign_ins import REFUSED, Firm
from tests.service.running import refused


async def test_a_provider_that_is_silent_is_asked_once_for_all_who_come(firm: Firm) -> None:
    firm.openid.instead["/.well-known/openid-configuration"] = (503, {})
    for _ in range(3):
        with refused("UNAVAILABLE", "UNAVAILABLE"):
            await firm.begin()
    assert firm.openid.asked["/.well-known/openid-configuration"] == 1


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example"},
        {"token_endpoint": "http://10.0.0.7/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"userinfo_endpoint": 7},
        {"token_endpoint": None},
    ],
    ids=str,
)
async def test_a_document_that_leads_elsewhere_is_refused(firm: Firm, metadata: dict[str, Any]) -> None:
    firm.openid.metadata = metadata
    with refused(*REFUSED):
        await firm.begin()


async def test_no_redirect_is_followed(firm: Firm) -> None:
    place = f"{firm.openid.issuer}/elsewhere"
    firm.openid.instead["/.well-known/openid-configuration"] = (302, {"_location": place})
    with refused("UNAVAILABLE", "UNAVAILABLE"):
        await firm.begin()
    assert firm.openid.asked["/elsewhere"] == 0


async def test_keys_that_cannot_be_read_are_no_keys(firm: Firm) -> None:
    user = await firm.company.user()
    firm.openid.instead["/keys"] = (500, {})
    with refused("UNAVAILABLE", "UNAVAILABLE"):
        await firm.sign_in(user)


async def test_a_provider_that_does_not_take_the_code_lets_nobody_in(firm: Firm) -> None:
    user = await firm.company.user()
    refusals: list[Answer] = [(400, {"error": "invalid_grant"}), (401, {}), (200, {}), (200, {"id_token": 7})]
    for answer in refusals:
        firm.openid.instead["/token"] = answer
        with refused(*REFUSED):
            await firm.sign_in(user)
    firm.openid.instead["/token"] = (500, {})
    with refused("UNAVAILABLE", "UNAVAILABLE"):
        await firm.sign_in(user)

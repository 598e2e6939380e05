"""An identity provider's answer holds once, in time, and for the sign-in that asked for it."""

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from crm.customer.v1 import sign_ins_pb2 as pb
from crm.customer.v1 import tokens_pb2
from crm_customer.app import build_issuer, build_sign_ins
from crm_customer.directory.identity_providers.client_secrets import ClientSecrets
from crm_customer.directory.sign_ins.commands import ProviderAnswer, SignIns
from crm_customer.directory.sign_ins.model import LIFETIME
from crm_customer.directory.sign_ins.tables import finished_sign_ins
from crm_customer.settings import CustomerSettings
from crm_kit.clock import system_now
from crm_kit.database.statements import statement
from crm_kit.errors import Unauthenticated
from sqlalchemy import Select, bindparam, func, select

from tests.service.customer.openid_provider import OpenIdProvider, serving
from tests.service.customer.sign_ins import EXPIRED, REFUSED, SUBJECT, Firm, whose, with_provider
from tests.service.running import Running, refused

# --- one answer for one question


async def test_a_sign_in_is_finished_once(firm: Firm) -> None:
    user = await firm.company.user()
    request = firm.answer(await firm.begin(), email=user.login, email_verified=True)
    answers = await asyncio.gather(*(firm.sign_ins.FinishSignIn(request) for _ in range(3)), return_exceptions=True)
    assert sum(isinstance(answer, tokens_pb2.Token) for answer in answers) == 1
    assert firm.openid.asked["/token"] == 1
    # A fresh code does not bring it back to life.
    again = firm.openid.agree((await firm.begin()).authorization_url, SUBJECT)
    with refused(*EXPIRED):
        await firm.sign_ins.FinishSignIn(
            pb.FinishSignInRequest(
                sign_in=request.sign_in, identity_provider_id=firm.provider.id, state=request.state, code=again["code"]
            )
        )


async def test_an_answer_to_another_question_is_refused_before_the_provider_is_asked(firm: Firm) -> None:
    one, other = await firm.begin(), await firm.begin()
    right = firm.answer(one)
    swapped = pb.FinishSignInRequest(
        sign_in=other.sign_in, identity_provider_id=firm.provider.id, state=right.state, code=right.code
    )
    with refused(*EXPIRED):
        await firm.sign_ins.FinishSignIn(swapped)
    assert firm.openid.asked["/token"] == 0


async def test_a_code_of_another_sign_in_is_of_no_use(firm: Firm) -> None:
    """An injected code: the provider compares the verifier with the challenge."""
    user = await firm.company.user()
    theirs, mine = await firm.begin(), await firm.begin()
    stolen = firm.answer(theirs, email=user.login, email_verified=True)
    with refused(*REFUSED):
        await firm.sign_ins.FinishSignIn(
            pb.FinishSignInRequest(
                sign_in=mine.sign_in, identity_provider_id=firm.provider.id, state=mine.state, code=stolen.code
            )
        )


async def test_a_sign_in_that_was_changed_or_is_none_is_refused(firm: Firm) -> None:
    right = firm.answer(await firm.begin())
    sealed = bytearray(urlsafe_b64decode(right.sign_in + "=="))
    sealed[-1] ^= 1
    for text in (urlsafe_b64encode(sealed).decode(), "x", "é", "AAAA", right.sign_in[:-8]):
        changed = pb.FinishSignInRequest()
        changed.CopyFrom(right)
        changed.sign_in = text
        with refused(*EXPIRED):
            await firm.sign_ins.FinishSignIn(changed)


async def test_an_answer_at_the_redirect_path_of_another_provider_is_refused(firm: Firm, customer: Running) -> None:
    """A mix-up: a provider that sends people on to another one does not get the other's code."""
    async with serving(OpenIdProvider()) as second:
        other = await with_provider(firm.company, second, domains=["other.example"])
        request = firm.answer(await firm.begin())
        request.identity_provider_id = other.provider.id
        with refused(*EXPIRED):
            await firm.sign_ins.FinishSignIn(request)
    assert (firm.openid.asked["/token"], second.asked["/token"]) == (0, 0)


@pytest.mark.parametrize(
    ("says", "issuer"), [(False, "https://other.example"), (True, ""), (True, "https://o.example")]
)
async def test_an_answer_of_another_issuer_is_refused(firm: Firm, says: bool, issuer: str) -> None:
    firm.openid.metadata = {"authorization_response_iss_parameter_supported": says}
    request = firm.answer(await firm.begin(), issuer=issuer)
    with refused(*REFUSED):
        await firm.sign_ins.FinishSignIn(request)
    assert firm.openid.asked["/token"] == 0


async def test_an_answer_that_says_its_own_issuer_holds(firm: Firm) -> None:
    firm.openid.metadata = {"authorization_response_iss_parameter_supported": True}
    user = await firm.company.user()
    request = firm.answer(await firm.begin(), issuer=firm.openid.issuer, email=user.login, email_verified=True)
    assert whose(firm, await firm.sign_ins.FinishSignIn(request)) == user.id


# --- time


def below_the_contract(customer: Running) -> SignIns:
    settings = customer.service.settings
    assert isinstance(settings, CustomerSettings)
    secrets = ClientSecrets(settings.signing_key_secret)
    return build_sign_ins(build_issuer(customer.service, settings), secrets, settings)


@statement
def count_of_finished() -> Select[Any]:
    return (
        select(func.count())
        .select_from(finished_sign_ins)
        .where(finished_sign_ins.c.tenant_id == bindparam("tenant_id"))
    )


async def test_a_sign_in_is_over_after_ten_minutes_and_then_forgotten(firm: Firm, customer: Running) -> None:
    user = await firm.company.user()
    below, now = below_the_contract(customer), system_now()
    told = {"email": user.login, "email_verified": True}

    async def finish(begun: Any, *, after: timedelta) -> None:
        sent = firm.openid.agree(begun.authorization_url, SUBJECT, **told)
        answer = ProviderAnswer(UUID(firm.provider.id), sent["state"], sent["code"], "")
        await below.finish(begun.sign_in, answer, now=now + after)

    first, second = [await below.begin(firm.company.slug, "", now=now) for _ in range(2)]
    await finish(first, after=LIFETIME - timedelta(seconds=1))
    with pytest.raises(Unauthenticated) as over:
        await finish(second, after=LIFETIME)
    assert over.value.reason == "SIGN_IN_EXPIRED"
    third = await below.begin(firm.company.slug, "", now=now + 2 * LIFETIME)
    await finish(third, after=2 * LIFETIME)
    rows = await firm.company.eyes.all(count_of_finished())
    assert rows[0][0] == 1

"""Signing in with an identity provider, and everything that must not let anybody in."""

import asyncio
import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import jwt
import pytest
from crm.customer.v1 import identity_providers_pb2, tokens_pb2, users_pb2
from crm.customer.v1 import sign_ins_pb2 as pb
from crm.customer.v1.identity_providers_pb2_grpc import IdentityProviderServiceStub
from crm.customer.v1.sign_ins_pb2_grpc import SignInServiceStub
from crm.customer.v1.tokens_pb2_grpc import TokenServiceStub
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from crm_customer.app import build_issuer, build_sign_ins
from crm_customer.directory.identity_providers.client_secrets import ClientSecrets
from crm_customer.directory.sign_ins.commands import ProviderAnswer, SignIns
from crm_customer.directory.sign_ins.model import LIFETIME
from crm_customer.directory.sign_ins.tables import finished_sign_ins
from crm_customer.settings import CustomerSettings
from crm_kit.clock import system_now
from crm_kit.database.statements import statement
from crm_kit.errors import Unauthenticated
from google.protobuf.field_mask_pb2 import FieldMask
from jwt.algorithms import RSAAlgorithm
from sqlalchemy import Select, bindparam, func, select

from tests.service.customer.companies import PASSWORD, Company, open_company
from tests.service.customer.openid_provider import CLIENT_ID, CLIENT_SECRET, KEYS, Answer, OpenIdProvider, serving
from tests.service.running import Running, refused

if TYPE_CHECKING:
    from crm.customer.v1.sign_ins_pb2_grpc import SignInServiceAsyncStub

EXPIRED = ("UNAUTHENTICATED", "SIGN_IN_EXPIRED")
REFUSED = ("UNAUTHENTICATED", "SIGN_IN_REFUSED")
UNKNOWN = ("UNAUTHENTICATED", "SIGN_IN_USER_UNKNOWN")
SUBJECT = "248289761001"


@pytest.fixture
def sign_ins(customer: Running) -> "SignInServiceAsyncStub":
    return SignInServiceStub(customer.channel)


@pytest.fixture
async def openid() -> AsyncIterator[OpenIdProvider]:
    async with serving(OpenIdProvider()) as provider:
        yield provider


@dataclass
class Firm:
    """A company whose people sign in with a provider."""

    company: Company
    openid: OpenIdProvider
    provider: identity_providers_pb2.IdentityProvider
    sign_ins: "SignInServiceAsyncStub"

    async def begin(self, login: str = "") -> pb.BeginSignInResponse:
        return await self.sign_ins.BeginSignIn(pb.BeginSignInRequest(tenant=self.company.slug, login=login))

    def answer(
        self, begun: pb.BeginSignInResponse, sub: str = SUBJECT, *, issuer: str = "", **claims: Any
    ) -> pb.FinishSignInRequest:
        """What a browser brings back from the provider, where the person agreed."""
        sent = self.openid.agree(begun.authorization_url, sub, **claims)
        id = self.provider.id
        return pb.FinishSignInRequest(sign_in=begun.sign_in, identity_provider_id=id, issuer=issuer, **sent)

    async def sign_in(self, user: users_pb2.User, sub: str = SUBJECT, **claims: Any) -> tokens_pb2.Token:
        told: dict[str, Any] = {"email": user.login, "email_verified": True}
        told |= claims
        return await self.sign_ins.FinishSignIn(self.answer(await self.begin(), sub, **told))

    async def update(self, **values: Any) -> identity_providers_pb2.IdentityProvider:
        """The provider with other values of some fields."""
        changed = identity_providers_pb2.IdentityProvider(id=self.provider.id, **values)
        request = identity_providers_pb2.UpdateIdentityProviderRequest(
            identity_provider=changed, update_mask=FieldMask(paths=list(values))
        )
        stub = IdentityProviderServiceStub(self.company.customer.channel)
        return await stub.UpdateIdentityProvider(request, metadata=self.company.admin.metadata)


async def with_provider(company: Company, openid: OpenIdProvider, **values: Any) -> Firm:
    """A provider that the company's people sign in with."""
    stub, metadata = IdentityProviderServiceStub(company.customer.channel), company.admin.metadata
    told: dict[str, Any] = {"display_name": "Staff", "issuer": openid.issuer, "client_id": CLIENT_ID, "active": True}
    provider = await stub.CreateIdentityProvider(
        identity_providers_pb2.CreateIdentityProviderRequest(
            identity_provider=identity_providers_pb2.IdentityProvider(**told | values)
        ),
        metadata=metadata,
    )
    secret = identity_providers_pb2.SetClientSecretRequest(id=provider.id, client_secret=CLIENT_SECRET)
    provider = await stub.SetClientSecret(secret, metadata=metadata)
    return Firm(company, openid, provider, SignInServiceStub(company.customer.channel))


@pytest.fixture
async def firm(customer: Running, openid: OpenIdProvider) -> Firm:
    return await with_provider(await open_company(customer), openid)


def whose(firm: Firm, token: tokens_pb2.Token) -> str:
    """Whose access token it is, in the firm."""
    claims = jwt.decode(token.access_token, options={"verify_signature": False})
    assert claims["tenant"] == str(firm.company.tenant_id)
    return str(claims["sub"])


async def refresh(firm: Firm, token: tokens_pb2.Token) -> tokens_pb2.Token:
    request = tokens_pb2.RefreshTokenRequest(refresh_token=token.refresh_token)
    return await TokenServiceStub(firm.company.customer.channel).RefreshToken(request)


# --- letting in


async def test_a_person_is_sent_to_the_provider_with_all_that_ties_the_answer_to_the_question(firm: Firm) -> None:
    begun = await firm.begin("li.wei@huaxin.example")
    url = urlsplit(begun.authorization_url)
    asked = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{firm.openid.issuer}/authorize"
    address = firm.company.customer.service.settings.issuer
    assert asked.pop("redirect_uri") == f"{address}/v1/auth/session/oidc/callback/{firm.provider.id}"
    assert asked.pop("state") == begun.state
    assert len(asked.pop("nonce")) == len(asked.pop("code_challenge")) == len(begun.state) == 43
    assert asked == {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "scope": "openid email",
        "code_challenge_method": "S256",
        "login_hint": "li.wei@huaxin.example",
    }
    other = await firm.begin()
    assert (other.state, other.sign_in) != (begun.state, begun.sign_in)
    assert begun.expires_in == 600


async def test_whoever_the_provider_vouches_for_is_signed_in_as_the_user_of_that_address(firm: Firm) -> None:
    user = await firm.company.user()
    token = await firm.sign_in(user, email=user.login.upper())
    assert whose(firm, token) == user.id
    assert whose(firm, await refresh(firm, token)) == user.id


async def test_once_linked_it_is_the_subject_that_counts_whatever_the_address_is(firm: Firm) -> None:
    user, namesake = await firm.company.user(), await firm.company.user()
    await firm.sign_in(user)
    assert whose(firm, await firm.sign_in(namesake)) == user.id
    assert whose(firm, await firm.sign_in(user, email=None, email_verified=None)) == user.id


async def test_an_address_that_has_passed_to_another_person_does_not_let_them_in_as_the_former(firm: Firm) -> None:
    user = await firm.company.user()
    await firm.sign_in(user)
    with refused(*UNKNOWN):
        await firm.sign_in(user, sub="somebody else")


async def test_two_tabs_that_sign_in_for_the_first_time_both_do(firm: Firm) -> None:
    user = await firm.company.user()
    tokens = await asyncio.gather(*(firm.sign_in(user) for _ in range(4)))
    assert {whose(firm, token) for token in tokens} == {user.id}


async def test_what_the_id_token_does_not_say_is_asked_for(firm: Firm) -> None:
    user = await firm.company.user()
    firm.openid.user_info = {"sub": SUBJECT, "email": user.login, "email_verified": True}
    assert whose(firm, await firm.sign_in(user, email=None)) == user.id
    firm.openid.user_info["sub"] = "somebody else"
    with refused(*REFUSED):
        await firm.sign_in(user, sub="nobody yet", email=None)


async def test_a_login_may_be_the_name_or_the_subject_at_the_provider(
    customer: Running, openid: OpenIdProvider
) -> None:
    company = await open_company(customer)
    user = await company.user()
    claims = identity_providers_pb2.IdentityProvider
    firm = await with_provider(company, openid, login_claim=claims.LOGIN_CLAIM_PREFERRED_USERNAME)
    named = await firm.sign_in(user, email=None, preferred_username=user.login)
    await firm.update(login_claim=claims.LOGIN_CLAIM_SUB)
    other = await company.user()
    by_subject = await firm.sign_in(other, sub=other.login, email=None)
    assert [whose(firm, named), whose(firm, by_subject)] == [user.id, other.id]


async def test_a_provider_that_takes_the_secret_in_the_form_gets_it_there(firm: Firm) -> None:
    firm.openid.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    user = await firm.company.user()
    assert whose(firm, await firm.sign_in(user)) == user.id


async def test_keys_for_other_purposes_and_of_unknown_kinds_do_not_disturb(firm: Firm) -> None:
    encrypts: dict[str, Any] = dict(RSAAlgorithm.to_jwk(KEYS[1].public_key(), as_dict=True))
    firm.openid.more_keys = [
        encrypts | {"kid": "enc", "use": "enc", "alg": "RSA-OAEP"},
        encrypts | {"kid": "oaep", "alg": "RSA-OAEP"},
        {"kty": "AKP", "kid": "future", "alg": "ML-DSA-65", "pub": "AA"},
        {"kid": "no kind"},
    ]
    user = await firm.company.user()
    assert whose(firm, await firm.sign_in(user)) == user.id


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


# --- id tokens that do not hold

NOW = 1_000_000_000
BAD_CLAIMS: list[dict[str, Any]] = [
    {"nonce": "of another sign-in"},
    {"nonce": None},
    {"aud": "somebody else"},
    {"aud": [CLIENT_ID, "somebody else"]},
    {"aud": [CLIENT_ID, "somebody else"], "azp": "somebody else"},
    {"azp": "somebody else"},
    {"iss": "https://other.example"},
    {"exp": NOW},
    {"exp": None},
    {"iat": 4_000_000_000},
    {"iat": None},
    {"nbf": 4_000_000_000},
    {"sub": ""},
    {"sub": None},
    {"sub": 7},
    {"sub": "x" * 256},
    {"sub": "a\u0000b"},
]


@pytest.mark.parametrize("claims", BAD_CLAIMS, ids=str)
async def test_a_claim_that_does_not_hold_lets_nobody_in(firm: Firm, claims: dict[str, Any]) -> None:
    user = await firm.company.user()

    def spoilt(right: dict[str, Any]) -> str:
        told = right | claims
        kept = {name: value for name, value in told.items() if value is not None}
        # Without PyJWT's own checks of what it signs.
        return jwt.api_jws.encode(json.dumps(kept).encode(), KEYS[0], "RS256", {"kid": "one"})

    firm.openid.signs = spoilt
    with refused(*REFUSED):
        await firm.sign_in(user)


async def test_clocks_may_differ_by_a_minute(firm: Firm) -> None:
    user = await firm.company.user()
    now = int(time.time())
    assert whose(firm, await firm.sign_in(user, iat=now + 45, exp=now - 45)) == user.id


def unsigned(provider: OpenIdProvider, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, "", algorithm="none", headers={"kid": "one"})


def by_public_key(provider: OpenIdProvider, claims: dict[str, Any]) -> str:
    """HS256 with what everybody knows."""
    head = urlsafe_b64encode(b'{"alg":"HS256","kid":"one","typ":"JWT"}').rstrip(b"=")
    body = urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
    mac = hmac.digest(provider.public_pem(), head + b"." + body, hashlib.sha256)
    return b".".join((head, body, urlsafe_b64encode(mac).rstrip(b"="))).decode()


def by_client_secret(provider: OpenIdProvider, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, CLIENT_SECRET.ljust(32, "."), algorithm="HS256", headers={"kid": "one"})


def by_another_key(provider: OpenIdProvider, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, KEYS[1], algorithm="RS256", headers={"kid": "one"})


def by_unknown_key(provider: OpenIdProvider, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, KEYS[1], algorithm="RS256", headers={"kid": "unknown"})


def without_key_id(provider: OpenIdProvider, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, KEYS[1], algorithm="RS256")


def nonsense(provider: OpenIdProvider, claims: dict[str, Any]) -> str:
    return "a.b.c"


@pytest.mark.parametrize(
    "sign",
    [unsigned, by_public_key, by_client_secret, by_another_key, by_unknown_key, without_key_id, nonsense],
    ids=lambda sign: sign.__name__,
)
async def test_a_signature_that_is_not_the_providers_lets_nobody_in(
    firm: Firm, sign: Callable[[OpenIdProvider, dict[str, Any]], str]
) -> None:
    user = await firm.company.user()
    firm.openid.signs = lambda claims: sign(firm.openid, claims)
    with refused(*REFUSED):
        await firm.sign_in(user)


async def test_a_provider_may_change_its_key(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crm_kit.identity.key_ring.REFRESH_AT_MOST_EVERY_SECONDS", -1.0)
    user = await firm.company.user()
    await firm.sign_in(user)
    firm.openid.rotate()
    assert whose(firm, await firm.sign_in(user)) == user.id
    # The old key has gone with it.
    firm.openid.signs = lambda claims: jwt.encode(claims, KEYS[0], algorithm="RS256", headers={"kid": "one"})
    with refused(*REFUSED):
        await firm.sign_in(user)


# --- who is not let in


async def test_nobody_is_let_in_by_an_address_that_is_not_verified(firm: Firm) -> None:
    user = await firm.company.user()
    for verified in (False, "true", 1):
        with refused(*UNKNOWN):
            await firm.sign_in(user, email_verified=verified)
    firm.openid.user_info = {"sub": SUBJECT, "email": user.login}
    with refused(*REFUSED):
        await firm.sign_in(user, email_verified=None)
    firm.openid.user_info["email_verified"] = True
    assert whose(firm, await firm.sign_in(user, email_verified=None)) == user.id


async def test_a_person_who_is_no_user_is_not_made_one(firm: Firm, customer: Running) -> None:
    elsewhere = await (await open_company(customer)).user()
    users = UserServiceStub(customer.channel)
    before = await users.ListUsers(users_pb2.ListUsersRequest(), metadata=firm.company.admin.metadata)
    for login in ("nobody@company.test", elsewhere.login):
        with refused(*UNKNOWN):
            await firm.sign_in(users_pb2.User(login=login))
    after = await users.ListUsers(users_pb2.ListUsersRequest(), metadata=firm.company.admin.metadata)
    assert list(after.users) == list(before.users)


async def test_a_provider_that_says_no_login_lets_nobody_in_who_is_not_linked(firm: Firm) -> None:
    for email in (None, "", "  ", 7, ["a@company.test"], "a\u0000b@company.test"):
        with refused(*REFUSED):
            await firm.sign_in(users_pb2.User(), email=email)


async def test_an_inactive_user_is_signed_out_and_linked_anew_when_they_are_back(firm: Firm) -> None:
    users, metadata = UserServiceStub(firm.company.customer.channel), firm.company.admin.metadata
    user = await firm.company.user()
    token = await firm.sign_in(user)
    await users.DeactivateUser(users_pb2.DeactivateUserRequest(id=user.id), metadata=metadata)
    with refused(*UNKNOWN):
        await firm.sign_in(user)
    await users.ActivateUser(users_pb2.ActivateUserRequest(id=user.id), metadata=metadata)
    # What they signed in with before does not come back with them.
    with refused("UNAUTHENTICATED", "INVALID_CREDENTIALS"):
        await refresh(firm, token)
    assert whose(firm, await firm.sign_in(user, sub="their new account")) == user.id


async def test_a_new_password_ends_sign_ins_with_a_provider_too(firm: Firm) -> None:
    user = await firm.company.user()
    token = await firm.sign_in(user)
    await UserServiceStub(firm.company.customer.channel).SetPassword(
        users_pb2.SetPasswordRequest(id=user.id, password=PASSWORD), metadata=firm.company.admin.metadata
    )
    with refused("UNAUTHENTICATED", "INVALID_CREDENTIALS"):
        await refresh(firm, token)


async def test_whoever_signs_in_with_a_provider_has_no_password(firm: Firm) -> None:
    user = await firm.company.user()
    await firm.sign_in(user)
    stub = TokenServiceStub(firm.company.customer.channel)
    request = tokens_pb2.ChangePasswordRequest(current_password="x", new_password=PASSWORD)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await stub.ChangePassword(request, metadata=firm.company.acting(user).metadata)
    with refused("UNAUTHENTICATED", "INVALID_CREDENTIALS"):
        await stub.CreateToken(
            tokens_pb2.CreateTokenRequest(tenant=firm.company.slug, login=user.login, password=PASSWORD)
        )


async def test_a_provider_that_is_switched_off_signs_its_people_out(firm: Firm) -> None:
    user = await firm.company.user()
    token, begun = await firm.sign_in(user), await firm.begin()
    await firm.update(active=False)
    with refused("UNAUTHENTICATED", "INVALID_CREDENTIALS"):
        await refresh(firm, token)
    with refused(*EXPIRED):
        await firm.sign_ins.FinishSignIn(firm.answer(begun, email=user.login, email_verified=True))
    with refused("NOT_FOUND", "IDENTITY_PROVIDER_NOT_FOUND"):
        await firm.begin()


async def test_a_provider_speaks_for_its_own_tenant_and_domains_alone(
    firm: Firm, customer: Running, openid: OpenIdProvider
) -> None:
    """The same issuer, set up by two tenants: each lets in whom it knows."""
    other = await with_provider(await open_company(customer), openid)
    user, stranger = await firm.company.user(), await other.company.user()
    assert whose(firm, await firm.sign_in(user)) == user.id
    assert whose(other, await other.sign_in(stranger)) == stranger.id
    begun = await other.begin()
    with refused(*EXPIRED):
        await firm.sign_ins.FinishSignIn(firm.answer(begun, email=user.login, email_verified=True))
    await firm.update(domains=["huaxin.example"])
    with refused(*UNKNOWN):
        await firm.sign_in(await firm.company.user(), sub="another")


async def test_without_a_provider_there_is_none_to_send_people_to(
    sign_ins: "SignInServiceAsyncStub", customer: Running
) -> None:
    company = await open_company(customer)
    details = set()
    for slug in (company.slug, "no-such-tenant"):
        with refused("NOT_FOUND", "IDENTITY_PROVIDER_NOT_FOUND") as refusal:
            await sign_ins.BeginSignIn(pb.BeginSignInRequest(tenant=slug))
        details.add(refusal.detail)
    assert len(details) == 1


# --- providers that fail


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


# --- time


def below_the_contract(customer: Running) -> SignIns:
    settings = customer.service.settings
    assert isinstance(settings, CustomerSettings)
    secrets = ClientSecrets(settings.signing_key_secret.get_secret_value())
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

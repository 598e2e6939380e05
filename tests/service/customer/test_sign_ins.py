"""Signing in with an identity provider: who is let in, and who is not."""

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from crm.customer.v1 import identity_providers_pb2, tokens_pb2, users_pb2
from crm.customer.v1 import sign_ins_pb2 as pb
from crm.customer.v1.sign_ins_pb2_grpc import SignInServiceStub
from crm.customer.v1.tokens_pb2_grpc import TokenServiceStub
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from jwt.algorithms import RSAAlgorithm

from tests.service.customer.companies import PASSWORD, open_company
from tests.service.customer.openid_provider import CLIENT_ID, KEYS, OpenIdProvider, serving
from tests.service.customer.sign_ins import EXPIRED, REFUSED, SUBJECT, UNKNOWN, Firm, refresh, whose, with_provider
from tests.service.running import Running, refused

if TYPE_CHECKING:
    from crm.customer.v1.sign_ins_pb2_grpc import SignInServiceAsyncStub


@pytest.fixture
def sign_ins(customer: Running) -> "SignInServiceAsyncStub":
    return SignInServiceStub(customer.channel)


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


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("linked", [True, False])
async def test_a_provider_without_domains_does_not_vouch_for_people_whom_another_one_serves(
    firm: Firm, active: bool, linked: bool
) -> None:
    user, partner = await firm.company.user(), await firm.company.user(domain="elsewhere.example")
    async with serving(OpenIdProvider()) as second:
        staff = await with_provider(firm.company, second, domains=["Company.test"])
        if linked:
            told: dict[str, Any] = {"email": user.login, "email_verified": True}
            await staff.sign_ins.FinishSignIn(staff.answer(await staff.begin(user.login), "staff-1", **told))
        await staff.update(active=active)
        for login in (user.login, user.login.upper()):
            with refused(*UNKNOWN):
                await firm.sign_in(user, sub="mallory", email=login)
        assert whose(firm, await firm.sign_in(partner)) == partner.id


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

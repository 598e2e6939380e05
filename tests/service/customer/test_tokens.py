"""Signing in with a password at the built-in issuer, whose tokens every service trusts."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc
import jwt
import pytest
from crm.customer.v1 import tokens_pb2 as pb
from crm.customer.v1 import users_pb2
from crm.customer.v1.tokens_pb2_grpc import TokenServiceStub
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from crm_customer.directory.tokens.model import ANYWHERE, HERE
from crm_customer.directory.tokens.tables import sign_in_failures
from crm_customer.directory.users.tables import user_passwords
from crm_kit.database.statements import statement
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from sqlalchemy import Interval, Select, Update, bindparam, select, update

from tests.service.customer.companies import ADMIN_LOGIN, PASSWORD, Company, open_company
from tests.service.customer.tokens import INVALID, ME, Replica, bearer, credentials, refresh, run
from tests.service.running import Running, refused

if TYPE_CHECKING:
    from crm.customer.v1.tokens_pb2_grpc import TokenServiceAsyncStub
    from crm.customer.v1.users_pb2_grpc import UserServiceAsyncStub


@pytest.fixture
def issuer(customer: Running) -> "TokenServiceAsyncStub":
    return TokenServiceStub(customer.channel)


@pytest.fixture
def users(customer: Running) -> "UserServiceAsyncStub":
    return UserServiceStub(customer.channel)


async def test_a_token_is_trusted_by_every_service(
    issuer: "TokenServiceAsyncStub", company: Company, replica: Replica
) -> None:
    token = await issuer.CreateToken(credentials(company))
    assert (token.token_type, token.expires_in) == ("Bearer", 900)
    me = await replica.users.GetCurrentUser(ME, metadata=bearer(token))
    assert (me.user.id, me.user.login) == (str(company.admin.id), ADMIN_LOGIN)
    claims = jwt.decode(token.access_token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 900
    assert (claims["tenant"], claims["aud"]) == (str(company.tenant_id), "guanxi")


async def test_login_and_slug_are_found_in_any_case(issuer: "TokenServiceAsyncStub", company: Company) -> None:
    request = pb.CreateTokenRequest(tenant=company.slug.upper(), login=ADMIN_LOGIN.upper(), password=PASSWORD)
    assert (await issuer.CreateToken(request)).access_token


async def test_whatever_is_wrong_the_answer_is_the_same(
    issuer: "TokenServiceAsyncStub", users: "UserServiceAsyncStub", company: Company
) -> None:
    gone, without_password = await company.user(), await company.user()
    set_password = users_pb2.SetPasswordRequest(id=gone.id, password=PASSWORD)
    await users.SetPassword(set_password, metadata=company.admin.metadata)
    await users.DeactivateUser(users_pb2.DeactivateUserRequest(id=gone.id), metadata=company.admin.metadata)
    requests = (
        credentials(company, password="wrong"),
        credentials(company, login="nobody@company.test"),
        credentials(company, login=gone.login),
        credentials(company, login=without_password.login),
        pb.CreateTokenRequest(tenant="no-such-tenant", login=ADMIN_LOGIN, password=PASSWORD),
    )
    details = set()
    for request in requests:
        with refused(*INVALID) as refusal:
            await issuer.CreateToken(request)
        details.add(refusal.detail)
    assert len(details) == 1


async def test_a_password_works_in_its_own_tenant_only(
    issuer: "TokenServiceAsyncStub", users: "UserServiceAsyncStub", company: Company, customer: Running
) -> None:
    other = await open_company(customer)
    mine = "only this tenant knows"
    request = users_pb2.SetPasswordRequest(id=str(company.admin.id), password=mine)
    await users.SetPassword(request, metadata=company.admin.metadata)
    assert (await issuer.CreateToken(credentials(company, password=mine))).access_token
    with refused(*INVALID):
        await issuer.CreateToken(credentials(other, password=mine))


@pytest.mark.parametrize("login", [ADMIN_LOGIN, "nobody@company.test"])
async def test_after_failures_a_login_waits_whether_it_exists_or_not(
    issuer: "TokenServiceAsyncStub", company: Company, login: str
) -> None:
    wrong = credentials(company, login=login, password="wrong")
    for _ in range(HERE.free_failures):
        with refused(*INVALID):
            await issuer.CreateToken(wrong)
    for password in ("wrong", PASSWORD):
        request = credentials(company, login=login, password=password)
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await issuer.CreateToken(request)
        assert refusal.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert 0 < retry_seconds(refusal.value) <= 30


async def test_failures_from_elsewhere_keep_nobody_from_signing_in(
    issuer: "TokenServiceAsyncStub", company: Company
) -> None:
    attacker, at_home = at("192.0.2.66"), at("2001:db8::7")
    for _ in range(HERE.free_failures):
        with refused(*INVALID):
            await issuer.CreateToken(credentials(company, password="wrong"), metadata=attacker)
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await issuer.CreateToken(credentials(company), metadata=attacker)
    assert refusal.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await issuer.CreateToken(credentials(company), metadata=at_home)).access_token
    # And a success there does not forgive what is tried elsewhere.
    with pytest.raises(grpc.aio.AioRpcError):
        await issuer.CreateToken(credentials(company), metadata=attacker)


@pytest.mark.parametrize("login", [ADMIN_LOGIN, "nobody@company.test"])
async def test_guesses_from_everywhere_slow_strangers_down_and_not_who_signed_in_from_there_before(
    issuer: "TokenServiceAsyncStub", company: Company, login: str
) -> None:
    at_home, elsewhere = at("2001:db8:0:1::7"), at("198.51.100.7")
    await issuer.CreateToken(credentials(company), metadata=at_home)
    for number in range(ANYWHERE.free_failures):
        with refused(*INVALID):
            await issuer.CreateToken(
                credentials(company, login=login, password="wrong"), metadata=at(f"10.0.0.{number}")
            )
    for password in ("wrong", PASSWORD):
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await issuer.CreateToken(credentials(company, login=login, password=password), metadata=elsewhere)
        assert refusal.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert 0 < retry_seconds(refusal.value) <= 30
    assert (await issuer.CreateToken(credentials(company), metadata=at_home)).access_token


async def test_whoever_waited_at_a_new_place_is_known_there_afterwards(
    issuer: "TokenServiceAsyncStub", company: Company
) -> None:
    for number in range(ANYWHERE.free_failures):
        with refused(*INVALID):
            await issuer.CreateToken(credentials(company, password="wrong"), metadata=at(f"10.0.0.{number}"))
    await run(company, failures_were_earlier(), earlier=timedelta(seconds=31))
    new_place = at("198.51.100.7")
    assert (await issuer.CreateToken(credentials(company), metadata=new_place)).access_token
    with refused(*INVALID):
        await issuer.CreateToken(credentials(company, password="wrong"), metadata=at("10.0.1.1"))
    with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED"):
        await issuer.CreateToken(credentials(company), metadata=at("10.0.1.2"))
    assert (await issuer.CreateToken(credentials(company), metadata=new_place)).access_token


async def test_guesses_at_the_same_time_are_counted_too(issuer: "TokenServiceAsyncStub", company: Company) -> None:
    wrong = credentials(company, password="wrong")
    answers = await asyncio.gather(*(issuer.CreateToken(wrong) for _ in range(20)), return_exceptions=True)
    codes = [answer.code() for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert len(codes) == 20
    # Two are verified at a time: one more than allowed may be under way.
    assert codes.count(grpc.StatusCode.UNAUTHENTICATED) <= HERE.free_failures + 1


async def test_the_wait_ends_and_a_success_forgets_the_failures(
    issuer: "TokenServiceAsyncStub", company: Company
) -> None:
    wrong = credentials(company, password="wrong")
    for _ in range(HERE.free_failures):
        with refused(*INVALID):
            await issuer.CreateToken(wrong)
    await run(company, failures_were_earlier(), earlier=timedelta(seconds=31))
    assert (await issuer.CreateToken(credentials(company))).access_token
    # Those from this network; how many guesses there were from anywhere is no success of theirs.
    assert [row["count"] for row in await company.eyes.all(failures())] == [HERE.free_failures]


async def test_hashes_are_brought_to_the_present_parameters(issuer: "TokenServiceAsyncStub", company: Company) -> None:
    before = (await company.eyes.all(hashes()))[0]
    token = await issuer.CreateToken(credentials(company))
    after = (await company.eyes.all(hashes()))[0]
    assert before["hash"].startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert after["hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await issuer.RefreshToken(refresh(token))).access_token
    assert (await issuer.CreateToken(credentials(company))).access_token


def at(address: str) -> tuple[tuple[str, str], ...]:
    """The metadata of a call that the gateway makes for somebody there."""
    return (("x-client-address", address),)


# --- looking below the contract


def retry_seconds(error: grpc.aio.AioRpcError) -> float:
    """What the error says about when to come back."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            for detail in Status.FromString(value).details:
                info = RetryInfo()
                if detail.Unpack(info):
                    return info.retry_delay.ToTimedelta().total_seconds()
    raise AssertionError("no RetryInfo")


@statement
def failures() -> Select[tuple[int]]:
    table = sign_in_failures
    return select(table.c["count"]).where(table.c.tenant_id == bindparam("tenant_id"))


@statement
def failures_were_earlier() -> Update:
    table = sign_in_failures
    earlier = table.c.last_time - bindparam("earlier", type_=Interval)
    return update(table).where(table.c.tenant_id == bindparam("tenant_id")).values(last_time=earlier)


@statement
def hashes() -> Select[tuple[str]]:
    return select(user_passwords.c.hash).where(user_passwords.c.tenant_id == bindparam("tenant_id"))

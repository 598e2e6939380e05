"""The built-in issuer through its contract, with a second replica that trusts it as every service does."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import grpc
import jwt
import pytest
from crm.customer.v1 import tokens_pb2 as pb
from crm.customer.v1 import users_pb2
from crm.customer.v1.tokens_pb2_grpc import TokenServiceStub
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from crm_customer.app import build, built_in_keys, signing_keys
from crm_customer.directory.tokens.model import FREE_FAILURES, REUSE_WINDOW, RefreshToken, parse_refresh_token
from crm_customer.directory.tokens.signing_keys import SigningKeys
from crm_customer.directory.tokens.tables import refresh_tokens, sign_in_failures
from crm_customer.directory.tokens.tables import signing_keys as signing_keys_table
from crm_customer.directory.users.tables import user_passwords
from crm_customer.settings import CustomerSettings
from crm_kit.clock import system_now
from crm_kit.database.statements import Statement, statement
from crm_kit.database.tables import SYSTEM_TENANT
from crm_kit.database.work import ReadSession
from crm_kit.errors import Unavailable
from crm_kit.identity.access import Scope, service_actor
from crm_kit.identity.tokens import Issuer as TrustedIssuer
from crm_kit.identity.tokens import TokenVerifier
from crm_kit.rpc.keys import keys_from_customer
from crm_kit.service import running as service_running
from crm_local.port_check import free_ports
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from sqlalchemy import Interval, Select, Update, bindparam, select, update

from tests.service.customer.companies import ADMIN_LOGIN, PASSWORD, Company, open_company
from tests.service.running import Running, refused

if TYPE_CHECKING:
    from crm.customer.v1.tokens_pb2_grpc import TokenServiceAsyncStub
    from crm.customer.v1.users_pb2_grpc import UserServiceAsyncStub

INVALID = ("UNAUTHENTICATED", "INVALID_CREDENTIALS")


@pytest.fixture
def issuer(customer: Running) -> "TokenServiceAsyncStub":
    return TokenServiceStub(customer.channel)


@pytest.fixture
def users(customer: Running) -> "UserServiceAsyncStub":
    return UserServiceStub(customer.channel)


@pytest.fixture
async def company(customer: Running) -> Company:
    return await open_company(customer)


@dataclass(frozen=True)
class Replica:
    """Another process of the service, which knows the keys only by asking the first."""

    users: "UserServiceAsyncStub"


@pytest.fixture(scope="module")
async def replica(customer: Running) -> AsyncIterator[Replica]:
    first = customer.service.settings
    port = free_ports().customer
    service = build(settings_of(customer).model_copy(update={"listen_address": f"127.0.0.1:{port}"}))
    async with (
        service_running(service, keys_from_customer(first.listen_address)) as ready,
        grpc.aio.insecure_channel(service.settings.listen_address) as channel,
    ):
        await ready.wait()
        yield Replica(UserServiceStub(channel))


def settings_of(customer: Running) -> CustomerSettings:
    settings = customer.service.settings
    assert isinstance(settings, CustomerSettings)
    return settings


def credentials(company: Company, *, login: str = ADMIN_LOGIN, password: str = PASSWORD) -> pb.CreateTokenRequest:
    return pb.CreateTokenRequest(tenant=company.slug, login=login, password=password)


def bearer(token: pb.Token) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token.access_token}"),)


def refresh(token: pb.Token) -> pb.RefreshTokenRequest:
    return pb.RefreshTokenRequest(refresh_token=token.refresh_token)


ME = users_pb2.GetCurrentUserRequest()


# --- signing in


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
    for _ in range(FREE_FAILURES):
        with refused(*INVALID):
            await issuer.CreateToken(wrong)
    for password in ("wrong", PASSWORD):
        request = credentials(company, login=login, password=password)
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await issuer.CreateToken(request)
        assert refusal.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert 0 < retry_seconds(refusal.value) <= 30


async def test_guesses_at_the_same_time_are_counted_too(issuer: "TokenServiceAsyncStub", company: Company) -> None:
    wrong = credentials(company, password="wrong")
    answers = await asyncio.gather(*(issuer.CreateToken(wrong) for _ in range(20)), return_exceptions=True)
    codes = [answer.code() for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert len(codes) == 20
    # Two are verified at a time: one more than allowed may be under way.
    assert codes.count(grpc.StatusCode.UNAUTHENTICATED) <= FREE_FAILURES + 1


async def test_the_wait_ends_and_a_success_forgets_the_failures(
    issuer: "TokenServiceAsyncStub", company: Company
) -> None:
    wrong = credentials(company, password="wrong")
    for _ in range(FREE_FAILURES):
        with refused(*INVALID):
            await issuer.CreateToken(wrong)
    await run(company, failures_were_earlier(), earlier=timedelta(seconds=31))
    assert (await issuer.CreateToken(credentials(company))).access_token
    assert await company.eyes.all(failures()) == []


async def test_hashes_are_brought_to_the_present_parameters(issuer: "TokenServiceAsyncStub", company: Company) -> None:
    before = (await company.eyes.all(hashes()))[0]
    token = await issuer.CreateToken(credentials(company))
    after = (await company.eyes.all(hashes()))[0]
    assert before["hash"].startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert after["hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await issuer.RefreshToken(refresh(token))).access_token
    assert (await issuer.CreateToken(credentials(company))).access_token


# --- going on and signing out


async def test_a_refresh_gives_a_new_pair(issuer: "TokenServiceAsyncStub", company: Company, replica: Replica) -> None:
    first = await issuer.CreateToken(credentials(company))
    second = await issuer.RefreshToken(refresh(first))
    await run(company, replaced_earlier(), earlier=REUSE_WINDOW + timedelta(seconds=1))
    third = await issuer.RefreshToken(refresh(second))
    assert len({each.refresh_token for each in (first, second, third)}) == 3
    assert (await replica.users.GetCurrentUser(ME, metadata=bearer(third))).user.login == ADMIN_LOGIN


async def test_a_refresh_token_used_again_at_once_gives_the_same_next_one(
    issuer: "TokenServiceAsyncStub", company: Company, replica: Replica
) -> None:
    first = await issuer.CreateToken(credentials(company))
    lost, second = await issuer.RefreshToken(refresh(first)), await issuer.RefreshToken(refresh(first))
    assert lost.refresh_token == second.refresh_token != first.refresh_token
    assert (await replica.users.GetCurrentUser(ME, metadata=bearer(second))).user.login == ADMIN_LOGIN
    assert (await issuer.RefreshToken(refresh(second))).access_token


async def test_a_refresh_token_used_again_later_ends_its_family_and_no_other(
    issuer: "TokenServiceAsyncStub", company: Company
) -> None:
    other = await issuer.CreateToken(credentials(company))
    stolen = await issuer.CreateToken(credentials(company))
    kept = await issuer.RefreshToken(refresh(stolen))
    await run(company, replaced_earlier(), earlier=REUSE_WINDOW + timedelta(seconds=1))
    for token in (stolen, kept, stolen):
        with refused(*INVALID):
            await issuer.RefreshToken(refresh(token))
    assert (await issuer.RefreshToken(refresh(other))).access_token


async def test_any_number_of_tabs_may_go_on_with_the_old_token_and_the_new_one(
    issuer: "TokenServiceAsyncStub", company: Company
) -> None:
    first = await issuer.CreateToken(credentials(company))
    second = await issuer.RefreshToken(refresh(first))
    for token in (second, first, second, first):
        assert (await issuer.RefreshToken(refresh(token))).refresh_token == second.refresh_token


async def test_a_refresh_token_that_is_two_behind_ends_its_family_at_once(
    issuer: "TokenServiceAsyncStub", company: Company
) -> None:
    first = await issuer.CreateToken(credentials(company))
    second = await issuer.RefreshToken(refresh(first))
    await run(company, replaced_earlier(), earlier=REUSE_WINDOW + timedelta(seconds=1))
    third = await issuer.RefreshToken(refresh(second))
    for token in (first, third):
        with refused(*INVALID):
            await issuer.RefreshToken(refresh(token))


async def test_refreshes_at_the_same_time_all_get_the_same_next_token(
    issuer: "TokenServiceAsyncStub", company: Company
) -> None:
    token = await issuer.CreateToken(credentials(company))
    answers = await asyncio.gather(*(issuer.RefreshToken(refresh(token)) for _ in range(5)))
    assert len({answer.refresh_token for answer in answers}) == 1
    assert (await issuer.RefreshToken(refresh(answers[0]))).access_token


async def test_a_refresh_token_is_not_stored(issuer: "TokenServiceAsyncStub", company: Company) -> None:
    token = await issuer.CreateToken(credentials(company))
    parsed = parse_refresh_token(token.refresh_token)
    assert parsed is not None
    (row,) = await company.eyes.all(families())
    assert row["digest"] == parsed.digest
    assert parsed.secret not in (row["digest"], row["family_id"].bytes)


async def test_an_expired_refresh_token_does_not_hold(issuer: "TokenServiceAsyncStub", company: Company) -> None:
    token = await issuer.CreateToken(credentials(company))
    await run(company, families_expire(), expire_time=system_now())
    with refused(*INVALID):
        await issuer.RefreshToken(refresh(token))
    await issuer.CreateToken(credentials(company))
    assert len(await company.eyes.all(families())) == 1


@pytest.mark.parametrize("text", ["x", "ÄÖÜ", "a" * 86, "a" * 500])
async def test_text_that_is_no_refresh_token_does_not_hold(issuer: "TokenServiceAsyncStub", text: str) -> None:
    with refused(*INVALID):
        await issuer.RefreshToken(pb.RefreshTokenRequest(refresh_token=text))
    assert await issuer.RevokeToken(pb.RevokeTokenRequest(refresh_token=text)) == pb.RevokeTokenResponse()


async def test_a_refresh_token_moved_to_another_tenant_does_not_hold(
    issuer: "TokenServiceAsyncStub", company: Company, customer: Running
) -> None:
    token = await issuer.CreateToken(credentials(company))
    parsed = parse_refresh_token(token.refresh_token)
    assert parsed is not None
    other = await open_company(customer)
    moved = RefreshToken(other.tenant_id, parsed.family_id, parsed.secret)
    with refused(*INVALID):
        await issuer.RefreshToken(pb.RefreshTokenRequest(refresh_token=moved.text))


async def test_signing_out_ends_the_family(issuer: "TokenServiceAsyncStub", company: Company) -> None:
    token = await issuer.CreateToken(credentials(company))
    for _ in range(2):
        await issuer.RevokeToken(pb.RevokeTokenRequest(refresh_token=token.refresh_token))
    with refused(*INVALID):
        await issuer.RefreshToken(refresh(token))


async def test_a_new_password_ends_refresh_tokens_and_the_old_password(
    issuer: "TokenServiceAsyncStub", users: "UserServiceAsyncStub", company: Company
) -> None:
    token = await issuer.CreateToken(credentials(company))
    new = "another password, longer"
    request = users_pb2.SetPasswordRequest(id=str(company.admin.id), password=new)
    await users.SetPassword(request, metadata=company.admin.metadata)
    with refused(*INVALID):
        await issuer.RefreshToken(refresh(token))
    with refused(*INVALID):
        await issuer.CreateToken(credentials(company))
    assert (await issuer.CreateToken(credentials(company, password=new))).access_token


async def test_what_an_older_password_signed_in_is_swept_at_the_next_sign_in(
    issuer: "TokenServiceAsyncStub", users: "UserServiceAsyncStub", company: Company
) -> None:
    for _ in range(2):
        await issuer.CreateToken(credentials(company))
    assert len(await company.eyes.all(families())) == 2
    new = "another password, longer"
    request = users_pb2.SetPasswordRequest(id=str(company.admin.id), password=new)
    await users.SetPassword(request, metadata=company.admin.metadata)
    token = await issuer.CreateToken(credentials(company, password=new))
    assert len(await company.eyes.all(families())) == 1
    assert (await issuer.RefreshToken(refresh(token))).access_token


async def test_two_seconds_after_they_were_deactivated_a_user_is_out_everywhere(
    issuer: "TokenServiceAsyncStub",
    users: "UserServiceAsyncStub",
    company: Company,
    replica: Replica,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = await company.user()
    request = users_pb2.SetPasswordRequest(id=user.id, password=PASSWORD)
    await users.SetPassword(request, metadata=company.admin.metadata)
    token = await issuer.CreateToken(credentials(company, login=user.login))
    await replica.users.GetCurrentUser(ME, metadata=bearer(token))
    await users.DeactivateUser(users_pb2.DeactivateUserRequest(id=user.id), metadata=company.admin.metadata)
    later = SimpleNamespace(monotonic=lambda: time.monotonic() + 2)
    monkeypatch.setattr("crm_kit.directory.access.time", later)
    with refused("UNAUTHENTICATED", "UNAUTHENTICATED"):
        await replica.users.GetCurrentUser(ME, metadata=bearer(token))
    with refused(*INVALID):
        await issuer.RefreshToken(refresh(token))
    # What ended does not come back with the user.
    await users.ActivateUser(users_pb2.ActivateUserRequest(id=user.id), metadata=company.admin.metadata)
    with refused(*INVALID):
        await issuer.RefreshToken(refresh(token))
    assert (await issuer.CreateToken(credentials(company, login=user.login))).access_token


# --- one's own password

OWN = "my own password, quite long"


def change(*, current: str = PASSWORD, new: str = OWN) -> pb.ChangePasswordRequest:
    return pb.ChangePasswordRequest(current_password=current, new_password=new)


async def test_who_changes_their_password_signs_in_with_it_and_only_with_it(
    issuer: "TokenServiceAsyncStub", company: Company
) -> None:
    token = await issuer.CreateToken(credentials(company))
    await issuer.ChangePassword(change(), metadata=company.admin.metadata)
    for request in (issuer.RefreshToken(refresh(token)), issuer.CreateToken(credentials(company))):
        with refused(*INVALID):
            await request
    assert (await issuer.CreateToken(credentials(company, password=OWN))).access_token


async def test_a_wrong_current_password_changes_nothing_and_counts_as_a_failure(
    issuer: "TokenServiceAsyncStub", company: Company
) -> None:
    token = await issuer.CreateToken(credentials(company))
    for _ in range(FREE_FAILURES):
        with refused("INVALID_ARGUMENT", "INVALID_CREDENTIALS") as refusal:
            await issuer.ChangePassword(change(current="wrong"), metadata=company.admin.metadata)
        assert refusal.fields == ["current_password"]
    for guess in ("wrong", PASSWORD):
        with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED"):
            await issuer.ChangePassword(change(current=guess), metadata=company.admin.metadata)
    assert (await issuer.RefreshToken(refresh(token))).access_token


async def test_a_new_password_of_ones_own_is_long_enough(issuer: "TokenServiceAsyncStub", company: Company) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await issuer.ChangePassword(change(new="short"), metadata=company.admin.metadata)
    assert refusal.fields == ["new_password"]


async def test_who_has_no_password_here_cannot_change_it(issuer: "TokenServiceAsyncStub", company: Company) -> None:
    user = company.acting(await company.user())
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await issuer.ChangePassword(change(), metadata=user.metadata)


# --- keys


async def test_the_keys_are_public_and_only_public(issuer: "TokenServiceAsyncStub", customer: Running) -> None:
    found = await issuer.GetSigningKeys(pb.GetSigningKeysRequest())
    assert found.keys
    for key in found.keys:
        assert (key.kty, key.crv, key.alg, key.use) == ("OKP", "Ed25519", "EdDSA", "sig")
    own = await built_in_keys(customer.service)()
    asked = await keys_from_customer(customer.service.settings.listen_address)()
    assert own == asked
    assert [key["kid"] for key in own["keys"]] == [key.kid for key in found.keys]


async def test_a_private_key_is_stored_encrypted_by_the_secret(customer: Running) -> None:
    settings = settings_of(customer)
    key = await signing_keys(customer.service, settings).current()
    raw = key.private_key.private_bytes_raw()
    eyes = ReadSession(customer.service.database, service_actor(SYSTEM_TENANT), scope=Scope.ALL, now=system_now())
    rows = await eyes.all(stored_keys())
    assert rows
    assert not any(raw in row["private_key"] for row in rows)
    other = settings.model_copy(update={"signing_key_secret": type(settings.signing_key_secret)("x" * 32)})
    with pytest.raises(Unavailable):
        await signing_keys(customer.service, other).current()


async def test_after_a_rotation_old_tokens_hold_until_they_expire(
    issuer: "TokenServiceAsyncStub", company: Company, customer: Running
) -> None:
    settings = settings_of(customer)
    token = await issuer.CreateToken(credentials(company))
    # A moment later, when every key that other tests made signs already.
    then, soon, late = (later_keys(customer, seconds) for seconds in (30, 60, 1200))
    old_keys = {(await then.current()).key_id, jwt.get_unverified_header(token.access_token)["kid"]}
    new_key = await then.rotate()
    # Shown at once, used a little later: by then every service has it.
    shown = [key["kid"] for key in (await then.jwks())["keys"]]
    assert shown[0] == new_key
    assert old_keys <= set(shown)
    assert (await then.current()).key_id in old_keys
    assert (await soon.current()).key_id == new_key
    verifier = TokenVerifier([TrustedIssuer(settings.issuer, settings.audience, soon.jwks)])
    assert (await verifier.verify(token.access_token)).user == str(company.admin.id)
    assert [key["kid"] for key in (await late.jwks())["keys"]] == [new_key]
    assert (await late.current()).key_id == new_key


async def test_rotations_at_the_same_time_leave_a_key_that_stays(customer: Running) -> None:
    keys = [signing_keys(customer.service, settings_of(customer)) for _ in range(4)]
    answers = await asyncio.gather(*(each.rotate() for each in keys), return_exceptions=True)
    assert any(isinstance(answer, str) for answer in answers)
    for_ever = later_keys(customer, 10 * 365 * 86_400)
    assert len((await for_ever.jwks())["keys"]) == 1


async def test_keys_that_cannot_be_asked_for_are_unavailable() -> None:
    with pytest.raises(Unavailable):
        await keys_from_customer(f"127.0.0.1:{free_ports().customer}")()


# --- looking below the contract


def later_keys(customer: Running, seconds: int) -> SigningKeys:
    """The keys as they will be."""
    settings = settings_of(customer)
    secret = settings.signing_key_secret.get_secret_value()
    return SigningKeys(
        customer.service.database,
        secret,
        token_seconds=settings.access_token_seconds,
        now=lambda: system_now() + timedelta(seconds=seconds),
    )


def retry_seconds(error: grpc.aio.AioRpcError) -> float:
    """What the error says about when to come back."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            for detail in Status.FromString(value).details:
                info = RetryInfo()
                if detail.Unpack(info):
                    return info.retry_delay.ToTimedelta().total_seconds()
    raise AssertionError("no RetryInfo")


async def run(company: Company, query: Statement, **values: Any) -> None:
    async with company.customer.unit_of_work(company.tenant_id) as work:
        work.execute(query, **values)


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


@statement
def families() -> Select[tuple[object, ...]]:
    return select(refresh_tokens).where(refresh_tokens.c.tenant_id == bindparam("tenant_id"))


@statement
def families_expire() -> Update:
    table = refresh_tokens
    return update(table).where(table.c.tenant_id == bindparam("tenant_id")).values(expire_time=bindparam("expire_time"))


@statement
def replaced_earlier() -> Update:
    table = refresh_tokens
    earlier = table.c.replace_time - bindparam("earlier", type_=Interval)
    return update(table).where(table.c.tenant_id == bindparam("tenant_id")).values(replace_time=earlier)


@statement
def stored_keys() -> Select[tuple[object, ...]]:
    table = signing_keys_table
    return select(table).where(table.c.tenant_id == bindparam("tenant_id"))

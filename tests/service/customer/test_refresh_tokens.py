"""Going on with a refresh token, and what ends it: a second use, signing out, a new password, being deactivated."""

import asyncio
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from crm.customer.v1 import tokens_pb2 as pb
from crm.customer.v1 import users_pb2
from crm.customer.v1.tokens_pb2_grpc import TokenServiceStub
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from crm_customer.directory.tokens.model import REUSE_WINDOW, RefreshToken, parse_refresh_token
from crm_customer.directory.tokens.tables import refresh_tokens
from crm_kit.clock import system_now
from crm_kit.database.statements import statement
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


# --- looking below the contract


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

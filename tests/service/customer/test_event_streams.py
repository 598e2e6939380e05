"""`GET /v1/events` on accounts: who is told what, how it goes on, and how it ends."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1 import roles_pb2, tokens_pb2, users_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.tokens_pb2_grpc import TokenServiceStub
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from crm_customer.directory.tokens.model import parse_refresh_token
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_local.testing import Servers
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.companies import Company, open_company
from tests.service.customer.customers import new_account, new_contact, renamed
from tests.service.customer.tokens import credentials
from tests.service.eventually import eventually
from tests.service.running import Running, User
from tests.service.streaming import Listening, listening, reading

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub


@pytest.fixture(scope="module")
async def gateway(servers: Servers, customer: Running) -> AsyncIterator[Listening]:
    async with listening(servers, customer) as started:
        yield started


@pytest.fixture
def accounts(customer: Running) -> "AccountServiceAsyncStub":
    return AccountServiceStub(customer.channel)


async def given(accounts: "AccountServiceAsyncStub", by: User, id: str, to: User) -> pb.Account:
    account = pb.Account(id=id, owner_id=str(to.id))
    request = pb.UpdateAccountRequest(account=account, update_mask=FieldMask(paths=["owner_id"]))
    return await accounts.UpdateAccount(request, metadata=by.metadata)


async def grant(company: Company, user: User, role: roles_pb2.Role) -> None:
    """Give a user a role, in whose place all others are taken."""
    users = UserServiceStub(company.customer.channel)
    changed = users_pb2.User(id=str(user.id), role_ids=[role.id])
    request = users_pb2.UpdateUserRequest(user=changed, update_mask=FieldMask(paths=["role_ids"]))
    await users.UpdateUser(request, metadata=company.admin.metadata)

    async def has_it() -> bool:
        me = await users.GetCurrentUser(users_pb2.GetCurrentUserRequest(), metadata=user.metadata)
        return {each.permission for each in me.grants} == {each.permission for each in role.grants}

    await eventually(has_it)


async def test_a_stream_tells_what_happens_as_it_happens_and_who_did_it(
    gateway: Listening, company: Company, accounts: "AccountServiceAsyncStub", customer: Running
) -> None:
    async with reading(gateway, company.admin, collections="accounts") as stream:
        assert stream.answer.status_code == 200
        headers = stream.answer.headers
        assert headers["content-type"].startswith("text/event-stream")
        assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")
        await stream.until("ready")
        assert stream.retry >= 1000
        account = await new_account(customer, company.admin)
        await renamed(accounts, company.admin, account.id, "Another", **{"x-request-id": "mine"})
        created, updated = await stream.told(2)
    assert created.brief == ("account.created", account.id, 1)
    assert created.data["changed_fields"] == []
    assert updated.brief == ("account.updated", account.id, 2)
    told = updated.data
    assert (told["type"], told["collection"], told["actor_id"]) == (
        "account.updated",
        "accounts",
        str(company.admin.id),
    )
    assert (told["changed_fields"], told["request_id"]) == (["display_name"], "mine")
    assert "Another" not in str(told)


# --- who is told what


async def test_nobody_is_told_of_records_that_they_may_not_read(
    gateway: Listening, company: Company, accounts: "AccountServiceAsyncStub", customer: Running
) -> None:
    rep = company.acting(await company.user(await company.role(accounts_read=Scope.OWN, accounts_write=Scope.OWN)))
    nobody = company.acting(await company.user())
    stranger = (await open_company(customer)).admin
    async with (
        reading(gateway, company.admin, collections="accounts") as boss,
        reading(gateway, rep, collections="accounts") as own,
        reading(gateway, nobody, collections="accounts") as none,
        reading(gateway, stranger, collections="accounts") as elsewhere,
    ):
        for each in (boss, own, none, elsewhere):
            await each.until("ready")
        theirs = await new_account(customer, company.admin)
        mine = await new_account(customer, rep)
        await boss.told(2)
        assert [each.brief for each in await own.told(1)] == [("account.created", mine.id, 1)]
        # What comes behind shows that nothing was told before it.
        foreign = await new_account(customer, stranger)
        assert [each.data["record_id"] for each in await elsewhere.told(1)] == [foreign.id]
        # Given to somebody else, it is theirs no more.
        await given(accounts, company.admin, mine.id, company.admin)
        await renamed(accounts, company.admin, theirs.id, "Another")
        last = await new_account(customer, rep)
        assert [each.data["record_id"] for each in await own.told(1)] == [last.id]
        await grant(company, nobody, await company.role(accounts_read=Scope.ALL))
        seen = await new_account(customer, company.admin)
        assert [each.data["record_id"] for each in await none.told(1)] == [seen.id]
        # A right that ends while the stream is open, and comes back.
        await grant(company, nobody, await company.role(cases_read=Scope.ALL))
        await new_account(customer, company.admin)
        await grant(company, nobody, await company.role(accounts_read=Scope.ALL, contacts_read=Scope.ALL))
        again = await new_account(customer, company.admin)
        assert [each.data["record_id"] for each in await none.told(1)] == [again.id]


async def test_an_archived_record_can_be_read_and_is_told(
    gateway: Listening, company: Company, accounts: "AccountServiceAsyncStub", customer: Running
) -> None:
    account = await new_account(customer, company.admin)
    async with reading(gateway, company.admin, record=f"accounts/{account.id}") as stream:
        await stream.until("ready")
        await accounts.ArchiveAccount(pb.ArchiveAccountRequest(id=account.id), metadata=company.admin.metadata)
        assert (await stream.until("account.archived"))[-1].data["record_id"] == account.id


async def test_a_reader_chooses_by_type_collection_and_record(
    gateway: Listening, company: Company, accounts: "AccountServiceAsyncStub", customer: Running
) -> None:
    one, other = [await new_account(customer, company.admin) for _ in range(2)]
    async with (
        reading(gateway, company.admin, types="account.archived,account.updated") as by_type,
        reading(gateway, company.admin, collections="contacts") as by_collection,
        reading(gateway, company.admin, record=[f"accounts/{one.id}", f"contacts/{other.id}"]) as by_record,
        reading(gateway, company.admin, types="account.updated", record=f"accounts/{one.id}") as by_both,
    ):
        for each in (by_type, by_collection, by_record, by_both):
            await each.until("ready")
        await new_account(customer, company.admin)
        await renamed(accounts, company.admin, other.id, "Other")
        await renamed(accounts, company.admin, one.id, "One")
        contact = await new_contact(customer, company.admin, one.id)
        assert [each.brief for each in await by_type.told(2)] == [
            ("account.updated", other.id, 2),
            ("account.updated", one.id, 2),
        ]
        assert [each.brief for each in await by_collection.told(1)] == [("contact.created", contact.id, 1)]
        assert [each.brief for each in await by_both.told(1)] == [("account.updated", one.id, 2)]
        # That it was created may be told late.
        found = await by_record.until("account.updated")
        assert {each.data["record_id"] for each in found} == {one.id}


@pytest.mark.parametrize(
    ("parameters", "field", "rule"),
    [
        ({"types": "account.created,account.vanished"}, "types", "event_type"),
        ({"collections": "unicorns"}, "collections", "event_collection"),
        ({"collections": "timeline"}, "collections", "event_collection"),
        ({"record": "accounts"}, "record", "record_path"),
        ({"record": "accounts/7"}, "record", "record_path"),
        ({"record": [f"accounts/{new_id()}" for _ in range(201)]}, "record", "repeated.max_items"),
        ({"typs": "account.created"}, "typs", "unknown_field"),
    ],
)
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_what_nobody_can_choose_is_refused_by_name(
    gateway: Listening, company: Company, parameters: dict[str, str], field: str, rule: str, language: str
) -> None:
    async with reading(gateway, company.admin, headers={"accept-language": language}, **parameters) as stream:
        problem = stream.answer.json()
        assert stream.answer.status_code == (400 if rule == "unknown_field" else 422)
        assert [(each["field"], each["rule"]) for each in problem["errors"]] == [(field, rule)]
        assert problem["errors"][0]["detail"] != rule


# --- how it ends


async def test_a_stream_ends_with_its_token(gateway: Listening, company: Company, customer: Running) -> None:
    issuer = customer.service.settings.issuer
    # On a busy machine a token may end before its stream begins.
    for seconds in (2, 4, 8, 16, 32):
        soon = int(time.time()) + seconds
        token = customer.tokens.token(issuer, company.tenant_id, company.admin.id, exp=soon)
        async with reading(gateway, token) as stream:
            if stream.answer.status_code == 200:
                ended = await stream.ends()
                break
    assert ended[-1].name == "expired"
    assert ended[-1].data == {"reason": "TOKEN_EXPIRED"}
    async with reading(gateway, token) as refused:
        assert refused.answer.status_code == 401


async def test_a_stream_ends_when_its_user_signs_out(gateway: Listening, company: Company, customer: Running) -> None:
    tokens = TokenServiceStub(customer.channel)
    signed_in = [await tokens.CreateToken(credentials(company)) for _ in range(2)]
    parsed = [parse_refresh_token(each.refresh_token) for each in signed_in]
    issuer = customer.service.settings.issuer
    one, other = [
        customer.tokens.token(issuer, company.tenant_id, company.admin.id, sid=str(each.session_id))
        for each in parsed
        if each is not None
    ]
    async with reading(gateway, one) as ends, reading(gateway, other) as goes_on:
        for each in (ends, goes_on):
            await each.until("ready")
        await tokens.RevokeToken(tokens_pb2.RevokeTokenRequest(refresh_token=signed_in[0].refresh_token))
        assert [(each.name, each.data) for each in await ends.ends()] == [("expired", {"reason": "SESSION_ENDED"})]
        await new_account(customer, company.admin)
        await goes_on.told(1)


async def test_a_stream_ends_when_its_user_is_deactivated(
    gateway: Listening, company: Company, customer: Running
) -> None:
    user = await company.user(await company.role(accounts_read=Scope.ALL))
    somebody = company.acting(user)
    users = UserServiceStub(customer.channel)
    chosen = "user.deactivated,account.created"
    async with reading(gateway, somebody) as stream, reading(gateway, company.admin, types=chosen) as goes_on:
        for each in (stream, goes_on):
            await each.until("ready")
        await users.DeactivateUser(users_pb2.DeactivateUserRequest(id=user.id), metadata=company.admin.metadata)
        await new_account(customer, company.admin)
        ended = await stream.ends()
        assert [(each.name, each.data) for each in ended] == [("expired", {"reason": "USER_DEACTIVATED"})]
        assert [each.name for each in await goes_on.told(2)] == ["user.deactivated", "account.created"]
    async with reading(gateway, somebody) as refused:
        assert refused.answer.status_code == 401


@pytest.mark.parametrize(
    "claims", [{"exp": 1}, {"aud": "elsewhere"}, {"sub": str(new_id())}, {"tenant": str(new_id())}]
)
async def test_nobody_who_is_not_known_has_a_stream(
    gateway: Listening, company: Company, customer: Running, claims: dict[str, object]
) -> None:
    issuer = customer.service.settings.issuer
    token = customer.tokens.token(issuer, company.tenant_id, company.admin.id, **claims)
    async with reading(gateway, token) as stream:
        assert (stream.answer.status_code, stream.answer.json()["reason"]) == (401, "UNAUTHENTICATED")


async def test_whoever_asks_for_the_head_alone_is_not_kept(gateway: Listening, company: Company) -> None:
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client:
        answer = await client.head("/v1/events", headers={"authorization": f"Bearer {company.admin.token}"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


# --- limits and signs of life


async def test_a_user_has_so_many_streams_and_none_counts_as_a_request(
    servers: Servers, company: Company, customer: Running
) -> None:
    limits = {"max_streams_per_user": 2, "max_requests_per_tenant": 1, "max_connections_per_peer": 10}
    async with listening(servers, customer, trusted_proxies="", **limits) as gateway:
        async with reading(gateway, company.admin) as one, reading(gateway, company.admin) as other:
            for each in (one, other):
                await each.until("ready")
            async with reading(gateway, company.admin) as refused:
                assert (refused.answer.status_code, refused.answer.json()["reason"]) == (429, "RATE_LIMITED")
                assert int(refused.answer.headers["retry-after"]) >= 1
                assert "2" in refused.answer.json()["detail"]
            async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client:
                me = await client.get("/v1/users:me", headers={"authorization": f"Bearer {company.admin.token}"})
                assert me.status_code == 200

        async def has_room() -> bool:
            async with reading(gateway, company.admin) as again:
                return again.answer.status_code == 200

        await eventually(has_room)


@pytest.mark.parametrize("limit", ["max_streams", "max_streams_per_tenant"])
async def test_a_tenant_and_a_gateway_have_so_many_streams(
    servers: Servers, company: Company, customer: Running, limit: str
) -> None:
    colleague = company.acting(await company.user())
    async with (
        listening(servers, customer, **{limit: 1}) as gateway,
        reading(gateway, company.admin) as stream,
        reading(gateway, colleague) as refused,
    ):
        assert (stream.answer.status_code, refused.answer.status_code) == (200, 429)


async def test_a_silent_stream_shows_that_it_lives_and_how_far_it_is(
    servers: Servers, company: Company, customer: Running
) -> None:
    stranger = (await open_company(customer)).admin
    async with (
        listening(servers, customer, stream_heartbeat=0.05) as gateway,
        reading(gateway, company.admin, types="account.archived") as stream,
    ):
        await stream.until("ready")
        begun = stream.last_id
        await new_account(customer, stranger)
        beat = (await stream.until("heartbeat"))[-1]
        assert beat.data == {}
        assert beat.id != begun

        async def has_beaten() -> bool:
            return stream.comments > 0

        # Nothing has moved since, so there is nothing to say but that it lives.
        watching = asyncio.create_task(stream.next())
        await eventually(has_beaten)
        watching.cancel()

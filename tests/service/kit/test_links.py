"""A real service over links: the pipeline, its errors, keys and rollbacks are the same as with plain calls."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import grpc
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm_kit.database.locks import advisory_lock
from crm_kit.identity.access import Scope
from crm_kit.rpc.channels import ServiceChannel
from google.protobuf.message import Message

from tests.service.eventually import eventually
from tests.service.running import Running, User

SERVICE = "/crm.customer.v1.AccountService/"
WANTED = pb.Account(kind=pb.Account.KIND_PERSON, display_name="Li Wei")


@pytest.fixture
async def link(customer: Running) -> AsyncIterator[ServiceChannel]:
    opened = ServiceChannel(customer.service.settings.listen_address)
    yield opened
    await opened.close()


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


Outcome = tuple[grpc.StatusCode, bytes | str | None, dict[str, str | bytes]]


async def by_link(link: ServiceChannel, name: str, request: Message, metadata: dict[str, str]) -> Outcome:
    try:
        reply = await link.call(SERVICE + name, request.SerializeToString(), metadata=metadata, seconds=20)
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details(), dict(error.trailing_metadata() or ())
    return grpc.StatusCode.OK, reply.data, dict(reply.metadata)


async def unary(customer: Running, name: str, request: Message, metadata: dict[str, str]) -> Outcome:
    method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = customer.channel.unary_unary(SERVICE + name)
    call = method(request.SerializeToString(), metadata=tuple(metadata.items()), timeout=20)
    try:
        data = await call
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details(), dict(error.trailing_metadata() or ())
    return grpc.StatusCode.OK, data, dict(await call.trailing_metadata())


REFUSED: dict[str, tuple[str, Message, dict[str, str], str]] = {
    "no token": ("GetAccount", pb.GetAccountRequest(id=str(uuid4())), {"authorization": ""}, "UNAUTHENTICATED"),
    "no permission": ("ListAccounts", pb.ListAccountsRequest(), {"authorization": "nobody"}, "PERMISSION_DENIED"),
    "not there": ("GetAccount", pb.GetAccountRequest(id=str(uuid4())), {}, "NOT_FOUND"),
    "fields break rules": (
        "CreateAccount",
        pb.CreateAccountRequest(account=pb.Account(display_name="x" * 5000, emails=["nobody"], website="none")),
        {},
        "INVALID_ARGUMENT",
    ),
    "a filter that cannot be read": ("ListAccounts", pb.ListAccountsRequest(filter="tags ="), {}, "INVALID_ARGUMENT"),
    "a key that is too long": (
        "CreateAccount",
        pb.CreateAccountRequest(account=WANTED),
        {"idempotency-key": "k" * 256},
        "INVALID_ARGUMENT",
    ),
}


@pytest.mark.parametrize("why", REFUSED)
async def test_a_refusal_over_a_link_is_that_of_a_plain_call(
    customer: Running, link: ServiceChannel, user: User, why: str
) -> None:
    name, request, changed, code = REFUSED[why]
    metadata = {"x-request-id": "r-1", **dict(user.metadata), **changed}
    if changed.get("authorization") == "nobody":
        metadata |= dict((await customer.user(user.tenant_id, grants={"leads.read": Scope.ALL})).metadata)
    over_link, plain = await by_link(link, name, request, metadata), await unary(customer, name, request, metadata)
    assert over_link == plain
    assert over_link[0].name == code
    assert over_link[2]["grpc-status-details-bin"]


async def test_a_request_that_is_no_message_is_refused_as_by_a_plain_call(
    customer: Running, link: ServiceChannel, user: User
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await link.call(SERVICE + "GetAccount", b"\xff\xff", metadata=dict(user.metadata))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_key_takes_effect_once_whichever_way_it_comes(
    customer: Running, link: ServiceChannel, user: User
) -> None:
    request, metadata = pb.CreateAccountRequest(account=WANTED), dict(user.with_key("k-1"))
    first = await by_link(link, "CreateAccount", request, metadata)
    again = await by_link(link, "CreateAccount", request, metadata)
    plain = await unary(customer, "CreateAccount", request, metadata)
    assert first[0] is grpc.StatusCode.OK
    assert first[1] == again[1] == plain[1]
    assert "idempotent-replayed" not in first[2]
    assert again[2]["idempotent-replayed"] == plain[2]["idempotent-replayed"] == "true"
    other = pb.CreateAccountRequest(account=pb.Account(kind=pb.Account.KIND_PERSON, display_name="Other"))
    assert (await by_link(link, "CreateAccount", other, metadata))[0] is grpc.StatusCode.ALREADY_EXISTS


async def test_twins_over_a_link_take_effect_once(link: ServiceChannel, user: User) -> None:
    request, metadata = pb.CreateAccountRequest(account=WANTED), dict(user.with_key("k-2"))
    outcomes = await asyncio.gather(*(by_link(link, "CreateAccount", request, metadata) for _ in range(8)))
    assert {outcome[0] for outcome in outcomes} == {grpc.StatusCode.OK}
    assert len({outcome[1] for outcome in outcomes}) == 1


async def test_a_write_that_is_given_up_is_rolled_back_and_its_session_is_free(
    customer: Running, link: ServiceChannel, user: User
) -> None:
    _, data, _ = await by_link(link, "CreateAccount", pb.CreateAccountRequest(account=WANTED), dict(user.metadata))
    assert isinstance(data, bytes)
    created = pb.Account.FromString(data)
    renamed = pb.UpdateAccountRequest(account=pb.Account(id=created.id, display_name="After"))
    renamed.update_mask.paths.append("display_name")
    async with customer.unit_of_work(user.tenant_id) as work:
        # Who renames an account waits for this lock.
        await advisory_lock(work, f"account_search {created.id}")
        waiting = asyncio.create_task(by_link(link, "UpdateAccount", renamed, dict(user.metadata)))
        await eventually(lambda: somebody_waits(customer))
        waiting.cancel()
        await eventually(lambda: nobody_waits(customer))
    _, read, _ = await by_link(link, "GetAccount", pb.GetAccountRequest(id=created.id), dict(user.metadata))
    assert read == data


async def somebody_waits(customer: Running) -> bool:
    """Whether some session waits for an advisory lock."""
    connection = await asyncpg.connect(customer.service.settings.database_url)
    try:
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        return bool(await connection.fetchval(query))
    finally:
        await connection.close()


async def nobody_waits(customer: Running) -> bool:
    return not await somebody_waits(customer)


async def test_these_tests_go_over_a_link(link: ServiceChannel, user: User) -> None:
    await by_link(link, "ListAccounts", pb.ListAccountsRequest(), dict(user.metadata))
    assert [connection._link is not None for connection in link._open] == [True]

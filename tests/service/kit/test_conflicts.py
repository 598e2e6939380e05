"""What a refused etag tells: who changed which fields since, over gRPC and REST, on accounts."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.error.v1.etag_mismatch_pb2 import EtagMismatch
from crm_kit.identity.access import Scope
from crm_kit.resource.conflicts import MAX_CHANGES
from crm_kit.rpc.status import MAX_STATUS_BYTES
from google.protobuf.field_mask_pb2 import FieldMask

from tests.conformity import Document
from tests.service.customer.customers import new_account
from tests.service.kit.custom_fields import message_values, new_field
from tests.service.running import Running, User, details_of
from tests.service.web import bearer, gateway

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
def accounts(customer: Running) -> "AccountServiceAsyncStub":
    return AccountServiceStub(customer.channel)


@pytest.fixture
async def web(customer: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(customer) as client:
        yield client


async def update(accounts: "AccountServiceAsyncStub", by: User, account: pb.Account, **fields: Any) -> pb.Account:
    """The account with these fields, if it still has its etag."""
    changed = pb.Account(id=account.id, etag=account.etag, **fields)
    request = pb.UpdateAccountRequest(account=changed, update_mask=FieldMask(paths=list(fields)))
    return await accounts.UpdateAccount(request, metadata=by.metadata)


async def mismatch_of(accounts: "AccountServiceAsyncStub", by: User, account: pb.Account) -> EtagMismatch | None:
    """What the refusal of a change to the account, as it was read, tells."""
    with pytest.raises(grpc.aio.AioRpcError, match=r"it has changed since you read it|no etag") as refusal:
        await update(accounts, by, account, source="lost")
    return next(details_of(refusal.value, EtagMismatch), None)


async def test_a_refused_etag_tells_who_changed_which_fields_since(
    customer: Running, user: User, accounts: "AccountServiceAsyncStub"
) -> None:
    other = await customer.user(user.tenant_id, name="王芳")
    read = await new_account(customer, user, source="fair")
    second = await update(accounts, other, read, industry="steel", source="web")
    third = await accounts.ArchiveAccount(pb.ArchiveAccountRequest(id=read.id), metadata=user.metadata)
    told = await mismatch_of(accounts, user, read)
    assert told is not None
    assert (told.current_etag, told.changes_truncated) == (third.etag, False)
    assert [(each.etag, each.action, each.actor_id, sorted(each.fields)) for each in told.changes] == [
        (third.etag, "ARCHIVED", str(user.id), ["status"]),
        (second.etag, "UPDATED", str(other.id), ["industry", "source"]),
    ]
    assert [each.actor_name for each in told.changes] == ["somebody", "王芳"]
    assert [each.change_time for each in told.changes] == [third.update_time, second.update_time]
    told = await mismatch_of(accounts, user, second)
    assert told is not None
    assert [each.etag for each in told.changes] == [third.etag]


async def test_a_refused_etag_names_custom_fields_one_by_one(
    customer: Running, user: User, accounts: "AccountServiceAsyncStub"
) -> None:
    for key in ("contract_no", "size"):
        await new_field(customer, user, key)
    read = await new_account(customer, user, custom=message_values({"contract_no": "A-1", "size": "1"}))
    await update(accounts, user, read, custom=message_values({"contract_no": "A-2"}))
    told = await mismatch_of(accounts, user, read)
    assert told is not None
    assert [sorted(each.fields) for each in told.changes] == [["custom.contract_no", "custom.size"]]


async def test_on_rest_the_problem_says_it_as_the_document_does(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    account = await new_account(customer, user)
    path, headers = f"/v1/accounts/{account.id}", bearer(user) | {"if-match": f'"{account.etag}"'}
    changed = (await web.patch(path, json={"industry": "steel"}, headers=headers)).json()
    refused = await web.patch(path, json={"industry": "power"}, headers=headers)
    assert (refused.status_code, refused.headers["content-type"]) == (412, "application/problem+json")
    problem = refused.json()
    assert (problem["current_etag"], problem["changes_truncated"]) == (changed["etag"], False)
    assert problem["changes"] == [
        {
            "etag": changed["etag"],
            "action": "UPDATED",
            "actor_id": str(user.id),
            "actor_name": "somebody",
            "change_time": changed["update_time"],
            "fields": ["industry"],
        }
    ]
    document = Document((await web.get("/openapi.json")).json())
    assert list(document.wrong_with("PATCH", path, 412, problem)) == []


async def test_of_many_changes_the_newest_are_told_as_many_as_an_error_can_carry(
    customer: Running, user: User, accounts: "AccountServiceAsyncStub"
) -> None:
    read = now = await new_account(customer, user)
    for number in range(MAX_CHANGES):
        now = await update(accounts, user, now, source=f"fair {number}")
    told = await mismatch_of(accounts, user, read)
    assert told is not None
    assert (len(told.changes), told.changes_truncated) == (MAX_CHANGES, False)
    eloquent = await customer.user(user.tenant_id, name="鹏" * 200)
    for number in range(MAX_CHANGES + 1):
        now = await update(accounts, eloquent, now, source=f"web {number}")
    told = await mismatch_of(accounts, user, read)
    assert told is not None
    assert told.changes[0].etag == now.etag
    assert told.changes_truncated
    assert told.ByteSize() <= MAX_STATUS_BYTES


@pytest.mark.parametrize("etag", ["v99", "v2 ", "latest", "v-1"])
async def test_what_never_was_an_etag_of_the_record_has_no_changes(
    customer: Running, user: User, accounts: "AccountServiceAsyncStub", etag: str
) -> None:
    account = await new_account(customer, user)
    now = await update(accounts, user, account, industry="steel")
    told = await mismatch_of(accounts, user, pb.Account(id=account.id, etag=etag))
    assert told == EtagMismatch(current_etag=now.etag)


async def test_what_never_was_an_etag_is_told_apart_from_what_no_longer_is_in_both_languages(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    account = await new_account(customer, user)
    for language, said in (("en", "no etag that the record has had"), ("zh", "从未有过此 etag")):
        headers = bearer(user) | {"if-match": '"3"', "accept-language": language}
        refused = await web.patch(f"/v1/accounts/{account.id}", json={"industry": "steel"}, headers=headers)
        assert refused.status_code == 412
        assert said in refused.json()["detail"]


async def test_who_may_write_a_record_but_not_read_it_learns_nothing_of_it(
    customer: Running, user: User, accounts: "AccountServiceAsyncStub"
) -> None:
    read = await new_account(customer, user)
    await update(accounts, user, read, industry="steel")
    blind = await customer.user(user.tenant_id, grants={"accounts.write": Scope.ALL})
    narrow = await customer.user(user.tenant_id, grants={"accounts.write": Scope.ALL, "accounts.read": Scope.OWN})
    assert await mismatch_of(accounts, blind, read) is None
    assert await mismatch_of(accounts, narrow, read) is None

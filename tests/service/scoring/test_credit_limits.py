"""Credit limits through their contract."""

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm.scoring.v1 import credit_pb2 as pb
from crm.scoring.v1 import events_pb2
from crm.scoring.v1.credit_pb2_grpc import CreditServiceStub
from crm_kit.database.statements import compile_statement
from crm_kit.events.outbox import event_of
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.plumbing import outbox
from sqlalchemy import select

from tests.service.history import changes_of
from tests.service.nameless import nameless
from tests.service.running import Running, User, refused
from tests.service.scoring.business import Order
from tests.service.scoring.credit import Check, SetLimit, read

if TYPE_CHECKING:
    from crm.resource.v1.resources_pb2_grpc import ResourceServiceAsyncStub
    from crm.scoring.v1.credit_pb2_grpc import CreditServiceAsyncStub


@pytest.fixture
def stub(scoring: Running) -> "CreditServiceAsyncStub":
    return CreditServiceStub(scoring.channel)


async def test_a_limit_that_was_set_is_read_back_with_who_and_why(
    stub: "CreditServiceAsyncStub", user: User, account_id: UUID, set_limit: SetLimit, scoring: Running
) -> None:
    none = await read(stub, user, account_id)
    assert not none.HasField("amount")
    assert not none.HasField("used")
    limit = await set_limit("1000.5", etag=none.etag)
    assert (limit.id, limit.account_id) == (str(account_id), str(account_id))
    assert (limit.amount.amount, limit.used.amount, limit.reserved.amount) == ("1000.50", "0.00", "0.00")
    assert (limit.reason, limit.set_by_id) == ("known for years", str(user.id))
    assert await read(stub, user, account_id) == limit
    query = select(outbox.c.event).where(outbox.c.subject.contains(".CreditLimitSet."))
    rows = await scoring.service.database.all(user.tenant_id, compile_statement(query), {})
    told = events_pb2.CreditLimitSet()
    event_of(rows[0]["event"]).payload.Unpack(told)
    assert told.credit_limit == nameless(limit)


async def test_history_says_who_set_it_from_what_to_what_and_why(
    scoring: Running, user: User, account_id: UUID, set_limit: SetLimit
) -> None:
    await set_limit(1000)
    await set_limit(500, reason="pays late")
    changes = (await changes_of(scoring, "credit_limits", str(account_id), user.metadata)).changes
    assert [(each.actor_id, each.action) for each in changes] == [(str(user.id), "SET"), (str(user.id), "CREATED")]
    told = {field.field: (field.old_value, field.new_value) for field in changes[0].fields}
    amounts = [str(each.struct_value["amount"]) for each in told.pop("amount")]
    assert list(map(Decimal, amounts)) == [Decimal(1000), Decimal(500)]
    assert [each.string_value for each in told.pop("reason")] == ["known for years", "pays late"]
    assert not told


async def test_a_stale_etag_is_refused(set_limit: SetLimit) -> None:
    first = await set_limit(1000)
    await set_limit(2000, etag=first.etag)
    with refused("ABORTED", "ETAG_MISMATCH") as refusal:
        await set_limit(3000, etag=first.etag)
    assert refusal.unseen == [("SET", ["amount"])]


async def test_a_repeated_key_sets_it_once(set_limit: SetLimit) -> None:
    first = await set_limit(1000, key="k-1")
    await set_limit(2000)
    assert await set_limit(1000, key="k-1") == first


async def test_a_limit_that_is_as_it_was_is_not_written(set_limit: SetLimit) -> None:
    first = await set_limit(1000)
    assert await set_limit("1000.00") == first
    assert (await set_limit(1000, reason="pays late")).etag != first.etag


async def test_what_makes_no_limit_is_refused(set_limit: SetLimit) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await set_limit(-1)
    assert refusal.fields == ["amount.amount"]
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await set_limit(1, reason=" ")
    assert refusal.fields == ["reason"]
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await set_limit("1e5")


async def test_a_limit_of_nothing_is_a_limit_and_not_none(set_limit: SetLimit, check: Check) -> None:
    assert (await check("0.01")).approved
    limit = await set_limit(0)
    assert (limit.amount.amount, (await check("0.01")).approved) == ("0.00", False)


async def test_limits_set_at_once_are_all_in_the_history(
    scoring: Running, user: User, account_id: UUID, set_limit: SetLimit
) -> None:
    await asyncio.gather(*(set_limit(amount) for amount in range(1, 11)))
    assert len((await changes_of(scoring, "credit_limits", str(account_id), user.metadata)).changes) == 10


async def test_each_call_needs_its_permission_and_reaches_its_scope_only(
    stub: "CreditServiceAsyncStub", scoring: Running, user: User, account_id: UUID, set_limit: SetLimit, check: Check
) -> None:
    reader = await scoring.user(user.tenant_id, grants={"credit.read": Scope.ALL})
    await read(stub, reader, account_id)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await set_limit(1, by=reader)
    await check(1, by=reader)
    stranger = await scoring.user(user.tenant_id, grants={"credit.read": Scope.TEAM})
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await check(1, by=stranger)
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await read(stub, stranger, account_id)


async def test_limits_are_read_several_at_once_by_those_who_may_see_the_accounts(
    scoring: Running, user: User, account_id: UUID, set_limit: SetLimit, reserved: Order
) -> None:
    limit = await set_limit(2000)
    assert limit.reserved.amount == "600.00"
    request = resources_pb2.BatchGetRecordsRequest(
        collection="credit_limits", ids=[str(account_id), str(unset := new_id())]
    )
    resources: ResourceServiceAsyncStub = ResourceServiceStub(scoring.channel)
    found = await resources.BatchGetRecords(request, metadata=user.metadata)
    assert [pb.CreditLimit.FromString(each.SerializeToString()) for each in found.records] == [limit]
    assert found.missing_ids == [str(unset)]
    stranger = await scoring.user(user.tenant_id, grants={"credit.read": Scope.OWN})
    assert not (await resources.BatchGetRecords(request, metadata=stranger.metadata)).records


async def test_a_limit_is_read_as_it_was_without_what_orders_used_of_it_then(
    scoring: Running, user: User, account_id: UUID, set_limit: SetLimit
) -> None:
    first = await set_limit(1000)
    await set_limit(500, "USD", reason="pays late")
    request = resources_pb2.GetRecordAsOfRequest(
        collection="credit_limits", id=str(account_id), read_time=first.update_time
    )
    resources: ResourceServiceAsyncStub = ResourceServiceStub(scoring.channel)
    record = await resources.GetRecordAsOf(request, metadata=user.metadata)
    first.ClearField("used")
    first.ClearField("reserved")
    assert pb.CreditLimit.FromString(record.SerializeToString()) == first

"""Credit through its contract."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm.scoring.v1 import credit_pb2 as pb
from crm.scoring.v1 import events_pb2
from crm.scoring.v1.credit_pb2_grpc import CreditServiceStub
from crm_kit.clock import system_now
from crm_kit.database.statements import compile_statement
from crm_kit.events.outbox import event_of
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.plumbing import outbox
from crm_scoring.accounts.tables import accounts
from sqlalchemy import delete, select

from tests.service.clocks import until_noon
from tests.service.eventually import eventually
from tests.service.nameless import nameless
from tests.service.running import Running, User, refused
from tests.service.scoring.business import Order, also_known_to, money, new_account, order, set_clock, tell

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.resource.v1.resources_pb2_grpc import ResourceServiceAsyncStub
    from crm.scoring.v1.credit_pb2_grpc import CreditServiceAsyncStub

Reason = pb.CheckCreditResponse.Reason
Check = Callable[..., Awaitable[pb.CheckCreditResponse]]
SetLimit = Callable[..., Awaitable[pb.CreditLimit]]


@pytest.fixture
async def user(scoring: Running) -> User:
    return await scoring.user(await scoring.tenant(sandbox=True))


@pytest.fixture
def stub(scoring: Running) -> "CreditServiceAsyncStub":
    return CreditServiceStub(scoring.channel)


@pytest.fixture
async def account_id(scoring: Running, user: User) -> UUID:
    return await new_account(scoring, user.tenant_id, user)


@pytest.fixture
def set_limit(stub: "CreditServiceAsyncStub", user: User, account_id: UUID) -> SetLimit:
    """Sets the account's limit as `user`; `by` another user, `key` an idempotency key, `etag` what was seen."""

    async def set_credit_limit(
        amount: object,
        currency_code: str = "CNY",
        *,
        of: UUID = account_id,
        by: User = user,
        key: str = "",
        reason: str = "known for years",
        etag: str = "",
    ) -> pb.CreditLimit:
        request = pb.SetCreditLimitRequest(
            account_id=str(of), amount=money(amount, currency_code), reason=reason, etag=etag
        )
        return await stub.SetCreditLimit(request, metadata=by.with_key(key) if key else by.metadata)

    return set_credit_limit


@pytest.fixture
def check(stub: "CreditServiceAsyncStub", user: User, account_id: UUID) -> Check:
    """Asks for an amount as `user`, for an order when one is given."""

    async def check_credit(
        amount: object,
        order_id: UUID | None = None,
        currency_code: str = "CNY",
        *,
        of: UUID = account_id,
        by: User = user,
    ) -> pb.CheckCreditResponse:
        request = pb.CheckCreditRequest(
            account_id=str(of), amount=money(amount, currency_code), order_id=str(order_id or "")
        )
        return await stub.CheckCredit(request, metadata=by.metadata)

    return check_credit


def names(answer: pb.CheckCreditResponse) -> list[str]:
    """The reasons without their prefix."""
    return [Reason.Name(each).removeprefix("REASON_") for each in answer.reasons]


async def read(stub: "CreditServiceAsyncStub", user: User, account_id: UUID) -> pb.CreditLimit:
    return await stub.GetCreditLimit(pb.GetCreditLimitRequest(account_id=str(account_id)), metadata=user.metadata)


# --- the limit


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
    query = select(outbox.c.event).where(outbox.c.subject.endswith("CreditLimitSet"))
    rows = await scoring.service.database.all(user.tenant_id, compile_statement(query), {})
    told = events_pb2.CreditLimitSet()
    event_of(rows[0]["event"]).payload.Unpack(told)
    assert told.credit_limit == nameless(limit)


async def test_history_says_who_set_it_from_what_to_what_and_why(
    stub: "CreditServiceAsyncStub", user: User, account_id: UUID, set_limit: SetLimit
) -> None:
    await set_limit(1000)
    await set_limit(500, reason="pays late")
    request = pb.ListCreditLimitChangesRequest(account_id=str(account_id))
    changes = (await stub.ListCreditLimitChanges(request, metadata=user.metadata)).changes
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


async def test_limits_set_at_once_are_all_in_the_history(
    stub: "CreditServiceAsyncStub", user: User, account_id: UUID, set_limit: SetLimit
) -> None:
    await asyncio.gather(*(set_limit(amount) for amount in range(1, 11)))
    request = pb.ListCreditLimitChangesRequest(account_id=str(account_id))
    assert len((await stub.ListCreditLimitChanges(request, metadata=user.metadata)).changes) == 10


async def test_each_call_needs_its_permission_and_reaches_its_scope_only(
    stub: "CreditServiceAsyncStub", scoring: Running, user: User, account_id: UUID, set_limit: SetLimit, check: Check
) -> None:
    reader = await scoring.user(user.tenant_id, grants={"credit.read": Scope.ALL})
    await read(stub, reader, account_id)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await set_limit(1, by=reader)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await check(1, by=reader)
    stranger = await scoring.user(user.tenant_id, grants={"credit.check": Scope.OWN, "credit.read": Scope.TEAM})
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


# --- checking orders


async def test_without_a_limit_everything_passes_and_says_so(check: Check) -> None:
    answer = await check(10**9)
    assert answer.approved
    assert names(answer) == ["NO_LIMIT_SET", "NOT_OVERDUE"]
    assert not answer.HasField("limit")


async def test_an_order_passes_up_to_the_limit_and_not_a_cent_beyond(set_limit: SetLimit, check: Check) -> None:
    await set_limit(1000)
    assert (await check("1000.00")).approved
    answer = await check("1000.01")
    assert not answer.approved
    assert names(answer) == ["CREDIT_LIMIT_EXCEEDED"]
    assert answer.limit.amount == "1000.00"
    assert answer.explanation == ("0.00 CNY used + 1000.01 CNY new = 1000.01 CNY, limit 1000.00 CNY: 0.01 CNY too much")


async def test_amounts_in_another_currency_are_not_converted(set_limit: SetLimit, check: Check) -> None:
    await set_limit(1000)
    assert names(await check(1, currency_code="USD")) == ["CREDIT_LIMIT_IN_OTHER_CURRENCY"]


async def test_only_an_amount_above_zero_can_be_asked_for(check: Check) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await check(0)


async def test_of_twenty_orders_at_once_as_many_pass_as_the_limit_holds(
    stub: "CreditServiceAsyncStub", user: User, account_id: UUID, set_limit: SetLimit, check: Check
) -> None:
    await set_limit(1000)
    answers = await asyncio.gather(*(check(100, new_id()) for _ in range(20)))
    assert [answer.approved for answer in answers].count(True) == 10
    assert {tuple(names(answer)) for answer in answers if not answer.approved} == {("CREDIT_LIMIT_EXCEEDED",)}
    limit = await read(stub, user, account_id)
    assert (limit.used.amount, limit.reserved.amount) == ("1000.00", "1000.00")


async def test_the_same_order_may_be_checked_again_and_counts_once(
    stub: "CreditServiceAsyncStub", user: User, account_id: UUID, set_limit: SetLimit, check: Check
) -> None:
    await set_limit(1000)
    id = new_id()
    for amount in (1000, 1000, 900):
        assert (await check(amount, id)).approved
    assert (await read(stub, user, account_id)).reserved.amount == "900.00"
    assert not (await check(1001, id)).approved
    assert (await read(stub, user, account_id)).reserved.amount == "0.00"


async def test_a_question_without_an_order_reserves_nothing(set_limit: SetLimit, check: Check) -> None:
    await set_limit(1000)
    for _ in range(3):
        assert (await check(600)).approved


# --- what becomes of an order


@pytest.fixture
async def reserved(user: User, account_id: UUID, set_limit: SetLimit, check: Check) -> Order:
    """An order over 600 of a limit of 1000, approved a moment ago."""
    made = order(user.tenant_id, account_id, 600)
    await set_limit(1000)
    assert (await check(600, made.id)).approved
    return made


async def test_a_released_order_takes_the_place_of_its_reservation(
    stub: "CreditServiceAsyncStub", user: User, scoring: Running, reserved: Order, check: Check
) -> None:
    await tell(scoring, reserved.released())
    limit = await read(stub, user, reserved.account_id)
    assert (limit.used.amount, limit.reserved.amount) == ("600.00", "0.00")
    # The answer that got lost is asked for again.
    assert (await check(600, reserved.id)).approved
    assert (await read(stub, user, reserved.account_id)).used.amount == "600.00"
    assert not (await check(401, new_id())).approved


async def test_a_held_or_cancelled_order_uses_nothing_and_old_news_change_nothing(
    stub: "CreditServiceAsyncStub", user: User, scoring: Running, reserved: Order
) -> None:
    async def used() -> str:
        return (await read(stub, user, reserved.account_id)).used.amount

    await tell(scoring, reserved.held(version=2))
    assert await used() == "0.00"
    await tell(scoring, reserved.released(version=3))
    assert await used() == "600.00"
    await tell(scoring, reserved.cancelled(version=4), reserved.released(version=3), reserved.held(version=2))
    assert await used() == "0.00"


async def test_what_is_paid_is_free_again_even_when_it_was_paid_before_the_release_was_heard_of(
    stub: "CreditServiceAsyncStub", user: User, scoring: Running, reserved: Order
) -> None:
    paid = reserved.paid("250.00")
    await tell(scoring, paid, reserved.released(), paid)
    assert (await read(stub, user, reserved.account_id)).used.amount == "350.00"
    await tell(scoring, reserved.paid("350.00"))
    assert (await read(stub, user, reserved.account_id)).used.amount == "0.00"


async def test_a_reservation_of_which_nothing_more_is_heard_ends_after_its_minutes(
    stub: "CreditServiceAsyncStub", user: User, scoring: Running, reserved: Order, check: Check
) -> None:
    await set_clock(scoring, user.tenant_id, timedelta(minutes=14))
    assert not (await check(401)).approved
    await set_clock(scoring, user.tenant_id, timedelta(minutes=16))
    assert (await check(1000)).approved
    assert (await read(stub, user, reserved.account_id)).reserved.amount == "0.00"


async def test_an_account_that_pays_late_gets_no_more_credit(
    user: User, scoring: Running, reserved: Order, check: Check
) -> None:
    noon = until_noon()
    await tell(scoring, reserved.released(at=system_now() + noon))
    await set_clock(scoring, user.tenant_id, noon + timedelta(days=60))
    assert (await check(1)).approved
    await set_clock(scoring, user.tenant_id, noon + timedelta(days=61))
    answer = await check(1)
    assert names(answer) == ["PAYMENTS_OVERDUE"]
    assert answer.explanation == "31 days overdue, 30 allowed"
    await tell(scoring, reserved.paid("600.00"))
    assert (await check(1)).approved


# --- accounts that are not known here yet


async def test_an_account_whose_event_has_not_come_is_asked_for_where_it_was_made(
    customer: Running, scoring: Running, user: User, check: Check
) -> None:
    await also_known_to(customer, user)
    stub: AccountServiceAsyncStub = AccountServiceStub(customer.channel)
    account = accounts_pb2.Account(kind=accounts_pb2.Account.KIND_ORGANIZATION, display_name="华信电力")
    request = accounts_pb2.CreateAccountRequest(account=account)
    id = UUID((await stub.CreateAccount(request, metadata=user.metadata)).id)
    query: Any = compile_statement(select(accounts.c.display_name).where(accounts.c.id == id))

    async def names() -> list[str]:
        return [row["display_name"] for row in await scoring.service.database.all(user.tenant_id, query, {})]

    assert await eventually(names) == ["华信电力"]
    await scoring.service.database.all(user.tenant_id, compile_statement(delete(accounts)), {})
    assert (await check(1, of=id)).approved
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await check(1, of=new_id())


async def test_an_account_of_another_tenant_is_not_found(
    customer: Running,
    scoring: Running,
    stub: "CreditServiceAsyncStub",
    account_id: UUID,
    check: Check,
    set_limit: SetLimit,
) -> None:
    stranger = await scoring.user()
    await also_known_to(customer, stranger)
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await check(1, by=stranger)
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await set_limit(1, by=stranger)
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await read(stub, stranger, account_id)
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        request = pb.ListCreditLimitChangesRequest(account_id=str(account_id))
        await stub.ListCreditLimitChanges(request, metadata=stranger.metadata)

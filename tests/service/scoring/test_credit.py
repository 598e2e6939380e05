"""Credit checks through their contract, and what becomes of the orders that were checked."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.scoring.v1 import credit_pb2 as pb
from crm.scoring.v1.credit_pb2_grpc import CreditServiceStub
from crm_kit.clock import system_now
from crm_kit.database.statements import compile_statement
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_scoring.accounts.tables import accounts
from sqlalchemy import delete, select

from tests.service.clocks import until_noon
from tests.service.eventually import eventually
from tests.service.history import changes_of
from tests.service.running import Running, User, refused
from tests.service.scoring.business import (
    Order,
    also_known_to,
    money,
    new_account,
    order,
    reversed_payment,
    set_clock,
    tell,
)
from tests.service.scoring.credit import Check, SetLimit, as_sales, names, read

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.scoring.v1.credit_pb2_grpc import CreditServiceAsyncStub


@pytest.fixture
def stub(scoring: Running) -> "CreditServiceAsyncStub":
    return CreditServiceStub(scoring.channel)


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
    (reason,) = answer.reason_details
    assert (reason.code, reason.explanation, reason.metadata["excess"]) == (
        "CREDIT_LIMIT_EXCEEDED",
        answer.explanation,
        "0.01 CNY",
    )


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


@pytest.mark.parametrize("limit", [1000, 0])
async def test_an_order_of_another_account_is_refused_and_keeps_what_is_reserved_for_it(
    scoring: Running,
    stub: "CreditServiceAsyncStub",
    user: User,
    account_id: UUID,
    set_limit: SetLimit,
    check: Check,
    limit: int,
) -> None:
    """Whether it would be approved or not: neither takes the reservation over, nor gives it up."""
    theirs = order(user.tenant_id, account_id, 800)
    own = await new_account(scoring, user.tenant_id, user)
    await set_limit(1000)
    await set_limit(limit, of=own)
    assert (await check(800, theirs.id)).approved

    async def refuses() -> None:
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await check(1, theirs.id, of=own)
        assert refusal.detail == "order_id: is an order of another account"
        assert (await read(stub, user, own)).used.amount == "0.00"

    await refuses()
    assert (await read(stub, user, account_id)).reserved.amount == "800.00"
    assert not (await check(800, new_id())).approved
    for news in (theirs.held(version=2), theirs.released(version=3), theirs.cancelled(version=4)):
        await tell(scoring, news)
        await refuses()


async def test_an_order_that_is_asked_for_by_two_accounts_at_once_is_reserved_for_one(
    scoring: Running, stub: "CreditServiceAsyncStub", user: User, account_id: UUID, set_limit: SetLimit, check: Check
) -> None:
    accounts, id = [account_id, *[await new_account(scoring, user.tenant_id, user) for _ in range(3)]], new_id()
    for each in accounts:
        await set_limit(1000, of=each)
    answers = await asyncio.gather(*(check(600, id, of=each) for each in accounts), return_exceptions=True)
    assert [isinstance(answer, pb.CheckCreditResponse) for answer in answers].count(True) == 1
    amounts = [(await read(stub, user, each)).reserved.amount for each in accounts]
    assert sorted(amounts) == ["0.00", "0.00", "0.00", "600.00"]


async def test_a_reservation_that_is_over_is_still_its_accounts(
    scoring: Running, user: User, account_id: UUID, set_limit: SetLimit, check: Check
) -> None:
    other, id = await new_account(scoring, user.tenant_id, user), new_id()
    await set_limit(1000)
    assert (await check(600, id)).approved
    await set_clock(scoring, user.tenant_id, timedelta(minutes=16))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await check(600, id, of=other)
    assert (await check(700, id)).approved
    assert not (await check(301)).approved


async def test_a_preview_reserves_nothing(
    stub: "CreditServiceAsyncStub", user: User, account_id: UUID, set_limit: SetLimit, check: Check
) -> None:
    await set_limit(1000)
    for _ in range(3):
        assert (await check(600)).approved
    assert (await read(stub, user, account_id)).reserved.amount == "0.00"


# --- who asks


async def test_people_preview_the_credit_of_accounts_in_their_scope(
    scoring: Running, user: User, set_limit: SetLimit, check: Check
) -> None:
    rep = await scoring.user(user.tenant_id, grants={"credit.read": Scope.OWN})
    own = await new_account(scoring, user.tenant_id, rep)
    await set_limit(1000, of=own)
    assert (await check(1000, of=own, by=rep)).limit.amount == "1000.00"
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await check(1, by=rep)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await check(1, of=own, by=await scoring.user(user.tenant_id, grants={"credit.write": Scope.ALL}))


async def test_only_the_sales_service_reserves_and_nobody_in_its_name(
    scoring: Running, stub: "CreditServiceAsyncStub", user: User, account_id: UUID, set_limit: SetLimit
) -> None:
    await set_limit(1000)
    request = pb.CheckCreditRequest(account_id=str(account_id), amount=money(1), order_id=str(new_id()))
    everything = await scoring.user(user.tenant_id, grants={"*": Scope.ALL, "credit.check": Scope.ALL})
    strangers = (
        everything.metadata,
        as_sales(scoring, user.tenant_id, key=b"k" * 32),
        as_sales(scoring, user.tenant_id, name="scoring"),
        as_sales(scoring, user.tenant_id, path="/crm.scoring.v1.CreditService/SetCreditLimit"),
        (("authorization", "Bearer nonsense"),),
        (),
    )
    for metadata in strangers:
        with refused("UNAUTHENTICATED", "UNAUTHENTICATED"):
            await stub.CheckCredit(request, metadata=metadata)
    assert (await read(stub, user, account_id)).reserved.amount == "0.00"


async def test_what_the_sales_service_proves_itself_by_opens_nothing_else(
    scoring: Running, stub: "CreditServiceAsyncStub", user: User, account_id: UUID
) -> None:
    path = "/crm.scoring.v1.CreditService/GetCreditLimit"
    with refused("UNAUTHENTICATED", "UNAUTHENTICATED"):
        await stub.GetCreditLimit(
            pb.GetCreditLimitRequest(account_id=str(account_id)),
            metadata=as_sales(scoring, user.tenant_id, path=path),
        )


async def test_a_tenant_that_is_not_there_has_no_credit(
    scoring: Running, stub: "CreditServiceAsyncStub", account_id: UUID
) -> None:
    request = pb.CheckCreditRequest(account_id=str(account_id), amount=money(1), order_id=str(new_id()))
    with refused("UNAUTHENTICATED", "UNAUTHENTICATED"):
        await stub.CheckCredit(request, metadata=as_sales(scoring, new_id()))


# --- what becomes of an order


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


async def test_a_check_that_comes_late_reserves_nothing_for_an_order_that_was_held_or_cancelled_without_it(
    stub: "CreditServiceAsyncStub", user: User, scoring: Running, reserved: Order, check: Check
) -> None:
    for became in (reserved.held(version=2), reserved.cancelled(version=3)):
        await tell(scoring, became)
        await check(600, reserved.id, version=1)
        limit = await read(stub, user, reserved.account_id)
        assert (limit.used.amount, limit.reserved.amount) == ("0.00", "0.00")


async def test_an_order_is_reserved_in_the_version_that_is_known_or_a_newer_one(
    stub: "CreditServiceAsyncStub", user: User, scoring: Running, reserved: Order, check: Check
) -> None:
    await tell(scoring, reserved.held(version=2))
    await check(500, reserved.id, version=2)
    assert (await read(stub, user, reserved.account_id)).reserved.amount == "500.00"


async def test_a_check_that_comes_late_reserves_nothing_for_an_order_that_is_paid(
    stub: "CreditServiceAsyncStub", user: User, scoring: Running, account_id: UUID, set_limit: SetLimit, check: Check
) -> None:
    await set_limit(1000)
    made = order(user.tenant_id, account_id, 600)
    await tell(scoring, made.paid("600.00"))
    await check(600, made.id, version=1)
    assert (await read(stub, user, account_id)).reserved.amount == "0.00"
    await tell(scoring, made.released())
    assert (await read(stub, user, account_id)).used.amount == "0.00"


async def test_what_is_paid_is_free_again_even_when_it_was_paid_before_the_release_was_heard_of(
    stub: "CreditServiceAsyncStub", user: User, scoring: Running, reserved: Order
) -> None:
    paid = reserved.paid("250.00")
    await tell(scoring, paid, reserved.released(), paid)
    assert (await read(stub, user, reserved.account_id)).used.amount == "350.00"
    await tell(scoring, reserved.paid("350.00"))
    assert (await read(stub, user, reserved.account_id)).used.amount == "0.00"


async def test_what_was_paid_by_a_reversed_payment_is_owed_again(
    stub: "CreditServiceAsyncStub", user: User, scoring: Running, reserved: Order
) -> None:
    received = reserved.paid("250.00")
    more = reserved.paid_later(received, "100.00")
    await tell(scoring, reserved.released(), received, more, more)
    assert (await read(stub, user, reserved.account_id)).used.amount == "250.00"
    back = reversed_payment(more)
    await tell(scoring, back, back)
    assert (await read(stub, user, reserved.account_id)).used.amount == "600.00"


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
    assert answer.explanation == "days overdue: 31, allowed: 30"
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
    with refused("NOT_FOUND", "CREDIT_LIMIT_NOT_FOUND"):
        await changes_of(scoring, "credit_limits", str(account_id), stranger.metadata)

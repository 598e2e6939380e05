"""Orders on credit with the real scoring service: what was released counts against the limit."""

from typing import TYPE_CHECKING

import grpc
import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.sales.v1 import orders_pb2 as pb
from crm.sales.v1 import payments_pb2
from crm.scoring.v1 import credit_pb2
from crm.scoring.v1.credit_pb2_grpc import CreditServiceStub
from crm_kit.identity.access import SERVICE_USER, Scope

from tests.service.eventually import eventually
from tests.service.running import Running, User
from tests.service.sales.ordering import pay, read
from tests.service.sales.selling import Sales, also_in, cny

if TYPE_CHECKING:
    from crm.scoring.v1.credit_pb2_grpc import CreditServiceAsyncStub


async def set_limit(credit: "CreditServiceAsyncStub", user: User, account_id: str, limit: str) -> bool:
    """Whether it is set: scoring has to hear of the account first."""
    request = credit_pb2.SetCreditLimitRequest(account_id=account_id, amount=cny(limit), reason="known for long")
    try:
        await credit.SetCreditLimit(request, metadata=user.metadata)
    except grpc.aio.AioRpcError as error:
        assert error.code() is grpc.StatusCode.NOT_FOUND
        return False
    return True


@pytest.fixture
async def account(user: User, customer: Running, scoring: Running) -> accounts_pb2.Account:
    """With a limit of 100."""
    for service in (customer, scoring):
        await also_in(service, user)
    wanted = accounts_pb2.Account(kind=accounts_pb2.Account.KIND_ORGANIZATION, display_name="华信电力")
    made = await AccountServiceStub(customer.channel).CreateAccount(
        accounts_pb2.CreateAccountRequest(account=wanted), metadata=user.metadata
    )
    await eventually(lambda: set_limit(CreditServiceStub(scoring.channel), user, made.id, "100.00"))
    return made


async def place(api: Sales, by: User, account_id: str, price: str) -> pb.Order:
    line = pb.OrderLine(product="boiler", quantity="1", unit_price=cny(price))
    order = pb.Order(account_id=account_id, currency_code="CNY", lines=[line])
    drafted = await api.orders.CreateOrder(pb.CreateOrderRequest(order=order), metadata=by.metadata)
    return await api.orders.PlaceOrder(pb.PlaceOrderRequest(id=drafted.id), metadata=by.metadata)


async def test_an_order_within_the_limit_is_released_and_one_beyond_it_waits(
    api: Sales, user: User, sales: Running, account: accounts_pb2.Account
) -> None:
    """Whoever places them: what the order takes is asked for by sales, not by somebody with rights to credit."""
    rights = {"orders.read": Scope.OWN, "orders.write": Scope.OWN, "accounts.read": Scope.ALL}
    rep = await sales.user(user.tenant_id, grants=rights)
    first, second = [await place(api, rep, account.id, "60.00") for _ in range(2)]
    assert (first.state, second.state) == (pb.Order.STATE_RELEASED, pb.Order.STATE_ON_HOLD)
    assert [each.code for each in second.hold_reasons] == ["CREDIT_LIMIT_EXCEEDED"]


@pytest.mark.parametrize(
    ("what", "cause", "released"),
    [
        ("payment", pb.Release.CAUSE_PAYMENT_RECEIVED, [True, True, False, True]),
        ("cancelled", pb.Release.CAUSE_ORDER_CANCELLED, [False, True, False, True]),
        # Larger ones do not block a smaller one behind them.
        ("limit", pb.Release.CAUSE_LIMIT_SET, [True, False, True, False]),
    ],
)
async def test_orders_on_hold_go_out_in_their_order_once_credit_is_free_for_them(
    api: Sales,
    user: User,
    scoring: Running,
    account: accounts_pb2.Account,
    what: str,
    cause: "pb.Release.Cause.ValueType",
    released: list[bool],
) -> None:
    """The limit is 100, and 60 of it are used."""
    orders = [await place(api, user, account.id, price) for price in ("60.00", "55.00", "50.00", "45.00")]
    assert [each.state for each in orders] == [pb.Order.STATE_RELEASED, *[pb.Order.STATE_ON_HOLD] * 3]
    match what:
        case "payment":
            await pay(api, user, "60.00", order_id=orders[0].id)
        case "cancelled":
            cancel = pb.CancelOrderRequest(id=orders[0].id, reason="never mind")
            await api.orders.CancelOrder(cancel, metadata=user.metadata)
        case "limit":
            assert await set_limit(CreditServiceStub(scoring.channel), user, account.id, "112.00")

    async def go_out() -> list[pb.Order]:
        now = [await read(api, user, each) for each in orders]
        gone = [each.state in (pb.Order.STATE_RELEASED, pb.Order.STATE_PAID) for each in now]
        return now if gone == released else []

    first, *others = await eventually(go_out)
    assert not first.HasField("release")
    for order in others:
        if order.state == pb.Order.STATE_RELEASED:
            told = order.release
            assert (told.cause, told.reason, told.actor_id) == (cause, "", str(SERVICE_USER))
            assert [each.code for each in order.hold_reasons] == ["CREDIT_LIMIT_EXCEEDED"]


async def test_an_order_on_hold_goes_out_once_what_is_beyond_the_limit_is_paid_in_advance(
    api: Sales, user: User, account: accounts_pb2.Account
) -> None:
    held = await place(api, user, account.id, "160.00")
    assert held.state == pb.Order.STATE_ON_HOLD
    advance = await pay(api, user, "60.00", account_id=account.id)
    assert advance.unallocated_amount == cny("60.00")

    async def out() -> bool:
        return (await read(api, user, held)).state == pb.Order.STATE_RELEASED

    await eventually(out)
    request = payments_pb2.AllocatePaymentRequest(id=advance.id)
    assert (await api.payments.AllocatePayment(request, metadata=user.metadata)).unallocated_amount == cny("0.00")
    assert (await read(api, user, held)).paid_amount == cny("60.00")

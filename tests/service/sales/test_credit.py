"""Orders on credit with the real scoring service: what was released counts against the limit."""

from typing import TYPE_CHECKING

import grpc
from crm.customer.v1 import accounts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.sales.v1 import orders_pb2 as pb
from crm.scoring.v1 import credit_pb2
from crm.scoring.v1.credit_pb2_grpc import CreditServiceStub
from crm_kit.identity.access import Scope

from tests.service.eventually import eventually
from tests.service.running import Running, User
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


async def test_an_order_within_the_limit_is_released_and_one_beyond_it_waits(
    api: Sales, user: User, sales: Running, customer: Running, scoring: Running
) -> None:
    """Whoever places them: what the order takes is asked for by sales, not by somebody with rights to credit."""
    rights = {"orders.read": Scope.OWN, "orders.write": Scope.OWN, "accounts.read": Scope.ALL}
    rep = await sales.user(user.tenant_id, grants=rights)
    for service in (customer, scoring):
        await also_in(service, user)
    wanted = accounts_pb2.Account(kind=accounts_pb2.Account.KIND_ORGANIZATION, display_name="华信电力")
    account = await AccountServiceStub(customer.channel).CreateAccount(
        accounts_pb2.CreateAccountRequest(account=wanted), metadata=user.metadata
    )
    credit: CreditServiceAsyncStub = CreditServiceStub(scoring.channel)
    await eventually(lambda: set_limit(credit, user, account.id, "100.00"))
    placed = []
    for _ in range(2):
        line = pb.OrderLine(product="boiler", quantity="1", unit_price=cny("60.00"))
        order = pb.Order(account_id=account.id, currency_code="CNY", lines=[line])
        drafted = await api.orders.CreateOrder(pb.CreateOrderRequest(order=order), metadata=rep.metadata)
        placed.append(await api.orders.PlaceOrder(pb.PlaceOrderRequest(id=drafted.id), metadata=rep.metadata))
    assert [each.state for each in placed] == [pb.Order.STATE_RELEASED, pb.Order.STATE_ON_HOLD]
    assert [each.code for each in placed[1].hold_reasons] == ["CREDIT_LIMIT_EXCEEDED"]

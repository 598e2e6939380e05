"""Orders and payments to work with, and a scoring service that answers as a test says."""

from collections.abc import Awaitable, Callable
from typing import Any

from crm.sales.v1 import orders_pb2 as pb
from crm.sales.v1 import payments_pb2
from crm.scoring.v1 import credit_pb2
from crm_kit.rpc.clients import ServiceClient
from crm_sales.credit.client import CreditClient
from crm_sales.orders.servicer import OrderServicer

from tests.service.running import User
from tests.service.sales.selling import Answer, Sales, cny, credit_service

Draft = Callable[..., Awaitable[pb.Order]]
Released = Callable[..., Awaitable[pb.Order]]
Check = credit_pb2.CheckCreditRequest
Checked = credit_pb2.CheckCreditResponse


async def approve(_request: Check) -> Checked:
    return Checked(approved=True, reasons=[Checked.REASON_WITHIN_LIMIT])


async def refuse(_request: Check) -> Checked:
    explanation, values = "used 90 and new 20 is more than 100", {"used": "90", "new": "20", "limit": "100"}
    reason = credit_pb2.CreditReason(code="CREDIT_LIMIT_EXCEEDED", explanation=explanation, metadata=values)
    return Checked(reasons=[Checked.REASON_CREDIT_LIMIT_EXCEEDED], explanation=explanation, reason_details=[reason])


async def placed(
    api: Sales,
    servicer: OrderServicer,
    user: User,
    order: pb.Order,
    answer: Answer,
    *,
    seconds: float = 5,
    key: str = "",
) -> pb.Order:
    """The order placed while scoring answers so."""
    async with credit_service(answer) as address:
        peer = ServiceClient(address)
        servicer._credit = CreditClient(peer, seconds=seconds)
        metadata = user.with_key(key) if key else user.metadata
        try:
            return await api.orders.PlaceOrder(pb.PlaceOrderRequest(id=order.id), metadata=metadata)
        finally:
            await peer.close()


async def pay(api: Sales, user: User, amount: str, *, key: str = "", **fields: Any) -> payments_pb2.Payment:
    request = payments_pb2.RecordPaymentRequest(payment=payments_pb2.Payment(amount=cny(amount), **fields))
    metadata = user.with_key(key) if key else user.metadata
    return await api.payments.RecordPayment(request, metadata=metadata)


async def read(api: Sales, user: User, order: pb.Order) -> pb.Order:
    return await api.orders.GetOrder(pb.GetOrderRequest(id=order.id), metadata=user.metadata)

"""Credit between protobuf and entity: out to callers, and in from the events of orders and payments."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from typing import TypeVar
from uuid import UUID

from crm.event.v1 import event_pb2
from crm.sales.v1 import orders_pb2, payments_pb2
from crm.scoring.v1 import credit_pb2 as pb
from crm_kit.money import Money
from crm_kit.wire import EnumNames

from crm_scoring.credit.model import CreditLimit, OrderCredit, OrderState, PaymentCredit, Usage
from crm_scoring.credit.rules import CreditDecision, CreditReasonCode
from crm_scoring.wire import money_from_pb, money_to_pb

Response = TypeVar("Response", pb.CheckCreditResponse, pb.PreviewCreditResponse)
REASONS = EnumNames(pb.CheckCreditResponse.Reason, "REASON_", CreditReasonCode)


def decided(response: type[Response], decision: CreditDecision, limit: CreditLimit, usage: Usage) -> Response:
    """The answer to whoever asks, whether it took effect or not."""
    return response(
        approved=decision.approved,
        reasons=[REASONS.wire(each.code) for each in decision.decisive],
        limit=money_to_pb(limit.amount),
        used=money_to_pb(usage.used),
        explanation="; ".join(each.explanation for each in decision.decisive),
        reason_details=[pb.CreditReason(**asdict(each)) for each in decision.decisive],
    )


def order_credit(event: event_pb2.Event, order: orders_pb2.Order, state: OrderState) -> OrderCredit:
    return OrderCredit(
        id=UUID(order.id),
        account_id=UUID(order.account_id),
        state=state,
        version=event.aggregate_version,
        amount=money_from_pb(order.gross_amount, field="order.gross_amount"),
        due_date=date.fromisoformat(order.due_date) if order.due_date else None,
    )


def payment_credit(event: event_pb2.Event, payment: payments_pb2.Payment) -> PaymentCredit:
    return PaymentCredit(
        id=UUID(payment.id),
        account_id=UUID(payment.account_id),
        version=event.aggregate_version,
        unallocated_amount=money_from_pb(payment.unallocated_amount, field="payment.unallocated_amount"),
    )


def amounts_by_order(allocations: Iterable[payments_pb2.PaymentAllocation]) -> dict[UUID, Money]:
    """What is paid of each order: a payment may pay some of one now and more of it later."""
    amounts: dict[UUID, Money] = {}
    for each in allocations:
        id, amount = UUID(each.order_id), money_from_pb(each.amount, field="payment.allocations.amount")
        amounts[id] = amounts[id] + amount if id in amounts else amount
    return amounts

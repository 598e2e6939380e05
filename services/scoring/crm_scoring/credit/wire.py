"""Credit between protobuf and entity: out to callers, and in from the events of orders and payments."""

from collections.abc import Iterator
from datetime import date
from uuid import UUID

from crm.event.v1 import event_pb2
from crm.sales.v1 import orders_pb2, payments_pb2
from crm.scoring.v1 import credit_pb2 as pb
from crm.scoring.v1 import events_pb2
from crm.type.v1 import money_pb2
from crm_kit.etags import etag_of
from crm_kit.money import Money, parse_money
from crm_kit.wire import EnumNames, id_text, timestamp

from crm_scoring.credit.model import CreditLimit, OrderCredit, OrderState, Usage
from crm_scoring.credit.rules import CreditDecision, CreditReasonCode

REASONS = EnumNames(pb.CheckCreditResponse.Reason, "REASON_", CreditReasonCode)


def money_from_pb(value: money_pb2.Money, *, field: str) -> Money:
    return parse_money(value.amount, value.currency_code, field=field)


def money_to_pb(value: Money | None) -> money_pb2.Money | None:
    return None if value is None else money_pb2.Money(amount=value.text(), currency_code=value.currency_code)


def credit_limit_to_pb(limit: CreditLimit) -> pb.CreditLimit:
    return pb.CreditLimit(
        id=str(limit.id),
        account_id=str(limit.account_id),
        amount=money_to_pb(limit.amount),
        used=money_to_pb(limit.used),
        reserved=money_to_pb(limit.reserved),
        reason=limit.reason or "",
        set_by_id=id_text(limit.set_by_id),
        etag=etag_of(limit.version),
        create_time=timestamp(limit.create_time),
        update_time=timestamp(limit.update_time),
    )


def decision_to_pb(decision: CreditDecision, limit: CreditLimit, usage: Usage) -> pb.CheckCreditResponse:
    return pb.CheckCreditResponse(
        approved=decision.approved,
        reasons=[REASONS.wire(each.code) for each in decision.decisive],
        limit=money_to_pb(limit.amount),
        used=money_to_pb(usage.used),
        explanation="; ".join(each.explanation for each in decision.decisive),
    )


def credit_limit_set(limit: CreditLimit) -> events_pb2.CreditLimitSet:
    return events_pb2.CreditLimitSet(credit_limit=credit_limit_to_pb(limit))


def order_credit(event: event_pb2.Event, order: orders_pb2.Order, state: OrderState) -> OrderCredit:
    return OrderCredit(
        id=UUID(order.id),
        account_id=UUID(order.account_id),
        state=state,
        version=event.aggregate_version,
        amount=money_from_pb(order.gross_amount, field="order.gross_amount"),
        due_date=date.fromisoformat(order.due_date) if order.due_date else None,
    )


def allocations(payment: payments_pb2.Payment) -> Iterator[tuple[UUID, Money]]:
    """Which orders a payment pays, and how much of each."""
    for each in payment.allocations:
        yield UUID(each.order_id), money_from_pb(each.amount, field="payment.allocations.amount")

"""Facts from the events of other services."""

from datetime import date
from decimal import Decimal

from crm.event.v1 import event_pb2
from crm.sales.v1 import orders_pb2, payments_pb2
from crm.service_desk.v1 import cases_pb2
from crm_kit.wire import time_from

from crm_scoring.facts.model import Fact, FactEvent, FactKind, day_of

Event = event_pb2.Event


def order_facts(event: Event, order: orders_pb2.Order, *, holds: bool) -> list[Fact]:
    """What was bought, and what was given back: lines of a negative quantity. Before tax, by the day it happened.

    What a line costs us is not told, so it counts with its whole net amount.
    """
    amounts = [Decimal(line.net_amount.amount) for line in order.lines]
    sorts = (
        (FactKind.ORDER, [amount for amount in amounts if amount >= 0]),
        (FactKind.RETURN, [-amount for amount in amounts if amount < 0]),
    )
    return [
        Fact(
            FactEvent(
                id=order.id,
                account_id=order.account_id,
                at=time_from(event.occur_time),
                kind=kind,
                amount=sum(those, Decimal(0)),
                margin=sum(those, Decimal(0)),
                currency_code=order.currency_code,
            ),
            version=event.aggregate_version,
            holds=holds,
        )
        for kind, those in sorts
        if those
    ]


def payment_fact(event: Event, payment: payments_pb2.Payment) -> Fact:
    """Money that came in, and how late the latest of what it paid was."""
    at = time_from(payment.receive_time if payment.HasField("receive_time") else event.occur_time)
    late = [(day_of(at) - date.fromisoformat(each.due_date)).days for each in payment.allocations if each.due_date]
    return Fact(
        FactEvent(
            id=payment.id,
            account_id=payment.account_id,
            at=at,
            kind=FactKind.PAYMENT,
            amount=Decimal(payment.amount.amount),
            overdue_days=max(late, default=0),
            currency_code=payment.amount.currency_code,
        ),
        version=event.aggregate_version,
    )


def case_facts(event: Event, case: cases_pb2.Case) -> list[Fact]:
    """A request or complaint, by the day it was made; nothing while nobody knows whose it is."""
    if not case.account_id:
        return []
    is_complaint = case.kind == cases_pb2.Case.KIND_COMPLAINT
    return [
        Fact(
            FactEvent(
                id=case.id,
                account_id=case.account_id,
                at=time_from(case.create_time),
                kind=FactKind.COMPLAINT if is_complaint else FactKind.CASE,
            ),
            version=event.aggregate_version,
        )
    ]

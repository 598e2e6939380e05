"""Facts from the events of other services; `zone` is the tenant's, whose days they are put down to."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from crm.event.v1 import event_pb2
from crm.sales.v1 import orders_pb2, payments_pb2
from crm.service_desk.v1 import cases_pb2
from crm_kit.money import Money
from crm_kit.wire import time_from
from crm_kit.zones import day_in

from crm_scoring.facts.model import Fact, FactKind

Event = event_pb2.Event


def order_facts(event: Event, order: orders_pb2.Order, *, zone: str, holds: bool) -> list[Fact]:
    """What was ordered, and what was returned: lines of a negative quantity. Before tax, by the day it happened."""
    time = time_from(event.occur_time)
    amounts = [Decimal(line.net_amount.amount) for line in order.lines]
    sorts = (
        (FactKind.ORDER, [amount for amount in amounts if amount >= 0]),
        (FactKind.RETURN, [-amount for amount in amounts if amount < 0]),
    )
    return [
        Fact(
            id=UUID(order.id),
            kind=kind,
            version=event.aggregate_version,
            account_id=UUID(order.account_id),
            occur_time=time,
            day=day_in(zone, time),
            amount=Money(sum(those, Decimal(0)), order.currency_code),
            holds=holds,
        )
        for kind, those in sorts
        if those
    ]


def payment_fact(event: Event, payment: payments_pb2.Payment, *, zone: str, holds: bool = True) -> Fact:
    """Money that came in, and how late the latest of what it paid was; one that was reversed does not hold."""
    time = time_from(payment.receive_time if payment.HasField("receive_time") else event.occur_time)
    day = day_in(zone, time)
    late = [(day - date.fromisoformat(each.due_date)).days for each in payment.allocations if each.due_date]
    return Fact(
        id=UUID(payment.id),
        kind=FactKind.PAYMENT,
        version=event.aggregate_version,
        account_id=UUID(payment.account_id),
        occur_time=time,
        day=day,
        amount=Money(Decimal(payment.amount.amount), payment.amount.currency_code),
        overdue_days=max(late, default=0),
        holds=holds,
    )


def case_facts(event: Event, case: cases_pb2.Case, *, zone: str) -> list[Fact]:
    """A request or complaint, by the day it was made; nothing while nobody knows whose it is."""
    if not case.account_id:
        return []
    time = time_from(case.create_time)
    is_complaint = case.kind == cases_pb2.Case.KIND_COMPLAINT
    return [
        Fact(
            id=UUID(case.id),
            kind=FactKind.COMPLAINT if is_complaint else FactKind.CASE,
            version=event.aggregate_version,
            account_id=UUID(case.account_id),
            occur_time=time,
            day=day_in(zone, time),
        )
    ]

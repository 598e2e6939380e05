"""What the scoring service does on the events of the others."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from crm.sales.v1 import events_pb2 as sales
from crm.sales.v1 import orders_pb2
from crm.service_desk.v1 import events_pb2 as service_desk
from crm_kit.clock import time_zone_of
from crm_kit.database.work import UnitOfWork
from crm_kit.events.consumers import Consumers, Event

from crm_scoring.credit.commands import add_payments, put_order
from crm_scoring.credit.model import OrderState
from crm_scoring.credit.wire import amounts_by_order, order_credit
from crm_scoring.facts.commands import put_facts
from crm_scoring.facts.model import Fact
from crm_scoring.facts.wire import case_facts, order_facts, payment_fact
from crm_scoring.scores.commands import ask_rescoring

CaseEvent = service_desk.CaseCreated | service_desk.CaseClosed
TakeIn = Callable[[UnitOfWork, list[Fact]], Awaitable[None]]


def follow_facts(consumers: Consumers, *, rescoring_delay_seconds: float) -> None:
    """Subscribe to what accounts buy, pay and ask."""

    async def take_in(work: UnitOfWork, told: list[Fact]) -> None:
        if await put_facts(work, told):
            ask_rescoring(work, delay_seconds=rescoring_delay_seconds)

    follow_orders(consumers, take_in)
    follow_payments(consumers, take_in)
    follow_cases(consumers, take_in)


def follow_orders(consumers: Consumers, take_in: TakeIn) -> None:
    """Subscribe to what accounts buy, and what that uses of their credit."""

    async def released(work: UnitOfWork, event: Event, told: sales.OrderPlaced | sales.OrderReleased) -> None:
        await take_in(work, order_facts(event, told.order, zone=await time_zone_of(work), holds=True))
        put_order(work, order_credit(event, told.order, OrderState.RELEASED))

    async def placed(work: UnitOfWork, event: Event, told: sales.OrderPlaced) -> None:
        if told.order.state == orders_pb2.Order.STATE_ON_HOLD:
            put_order(work, order_credit(event, told.order, OrderState.HELD))
        else:
            await released(work, event, told)

    async def cancelled(work: UnitOfWork, event: Event, told: sales.OrderCancelled) -> None:
        await take_in(work, order_facts(event, told.order, zone=await time_zone_of(work), holds=False))
        put_order(work, order_credit(event, told.order, OrderState.CANCELLED))

    consumers.on(sales.OrderPlaced, placed)
    consumers.on(sales.OrderReleased, released)
    consumers.on(sales.OrderCancelled, cancelled)


def follow_payments(consumers: Consumers, take_in: TakeIn) -> None:
    """Subscribe to what accounts pay, and what of their credit is free again with that."""

    async def received(work: UnitOfWork, event: Event, told: sales.PaymentReceived) -> None:
        await take_in(work, [payment_fact(event, told.payment, zone=await time_zone_of(work))])
        add_payments(work, UUID(told.payment.account_id), amounts_by_order(told.payment.allocations))

    async def allocated(work: UnitOfWork, event: Event, told: sales.PaymentAllocated) -> None:
        await take_in(work, [payment_fact(event, told.payment, zone=await time_zone_of(work))])
        add_payments(work, UUID(told.payment.account_id), amounts_by_order(told.allocations))

    async def taken_back(work: UnitOfWork, event: Event, told: sales.PaymentReversed) -> None:
        await take_in(work, [payment_fact(event, told.payment, zone=await time_zone_of(work), holds=False)])
        paid = amounts_by_order(told.payment.allocations)
        add_payments(work, UUID(told.payment.account_id), {id: -amount for id, amount in paid.items()})

    consumers.on(sales.PaymentReceived, received)
    consumers.on(sales.PaymentAllocated, allocated)
    consumers.on(sales.PaymentReversed, taken_back)


def follow_cases(consumers: Consumers, take_in: TakeIn) -> None:
    """Subscribe to what accounts ask and complain of."""

    async def changed(work: UnitOfWork, event: Event, told: CaseEvent) -> None:
        await take_in(work, case_facts(event, told.case, zone=await time_zone_of(work)))

    consumers.on(service_desk.CaseCreated, changed)
    consumers.on(service_desk.CaseClosed, changed)

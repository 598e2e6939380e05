"""What the scoring service does on the events of the others."""

from uuid import UUID

from crm.sales.v1 import events_pb2 as sales
from crm.sales.v1 import orders_pb2
from crm.service_desk.v1 import events_pb2 as service_desk
from crm_kit.database.work import UnitOfWork
from crm_kit.events.consumers import Consumers, Event

from crm_scoring.credit.commands import add_payment, put_order
from crm_scoring.credit.model import OrderState
from crm_scoring.credit.wire import allocations, order_credit
from crm_scoring.facts.commands import put_facts
from crm_scoring.facts.model import Fact
from crm_scoring.facts.wire import case_facts, order_facts, payment_fact
from crm_scoring.scores.commands import ask_rescoring

CaseEvent = service_desk.CaseCreated | service_desk.CaseClosed


def follow_facts(consumers: Consumers, *, rescoring_delay_seconds: float) -> None:
    """Subscribe to what accounts buy, pay and ask."""

    async def take_in(work: UnitOfWork, told: list[Fact]) -> None:
        if await put_facts(work, told):
            ask_rescoring(work, delay_seconds=rescoring_delay_seconds)

    async def order_released(work: UnitOfWork, event: Event, released: sales.OrderPlaced | sales.OrderReleased) -> None:
        await take_in(work, order_facts(event, released.order, holds=True))
        put_order(work, order_credit(event, released.order, OrderState.RELEASED))

    async def order_placed(work: UnitOfWork, event: Event, placed: sales.OrderPlaced) -> None:
        if placed.order.state == orders_pb2.Order.STATE_ON_HOLD:
            put_order(work, order_credit(event, placed.order, OrderState.HELD))
        else:
            await order_released(work, event, placed)

    async def order_cancelled(work: UnitOfWork, event: Event, cancelled: sales.OrderCancelled) -> None:
        await take_in(work, order_facts(event, cancelled.order, holds=False))
        put_order(work, order_credit(event, cancelled.order, OrderState.CANCELLED))

    async def payment_received(work: UnitOfWork, event: Event, received: sales.PaymentReceived) -> None:
        payment = received.payment
        await take_in(work, [payment_fact(event, payment)])
        for order_id, amount in allocations(payment):
            add_payment(work, UUID(payment.account_id), order_id, amount)

    async def case_changed(work: UnitOfWork, event: Event, changed: CaseEvent) -> None:
        await take_in(work, case_facts(event, changed.case))

    consumers.on(sales.OrderPlaced, order_placed)
    consumers.on(sales.OrderReleased, order_released)
    consumers.on(sales.OrderCancelled, order_cancelled)
    consumers.on(sales.PaymentReceived, payment_received)
    consumers.on(service_desk.CaseCreated, case_changed)
    consumers.on(service_desk.CaseClosed, case_changed)

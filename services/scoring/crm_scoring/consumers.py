"""What the scoring service does on the events of the others."""

from collections.abc import Awaitable, Callable, Iterable
from uuid import UUID

from crm.customer.v1 import events_pb2 as customer
from crm.sales.v1 import events_pb2 as sales
from crm.sales.v1 import orders_pb2, payments_pb2
from crm.service_desk.v1 import events_pb2 as service_desk
from crm_kit.accounts import OnOwnerChanged
from crm_kit.approvals.outdating import Outdating
from crm_kit.clock import time_zone_of
from crm_kit.database.work import UnitOfWork
from crm_kit.events.consumers import Consumers, Event

from crm_scoring.credit.commands import add_payments, put_order, put_payment
from crm_scoring.credit.freed import Cause, put_held_order, take_turn, tell_freed
from crm_scoring.credit.model import OrderState
from crm_scoring.credit.resource import CREDIT_LIMITS
from crm_scoring.credit.rules import CreditRules
from crm_scoring.credit.wire import amounts_by_order, order_credit, payment_credit
from crm_scoring.facts.commands import put_facts
from crm_scoring.facts.model import Fact
from crm_scoring.facts.wire import case_facts, order_facts, payment_fact
from crm_scoring.scores.commands import ask_rescoring

CaseEvent = service_desk.CaseCreated | service_desk.CaseClosed
TakeIn = Callable[[UnitOfWork, list[Fact]], Awaitable[None]]


def follow_facts(consumers: Consumers, *, credit: CreditRules, rescoring_delay_seconds: float) -> None:
    """Subscribe to what accounts buy, pay and ask; `credit` are the rules by which orders may go out on credit."""

    async def take_in(work: UnitOfWork, told: list[Fact]) -> None:
        if await put_facts(work, told):
            ask_rescoring(work, delay_seconds=rescoring_delay_seconds)

    follow_orders(consumers, take_in, credit)
    follow_payments(consumers, take_in)
    follow_cases(consumers, take_in)


def credit_shown_anew(outdating: Outdating) -> OnOwnerChanged:
    """A limit that waits for approval was shown with the account's owner: with another one it is asked for again."""

    async def owner_changed(work: UnitOfWork, _: Event, told: customer.AccountOwnerChanged) -> None:
        await outdating.owner_changed(work, CREDIT_LIMITS.collection, UUID(told.account.id))

    return owner_changed


def follow_orders(consumers: Consumers, take_in: TakeIn, credit: CreditRules) -> None:
    """Subscribe to what accounts buy, what that uses of their credit, and what waits for it."""

    async def released(work: UnitOfWork, event: Event, told: sales.OrderPlaced | sales.OrderReleased) -> None:
        await take_in(work, order_facts(event, told.order, zone=await time_zone_of(work), holds=True))
        put_order(work, order_credit(event, told.order, OrderState.RELEASED))

    async def placed(work: UnitOfWork, event: Event, told: sales.OrderPlaced) -> None:
        if told.order.state == orders_pb2.Order.STATE_ON_HOLD:
            await put_held_order(work, order_credit(event, told.order, OrderState.HELD), rules=credit)
        else:
            await released(work, event, told)

    async def cancelled(work: UnitOfWork, event: Event, told: sales.OrderCancelled) -> None:
        await take_in(work, order_facts(event, told.order, zone=await time_zone_of(work), holds=False))
        order = order_credit(event, told.order, OrderState.CANCELLED)
        await take_turn(work, order.account_id)
        put_order(work, order)
        await tell_freed(work, order.account_id, Cause.CAUSE_ORDER_CANCELLED)

    consumers.on(sales.OrderPlaced, placed)
    consumers.on(sales.OrderReleased, released)
    consumers.on(sales.OrderCancelled, cancelled)


def follow_payments(consumers: Consumers, take_in: TakeIn) -> None:
    """Subscribe to what accounts pay, and what of their credit is free again with that."""

    async def paid(
        work: UnitOfWork,
        event: Event,
        payment: payments_pb2.Payment,
        allocations: Iterable[payments_pb2.PaymentAllocation],
    ) -> None:
        account_id = UUID(payment.account_id)
        await take_turn(work, account_id)
        put_payment(work, payment_credit(event, payment))
        add_payments(work, account_id, amounts_by_order(allocations))
        await tell_freed(work, account_id, Cause.CAUSE_PAYMENT_RECEIVED)

    async def received(work: UnitOfWork, event: Event, told: sales.PaymentReceived) -> None:
        await take_in(work, [payment_fact(event, told.payment, zone=await time_zone_of(work))])
        await paid(work, event, told.payment, told.payment.allocations)

    async def allocated(work: UnitOfWork, event: Event, told: sales.PaymentAllocated) -> None:
        await take_in(work, [payment_fact(event, told.payment, zone=await time_zone_of(work))])
        await paid(work, event, told.payment, told.allocations)

    async def taken_back(work: UnitOfWork, event: Event, told: sales.PaymentReversed) -> None:
        await take_in(work, [payment_fact(event, told.payment, zone=await time_zone_of(work), holds=False)])
        put_payment(work, payment_credit(event, told.payment))
        amounts = amounts_by_order(told.payment.allocations)
        add_payments(work, UUID(told.payment.account_id), {id: -amount for id, amount in amounts.items()})

    consumers.on(sales.PaymentReceived, received)
    consumers.on(sales.PaymentAllocated, allocated)
    consumers.on(sales.PaymentReversed, taken_back)


def follow_cases(consumers: Consumers, take_in: TakeIn) -> None:
    """Subscribe to what accounts ask and complain of."""

    async def changed(work: UnitOfWork, event: Event, told: CaseEvent) -> None:
        await take_in(work, case_facts(event, told.case, zone=await time_zone_of(work)))

    consumers.on(service_desk.CaseCreated, changed)
    consumers.on(service_desk.CaseClosed, changed)

"""Orders between protobuf and entity."""

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from crm.sales.v1 import events_pb2
from crm.sales.v1 import orders_pb2 as pb
from crm_kit.etags import etag_of
from crm_kit.money import Money
from crm_kit.wire import EnumNames, Fields, id_from, id_text, same, timestamp

from crm_sales.orders.model import HoldReason, Order, OrderLine, OrderState, Release
from crm_sales.wire import money_from, money_to_pb

STATES = EnumNames(pb.Order.State, "STATE_", OrderState)
DEFAULT_PAYMENT_DAYS = 30


def lines_from(values: Iterable[pb.OrderLine]) -> tuple[OrderLine, ...]:
    return tuple(
        OrderLine(
            product=each.product,
            quantity=Decimal(each.quantity),
            unit_price=money_from(each.unit_price, field=f"order.lines[{index}].unit_price", exact=True),
            discount_percent=Decimal(each.discount_percent or 0),
            tax_percent=Decimal(each.tax_percent or 0),
        )
        for index, each in enumerate(values)
    )


FIELDS = Fields(
    account_id=id_from,
    opportunity_id=id_from,
    currency_code=same,
    lines=lines_from,
    owner_id=id_from,
)


def payment_days_of(order: pb.Order) -> int:
    return order.payment_days if order.HasField("payment_days") else DEFAULT_PAYMENT_DAYS


def order_to_pb(order: Order) -> pb.Order:
    return pb.Order(
        id=str(order.id),
        account_id=str(order.account_id),
        opportunity_id=id_text(order.opportunity_id),
        currency_code=order.currency_code,
        lines=map(line_to_pb, order.lines),
        payment_days=order.payment_days,
        state=STATES.wire(order.state),
        hold_reasons=map(reason_to_pb, order.hold_reasons),
        release=None if order.release is None else release_to_pb(order.release),
        net_amount=money_to_pb(order.net_amount),
        tax_amount=money_to_pb(order.tax_amount),
        gross_amount=money_to_pb(order.gross_amount),
        paid_amount=money_to_pb(order.paid_amount),
        open_amount=money_to_pb(order.open_amount),
        place_time=timestamp(order.place_time),
        due_date=str(order.due_date or ""),
        cancel_reason=order.cancel_reason or "",
        owner_id=str(order.owner_id),
        owner_team_id=id_text(order.owner_team_id),
        etag=etag_of(order.version),
        create_time=timestamp(order.create_time),
        update_time=timestamp(order.update_time),
    )


def line_to_pb(line: OrderLine) -> pb.OrderLine:
    return pb.OrderLine(
        product=line.product,
        quantity=f"{line.quantity:f}",
        unit_price=money_to_pb(line.unit_price),
        discount_percent=f"{line.discount_percent:f}",
        tax_percent=f"{line.tax_percent:f}",
        net_amount=money_to_pb(line.net_amount),
        tax_amount=money_to_pb(line.tax_amount),
    )


def reason_to_pb(reason: HoldReason) -> pb.HoldReason:
    return pb.HoldReason(code=reason.code, explanation=reason.explanation)


def release_to_pb(release: Release) -> pb.Release:
    return pb.Release(
        actor_id=str(release.actor_id), release_time=timestamp(release.release_time), reason=release.reason
    )


def order_created(order: Order) -> events_pb2.OrderCreated:
    return events_pb2.OrderCreated(order=order_to_pb(order))


def order_placed(order: Order) -> events_pb2.OrderPlaced:
    return events_pb2.OrderPlaced(order=order_to_pb(order))


def order_released(order: Order) -> events_pb2.OrderReleased:
    return events_pb2.OrderReleased(order=order_to_pb(order))


def order_payment_allocated(order: Order, *, payment_id: UUID, amount: Money) -> events_pb2.OrderPaymentAllocated:
    return events_pb2.OrderPaymentAllocated(
        order=order_to_pb(order), payment_id=str(payment_id), amount=money_to_pb(amount)
    )


def order_cancelled(order: Order) -> events_pb2.OrderCancelled:
    return events_pb2.OrderCancelled(order=order_to_pb(order))

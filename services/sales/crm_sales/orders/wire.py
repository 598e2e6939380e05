"""Orders between protobuf and entity."""

from collections.abc import Iterable
from decimal import Decimal

from crm.sales.v1 import events_pb2
from crm.sales.v1 import orders_pb2 as pb
from crm_kit.etags import etag_of
from crm_kit.wire import EnumNames, Fields, same, timestamp

from crm_sales.opportunities.wire import id_as_text, money_of, money_to_pb
from crm_sales.orders.model import HoldReason, Order, OrderLine, OrderState, Release

STATES = EnumNames(pb.Order.State, "STATE_", OrderState)
USUAL_PAYMENT_DAYS = 30


def lines_from(values: Iterable[pb.OrderLine]) -> tuple[OrderLine, ...]:
    return tuple(
        OrderLine(
            product_id=each.product,
            quantity=Decimal(each.quantity),
            unit_price=money_of(each.unit_price, field=f"order.lines[{index}].unit_price", exact=True),
            discount_percent=Decimal(each.discount_percent or 0),
            tax_percent=Decimal(each.tax_percent or 0),
        )
        for index, each in enumerate(values)
    )


FIELDS = Fields(
    account_id=id_as_text,
    opportunity_id=id_as_text,
    currency_code=same,
    lines=lines_from,
    owner_id=id_as_text,
)


def payment_days_of(order: pb.Order) -> int:
    return order.payment_days if order.HasField("payment_days") else USUAL_PAYMENT_DAYS


def order_to_pb(order: Order) -> pb.Order:
    return pb.Order(
        id=order.id,
        account_id=order.account_id,
        opportunity_id=order.opportunity_id,
        currency_code=order.currency_code,
        lines=map(line_to_pb, order.lines),
        payment_days=order.payment_days,
        state=STATES.wire(order.state),
        hold_reasons=map(reason_to_pb, order.hold_reasons),
        release=None if order.release is None else release_to_pb(order.release),
        net_amount=money_to_pb(order.net),
        tax_amount=money_to_pb(order.tax),
        gross_amount=money_to_pb(order.gross),
        paid_amount=money_to_pb(order.paid_amount),
        open_amount=money_to_pb(order.open_amount),
        place_time=timestamp(order.place_time),
        due_date=str(order.due_date or ""),
        cancel_reason=order.cancel_reason,
        owner_id=order.owner_id,
        owner_team_id=order.owner_team_id,
        etag=etag_of(order.version),
        create_time=timestamp(order.create_time),
        update_time=timestamp(order.update_time),
    )


def line_to_pb(line: OrderLine) -> pb.OrderLine:
    return pb.OrderLine(
        product=line.product_id,
        quantity=f"{line.quantity:f}",
        unit_price=money_to_pb(line.unit_price),
        discount_percent=f"{line.discount_percent:f}",
        tax_percent=f"{line.tax_percent:f}",
        net_amount=money_to_pb(line.net),
        tax_amount=money_to_pb(line.tax),
    )


def reason_to_pb(reason: HoldReason) -> pb.HoldReason:
    return pb.HoldReason(code=reason.code, explanation=reason.explanation)


def release_to_pb(release: Release) -> pb.Release:
    return pb.Release(actor_id=release.actor_id, release_time=timestamp(release.at), reason=release.reason)


def order_placed(order: Order) -> events_pb2.OrderPlaced:
    return events_pb2.OrderPlaced(order=order_to_pb(order))


def order_held(order: Order) -> events_pb2.OrderHeld:
    return events_pb2.OrderHeld(order=order_to_pb(order))


def order_released(order: Order) -> events_pb2.OrderReleased:
    return events_pb2.OrderReleased(order=order_to_pb(order))


def order_cancelled(order: Order) -> events_pb2.OrderCancelled:
    return events_pb2.OrderCancelled(order=order_to_pb(order))

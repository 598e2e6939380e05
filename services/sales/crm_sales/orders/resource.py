"""Orders, declared."""

from crm.sales.v1 import events_pb2 as events
from crm.sales.v1 import orders_pb2 as pb
from crm_kit.accounts import reached_with_account
from crm_kit.resource.writing import Resource

from crm_sales.accounts.tables import accounts
from crm_sales.orders.model import Order
from crm_sales.orders.tables import orders

ORDERS = Resource(
    "order",
    entity=Order,
    table=orders,
    message=pb.Order,
    created=events.OrderCreated,
    updated=events.OrderUpdated,
    visible=reached_with_account(orders, accounts),
    verbs={
        "PlaceOrder": lambda order, _: order.require_draft(),
        "ReleaseOrder": lambda order, _: order.require_on_hold(),
        "CancelOrder": lambda order, _: order.cancel(""),
    },
)

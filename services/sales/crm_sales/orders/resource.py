"""Orders, declared, and that their release can be approved."""

from uuid import UUID

from crm.sales.v1 import events_pb2 as events
from crm.sales.v1 import orders_pb2 as pb
from crm_kit.accounts import reached_with_account
from crm_kit.approvals.declaration import Approvable
from crm_kit.approvals.policies.model import Measured
from crm_kit.approvals.resource import of_records
from crm_kit.database.work import Reader, seeing_all
from crm_kit.identity.access import Scope
from crm_kit.resource.writing import Resource

from crm_sales.accounts.tables import accounts
from crm_sales.orders.model import Order
from crm_sales.orders.tables import orders

SEEN = reached_with_account(orders, accounts)
ORDERS = Resource(
    "order",
    entity=Order,
    table=orders,
    message=pb.Order,
    created=events.OrderCreated,
    updated=events.OrderUpdated,
    visible=SEEN,
    verbs={
        "PlaceOrder": lambda order, _: order.require_draft(),
        "ReleaseOrder": lambda order, _: order.require_on_hold(),
        "CancelOrder": lambda order, _: order.cancel(""),
    },
    assigned="owner_id",
)


def amount_released(before: Order | None, _request: pb.ReleaseOrderRequest) -> Measured:
    """What the order comes to."""
    return Measured(None if before is None else before.gross_amount)


async def owner_of_order(reader: Reader, id: UUID) -> UUID | None:
    """Who owns the order, whoever may see it."""
    with seeing_all(reader):
        order = await ORDERS.find(reader, id, scope=Scope.ALL)
    return order.owner_id if order else None


RELEASING_ORDERS = Approvable(
    ORDERS,
    "ReleaseOrder",
    measure=amount_released,
    owner=owner_of_order,
    seen=of_records(orders, SEEN),
    by_request=False,
)

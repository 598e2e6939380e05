"""OrderService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.sales.v1 import orders_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_sales.accounts.client import CustomerClient
from crm_sales.credit.client import CreditClient
from crm_sales.orders import commands
from crm_sales.orders.queries import LISTING, get_order, order_from
from crm_sales.orders.wire import FIELDS, order_to_pb, payment_days_of


class OrderServicer:
    contract = pb.DESCRIPTOR.services_by_name["OrderService"]

    def __init__(self, tokens: PageTokens, customer: CustomerClient, credit: CreditClient) -> None:
        self._tokens = tokens
        self._customer = customer
        self._credit = credit

    async def CreateOrder(self, request: pb.CreateOrderRequest, work: UnitOfWork) -> pb.Order:
        values = FIELDS.all_of(request.order) | {"payment_days": payment_days_of(request.order)}
        return order_to_pb(await commands.create_order(work, self._customer, values))

    async def GetOrder(self, request: pb.GetOrderRequest, reader: Reader) -> pb.Order:
        return order_to_pb(await get_order(reader, UUID(request.id)))

    async def ListOrders(self, request: pb.ListOrdersRequest, reader: Reader) -> pb.ListOrdersResponse:
        page = await LISTING.page(reader, request, self._tokens)
        orders = [order_to_pb(order_from(row)) for row in page.rows]
        return pb.ListOrdersResponse(orders=orders, next_page_token=page.next_token, prev_page_token=page.prev_token)

    async def PlaceOrder(self, request: pb.PlaceOrderRequest, work: UnitOfWork) -> pb.Order:
        return order_to_pb(await commands.place_order(work, self._credit, UUID(request.id), etag=request.etag))

    async def ReleaseOrder(self, request: pb.ReleaseOrderRequest, work: UnitOfWork) -> pb.Order:
        return order_to_pb(await commands.release_order(work, UUID(request.id), request.reason, etag=request.etag))

    async def CancelOrder(self, request: pb.CancelOrderRequest, work: UnitOfWork) -> pb.Order:
        return order_to_pb(await commands.cancel_order(work, UUID(request.id), request.reason, etag=request.etag))

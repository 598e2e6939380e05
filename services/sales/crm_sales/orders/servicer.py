"""OrderService: from message to command or query and back, nothing else."""

from crm.sales.v1 import orders_pb2 as pb
from crm_kit.accounts import Accounts
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_sales.credit.client import CreditClient
from crm_sales.orders import commands
from crm_sales.orders.resource import ORDERS


class OrderServicer:
    contract = pb.DESCRIPTOR.services_by_name["OrderService"]

    def __init__(self, tokens: PageTokens, accounts: Accounts, credit: CreditClient) -> None:
        self._tokens = tokens
        self._accounts = accounts
        self._credit = credit

    async def CreateOrder(self, request: pb.CreateOrderRequest, work: UnitOfWork) -> pb.Order:
        values = await ORDERS.to_create(work, request.order)
        return ORDERS.message(work, await commands.create_order(work, self._accounts, values))

    async def GetOrder(self, request: pb.GetOrderRequest, reader: Reader) -> pb.Order:
        return await ORDERS.read(reader, request.id)

    async def ListOrders(self, request: pb.ListOrdersRequest, reader: Reader) -> pb.ListOrdersResponse:
        return await ORDERS.list(reader, request, pb.ListOrdersResponse, self._tokens)

    async def UpdateOrder(self, request: pb.UpdateOrderRequest, work: UnitOfWork) -> pb.Order:
        before, values = await ORDERS.to_update(work, request)
        return ORDERS.message(work, commands.update_order(work, before, values))

    async def PlaceOrder(self, request: pb.PlaceOrderRequest, work: UnitOfWork) -> pb.Order:
        before = await ORDERS.target(work, request)
        return ORDERS.message(work, await commands.place_order(work, self._accounts, self._credit, before))

    async def ReleaseOrder(self, request: pb.ReleaseOrderRequest, work: UnitOfWork) -> pb.Order:
        before = await ORDERS.target(work, request)
        return ORDERS.message(work, await commands.release_order(work, self._accounts, before, request.reason))

    async def CancelOrder(self, request: pb.CancelOrderRequest, work: UnitOfWork) -> pb.Order:
        before = await ORDERS.target(work, request)
        return ORDERS.message(work, commands.cancel_order(work, before, request.reason))

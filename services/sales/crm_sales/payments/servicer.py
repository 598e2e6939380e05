"""PaymentService: from message to command or query and back, nothing else."""

from crm.sales.v1 import payments_pb2 as pb
from crm_kit.accounts import Accounts
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens
from crm_kit.wire import id_from

from crm_sales.payments import commands
from crm_sales.payments.resource import PAYMENTS


class PaymentServicer:
    contract = pb.DESCRIPTOR.services_by_name["PaymentService"]

    def __init__(self, tokens: PageTokens, accounts: Accounts) -> None:
        self._tokens = tokens
        self._accounts = accounts

    async def RecordPayment(self, request: pb.RecordPaymentRequest, work: UnitOfWork) -> pb.Payment:
        values = PAYMENTS.values_of(request.payment)
        return PAYMENTS.message(work, await commands.record_payment(work, self._accounts, values))

    async def GetPayment(self, request: pb.GetPaymentRequest, reader: Reader) -> pb.Payment:
        return await PAYMENTS.read(reader, request.id)

    async def ListPayments(self, request: pb.ListPaymentsRequest, reader: Reader) -> pb.ListPaymentsResponse:
        return await PAYMENTS.list(reader, request, pb.ListPaymentsResponse, self._tokens)

    async def AllocatePayment(self, request: pb.AllocatePaymentRequest, work: UnitOfWork) -> pb.Payment:
        before = await PAYMENTS.target(work, request)
        return PAYMENTS.message(work, await commands.allocate_payment(work, before, id_from(request.order_id)))

    async def ReversePayment(self, request: pb.ReversePaymentRequest, work: UnitOfWork) -> pb.Payment:
        before = await PAYMENTS.target(work, request)
        return PAYMENTS.message(work, await commands.reverse_payment(work, before, request.reason))

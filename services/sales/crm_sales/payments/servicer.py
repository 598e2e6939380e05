"""PaymentService: from message to command or query and back, nothing else."""

from crm.sales.v1 import payments_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens
from crm_kit.wire import id_from, time_from

from crm_sales.accounts.client import CustomerClient
from crm_sales.payments.commands import record_payment
from crm_sales.payments.queries import LISTING, payment_from
from crm_sales.payments.wire import payment_to_pb
from crm_sales.wire import money_from


class PaymentServicer:
    contract = pb.DESCRIPTOR.services_by_name["PaymentService"]

    def __init__(self, tokens: PageTokens, customer: CustomerClient) -> None:
        self._tokens = tokens
        self._customer = customer

    async def RecordPayment(self, request: pb.RecordPaymentRequest, work: UnitOfWork) -> pb.Payment:
        given = request.payment
        payment = await record_payment(
            work,
            self._customer,
            account_id=id_from(given.account_id),
            order_id=id_from(given.order_id),
            amount=money_from(given.amount, field="payment.amount"),
            receive_time=time_from(given.receive_time) if given.HasField("receive_time") else None,
            reference=given.reference or None,
        )
        return payment_to_pb(payment)

    async def ListPayments(self, request: pb.ListPaymentsRequest, reader: Reader) -> pb.ListPaymentsResponse:
        page = await LISTING.page(reader, request, self._tokens)
        payments = [payment_to_pb(payment_from(row)) for row in page.rows]
        return pb.ListPaymentsResponse(
            payments=payments, next_page_token=page.next_token, prev_page_token=page.prev_token
        )

"""Payments, declared."""

from crm.sales.v1 import events_pb2 as events
from crm.sales.v1 import payments_pb2 as pb
from crm_kit.accounts import reached_with_account
from crm_kit.resource.writing import Resource

from crm_sales.accounts.tables import accounts
from crm_sales.payments.model import Payment
from crm_sales.payments.tables import payments

PAYMENTS = Resource(
    "payment",
    entity=Payment,
    table=payments,
    message=pb.Payment,
    created=events.PaymentReceived,
    visible=reached_with_account(payments, accounts),
    verbs={
        "AllocatePayment": lambda payment, _: payment.require_unallocated(),
        "ReversePayment": lambda payment, attempt: payment.reverse("", now=attempt.now),
    },
)

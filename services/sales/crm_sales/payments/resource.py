"""Payments, declared."""

from crm.sales.v1 import events_pb2 as events
from crm.sales.v1 import payments_pb2 as pb
from crm_kit.accounts import reached_with_account
from crm_kit.resource.writing import Resource
from sqlalchemy import and_, case

from crm_sales.accounts.tables import accounts
from crm_sales.orders.queries import is_readable
from crm_sales.payments.model import Payment
from crm_sales.payments.tables import payments

# Most payments name none, and need not be looked at.
NAMES_READABLE = and_(payments.c.order_id.is_not(None), is_readable(payments.c.order_id))
PAYMENTS = Resource(
    "payment",
    entity=Payment,
    table=payments,
    message=pb.Payment,
    created=events.PaymentReceived,
    visible=reached_with_account(payments, accounts),
    # A payment is not found by an order that one may not read.
    listed_as={"order_id": case((NAMES_READABLE, payments.c.order_id))},
    verbs={
        "AllocatePayment": lambda payment, _: payment.require_unallocated(),
        "ReversePayment": lambda payment, attempt: payment.reverse("", now=attempt.now),
    },
)

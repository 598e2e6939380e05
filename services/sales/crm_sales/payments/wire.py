"""Payments between protobuf and entity."""

from crm.sales.v1 import events_pb2
from crm.sales.v1 import payments_pb2 as pb
from crm_kit.etags import etag_of
from crm_kit.wire import timestamp

from crm_sales.opportunities.wire import money_to_pb
from crm_sales.payments.model import Payment


def payment_to_pb(payment: Payment) -> pb.Payment:
    return pb.Payment(
        id=str(payment.id),
        account_id=payment.account_id,
        order_id=payment.order_id,
        amount=money_to_pb(payment.amount),
        receive_time=timestamp(payment.receive_time),
        reference=payment.reference,
        allocations=[
            pb.PaymentAllocation(
                order_id=each.order_id,
                amount=money_to_pb(each.amount),
                due_date=each.due_date.isoformat(),
                open_amount=money_to_pb(each.open_amount),
            )
            for each in payment.allocations
        ],
        unallocated_amount=money_to_pb(payment.unallocated),
        owner_id=payment.owner_id,
        owner_team_id=payment.owner_team_id,
        etag=etag_of(1),
        create_time=timestamp(payment.create_time),
    )


def payment_received(payment: Payment) -> events_pb2.PaymentReceived:
    return events_pb2.PaymentReceived(payment=payment_to_pb(payment))

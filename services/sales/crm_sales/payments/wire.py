"""Payments between protobuf and entity."""

from crm.sales.v1 import events_pb2
from crm.sales.v1 import payments_pb2 as pb
from crm_kit.etags import etag_of
from crm_kit.wire import id_text, timestamp

from crm_sales.payments.model import Payment, PaymentAllocation
from crm_sales.wire import money_to_pb


def payment_to_pb(payment: Payment) -> pb.Payment:
    return pb.Payment(
        id=str(payment.id),
        account_id=str(payment.account_id),
        order_id=id_text(payment.order_id),
        amount=money_to_pb(payment.amount),
        receive_time=timestamp(payment.receive_time),
        reference=payment.reference or "",
        allocations=map(allocation_to_pb, payment.allocations),
        unallocated_amount=money_to_pb(payment.unallocated_amount),
        owner_id=str(payment.owner_id),
        owner_team_id=id_text(payment.owner_team_id),
        etag=etag_of(payment.version),
        create_time=timestamp(payment.create_time),
        update_time=timestamp(payment.update_time),
    )


def allocation_to_pb(allocation: PaymentAllocation) -> pb.PaymentAllocation:
    return pb.PaymentAllocation(
        order_id=str(allocation.order_id),
        amount=money_to_pb(allocation.amount),
        due_date=allocation.due_date.isoformat(),
        open_amount=money_to_pb(allocation.open_amount),
    )


def payment_received(payment: Payment) -> events_pb2.PaymentReceived:
    return events_pb2.PaymentReceived(payment=payment_to_pb(payment))

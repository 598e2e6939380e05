"""Rows that come with a request, from their message."""

from typing import Any

from crm.customer.v1 import feed_deliveries_pb2 as pb
from crm_kit.resource.values import from_value

from crm_customer.feeds.deliveries.resource import FEED_DELIVERIES
from crm_customer.feeds.deliveries.rows import RowTable, table_of


def values_of_request(request: pb.DeliverFeedRowsRequest) -> dict[str, Any]:
    """What the request says of the delivery beside its rows, as a delivery with a file says it."""
    told = pb.FeedDelivery(
        feed_id=request.feed_id,
        delivery_id=request.delivery_id,
        data_date=request.data_date,
        expected_sums=request.expected_sums,
    )
    if request.HasField("expected_rows"):
        told.expected_rows = request.expected_rows
    return {name: value for name, value in FEED_DELIVERIES.values_of(told).items() if name != "upload_id"}


def table_of_request(request: pb.DeliverFeedRowsRequest) -> RowTable:
    """The rows; InvalidArgument as `table_of`."""
    return table_of([{name: from_value(cell) for name, cell in row.fields.items()} for row in request.rows])

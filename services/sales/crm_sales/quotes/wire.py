"""What requests say of a quote, as its rules have it."""

from datetime import date

from crm.sales.v1 import quotes_pb2 as pb
from crm_kit.errors import invalid_field


def last_day_from(request: pb.ReviseQuoteRequest) -> date | None:
    """The last day of the next version, where one is given. InvalidArgument for one that there is not."""
    if not request.valid_until_date:
        return None
    try:
        return date.fromisoformat(request.valid_until_date)
    except ValueError:
        raise invalid_field("valid_until_date", "date", "is no day of the calendar") from None

"""Questions out of messages."""

from datetime import date
from decimal import Decimal

from crm.sales.v1 import price_books_pb2 as pb
from crm_kit.errors import invalid_field

from crm_sales.pricing.document import TaxRounding


def decimal_from(text: str) -> Decimal | None:
    """A number that the contract's pattern has let through; None where none is given."""
    return Decimal(text) if text else None


def day_from(text: str) -> date | None:
    """The day to price by. InvalidArgument for one that there is not."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise invalid_field("pricing_date", "date", f"{text!r} is not a date; dates are written 2026-01-31") from None


def rounding_from(request: pb.PriceLinesRequest) -> TaxRounding:
    """What taxes are rounded of, each line unless told otherwise."""
    is_by_rate = request.tax_rounding == pb.PriceLinesRequest.TAX_ROUNDING_RATE
    return TaxRounding.RATE if is_by_rate else TaxRounding.LINE

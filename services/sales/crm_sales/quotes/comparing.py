"""What a draft comes to beside what it would come to by today's prices, line by line. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from crm_kit.money import Money

from crm_sales.priced_lines.answers import PricedLine
from crm_sales.quotes.model import Quote

COMPARED = ("unit_price", "net_amount", "tax_percent")


@dataclass(frozen=True, slots=True)
class ComparedLine:
    """A line as it is and as it would be; None where it is not there."""

    product_id: UUID
    old_unit_price: Decimal | None
    new_unit_price: Decimal | None
    old_net_amount: Money | None
    new_net_amount: Money | None
    old_tax_percent: Decimal | None
    new_tax_percent: Decimal | None


def compared(before: Quote, after: Quote) -> dict[str, Any]:
    """Fields as in the contract."""
    names = ("pricing_date", "net_amount", "gross_amount")
    found: dict[str, Any] = {f"old_{name}": getattr(before, name) for name in names}
    found |= {f"new_{name}": getattr(after, name) for name in names}
    found["lines"] = compared_lines(before.priced_lines, after.priced_lines)
    found["differs"] = amounts_of(before) != amounts_of(after)
    return found


def amounts_of(quote: Quote) -> tuple[object, ...]:
    """All that customers would find different."""
    lines = [
        (line.product_id, line.quantity, *(getattr(line, name) for name in COMPARED)) for line in quote.priced_lines
    ]
    return (lines, quote.rates, quote.net_amount, quote.gross_amount)


def compared_lines(old: Sequence[PricedLine], new: Sequence[PricedLine]) -> list[ComparedLine]:
    """Lines of the same product and place beside each other; options that have come or gone stand alone."""
    if [line.product_id for line in old] == [line.product_id for line in new]:
        return [_beside(*each) for each in zip(old, new, strict=True)]
    return [*(_beside(None, each) for each in new), *(_beside(each, None) for each in old)]


def _beside(old: PricedLine | None, new: PricedLine | None) -> ComparedLine:
    (known, *_) = [each for each in (new, old) if each is not None]
    values = {f"old_{name}": getattr(old, name, None) for name in COMPARED}
    values |= {f"new_{name}": getattr(new, name, None) for name in COMPARED}
    return ComparedLine(product_id=known.product_id, **values)

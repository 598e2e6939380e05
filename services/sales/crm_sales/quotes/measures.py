"""What an approval of a quote goes by beside its amount: how much is taken off the prices of the price books. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from crm_sales.priced_lines.model import Draft
from crm_sales.pricing.document import Discount

WHOLE = 100
DECIMALS = 4
NONE, ALL = Fraction(0), Fraction(1)


@dataclass(frozen=True, slots=True)
class OfferedLine:
    """What a line costs by the price books, None where none has a price, and at its own price, before its discount."""

    list_amount: Decimal | None
    amount: Decimal
    discount: Discount

    @property
    def left(self) -> Fraction:
        """Of the amount after its discount, exact."""
        amount = Fraction(self.amount)
        left = abs(amount) * (WHOLE - Fraction(self.discount.percent)) / WHOLE - Fraction(self.discount.amount)
        return max(left, NONE) if amount >= 0 else -max(left, NONE)


def offered(drafts: Sequence[Draft]) -> list[OfferedLine]:
    """Lines whose prices are found, as they are measured."""
    found = []
    for draft in drafts:
        taken, asked = draft.choice.taken, draft.asked
        listed = None if taken is None else taken.price.amount_of(asked.quantity)
        found.append(OfferedLine(listed, draft.amount, Discount(asked.discount_percent, asked.discount_amount)))
    return found


def deepest_discount_percent(lines: Sequence[OfferedLine], document: Discount) -> Decimal:
    """How many hundredths of its list price the most discounted line is offered below it.

    A return counts by how much more than its list price is given back: that lowers the whole as a discount does.

    Reckoned in fractions of what was agreed, before anything is rounded to cents, and rounded up to four decimals at
    the end: a limit has four at most, so it is exceeded exactly where the discount is more.
    """
    kept = kept_of_document(sum((line.left for line in lines), NONE), document)
    deepest = max((taken_off(line, kept) for line in lines), default=NONE)
    units = -(-max(deepest, NONE) * WHOLE * 10**DECIMALS // 1)
    return Decimal(int(units)).scaleb(-DECIMALS)


def taken_off(line: OfferedLine, kept: Fraction) -> Fraction:
    """What of its price a line is offered below the price books, after all discounts; all where they have no price."""
    if line.list_amount is None:
        return ALL
    listed = Fraction(line.list_amount)
    if listed > 0:
        return ALL - line.left * kept / listed
    given_back = -line.left
    # What costs nothing by the price books cannot be had for less.
    return ALL + listed / given_back if given_back > -listed else NONE


def kept_of_document(total: Fraction, document: Discount) -> Fraction:
    """What of each line the discount of the whole leaves."""
    left = 1 - Fraction(document.percent) / WHOLE
    return max(left - Fraction(document.amount) / abs(total), NONE) if total else left

"""What lines of products cost: discounts, taxes, costs, margins. Fields are called as in the contract."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from crm_kit.errors import InvalidArgument, invalid_field
from crm_kit.money import Money, check_range

from crm_sales.price_books.model import Audience
from crm_sales.priced_lines.model import WHOLE, ZERO, Draft, Part, Question, carried, total_cost
from crm_sales.pricing.document import DiscountTooHigh, DocumentAmounts, PartAmounts, price_document
from crm_sales.pricing.selection import Rejected

# Of a line so many price books that were not taken are told, the most specific ones.
MAX_REJECTED = 20


@dataclass(frozen=True, slots=True)
class PriceSource:
    """Where a price is from."""

    price_book_id: UUID
    audience: Audience
    price_id: UUID
    from_quantity: Decimal


@dataclass(frozen=True, slots=True)
class PricedPart:
    """A product in a bundle with its share."""

    product_id: UUID
    product_code: str
    description: str
    unit: str
    quantity: Decimal
    list_amount: Money | None
    net_amount: Money
    tax_percent: Decimal
    tax_amount: Money
    cost_amount: Money | None


@dataclass(frozen=True, slots=True)
class PricedLine:
    """What a line costs, and why."""

    product_id: UUID
    product_code: str
    description: str
    product_version: int
    unit: str
    quantity: Decimal
    source: PriceSource | None
    unit_price: Decimal
    price_per: int
    list_price: Decimal | None
    list_amount: Money
    discount_amount: Money
    document_discount_amount: Money
    net_amount: Money
    tax_percent: Decimal | None
    tax_amount: Money
    gross_amount: Money
    cost_amount: Money | None
    margin_amount: Money | None
    rejected: tuple[Rejected, ...]
    cheaper_quantity: Decimal | None
    parts: tuple[PricedPart, ...]
    bundle_line: int


@dataclass(frozen=True, slots=True)
class TaxedAmounts:
    """What the lines of one rate come to."""

    tax_percent: Decimal
    net_amount: Money
    tax_amount: Money


@dataclass(frozen=True, slots=True)
class Totals:
    """What all lines come to."""

    rates: tuple[TaxedAmounts, ...]
    discount_amount: Money
    document_discount_amount: Money
    net_amount: Money
    tax_amount: Money
    gross_amount: Money
    cost_amount: Money | None
    margin_amount: Money | None
    margin_percent: Decimal | None
    pricing_date: date


def reckoned(question: Question, drafts: Sequence[Draft]) -> "Answers":
    """What all lines come to. InvalidArgument for a discount of more than there is."""
    try:
        amounts = price_document(
            [draft.document_line for draft in drafts],
            question.sought.currency_code,
            discount=question.discount,
            tax_rounding=question.tax_rounding,
            prices_include_tax=question.prices_include_tax,
        )
    except DiscountTooHigh as error:
        raise too_high(question, drafts, error.line) from None
    return Answers(question, drafts, amounts)


def too_high(question: Question, drafts: Sequence[Draft], line: int | None) -> InvalidArgument:
    """The error for a discount of more than there is."""
    if line is None:
        return invalid_field("discount_amount", "discount_too_high", "is more than the lines come to")
    number = next(index for index, each in enumerate(question.lines) if each is drafts[line].asked)
    return invalid_field(f"lines[{number}].discount_amount", "discount_too_high", "is more than the line comes to")


@dataclass(frozen=True, slots=True)
class Answers:
    """Makes the answer of what was found and what was reckoned."""

    question: Question
    drafts: Sequence[Draft]
    amounts: DocumentAmounts

    def totals(self) -> Totals:
        """What the lines come to. InvalidArgument for amounts that no message carries."""
        amounts = self.amounts
        cost = total_cost([draft.cost for draft in self.drafts])
        margin = margin_of(amounts.net, cost)
        return Totals(
            rates=tuple(
                TaxedAmounts(each.tax_percent, self.money(each.net), self.money(each.tax)) for each in amounts.rates
            ),
            discount_amount=self.money(amounts.discount),
            document_discount_amount=self.money(amounts.document_discount),
            net_amount=self.money(amounts.net),
            tax_amount=self.money(amounts.tax),
            gross_amount=self.money(amounts.gross),
            cost_amount=self.known(cost),
            margin_amount=self.known(margin),
            margin_percent=percent_of(margin, amounts.net),
            pricing_date=self.question.sought.day,
        )

    def line(self, number: int) -> PricedLine:
        """A line, counted from 0. InvalidArgument for amounts that no message carries."""
        draft, figures = self.drafts[number], self.amounts.lines[number]
        taken = draft.choice.taken
        step = taken.price.step_at(draft.asked.quantity) if taken else None
        by_hand = draft.asked.unit_price
        source = None
        if taken is not None and step is not None:
            source = PriceSource(taken.price_book_id, taken.audience, taken.price_id, step.from_quantity)
        parts = zip(draft.parts, figures.parts, strict=True) if draft.parts else ()
        return PricedLine(
            product_id=draft.product.id,
            product_code=draft.product.code,
            description=draft.product.display_name,
            product_version=draft.version.number,
            unit=draft.version.unit,
            quantity=draft.asked.quantity,
            source=source,
            unit_price=by_hand if by_hand is not None else step.unit_price if step else ZERO,
            price_per=1 if by_hand is not None or taken is None else taken.price.price_per,
            list_price=step.unit_price if step else None,
            list_amount=self.money(figures.list_amount),
            discount_amount=self.money(figures.discount),
            document_discount_amount=self.money(figures.document_discount),
            net_amount=self.money(figures.net),
            tax_percent=draft.tax_percent,
            tax_amount=self.money(figures.tax),
            gross_amount=self.money(figures.gross),
            cost_amount=self.known(draft.cost),
            margin_amount=self.known(margin_of(figures.net, draft.cost)),
            rejected=draft.choice.rejected[:MAX_REJECTED],
            cheaper_quantity=None
            if by_hand is not None or not taken
            else taken.price.cheaper_quantity(draft.asked.quantity),
            parts=tuple(self.part(part, share) for part, share in parts),
            bundle_line=draft.bundle_line,
        )

    def part(self, part: Part, share: PartAmounts) -> PricedPart:
        listed = None if part.list_amount is None else self.rounded(part.list_amount)
        return PricedPart(
            product_id=part.product.id,
            product_code=part.product.code,
            description=part.product.display_name,
            unit=part.version.unit,
            quantity=part.quantity,
            list_amount=listed if part.quantity > 0 or listed is None else -listed,
            net_amount=self.money(share.net),
            tax_percent=part.tax_percent,
            tax_amount=self.money(share.tax),
            cost_amount=self.known(part.cost),
        )

    def money(self, amount: Decimal) -> Money:
        """InvalidArgument for an amount that no message carries."""
        money = Money(amount, self.question.sought.currency_code)
        check_range(money, field="lines")
        return money

    def rounded(self, amount: Decimal) -> Money:
        return self.money(Money(amount, self.question.sought.currency_code).rounded().amount)

    def known(self, amount: Decimal | None) -> Money | None:
        return None if amount is None else self.money(amount)


def margin_of(net: Decimal, cost: Decimal | None) -> Decimal | None:
    """None where the cost is not known, or no message carries the margin."""
    return None if cost is None else carried(net - cost)


def percent_of(margin: Decimal | None, net: Decimal) -> Decimal | None:
    """The margin in hundredths of the net, rounded half up to two decimals; None of nothing."""
    if margin is None or not net:
        return None
    return (margin * WHOLE / net).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)

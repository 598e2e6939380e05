"""The order that a quote becomes: its lines with their amounts and taxes as they are in the quote. Pure."""

from collections.abc import Iterator
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from crm_kit.errors import invalid_field
from crm_kit.money import MAX_AMOUNT, Money

from crm_sales.orders.model import Order, OrderLine
from crm_sales.priced_lines.answers import PricedLine, PricedPart
from crm_sales.quotes.model import Quote

ZERO, WHOLE = Decimal(0), Decimal(100)
# Prices and percentages of orders have at most four decimals.
FINEST = Decimal("0.0001")
MAX_NAME = 200
MAX_LINES = 200
# Quantities of orders are below it.
MOST = Decimal(10) ** 9


def order_of(quote: Quote, id: UUID, *, owner_team_id: UUID | None, now: datetime) -> Order:
    """The draft of the order. Nothing is reckoned anew: net and tax of each line are those of the quote."""
    return Order(
        id=id,
        account_id=quote.account_id,
        opportunity_id=quote.opportunity_id,
        quote_id=quote.id,
        currency_code=quote.currency_code,
        lines=tuple(line for priced in quote.priced_lines for line in lines_of(priced, quote)),
        payment_days=quote.payment_days,
        paid_amount=Money.zero(quote.currency_code),
        owner_id=quote.owner_id,
        owner_team_id=owner_team_id,
        create_time=now,
        update_time=now,
    )


def require_orderable(quote: Quote) -> Quote:
    """The quote itself. InvalidArgument for what an order has no room for: asked before a customer has agreed to it."""
    lines = order_of(quote, quote.id, owner_team_id=None, now=quote.create_time).lines
    if len(lines) > MAX_LINES:
        detail = f"become more than {MAX_LINES} lines of an order, with the parts and options of bundles"
        raise invalid_field("lines", "too_many_order_lines", detail, metadata={"most": str(MAX_LINES)})
    for line in lines:
        is_large = abs(line.quantity) >= MOST or line.unit_price.amount >= MAX_AMOUNT
        if is_large or line.quantity != rounded(line.quantity):
            told = {"quantity": f"{line.quantity:f}", "product": line.product, "price": f"{line.unit_price.amount:f}"}
            detail = f"become {told['quantity']} of {line.product} at {told['price']} each, which no order has room for"
            raise invalid_field("lines", "not_orderable", detail, metadata=told)
    return quote


def lines_of(priced: PricedLine, quote: Quote) -> Iterator[OrderLine]:
    """A line as it is; of a bundle its parts, each with its share and taxed at its own rate."""
    if not priced.parts:
        yield line_of(priced, quote)
    for part in priced.parts:
        yield part_of(part)


def line_of(priced: PricedLine, quote: Quote) -> OrderLine:
    """A line of one product; its price before tax and its discount are rounded where an order has fewer decimals."""
    tax_percent = priced.tax_percent or ZERO
    amount, left = priced.list_amount.amount, priced.net_amount.amount
    if quote.prices_include_tax:
        left = priced.gross_amount.amount
    discount = ZERO if amount == left or not amount else (amount - left) * WHOLE / amount
    price = priced.unit_price / priced.price_per
    if quantity_price_differs(priced, price):
        price = amount / priced.quantity
    if quote.prices_include_tax:
        price = price * WHOLE / (WHOLE + tax_percent)
    return OrderLine(
        product=named(priced.product_code, priced.description),
        quantity=priced.quantity,
        unit_price=Money(rounded(price), quote.currency_code),
        discount_percent=rounded(discount),
        tax_percent=tax_percent,
        net=priced.net_amount.amount,
        tax=priced.tax_amount.amount,
    )


def quantity_price_differs(priced: PricedLine, price: Decimal) -> bool:
    """Whether the price of the last slice is not that of all, as of a GRADUATED price."""
    return Money(price * priced.quantity, priced.list_amount.currency_code).rounded() != priced.list_amount


def part_of(part: PricedPart) -> OrderLine:
    """A part of a bundle; its price is its share of the bundle's, by quantity."""
    net = part.net_amount
    return OrderLine(
        product=named(part.product_code, part.description),
        quantity=part.quantity,
        unit_price=Money(rounded(net.amount / part.quantity), net.currency_code),
        tax_percent=part.tax_percent,
        net=net.amount,
        tax=part.tax_amount.amount,
    )


def named(code: str, description: str) -> str:
    """What an order calls a product."""
    return f"{code} {description}"[:MAX_NAME].rstrip()


def rounded(value: Decimal) -> Decimal:
    """To as many decimals as orders have, without zeros at the end."""
    fine = value.quantize(FINEST, rounding=ROUND_HALF_UP)
    return fine.quantize(Decimal(1)) if fine == fine.to_integral_value() else fine.normalize()

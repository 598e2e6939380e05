"""What a quote comes to: its lines priced by the very function that price questions are answered by."""

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from crm_kit.database.work import Reader
from crm_kit.errors import InvalidArgument, invalid_field
from crm_kit.resource.violations import below

from crm_sales.accounts.queries import find_value_tier
from crm_sales.priced_lines.answers import Answers
from crm_sales.priced_lines.model import Question
from crm_sales.priced_lines.pricing import answers_to, priced_lines
from crm_sales.pricing.document import Discount
from crm_sales.pricing.selection import Sought
from crm_sales.quotes.measures import deepest_discount_percent, offered
from crm_sales.quotes.model import PLACE, Quote
from crm_sales.quotes.ordering import require_orderable

TOTALS = (
    "rates",
    "document_discount_amount",
    "net_amount",
    "tax_amount",
    "gross_amount",
    "cost_amount",
    "margin_amount",
    "margin_percent",
    "pricing_date",
)


async def reckoned(reader: Reader, quote: Quote, *, day: date) -> Quote:
    """The quote with what it comes to by the prices of a day.

    InvalidArgument, with fields as a quote has them, and FailedPrecondition for what cannot be priced.
    """
    tier = await find_value_tier(reader, quote.account_id)
    question = Question(
        lines=quote.lines,
        sought=Sought(quote.currency_code, day, tier, quote.channel),
        discount=Discount(quote.discount_percent, quote.discount_amount),
        tax_rounding=quote.tax_rounding,
        prices_include_tax=quote.prices_include_tax,
    )
    try:
        return await _priced(reader, quote, question, quote.account_id)
    except InvalidArgument as error:
        raise below(error, PLACE) from None


async def _priced(reader: Reader, quote: Quote, question: Question, account_id: UUID) -> Quote:
    answers = await answers_to(reader, question, account_id)
    lines = tuple(replace(line, rejected=()) for line in await priced_lines(answers))
    return require_orderable(not_below_zero(replace(quote, priced_lines=lines, **figures_of(answers))))


def figures_of(answers: Answers) -> dict[str, Any]:
    """The totals as a quote has them, and what approvals go by."""
    totals = answers.totals()
    deepest = deepest_discount_percent(offered(answers.drafts), answers.question.discount)
    return {name: getattr(totals, name) for name in TOTALS} | {"deepest_discount_percent": deepest}


def not_below_zero(quote: Quote) -> Quote:
    """The quote itself. InvalidArgument where returns are more than what is offered: its order would be owed by us."""
    lowest = min(quote.net_amount, quote.gross_amount)
    if lowest.amount < 0:
        detail = f"add up to {lowest}, which is below zero: a quote takes returns off what is offered"
        raise invalid_field("lines", "total", detail, metadata={"total": str(lowest)})
    return quote

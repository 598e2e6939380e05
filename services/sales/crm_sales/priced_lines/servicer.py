"""PriceBookService.PriceLines: from message to answer and back, nothing else."""

from uuid import UUID

from crm.sales.v1 import price_books_pb2 as pb
from crm_kit.accounts import Accounts
from crm_kit.database.connections import row_of
from crm_kit.database.work import Reader
from crm_kit.resource.codecs import build, values_in
from crm_kit.resource.reading import in_turns
from crm_kit.wire import id_from

from crm_sales.accounts.queries import find_value_tier
from crm_sales.priced_lines.model import ZERO, LineToPrice, Question
from crm_sales.priced_lines.pricing import answers_to, priced_lines
from crm_sales.priced_lines.wire import day_from, decimal_from, rounding_from
from crm_sales.pricing.document import Discount
from crm_sales.pricing.selection import Sought


async def price_lines(reader: Reader, accounts: Accounts, request: pb.PriceLinesRequest) -> pb.PriceLinesResponse:
    """What products cost somebody; nothing is saved."""
    account_id = id_from(request.account_id)
    question = await question_from(reader, accounts, request, account_id)
    answers = await answers_to(reader, question, account_id)
    response: pb.PriceLinesResponse = build(pb.PriceLinesResponse, **row_of(answers.totals()))
    lines = await priced_lines(answers)
    response.lines.extend(await in_turns(lines, lambda line: build(pb.PricedLine, **row_of(line))))
    return response


async def question_from(
    reader: Reader, accounts: Accounts, request: pb.PriceLinesRequest, account_id: UUID | None
) -> Question:
    """What is asked, and by whom it is bought. InvalidArgument for an account that the caller does not see."""
    tier = None
    if account_id is not None:
        scope = min(reader.scope, reader.actor.access.scope("accounts.read"))
        await accounts.require(reader, account_id, field="account_id", scope=scope)
        tier = await find_value_tier(reader, account_id)
    day = day_from(request.pricing_date) or reader.actor.access.day_of(reader.now)
    return Question(
        lines=values_in(request, "lines", LineToPrice),
        sought=Sought(request.currency_code, day, tier, request.channel or None),
        discount=Discount(
            decimal_from(request.discount_percent) or ZERO, decimal_from(request.discount_amount) or ZERO
        ),
        tax_rounding=rounding_from(request),
        prices_include_tax=request.prices_include_tax,
    )

"""What the rules say of an amount, as an account's limit and orders stand now; nothing is reserved by it."""

from datetime import date
from uuid import UUID

from crm_kit.database.work import Reader
from crm_kit.money import Money

from crm_scoring.credit.model import CreditLimit, Usage
from crm_scoring.credit.queries import NO_ORDER, get_usage
from crm_scoring.credit.resource import get_credit_limit
from crm_scoring.credit.rules import CreditDecision, CreditRules, check_credit


async def decide(
    reader: Reader, account_id: UUID, amount: Money, *, rules: CreditRules, today: date, without: UUID = NO_ORDER
) -> tuple[CreditDecision, CreditLimit, Usage]:
    """Decide on an amount, `without` what an order uses already; `today` is the day by the tenant's calendar."""
    limit = await get_credit_limit(reader, account_id)
    usage = await get_usage(reader, account_id, amount.currency_code, without=without)
    decision = check_credit(limit.amount, usage.used, amount, usage.overdue_days(today), rules)
    return decision, limit, usage

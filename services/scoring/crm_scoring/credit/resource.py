"""Credit limits, declared. An account has one, whose id is the account's; who may see the account may see it."""

from uuid import UUID

from crm.scoring.v1 import credit_pb2 as pb
from crm.scoring.v1 import events_pb2 as events
from crm_kit.database.work import Reader
from crm_kit.identity.access import Scope
from crm_kit.resource.reach import of_owned_account
from crm_kit.resource.writing import Resource
from sqlalchemy import ColumnElement, ScalarSelect, func, select

from crm_scoring.accounts.tables import accounts
from crm_scoring.credit.model import CreditLimit
from crm_scoring.credit.queries import OPEN_AMOUNT, is_reserved, paid_in_advance, takes_credit
from crm_scoring.credit.tables import credit_limits, credit_orders


def taken(*of: ColumnElement[bool]) -> ScalarSelect[object]:
    """What such orders of the account take of its limit now, in the limit's currency."""
    orders = credit_orders.c
    return (
        select(func.coalesce(func.sum(OPEN_AMOUNT), 0))
        .where(
            orders.tenant_id == credit_limits.c.tenant_id,
            orders.account_id == credit_limits.c.id,
            orders.currency_code == credit_limits.c.currency_code,
            *of,
        )
        .correlate(credit_limits)
        .scalar_subquery()
    )


ADVANCE = paid_in_advance(credit_limits.c.tenant_id, credit_limits.c.id, credit_limits.c.currency_code)
CREDIT_LIMITS = Resource(
    "credit_limit",
    entity=CreditLimit,
    table=credit_limits,
    message=pb.CreditLimit,
    created=events.CreditLimitSet,
    computed={"used": taken(*takes_credit()) - ADVANCE, "reserved": taken(*takes_credit(), is_reserved())},
    unversioned={"used", "reserved"},
    visible=of_owned_account(credit_limits, credit_limits.c.id, accounts),
    default_order="id",
    verbs={"SetCreditLimit": lambda _limit, _: None, "PreviewCredit": lambda _limit, _: None},
)


async def get_credit_limit(reader: Reader, account_id: UUID) -> CreditLimit:
    """The limit of an account that the reader has been found to see; one without an amount when nobody has set any."""
    return await CREDIT_LIMITS.find(reader, account_id, scope=Scope.ALL) or CreditLimit(account_id)

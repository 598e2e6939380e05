"""Credit limits, declared. An account has one, whose id is the account's; who may see the account may see it."""

from uuid import UUID

from crm.scoring.v1 import credit_pb2 as pb
from crm.scoring.v1 import events_pb2 as events
from crm_kit.approvals.declaration import Approvable
from crm_kit.approvals.policies.model import Measured
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.identity.access import Scope
from crm_kit.plumbing import approvals
from crm_kit.resource.reach import of_owned_account
from crm_kit.resource.writing import Resource
from sqlalchemy import ColumnElement, ScalarSelect, Select, bindparam, func, select

from crm_scoring.accounts.tables import accounts
from crm_scoring.credit.model import CreditLimit
from crm_scoring.credit.queries import OPEN_AMOUNT, is_reserved, paid_in_advance, takes_credit
from crm_scoring.credit.tables import credit_limits, credit_orders
from crm_scoring.wire import money_from_pb


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


def limit_raised(before: CreditLimit | None, request: pb.SetCreditLimitRequest) -> Measured | None:
    """The limit that is asked for; None where it is no more than the account has."""
    asked = money_from_pb(request.amount, field="amount")
    has = None if before is None else before.amount
    if has is not None and has.currency_code == asked.currency_code and asked.amount <= has.amount:
        return None
    return Measured(asked)


async def owner_of_account(reader: Reader, account_id: UUID) -> UUID | None:
    """Who owns the account."""
    row = await reader.one(account_owner(), id=account_id)
    return row["owner_id"] if row else None


@statement
def account_owner() -> Select[tuple[UUID | None]]:
    return select(accounts.c.owner_id).where(
        accounts.c.tenant_id == bindparam("tenant_id"), accounts.c.id == bindparam("id")
    )


SETTING_CREDIT_LIMITS = Approvable(
    CREDIT_LIMITS,
    "SetCreditLimit",
    measure=limit_raised,
    owner=owner_of_account,
    seen=of_owned_account(approvals, approvals.c.record_id, accounts),
    record_id="account_id",
)

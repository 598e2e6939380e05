"""What orders mean for the opportunity that they come from."""

from crm_kit.database.work import Reader
from crm_kit.errors import FailedPrecondition, illegal_state
from crm_kit.identity.access import Scope
from crm_kit.resource.actions import Attempt

from crm_sales.opportunities.attempts import TRIED_OPPORTUNITIES
from crm_sales.opportunities.model import Opportunity
from crm_sales.orders.queries import released_ids
from crm_sales.orders.resource import ORDERS

MAX_NAMED = 5


async def require_not_ordered(reader: Reader, opportunity: Opportunity) -> None:
    """ILLEGAL_STATE when orders of the opportunity are released or paid: that deal was made.

    The error names them as far as the reader may see orders. Whoever places an order locks the opportunity; so what
    is read after the opportunity was written is all there is.
    """
    if await released_ids(reader, opportunity.id, scope=Scope.ALL, count=1):
        access, ids = reader.actor.access, []
        if access.may(ORDERS.permission):
            scope = access.scope(ORDERS.permission)
            ids = await released_ids(reader, opportunity.id, scope=scope, count=MAX_NAMED)
        raise ordered(", ".join(map(str, ids)))


def ordered(order_ids: str) -> FailedPrecondition:
    """The error for what only an opportunity without released orders takes."""
    values = {"order_ids": order_ids} if order_ids else {}
    named = f" ({order_ids})" if order_ids else ""
    detail = f"the opportunity has orders{named} that are released or paid; cancel them, or win it"
    return illegal_state("opportunity_ordered", detail, **values)


async def lose(opportunity: Opportunity, attempt: Attempt) -> None:
    """Only while nothing of it is released or paid."""
    opportunity.require_open("lost")
    await require_not_ordered(attempt.reader, opportunity)


# The verbs of an opportunity, with what its orders say of them.
ORDERED_OPPORTUNITIES = TRIED_OPPORTUNITIES.trying(LoseOpportunity=lose)

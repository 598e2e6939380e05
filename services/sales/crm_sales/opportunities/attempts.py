"""The verbs of an opportunity, tried: what they need besides it, of its pipeline and of who attempts them."""

from crm_kit.resource.actions import Attempt

from crm_sales.opportunities.commands import may_override
from crm_sales.opportunities.model import Opportunity
from crm_sales.opportunities.resource import OPPORTUNITIES
from crm_sales.pipelines.resource import PIPELINES


async def win(opportunity: Opportunity, attempt: Attempt) -> None:
    """Only when the exit criteria hold, or by who may give a reason instead."""
    opportunity.require_open("won")
    pipeline = await PIPELINES.get(attempt.reader, opportunity.pipeline_id)
    override = may_override(attempt.reader.actor, opportunity)
    opportunity.win(pipeline, "", now=attempt.now, override=override)


TRIED_OPPORTUNITIES = OPPORTUNITIES.trying(WinOpportunity=win)

"""Opportunities, declared."""

from crm.sales.v1 import events_pb2 as events
from crm.sales.v1 import opportunities_pb2 as pb
from crm_kit.resource.writing import Resource

from crm_sales.opportunities.model import Opportunity
from crm_sales.opportunities.tables import opportunities

OPPORTUNITIES = Resource(
    "opportunity",
    entity=Opportunity,
    table=opportunities,
    message=pb.Opportunity,
    created=events.OpportunityCreated,
    updated=events.OpportunityUpdated,
    verbs={
        "MoveOpportunity": lambda opportunity, _: opportunity.require_open("moved"),
        "WinOpportunity": lambda opportunity, _: opportunity.require_open("won"),
        "LoseOpportunity": lambda opportunity, _: opportunity.require_open("lost"),
        "ReopenOpportunity": lambda opportunity, _: opportunity.require_closed(),
    },
)

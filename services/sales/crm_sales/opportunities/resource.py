"""Opportunities, declared."""

from crm.sales.v1 import events_pb2 as events
from crm.sales.v1 import opportunities_pb2 as pb
from crm_kit.accounts import reached_with_account
from crm_kit.resource.writing import Resource

from crm_sales.accounts.tables import accounts
from crm_sales.opportunities.model import Opportunity
from crm_sales.opportunities.tables import opportunities

OPPORTUNITIES = Resource(
    "opportunity",
    entity=Opportunity,
    table=opportunities,
    message=pb.Opportunity,
    created=events.OpportunityCreated,
    updated=events.OpportunityUpdated,
    visible=reached_with_account(opportunities, accounts),
    verbs={
        "MoveOpportunity": lambda opportunity, _: opportunity.require_open("moved"),
        "WinOpportunity": lambda opportunity, _: opportunity.require_open("won"),
        "LoseOpportunity": lambda opportunity, _: opportunity.require_open("lost"),
        "ReopenOpportunity": lambda opportunity, _: opportunity.require_closed(),
    },
    assigned="owner_id",
)

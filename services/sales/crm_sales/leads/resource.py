"""Leads, declared."""

from crm.sales.v1 import events_pb2 as events
from crm.sales.v1 import leads_pb2 as pb
from crm_kit.identity.access import Scope, visible
from crm_kit.resource.writing import Resource
from sqlalchemy import ColumnElement, or_

from crm_sales.leads.model import Lead
from crm_sales.leads.tables import leads


def seen(scope: Scope) -> ColumnElement[bool]:
    """Which leads an actor may see: those in reach, and the pool."""
    if scope is Scope.ALL:
        return visible(leads, scope)
    return or_(visible(leads, scope), leads.c.owner_id.is_(None))


LEADS = Resource(
    "lead",
    entity=Lead,
    table=leads,
    message=pb.Lead,
    created=events.LeadCreated,
    updated=events.LeadUpdated,
    # The reclaim run writes them too when only the pool's rules have changed.
    unversioned={"safe_until_time", "rules_version"},
    visible=seen,
    verbs={
        "AssignLead": lambda lead, _now: lead.require_assignable(),
        "ClaimLead": lambda lead, _now: lead.require_claimable(),
        "ReturnLead": lambda lead, now: lead.return_to_pool("", now=now),
        "RecordFollowUp": lambda lead, now: lead.follow_up(now=now),
        "QualifyLead": lambda lead, _now: lead.qualify(),
        "DisqualifyLead": lambda lead, _now: lead.disqualify(""),
        "ConvertLead": lambda lead, _now: lead.require_convertible(),
    },
)

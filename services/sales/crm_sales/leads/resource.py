"""Leads, declared."""

from typing import Any

from crm.sales.v1 import events_pb2 as events
from crm.sales.v1 import leads_pb2 as pb
from crm_kit.identity.access import Scope, visible
from crm_kit.resource.masking import Masked
from crm_kit.resource.reach import Reach, at_open, ids_of_owned
from crm_kit.resource.writing import Resource
from sqlalchemy import ColumnElement, Select, bindparam, or_, select

from crm_sales.accounts.tables import accounts
from crm_sales.leads.model import Lead
from crm_sales.leads.tables import leads

IN_POOL = leads.c.owner_id.is_(None)


def seen(scope: Scope) -> ColumnElement[bool]:
    """Which leads an actor may see: those in reach, and the pool."""
    return or_(visible(leads, scope), IN_POOL)


def ways(scope: Scope) -> list[Select[Any]]:
    """The same leads, each way along an index."""
    in_pool = select(leads.c.id).where(leads.c.tenant_id == bindparam("tenant_id"), IN_POOL)
    return [*ids_of_owned(leads, scope), in_pool]


def open_to(scope: Scope) -> ColumnElement[bool]:
    """Which leads have become no account that is restricted from the actor."""
    return at_open(leads, leads.c.account_id, accounts, scope)


LEADS = Resource(
    "lead",
    entity=Lead,
    table=leads,
    message=pb.Lead,
    created=events.LeadCreated,
    updated=events.LeadUpdated,
    # The reclaim run writes them too when only the pool's rules have changed.
    unversioned={"safe_until_time", "rules_version"},
    visible=Reach(leads, seen, ways, seen, open=open_to),
    # Whoever is not to choose among them by it claims a lead before they learn how to reach it.
    masked=Masked(frozenset({"phone_number", "email"}), lambda lead: bool(lead.in_pool), IN_POOL),
    verbs={
        "AssignLead": lambda lead, _: lead.require_assignable(),
        "ClaimLead": lambda lead, _: lead.require_claimable(),
        "ReturnLead": lambda lead, attempt: lead.return_to_pool("", now=attempt.now),
        "RecordFollowUp": lambda lead, attempt: lead.follow_up(now=attempt.now),
        "QualifyLead": lambda lead, _: lead.qualify(),
        "DisqualifyLead": lambda lead, attempt: lead.disqualify("", now=attempt.now),
        "ConvertLead": lambda lead, _: lead.require_convertible(),
    },
    assigned="owner_id",
)

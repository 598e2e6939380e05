"""The verbs of a lead, tried: what they need of the lead, of its pool, and of who attempts them."""

from crm_kit.resource.actions import Attempt

from crm_sales.leads.commands import check_assignable, check_claimable, check_in_reach, check_room
from crm_sales.leads.conversion import opportunity_owner, require_rights
from crm_sales.leads.model import Lead
from crm_sales.leads.resource import LEADS


async def claim(lead: Lead, attempt: Attempt) -> None:
    """Only from the pool, and within its limits."""
    lead.require_claimable()
    await check_claimable(attempt.reader, lead)


def assign(lead: Lead, attempt: Attempt) -> None:
    """Out of the pool only by who may do more than claim it."""
    check_assignable(attempt.scope, lead)
    lead.require_assignable()


async def record_follow_up(lead: Lead, attempt: Attempt) -> None:
    """Not in the pool, and not without end."""
    check_in_reach(attempt.scope, lead)
    lead.follow_up(now=attempt.now)
    await check_room(attempt.reader, lead)


def disqualify(lead: Lead, attempt: Attempt) -> None:
    """Not in the pool."""
    check_in_reach(attempt.scope, lead)
    lead.disqualify("", now=attempt.now)


async def convert(lead: Lead, attempt: Attempt) -> None:
    """Only by who may create all that it becomes, for an owner who may have the opportunity."""
    require_rights(attempt.reader.actor.access)
    lead.require_convertible()
    await opportunity_owner(attempt.reader, lead)


TRIED_LEADS = LEADS.trying(
    ClaimLead=claim,
    AssignLead=assign,
    RecordFollowUp=record_follow_up,
    DisqualifyLead=disqualify,
    ConvertLead=convert,
)

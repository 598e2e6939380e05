"""A lead becomes an account, a contact and an opportunity: a saga whose state is on the lead.

Each step is committed before the next begins, what the customer service creates is created under a key that is
the same at every attempt, and the opportunity comes with the lead's last step in one transaction. So it may stop
anywhere and be begun again, by whomever, and nothing is there twice.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from uuid import UUID

from crm_kit.database.work import UnitOfWork, unit_of_work
from crm_kit.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from crm_kit.etags import check_etag
from crm_kit.money import Money

from crm_sales.accounts.wire import Customer
from crm_sales.leads.commands import action_of, save
from crm_sales.leads.holdings import with_protection
from crm_sales.leads.model import Conversion, ConversionStep, Lead, LeadMove, LeadState
from crm_sales.leads.queries import get_lead
from crm_sales.leads.wire import lead_converted
from crm_sales.opportunities.commands import open_opportunity
from crm_sales.opportunities.model import Pipeline
from crm_sales.pipelines.queries import default_pipeline_id, get_pipeline
from crm_sales.pools.queries import get_pool

# Asking again would be answered the same way.
FINAL = (FailedPrecondition, InvalidArgument, NotFound, PermissionDenied)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller says about account and opportunity; empty: found, created, or the default."""

    account_id: str
    opportunity_name: str
    amount: Money
    pipeline_id: UUID | None


async def convert_lead(work: UnitOfWork, customer: Customer, id: UUID, wanted: Wanted, *, etag: str = "") -> Lead:
    """Convert a lead, or go on where an earlier attempt stopped. No connection is held while others are asked."""
    lead = await get_lead(work, id)
    if lead.state is LeadState.CONVERTED:
        return lead
    if lead.conversion is None:
        check_etag(etag, lead.version)
    pipeline = await get_pipeline(work, wanted.pipeline_id or default_pipeline_id(work.tenant_id))
    await work.release()
    lead = await begin(work, id)
    conversion = lead.conversion
    if conversion is None or lead.state is LeadState.CONVERTED:
        return lead
    if not conversion.account_id:
        account_id = await asked(work, id, lambda: account_of(customer, lead, wanted))
        conversion = await record(work, id, ConversionStep.ACCOUNT, account_id)
    if not conversion.contact_id:
        account_id = conversion.account_id
        contact_id = await asked(work, id, lambda: customer.find_or_create_contact(lead, account_id))
        await record(work, id, ConversionStep.CONTACT, contact_id)
    return await finish(work, id, wanted, pipeline.pipeline)


async def account_of(customer: Customer, lead: Lead, wanted: Wanted) -> str:
    """The account that was named, once it is known to exist, or the one found or created."""
    if wanted.account_id:
        await customer.require_account(wanted.account_id, field="account_id")
        return wanted.account_id
    return await customer.find_or_create_account(lead)


async def asked(work: UnitOfWork, id: UUID, ask: Callable[[], Awaitable[str]]) -> str:
    """What the customer service answers. A final no ends the attempt, so that the lead is not held for nothing."""
    try:
        return await ask()
    except FINAL as error:
        detail = error.detail
        await step(work, id, lambda lead: lead.abandon_conversion(detail, now=work.now, actor_id=_me(work)))
        raise


async def begin(work: UnitOfWork, id: UUID) -> Lead:
    """The lead with a conversion that is this caller's."""

    def move(lead: Lead) -> LeadMove:
        if lead.is_converting:
            return lead.take_over_conversion(now=work.now, actor_id=_me(work))
        return lead.begin_conversion(now=work.now, actor_id=_me(work))

    return await step(work, id, move)


async def record(work: UnitOfWork, id: UUID, done: ConversionStep, found: str) -> Conversion:
    """Note what a step found or created."""
    lead = await step(work, id, lambda lead: lead.record_step(done, found, now=work.now, actor_id=_me(work)))
    assert lead.conversion is not None
    return lead.conversion


async def step(work: UnitOfWork, id: UUID, move: Callable[[Lead], LeadMove]) -> Lead:
    """One move of the lead, committed at once."""
    async with unit_of_work(work.database, work.actor, scope=work.scope, now=work.now) as own:
        before = await get_lead(own, id)
        moved = move(before)
        if not moved.events:
            return before
        pool = await get_pool(own)
        return save(own, before, await with_protection(own, moved.lead, pool), action_of(moved), pool)


async def finish(work: UnitOfWork, id: UUID, wanted: Wanted, pipeline: Pipeline) -> Lead:
    """Opportunity and converted lead, in one transaction."""
    before = await get_lead(work, id)
    if before.state is LeadState.CONVERTED or before.conversion is None:
        return before
    opportunity = open_opportunity(
        work,
        pipeline,
        account_id=before.conversion.account_id,
        display_name=wanted.opportunity_name or before.company_name or before.display_name,
        amount=wanted.amount,
        owner_id=before.owner_id,
        owner_team_id=before.owner_team_id,
        lead_id=str(id),
        source=before.source,
    )
    moved = before.record_step(ConversionStep.OPPORTUNITY, opportunity.id, now=work.now, actor_id=_me(work))
    after = replace(moved.lead, safe_until_time=None)
    return save(work, before, after, moved.events[-1].kind, await get_pool(work), lead_converted)


def _me(work: UnitOfWork) -> str:
    return str(work.actor.user_id)

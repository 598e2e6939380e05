"""A lead becomes an account, a contact and an opportunity: a saga whose state is on the lead.

Each step is committed before the next begins, what the customer service creates is created under a key that is
the same at every attempt, and the opportunity comes with the lead's last step in one transaction. So it may stop
anywhere and be begun again, by whomever, and nothing is there twice.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any
from uuid import UUID

from crm.sales.v1 import events_pb2 as events
from crm_kit.accounts import Accounts, account_from_pb, keep_in_use, require_account
from crm_kit.custom_fields.checking import values_to_create
from crm_kit.custom_fields.definitions import definitions_of
from crm_kit.custom_fields.model import CustomField
from crm_kit.custom_fields.values import CustomValues, carried, checked_values
from crm_kit.database.work import Reader, UnitOfWork, retried, unit_of_work
from crm_kit.directory.access import owned_by
from crm_kit.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    illegal_state,
)
from crm_kit.etags import version_of
from crm_kit.events.leases import turn
from crm_kit.identity.access import Access, Scope
from crm_kit.money import Money
from crm_kit.projections import put_newest
from google.protobuf.message import Message

from crm_sales.accounts.client import CustomerClient
from crm_sales.accounts.model import Earlier
from crm_sales.contacts.tables import contacts
from crm_sales.leads.becoming import account_named_by, contact_named_by
from crm_sales.leads.commands import save
from crm_sales.leads.histories import begin_history
from crm_sales.leads.model import ConversionStep, Lead, LeadState
from crm_sales.leads.protection import with_protection
from crm_sales.leads.resource import LEADS
from crm_sales.opportunities.commands import open_opportunity
from crm_sales.opportunities.model import check_amount
from crm_sales.opportunities.resource import OPPORTUNITIES
from crm_sales.pipelines.queries import pipeline_or_default
from crm_sales.pipelines.resource import PIPELINES
from crm_sales.pools.queries import get_pool

Wake = Callable[[], None]
# Whose attempt it is, and since when.
Attempt = tuple[UUID | None, datetime | None]
# What a conversion looks for and creates.
NEEDED = ("accounts.read", "accounts.write", "contacts.read", "contacts.write", "opportunities.write")
# Asking again would be answered the same way.
FINAL = (AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller says about account and opportunity; None: found, created, or the default."""

    account_id: UUID | None
    opportunity_name: str | None
    amount: Money
    pipeline_id: UUID | None

    def __post_init__(self) -> None:
        check_amount(self.amount, field="amount")


async def convert_lead(
    work: UnitOfWork,
    accounts: Accounts,
    customer: CustomerClient,
    id: UUID,
    wanted: Wanted,
    *,
    wake: Wake,
    etag: str = "",
) -> Lead:
    """Convert a lead, or go on where an earlier attempt stopped. No connection is held while others are asked.

    `wake` is called when the history of its account is to be gone on with.
    """
    require_rights(work.actor.access)
    lead = await LEADS.get(work, id)
    if lead.state is LeadState.CONVERTED:
        return lead
    lead.require_convertible()
    await opportunity_owner(work, lead)
    if not lead.is_converting:
        await LEADS.check_etag(work, id, etag, lead.version)
    pipeline = await pipeline_or_default(work, wanted.pipeline_id)
    # What an opportunity would lack is said before anything is begun.
    await opportunity_custom(work, lead)
    own_fields = (await definitions_of(work, LEADS.collection)).fields
    await work.release()
    lead = await start(work, id, wanted)
    attempt = lead.attempt
    if lead.account_id is not None:
        # What an earlier attempt found may have been put away since.
        await asked(work, id, attempt, partial(account_in_use, work, accounts, lead.account_id))
    if lead.next_step is ConversionStep.ACCOUNT:
        ask = partial(account_of, work, accounts, customer, lead, wanted, own_fields)
        lead = await record(work, id, attempt, ConversionStep.ACCOUNT, await asked(work, id, attempt, ask))
    if lead.next_step is ConversionStep.CONTACT:
        found = await asked(work, id, attempt, partial(contact_of, work, customer, lead, own_fields))
        await record(work, id, attempt, ConversionStep.CONTACT, found)

    async def last_step(own: UnitOfWork) -> Lead:
        return await finish(own, id, attempt, wanted, pipeline.id, accounts, wake)

    return await committed(work, last_step)


def require_rights(access: Access) -> None:
    """PermissionDenied for who may not look for or create what a lead becomes, whatever of it is there already."""
    for permission in NEEDED:
        access.scope(permission)


async def opportunity_owner(reader: Reader, lead: Lead) -> dict[str, UUID | None]:
    """Whose the opportunity will be: the lead's owner's.

    InvalidArgument where the caller may not give them an opportunity, or they may not have one, as when one is created.
    """
    scope = reader.actor.access.scope("opportunities.write")
    permission = OPPORTUNITIES.permission
    return await owned_by(reader, lead.owner_id, permission=permission, field="lead.owner_id", scope=scope)


def require_attempt(lead: Lead, attempt: Attempt, step: ConversionStep) -> None:
    """ILLEGAL_STATE when this attempt was ended, or begun anew, before it came to its step.

    No Conflict, after which it would be tried again: whoever has ended it, by assigning the lead, is to have their way.
    """
    is_next = lead.attempt == attempt and (lead.next_step is step or lead.id_of(step) is not None)
    if not is_next and lead.state is not LeadState.CONVERTED:
        detail = "somebody else has ended this conversion, or begun it anew; look at the lead before you convert it"
        raise illegal_state("conversion_ended", detail)


async def account_of(
    work: UnitOfWork,
    accounts: Accounts,
    customer: CustomerClient,
    lead: Lead,
    wanted: Wanted,
    own_fields: Mapping[str, CustomField],
) -> UUID:
    """The account that was named, once it is known to exist, or the lead's company or person, found or created."""
    if wanted.account_id is not None:
        account = await require_account(work, accounts, wanted.account_id, field="account_id")
        account.require_in_use()
        await work.release()
        return wanted.account_id
    new_account = account_named_by(lead, await custom_of(customer, "accounts", lead, own_fields))
    earlier = Earlier([account_named_by(each) for each in lead.as_told()], since=lead.told_since)
    # Of two leads of one new company one creates it, and the other finds it. This saves them from being in each other's
    # way; that it is created once does not depend on it.
    async with turn(work.database, name_of_turn(work, new_account.key)):
        # Nobody is at a new account yet: what the new contact would lack is said before the account is there.
        check = partial(check_new_contact, customer, lead, own_fields)
        found = await customer.find_or_create_account(new_account, actor=work.actor, check=check, earlier=earlier)
    # The answer names it, maybe before its event has come.
    accounts.keep(work, account_from_pb(found, version=version_of(found.etag) or 0))
    return UUID(found.id)


async def account_in_use(work: UnitOfWork, accounts: Accounts, account_id: UUID) -> UUID:
    """The account, once it is known to be in use still."""
    account = await accounts.find(work, account_id, scope=Scope.ALL)
    if account is not None:
        account.require_in_use()
    await work.release()
    return account_id


async def opportunity_custom(work: UnitOfWork, lead: Lead) -> CustomValues:
    """What the opportunity has of the lead's custom fields; what it has no field for stays on the lead."""
    own = await definitions_of(work, LEADS.collection)
    others = await definitions_of(work, OPPORTUNITIES.collection)
    values = carried(lead.custom, own.fields, others.fields)
    return await values_to_create(work, OPPORTUNITIES.collection, values, path="opportunity.custom")


async def custom_of(
    customer: CustomerClient, collection: str, lead: Lead, own_fields: Mapping[str, CustomField]
) -> CustomValues:
    """What a new account or contact has of the lead's custom fields."""
    return carried(lead.custom, own_fields, await customer.custom_fields(collection)) if lead.custom else {}


async def check_new_contact(customer: CustomerClient, lead: Lead, own_fields: Mapping[str, CustomField]) -> None:
    """InvalidArgument that names the custom fields that a new contact would lack."""
    fields = await customer.custom_fields("contacts")
    checked_values(fields, carried(lead.custom, own_fields, fields), {}, path="contact.custom", is_new=True)


async def contact_of(
    work: UnitOfWork, customer: CustomerClient, lead: Lead, own_fields: Mapping[str, CustomField]
) -> UUID:
    """The lead's person at the account, found or created."""
    contact = contact_named_by(lead, await custom_of(customer, "contacts", lead, own_fields))
    earlier = Earlier([contact_named_by(each) for each in lead.as_told()], since=lead.told_since)
    async with turn(work.database, name_of_turn(work, f"contacts {lead.account_id}")):
        key = lead.step_key(ConversionStep.CONTACT)
        found = await customer.find_or_create_contact(contact, key=key, earlier=earlier)
    contact_id = UUID(found.id)
    known = {"id": contact_id, "display_name": found.display_name, "version": version_of(found.etag) or 0}
    put_newest(work, contacts, known)
    return contact_id


def name_of_turn(work: UnitOfWork, key: str) -> str:
    """What is held while something is looked for and created in a tenant, however long its key is."""
    return f"{work.tenant_id} {sha256(key.encode()).hexdigest()}"


async def asked(work: UnitOfWork, id: UUID, attempt: Attempt, ask: Callable[[], Awaitable[UUID]]) -> UUID:
    """What the customer service answers. A final no ends the attempt, so that the lead is not blocked for nothing."""

    def end(lead: Lead) -> Lead:
        return lead.abandon_conversion() if lead.attempt == attempt else lead

    try:
        return await ask()
    except FINAL as error:
        # A key in use is somebody else at work.
        if error.reason == "IDEMPOTENCY_KEY_IN_USE":
            raise
        # It is refused after something was read, maybe.
        await work.release()
        await step(work, id, end, events.LeadConversionAbandoned, reason=error.detail)
        raise


async def start(work: UnitOfWork, id: UUID, wanted: Wanted) -> Lead:
    """The lead with a conversion that is this caller's."""
    caller_id, account_id = work.actor.user_id, wanted.account_id
    started = partial(Lead.start_conversion, now=work.now, user_id=caller_id, account_id=account_id)
    return await step(work, id, started, events.LeadConversionStarted)


async def record(work: UnitOfWork, id: UUID, attempt: Attempt, done: ConversionStep, found: UUID) -> Lead:
    """Note what a step found or created."""

    def move(lead: Lead) -> Lead:
        require_attempt(lead, attempt, done)
        return lead.record_step(done, found)

    return await step(work, id, move, events.LeadConversionAdvanced)


async def step(work: UnitOfWork, id: UUID, move: Callable[[Lead], Lead], event: type[Message], **told: Any) -> Lead:
    """One move of the lead, committed at once."""

    async def saved(own: UnitOfWork) -> Lead:
        before = await LEADS.get(own, id)
        after = await with_protection(own, move(before), await get_pool(own))
        return LEADS.save(own, before, after, event, **told)

    return await committed(work, saved)


async def committed(work: UnitOfWork, write: Callable[[UnitOfWork], Awaitable[Lead]]) -> Lead:
    """What is written in a unit of its own.

    It is tried again while others change the lead, but not by beginning the conversion anew: they may have ended it.
    """

    async def attempt() -> Lead:
        async with unit_of_work(work.database, work.actor, scope=work.scope, now=work.now) as own:
            return await write(own)

    return await retried(attempt)


async def finish(
    work: UnitOfWork,
    id: UUID,
    attempt: Attempt,
    wanted: Wanted,
    pipeline_id: UUID,
    accounts: Accounts,
    wake: Wake,
) -> Lead:
    """Opportunity and converted lead, in one transaction; ACCOUNT_ARCHIVED when the account is by then."""
    before = await LEADS.get(work, id)
    if before.state is LeadState.CONVERTED:
        return before
    require_attempt(before, attempt, ConversionStep.OPPORTUNITY)
    assert before.account_id is not None, "the opportunity comes after the account"
    keep_in_use(work, accounts, before.account_id)
    opportunity = open_opportunity(
        work,
        await PIPELINES.get(work, pipeline_id),
        account_id=before.account_id,
        display_name=wanted.opportunity_name or before.company_name or before.display_name,
        amount=wanted.amount,
        lead_id=id,
        source=before.source,
        custom=await opportunity_custom(work, before),
        **await opportunity_owner(work, before),
    )
    after = before.record_step(ConversionStep.OPPORTUNITY, opportunity.id)
    if await begin_history(work, after):
        work.after_commit.append(wake)
    return save(work, before, after, await get_pool(work), events.LeadConverted)

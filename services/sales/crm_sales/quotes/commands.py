"""Every write on quotes. Each function is one transaction's work."""

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from crm.sales.v1 import events_pb2 as events
from crm_kit.accounts import Accounts, check_in_use
from crm_kit.contacts import Contacts
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.directory.access import owned_by
from crm_kit.errors import denied, illegal_state
from crm_kit.ids import new_id
from crm_kit.resource.owners import given_to

from crm_sales.orders.commands import buyer, require_live
from crm_sales.orders.resource import ORDERS
from crm_sales.quotes.figures import reckoned
from crm_sales.quotes.model import PLACE, Quote, QuoteState, expired_already, quote_number
from crm_sales.quotes.ordering import order_of
from crm_sales.quotes.queries import next_number, versions_with_customer
from crm_sales.quotes.resource import QUOTES
from crm_sales.quotes.timers import set_timer, stop_timer

WRITES_ORDERS = "orders.write"


def today_of(reader: Reader) -> date:
    """The day where the tenant is."""
    return reader.actor.access.day_of(reader.now)


async def create_quote(work: UnitOfWork, accounts: Accounts, contacts: Contacts, values: dict[str, Any]) -> Quote:
    """Draft a quote for an account, or for the account of an opportunity."""
    today = today_of(work)
    account_id, opportunity_id = values.get("account_id"), values.get("opportunity_id")
    values["account_id"] = await buyer(work, accounts, account_id, opportunity_id, place=PLACE)
    values |= await owned_by(work, values.get("owner_id"), permission=QUOTES.permission, field=f"{PLACE}.owner_id")
    draft = Quote(id=new_id(), pricing_date=today, create_time=work.now, update_time=work.now, **values)
    draft = await reckoned(work, draft.checked(today=today), day=today)
    await require_contact(work, contacts, draft.contact_id)
    number = quote_number(today.year, await next_number(work, today.year))
    return QUOTES.create(work, replace(draft, number=number))


async def update_quote(work: UnitOfWork, contacts: Contacts, before: Quote, values: dict[str, Any]) -> Quote:
    """Change some fields of a draft, or the owner of any version; nothing is written when nothing changes."""
    values |= await given_to(work, QUOTES, before, values)
    after = before.update(values, today=today_of(work))
    if not after.is_priced_as(before):
        after = await reckoned(work, after, day=before.pricing_date)
    if after.contact_id != before.contact_id:
        await require_contact(work, contacts, after.contact_id)
    return QUOTES.save(work, before, after, events.QuoteUpdated)


async def require_contact(work: UnitOfWork, contacts: Contacts, id: UUID | None) -> None:
    """InvalidArgument for a contact whom the caller does not see."""
    if id is not None:
        await contacts.require(work, id, field=f"{PLACE}.contact_id")


async def reprice_quote(work: UnitOfWork, before: Quote) -> Quote:
    """Price a draft by today's prices."""
    return QUOTES.save(work, before, await repriced(work, before), events.QuoteRepriced)


async def repriced(reader: Reader, before: Quote) -> Quote:
    """A draft as it would be by today's prices."""
    before.require_draft("repriced")
    return await reckoned(reader, before, day=today_of(reader))


def submit_quote(work: UnitOfWork, before: Quote) -> Quote:
    """Have a draft count as approved."""
    return QUOTES.save(work, before, before.submit(), events.QuoteSubmitted)


async def send_quote(work: UnitOfWork, accounts: Accounts, before: Quote) -> Quote:
    """Say that a quote was sent, in place of a version that was sent before."""
    after = before.send(now=work.now, today=today_of(work))
    await check_in_use(work, accounts, before.account_id)
    for earlier in await versions_with_customer(work, before):
        if earlier.state is QuoteState.ACCEPTED:
            values = {"number": before.number, "version_number": earlier.version_number}
            detail = f"version {earlier.version_number} of {before.number} was accepted"
            raise illegal_state("quote_accepted", detail, **values)
        QUOTES.save(work, earlier, earlier.supersede(now=work.now), events.QuoteSuperseded)
        stop_timer(work, earlier)
    set_timer(work, before)
    return QUOTES.save(work, before, after, events.QuoteSent)


async def accept_quote(work: UnitOfWork, accounts: Accounts, before: Quote) -> Quote:
    """Say that a quote was accepted, and draft its order in the same transaction."""
    before.require_acceptable(today=today_of(work))
    access = work.actor.access
    if not access.may(WRITES_ORDERS):
        raise denied("order_drafted", f"accepting a quote drafts its order: {WRITES_ORDERS} is needed")
    scope = access.scope(WRITES_ORDERS)
    field = f"{PLACE}.owner_id"
    owner = await owned_by(work, before.owner_id, permission=ORDERS.permission, field=field, scope=scope)
    order = order_of(before, new_id(), owner_team_id=owner["owner_team_id"], now=work.now)
    await require_live(work, accounts, order)
    ORDERS.create(work, order)
    stop_timer(work, before)
    after = before.accept(order.id, now=work.now, today=today_of(work))
    return QUOTES.save(work, before, after, events.QuoteAccepted)


def reject_quote(work: UnitOfWork, before: Quote, reason: str) -> Quote:
    """Say that a quote was rejected."""
    after = before.reject(reason, now=work.now)
    stop_timer(work, before)
    return QUOTES.save(work, before, after, events.QuoteRejected)


def expire_quote(work: UnitOfWork, before: Quote) -> Quote:
    """Mark a quote whose last day has passed."""
    after = before.expire(now=work.now)
    stop_timer(work, before)
    return QUOTES.save(work, before, after, events.QuoteExpired)


async def revise_quote(work: UnitOfWork, accounts: Accounts, before: Quote, valid_until_date: date | None) -> Quote:
    """Make the next version of a quote."""
    revised = before.revised(now=work.now)
    if valid_until_date is not None and valid_until_date < today_of(work):
        raise expired_already("valid_until_date", today_of(work))
    await check_in_use(work, accounts, before.account_id)
    after = before.next_version(new_id(), now=work.now, valid_until_date=valid_until_date)
    QUOTES.save(work, before, revised, events.QuoteRevised, next_quote_id=after.id)
    return QUOTES.create(work, after)

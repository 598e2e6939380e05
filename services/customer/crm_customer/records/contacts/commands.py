"""Every write on contacts. Each function is one transaction's work: row, links, history, search and event together."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as events
from crm_kit.database.locks import advisory_lock
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import owned_by
from crm_kit.errors import FailedPrecondition, invalid_field, wrong_state
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.resource.owners import check_brings, given_to
from google.protobuf.message import Message
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from crm_customer.records.accounts.commands import put_new as put_new_account
from crm_customer.records.accounts.model import IN_BUSINESS, Account
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.accounts.search import lock_search_rows, put_search_row
from crm_customer.records.contacts.model import AccountLink, Contact, Status
from crm_customer.records.contacts.queries import names_at_accounts, superiors
from crm_customer.records.contacts.resource import CONTACTS
from crm_customer.records.contacts.search import SEARCHED, put_contact_search_row
from crm_customer.records.contacts.tables import contact_accounts
from crm_customer.records.quality_rules.adopting import adoption_of
from crm_customer.records.quality_rules.book import rules_of
from crm_customer.records.quality_rules.keeping import assessed, fillable_with_custom, judged
from crm_customer.records.quality_rules.quality import FieldCheck

# What accounts are found by of a contact.
SEARCHED_AT_ACCOUNTS = frozenset({"display_name", "accounts", "status"})


async def create_contact(work: UnitOfWork, values: dict[str, Any]) -> Contact:
    """Create a contact from the values of its fields; the caller becomes its owner unless one is named."""
    owner = await owned_by(work, values.get("owner_id"), permission=CONTACTS.permission, field="contact.owner_id")
    contact = await drafted(work, values | owner)
    await check_accounts(work, contact, old_ids=())
    if contact.reports_to_id:
        await check_superior_exists(work, contact.reports_to_id)
    await put_names(work, contact, account_ids=contact.account_ids)
    return put_new(work, contact)


async def create_with_account(work: UnitOfWork, account: Account, values: dict[str, Any]) -> Contact:
    """Create an account that is drafted and its first contact; `values` name an owner who may have it.

    Nobody else can know the account yet, so nothing has to be looked up or held: many go in one round trip.
    """
    contact = await drafted(work, values | {"accounts": (AccountLink(account.id),)})
    put_new_account(work, account, contact_names=(contact.display_name,))
    return put_new(work, contact)


async def create_at_account(
    work: UnitOfWork, account: Account, values: dict[str, Any], *, others: tuple[str, ...]
) -> Contact:
    """Create a contact at an account in business, whose search row the caller holds.

    `values` name an owner who may have it, `others` are the names of the contacts that are there, read since.
    """
    contact = await drafted(work, values | {"accounts": (AccountLink(account.id),)})
    put_search_row(work, account, contact_names=(*others, contact.display_name))
    return put_new(work, contact)


async def drafted(work: UnitOfWork, values: dict[str, Any]) -> Contact:
    """A new contact by the rules, not yet written."""
    contact = Contact(id=new_id(), create_time=work.now, update_time=work.now, **values)
    checked = contact.checked(now=work.now, region=work.actor.access.default_region)
    return await assessed(work, CONTACTS, None, checked)


def put_new(work: UnitOfWork, contact: Contact) -> Contact:
    """Gather everything of a new contact but what its accounts are found by."""
    CONTACTS.create(work, contact)
    put_links(work, None, contact)
    put_contact_search_row(work, contact)
    return contact


async def update_contact(
    work: UnitOfWork, before: Contact, values: dict[str, Any], *, checks: Sequence[FieldCheck] = ()
) -> Contact:
    """Change some fields of a contact; nothing is written when nothing changes.

    `checks` say where new values are from.
    """
    values |= await given_to(work, CONTACTS, before, values)
    after = before.update(values, now=work.now, region=work.actor.access.default_region)
    await check_accounts(work, after, old_ids=before.account_ids)
    if not set(after.account_ids).issubset(before.account_ids):
        await check_brings(work, CONTACTS, before.id)
    if after.reports_to_id and after.reports_to_id != before.reports_to_id:
        await check_superior_exists(work, after.reports_to_id)
        await check_no_cycle(work, after.id, after.reports_to_id)
    after = await assessed(work, CONTACTS, before, after, checks=checks)
    return await save(work, before, after, events.ContactUpdated)


async def confirm_contact_fields(work: UnitOfWork, before: Contact, checks: Sequence[FieldCheck]) -> Contact:
    """Note that values of a contact are still right."""
    after = before.confirm(checks, await fillable_with_custom(work, CONTACTS))
    after = judged(after, await rules_of(work, CONTACTS.collection))
    fields = [each.field for each in checks]
    return await save(work, before, after, events.ContactFieldsConfirmed, fields=fields)


async def adopt_contact_source_value(work: UnitOfWork, id: UUID, value_id: UUID, *, etag: str) -> Contact:
    """Give a contact what a source says; where it has that already, note that it is right."""
    adoption = await adoption_of(work, CONTACTS, id, value_id, etag=etag)
    if adoption.agrees:
        return await confirm_contact_fields(work, adoption.record, [adoption.check])
    return await update_contact(work, adoption.record, adoption.values, checks=[adoption.check])


async def archive_contact(work: UnitOfWork, before: Contact) -> Contact:
    """Put a contact away."""
    return await save(work, before, before.archive(), events.ContactArchived)


async def restore_contact(work: UnitOfWork, before: Contact) -> Contact:
    """Bring an archived contact back."""
    return await save(work, before, before.restore(), events.ContactRestored)


async def save(work: UnitOfWork, before: Contact, after: Contact, event: type[Message], **told: Any) -> Contact:
    """Gather everything of a changed contact; it must still be what was read."""
    changed = CONTACTS.changed_fields(before, after)
    if not SEARCHED_AT_ACCOUNTS.isdisjoint(changed):
        await put_names(work, after, account_ids={*before.account_ids, *after.account_ids})
    if not SEARCHED.isdisjoint(changed):
        put_contact_search_row(work, after)
    saved = CONTACTS.save(work, before, after, event, **told)
    put_links(work, before, after)
    return saved


async def check_accounts(work: UnitOfWork, contact: Contact, *, old_ids: Collection[UUID]) -> None:
    """Accounts that a contact comes to must be there for the caller, and in business."""
    added = [(index, id) for index, id in enumerate(contact.account_ids) if id not in old_ids]
    if not added:
        return
    found = await ACCOUNTS.get_referred(work, [id for _, id in added])
    for index, id in added:
        if id not in found:
            field = f"contact.accounts[{index}].account_id"
            raise invalid_field(field, "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
        if found[id].status not in IN_BUSINESS:
            raise wrong_state("account", found[id].status, "given a contact", legal=IN_BUSINESS)


async def check_superior_exists(work: UnitOfWork, superior_id: UUID) -> None:
    """InvalidArgument for a superior that does not exist or that the caller may not see."""
    if superior_id not in await CONTACTS.get_referred(work, [superior_id]):
        raise invalid_field("contact.reports_to_id", "reference", "does not exist", reason="REFERENCE_NOT_FOUND")


async def check_no_cycle(work: UnitOfWork, id: UUID, superior_id: UUID) -> None:
    """FailedPrecondition when the superior reports to the contact. Two changes at a time could close a circle."""
    await advisory_lock(work, "contacts.reports_to")
    if any(row["id"] == id for row in await work.all(superiors(), id=superior_id)):
        raise FailedPrecondition(
            "contact.reports_to_id: a contact does not report to itself, not by way of others either",
            reason="CONTACT_CYCLE",
        )


async def put_names(work: UnitOfWork, contact: Contact, *, account_ids: Collection[UUID]) -> None:
    """Make accounts findable by the names of their contacts, this contact being what it is now.

    The tokens of an account come from several rows: whoever writes them holds its name first, or one of two
    contacts that come at the same time would not be found.
    """
    await lock_search_rows(work, *account_ids)
    found = await ACCOUNTS.get_many(work, account_ids, scope=Scope.ALL)
    others = await names_at_accounts(work, account_ids, without=contact.id)
    for account in sorted(found.values(), key=lambda account: account.id):
        names = others.get(account.id, ())
        if contact.status is Status.ACTIVE and account.id in contact.account_ids:
            names = (*names, contact.display_name)
        put_search_row(work, account, contact_names=names)


def put_links(work: UnitOfWork, before: Contact | None, after: Contact) -> None:
    """Gather what changes in where the contact is."""
    old = {} if before is None else {link.account_id: (index, link) for index, link in enumerate(before.accounts)}
    for gone in old.keys() - set(after.account_ids):
        work.delete(contact_accounts, contact_id=after.id, account_id=gone)
    for index, link in enumerate(after.accounts):
        if old.get(link.account_id) != (index, link):
            work.execute(put_link(), contact_id=after.id, account_id=link.account_id, position=index, role=link.role)


@statement
def put_link() -> Any:
    table = contact_accounts
    names = ("tenant_id", "contact_id", "account_id", "position", "role")
    fresh = insert(table).values({name: bindparam(name) for name in names})
    return fresh.on_conflict_do_update(
        index_elements=[table.c.tenant_id, table.c.contact_id, table.c.account_id],
        set_={"position": fresh.excluded.position, "role": fresh.excluded.role},
    )

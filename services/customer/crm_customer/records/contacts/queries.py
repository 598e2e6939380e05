"""Every SELECT on contacts. What the reader may not see is not found."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from crm_kit.filtering.schema import FilterField, FilterSchema, enum_field, team_field, user_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope, visible
from crm_kit.listing import Listing
from crm_kit.paging import OrderColumn
from sqlalchemy import ColumnElement, Select, any_, bindparam, exists, func, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.types import Uuid

from crm_customer.records.accounts.queries import consent_from
from crm_customer.records.accounts.tables import accounts
from crm_customer.records.contacts.model import AccountLink, Contact, Role, Status
from crm_customer.records.contacts.tables import contact_accounts, contacts

LINKS = (
    select(
        func.jsonb_agg(
            aggregate_order_by(
                func.jsonb_build_array(contact_accounts.c.account_id, contact_accounts.c.role),
                contact_accounts.c.position,
            )
        )
    )
    .where(contact_accounts.c.tenant_id == contacts.c.tenant_id, contact_accounts.c.contact_id == contacts.c.id)
    .scalar_subquery()
    .label("accounts")
)
COLUMNS = [*(column for column in contacts.c if column.name != "tenant_id"), LINKS]


def seen(scope: Scope) -> ColumnElement[bool]:
    """Which contacts the actor may see: their own, and everybody at the accounts they may see."""
    at = contact_accounts
    if scope is Scope.ALL:
        return true()
    if scope is Scope.OWN:
        # What one user sees is little: it is looked up by owner, instead of asking of each contact of the tenant.
        own = select(contacts.c.id).where(contacts.c.tenant_id == bindparam("tenant_id"), visible(contacts, scope))
        at_own_accounts = (
            select(at.c.contact_id)
            .join(accounts, (accounts.c.tenant_id == at.c.tenant_id) & (accounts.c.id == at.c.account_id))
            .where(at.c.tenant_id == bindparam("tenant_id"), visible(accounts, scope))
        )
        return contacts.c.id.in_(own.correlate(None).union(at_own_accounts.correlate(None)))
    at_seen_account = (
        exists()
        .where(
            at.c.tenant_id == contacts.c.tenant_id,
            at.c.contact_id == contacts.c.id,
            accounts.c.tenant_id == at.c.tenant_id,
            accounts.c.id == at.c.account_id,
            visible(accounts, scope),
        )
        .correlate(contacts)
    )
    return or_(visible(contacts, scope), at_seen_account)


@statement
def contact_by_id(scope: Scope) -> Select[Any]:
    return select(*COLUMNS).where(
        contacts.c.tenant_id == bindparam("tenant_id"), contacts.c.id == bindparam("id"), seen(scope)
    )


@statement
def seen_contact_ids(scope: Scope) -> Select[Any]:
    ids = bindparam("ids", type_=ARRAY(Uuid))
    return select(contacts.c.id).where(
        contacts.c.tenant_id == bindparam("tenant_id"), contacts.c.id == any_(ids), seen(scope)
    )


@statement
def names_by_account() -> Select[Any]:
    at = contact_accounts
    return (
        select(at.c.account_id, at.c.contact_id, contacts.c.display_name)
        .join(contacts, (contacts.c.tenant_id == at.c.tenant_id) & (contacts.c.id == at.c.contact_id))
        .where(
            at.c.tenant_id == bindparam("tenant_id"),
            at.c.account_id == any_(bindparam("account_ids", type_=ARRAY(Uuid))),
            contacts.c.status == Status.ACTIVE.value,
        )
    )


@statement
def superiors() -> Select[Any]:
    """The contact with this id, whom it reports to, whom that one reports to, and so on."""
    chain = (
        select(contacts.c.id, contacts.c.reports_to_id)
        .where(contacts.c.tenant_id == bindparam("tenant_id"), contacts.c.id == bindparam("id"))
        .cte("chain", recursive=True)
    )
    # UNION without ALL ends even if there were a cycle.
    chain = chain.union(
        select(contacts.c.id, contacts.c.reports_to_id).where(
            contacts.c.tenant_id == bindparam("tenant_id"), contacts.c.id == chain.c.reports_to_id
        )
    )
    return select(chain.c.id)


def _listed(scope: Scope, filtered_by: frozenset[str]) -> Select[Any]:
    rows = select(*COLUMNS).where(contacts.c.tenant_id == bindparam("tenant_id"), seen(scope))
    if "status" not in filtered_by:
        rows = rows.where(contacts.c.status != Status.ARCHIVED.value)
    return rows


def _listed_at_account(scope: Scope, filtered_by: frozenset[str]) -> Select[Any]:
    at = contact_accounts.alias("at")
    return _listed(scope, filtered_by).join(
        at,
        (at.c.tenant_id == contacts.c.tenant_id)
        & (at.c.contact_id == contacts.c.id)
        & (at.c.account_id == bindparam("account_id")),
    )


FILTERED = FilterSchema(
    {
        "id": FilterField(FieldType.UUID, contacts.c.id),
        "display_name": FilterField(FieldType.TEXT, contacts.c.display_name),
        "status": enum_field(contacts.c.status, list(Status), prefix="STATUS_"),
        "job_title": FilterField(FieldType.TEXT, contacts.c.job_title),
        "department": FilterField(FieldType.TEXT, contacts.c.department),
        "phone_numbers": FilterField(FieldType.TEXT_LIST, contacts.c.phone_numbers),
        "emails": FilterField(FieldType.TEXT_LIST, contacts.c.emails),
        "birth_date": FilterField(FieldType.DATE, contacts.c.birth_date),
        "reports_to_id": FilterField(FieldType.UUID, contacts.c.reports_to_id),
        "owner_id": user_field(contacts.c.owner_id),
        "owner_team_id": team_field(contacts.c.owner_team_id),
        "create_time": FilterField(FieldType.INSTANT, contacts.c.create_time),
        "update_time": FilterField(FieldType.INSTANT, contacts.c.update_time),
    }
)
ORDERS = {
    "id": OrderColumn(contacts.c.id),
    "create_time": OrderColumn(contacts.c.create_time),
    "update_time": OrderColumn(contacts.c.update_time),
    "display_name": OrderColumn(contacts.c.display_name),
}
LISTING = Listing(name="contacts", rows=_listed, fields=FILTERED, orders=ORDERS)
# Needs the bind parameter `account_id`.
LISTING_AT_ACCOUNT = Listing(name="account_contacts", rows=_listed_at_account, fields=FILTERED, orders=ORDERS)


async def get_contact(reader: Reader, id: UUID) -> Contact:
    """The contact; NotFound when there is none or the reader may not see it."""
    row = await reader.one(contact_by_id(reader.scope), id=id)
    if row is None:
        raise NotFound("the contact does not exist", reason="CONTACT_NOT_FOUND")
    return contact_from(row)


async def names_at_accounts(
    reader: Reader, account_ids: Collection[UUID], *, without: UUID | None = None
) -> dict[UUID, tuple[str, ...]]:
    """The names of the contacts at each of the accounts, those put away and `without` left out."""
    found: dict[UUID, tuple[str, ...]] = {}
    for row in await reader.all(names_by_account(), account_ids=list(account_ids)):
        if row["contact_id"] != without:
            found[row["account_id"]] = (*found.get(row["account_id"], ()), row["display_name"])
    return found


async def names_at_account(reader: Reader, account_id: UUID) -> tuple[str, ...]:
    """The names of the contacts at one account."""
    return (await names_at_accounts(reader, [account_id])).get(account_id, ())


def contact_from(row: Record) -> Contact:
    """The entity that a row of `COLUMNS` holds."""
    values = dict(row)
    values["status"] = Status(values["status"])
    values["accounts"] = tuple(
        AccountLink(UUID(account_id), Role(role) if role else None) for account_id, role in values["accounts"] or ()
    )
    values["consents"] = tuple(consent_from(each) for each in values["consents"])
    for name in ("phone_numbers", "emails"):
        values[name] = tuple(values[name])
    return Contact(**values)

"""Every SELECT on contacts that their declaration does not make."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.identity.access import Scope
from sqlalchemy import Select, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_customer.records.contacts.model import Status
from crm_customer.records.contacts.resource import seen
from crm_customer.records.contacts.tables import contact_accounts, contacts


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


async def names_at_accounts(
    reader: Reader, account_ids: Collection[UUID], *, without: UUID | None = None
) -> dict[UUID, tuple[str, ...]]:
    """The names of the contacts at each of the accounts, those put away and `without` left out."""
    found: dict[UUID, tuple[str, ...]] = {}
    for row in await reader.all(names_by_account(), account_ids=list(account_ids)):
        if row["contact_id"] != without:
            found[row["account_id"]] = (*found.get(row["account_id"], ()), row["display_name"])
    return found

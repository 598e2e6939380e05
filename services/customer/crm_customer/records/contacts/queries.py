"""Every SELECT on contacts that their declaration does not make."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from sqlalchemy import Integer, Select, any_, bindparam, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_customer.records.accounts.search import MAX_CONTACT_NAMES
from crm_customer.records.contacts.model import Status
from crm_customer.records.contacts.tables import contact_accounts, contacts


@statement
def names_by_account() -> Select[Any]:
    """All contacts at the accounts, the newest last."""
    at = contact_accounts
    return (
        select(at.c.account_id, at.c.contact_id, contacts.c.display_name)
        .join(contacts, (contacts.c.tenant_id == at.c.tenant_id) & (contacts.c.id == at.c.contact_id))
        .where(
            at.c.tenant_id == bindparam("tenant_id"),
            at.c.account_id == any_(bindparam("account_ids", type_=ARRAY(Uuid))),
            contacts.c.status == Status.ACTIVE.value,
        )
        .order_by(at.c.contact_id)
    )


@statement
def newest_names_by_account() -> Select[Any]:
    """The newest contacts at each account, so many that one may be left out."""
    at = contact_accounts
    asked = func.unnest(bindparam("account_ids", type_=ARRAY(Uuid))).table_valued("id").render_derived(name="asked")
    newest = (
        select(at.c.contact_id, contacts.c.display_name)
        .join(contacts, (contacts.c.tenant_id == at.c.tenant_id) & (contacts.c.id == at.c.contact_id))
        .where(
            at.c.tenant_id == bindparam("tenant_id"),
            at.c.account_id == asked.c.id,
            contacts.c.status == Status.ACTIVE.value,
        )
        .order_by(at.c.contact_id.desc())
        .limit(bindparam("most", type_=Integer))
        .lateral("newest")
    )
    return select(asked.c.id.label("account_id"), *newest.c).select_from(asked.join(newest, true()))


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
    """The names of the newest contacts in use at each of the accounts, the newest last, `without` left out."""
    found: dict[UUID, list[str]] = {}
    rows = await reader.all(newest_names_by_account(), account_ids=list(account_ids), most=MAX_CONTACT_NAMES + 1)
    for row in rows:
        if row["contact_id"] != without:
            found.setdefault(row["account_id"], []).append(row["display_name"])
    return {account_id: tuple(reversed(names[:MAX_CONTACT_NAMES])) for account_id, names in found.items()}

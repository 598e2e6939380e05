"""Every SELECT on contacts."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from sqlalchemy import Select, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_customer.contacts.tables import contact_accounts, contacts


@statement
def names_by_account() -> Select[Any]:
    at = contact_accounts
    return (
        select(at.c.account_id, contacts.c.display_name)
        .join(contacts, (contacts.c.tenant_id == at.c.tenant_id) & (contacts.c.id == at.c.contact_id))
        .where(
            at.c.tenant_id == bindparam("tenant_id"),
            at.c.account_id == any_(bindparam("account_ids", type_=ARRAY(Uuid))),
        )
    )


async def names_at_accounts(reader: Reader, account_ids: Collection[UUID]) -> dict[UUID, tuple[str, ...]]:
    """The names of the contacts at each of the accounts."""
    found: dict[UUID, tuple[str, ...]] = {}
    for row in await reader.all(names_by_account(), account_ids=list(account_ids)):
        found[row["account_id"]] = (*found.get(row["account_id"], ()), row["display_name"])
    return found


async def names_at_account(reader: Reader, account_id: UUID) -> tuple[str, ...]:
    """The names of the contacts at one account."""
    return (await names_at_accounts(reader, [account_id])).get(account_id, ())

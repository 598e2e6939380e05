"""Every SELECT on accounts that their declaration does not make."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from sqlalchemy import Select, bindparam, select

from crm_customer.records.accounts.model import IN_BUSINESS
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.accounts.tables import account_external_ids, account_leads


@statement
def account_id_by_external_id() -> Select[Any]:
    keys = account_external_ids
    return select(keys.c.account_id).where(
        keys.c.tenant_id == bindparam("tenant_id"),
        keys.c.source == bindparam("source"),
        keys.c.value == bindparam("value"),
    )


async def find_by_external_id(reader: Reader, source: str, value: str) -> UUID | None:
    """The id of the account with this key in another system."""
    row = await reader.one(account_id_by_external_id(), source=source, value=value)
    return row["account_id"] if row else None


@statement
def account_by_lead() -> Select[Any]:
    return select(account_leads.c.account_id, account_leads.c.lead_key).where(
        account_leads.c.tenant_id == bindparam("tenant_id"), account_leads.c.lead_id == bindparam("lead_id")
    )


@dataclass(frozen=True, slots=True)
class LeadAccount:
    """The account that was created from a lead, and whom the lead named then, by `lead_key`."""

    account_id: UUID
    lead_key: str


async def find_by_lead(reader: Reader, lead_id: UUID) -> LeadAccount | None:
    """The account that was created from a lead."""
    row = await reader.one(account_by_lead(), lead_id=lead_id)
    return LeadAccount(row["account_id"], row["lead_key"]) if row else None


async def in_business(reader: Reader, ids: Collection[UUID]) -> frozenset[UUID]:
    """Those of the accounts that the caller reads and that are neither archived nor merged."""
    found = await ACCOUNTS.get_referred(reader, ids)
    return frozenset(id for id, account in found.items() if account.status in IN_BUSINESS)

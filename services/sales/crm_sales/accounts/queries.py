"""Every SELECT on accounts as they are known here."""

from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from sqlalchemy import Select, bindparam, select

from crm_sales.accounts.model import ValueTier
from crm_sales.accounts.tables import account_tiers


@statement
def tier_of_account() -> Select[Any]:
    return select(account_tiers.c.value_tier).where(
        account_tiers.c.tenant_id == bindparam("tenant_id"), account_tiers.c.id == bindparam("id")
    )


async def find_value_tier(reader: Reader, account_id: UUID) -> ValueTier | None:
    """What the account is worth, if the scoring service has said so."""
    row = await reader.one(tier_of_account(), id=account_id)
    return ValueTier(row["value_tier"]) if row and row["value_tier"] else None

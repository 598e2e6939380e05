"""What accounts show of other resources.

It is written beside the versioned row: for those who change the account it is no change that they must see first.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from sqlalchemy import bindparam, or_, update

from crm_customer.records.account_kinds import ValueTier
from crm_customer.records.account_restrictions import commands as account_restrictions
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.accounts.tables import accounts
from crm_customer.records.quality_rules.visits import look_soon


def project_last_contact(work: UnitOfWork, account_id: UUID, time: datetime) -> None:
    """Move an account's last contact forward to this time, never back."""
    work.execute(move_last_contact(), id=account_id, last_contact_time=time)


def project_value_tier(work: UnitOfWork, account_id: UUID, tier: ValueTier | None, *, version: int) -> None:
    """Set an account's tier to that of a version of its scores, unless a newer one is known."""
    work.execute(set_value_tier(), id=account_id, value_tier=tier, value_tier_version=version)
    # More may be expected of it now.
    look_soon(work, ACCOUNTS.collection)
    account_restrictions.look_soon(work)


@statement
def move_last_contact() -> Any:
    known: Any = accounts.c.last_contact_time
    time: Any = bindparam("last_contact_time")
    return (
        update(accounts)
        .where(
            accounts.c.tenant_id == bindparam("tenant_id"),
            accounts.c.id == bindparam("id"),
            or_(known.is_(None), known < time),
        )
        .values(last_contact_time=time)
    )


@statement
def set_value_tier() -> Any:
    known: Any = accounts.c.value_tier_version
    version: Any = bindparam("value_tier_version")
    return (
        update(accounts)
        .where(
            accounts.c.tenant_id == bindparam("tenant_id"),
            accounts.c.id == bindparam("id"),
            or_(known.is_(None), known < version),
        )
        .values(value_tier=bindparam("value_tier"), value_tier_version=version)
    )

"""Every SELECT on account members that their declaration does not make."""

from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.identity.access import Scope
from sqlalchemy import Select, bindparam

from crm_customer.records.account_members.model import AccountMember, State
from crm_customer.records.account_members.resource import ACCOUNT_MEMBERS
from crm_customer.records.accounts.tables import account_members


@statement
def active_members() -> Select[Any]:
    members = account_members.c
    return ACCOUNT_MEMBERS.rows(Scope.ALL).where(
        members.account_id == bindparam("account_id"), members.state == State.ACTIVE
    )


async def team_of(reader: Reader, account_id: UUID) -> list[AccountMember]:
    """Who is in the team of an account, was or will be, without who was removed."""
    rows = await reader.all(active_members(), account_id=account_id)
    return [ACCOUNT_MEMBERS.entity_from(row) for row in rows]

"""Every SELECT on accounts as they are known here."""

from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.identity.access import Scope, visible
from sqlalchemy import Select, bindparam, select

from crm_service_desk.accounts.reference import AccountReference
from crm_service_desk.accounts.tables import accounts

COLUMNS = [column for column in accounts.c if column.name != "tenant_id"]


@statement
def account_by_id(scope: Scope) -> Select[Any]:
    return select(*COLUMNS).where(
        accounts.c.tenant_id == bindparam("tenant_id"), accounts.c.id == bindparam("id"), visible(accounts, scope)
    )


async def find_account(reader: Reader, id: UUID, *, scope: Scope = Scope.ALL) -> AccountReference | None:
    """The account, if its event has come here already and it is in the scope."""
    row = await reader.one(account_by_id(scope), id=id)
    return None if row is None else AccountReference(**row)

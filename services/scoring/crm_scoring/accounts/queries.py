"""Finding the account that a caller speaks of. What they may not see is not found."""

from typing import Any, Protocol
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from crm_kit.identity.access import Scope
from sqlalchemy import Select, bindparam, select

from crm_scoring.accounts.model import Account
from crm_scoring.accounts.tables import accounts


class CustomerAccounts(Protocol):
    """The accounts where they are made."""

    async def fetch(self, id: UUID) -> Account:
        """The account as the caller may see it; NotFound, or Unavailable when there is no answer."""
        ...


@statement
def account_by_id() -> Select[Any]:
    return select(accounts.c.id, accounts.c.display_name, accounts.c.owner_id, accounts.c.owner_team_id).where(
        accounts.c.tenant_id == bindparam("tenant_id"), accounts.c.id == bindparam("id")
    )


async def get_account(reader: Reader, customer: CustomerAccounts, id: UUID) -> Account:
    """The account; one that is not known here yet is asked for where it was made. NotFound when hidden."""
    row = await reader.one(account_by_id(), id=id)
    account = Account(**dict(row)) if row else await customer.fetch(id)
    if not is_visible(account, reader):
        raise NotFound("the account does not exist", reason="ACCOUNT_NOT_FOUND")
    return account


def is_visible(account: Account, reader: Reader) -> bool:
    """Whether the reader's scope reaches it: the rule of `visible`, of an account that may not be a row here."""
    if reader.scope is Scope.ALL or account.owner_id == reader.actor.user_id:
        return True
    return reader.scope is Scope.TEAM and account.owner_team_id in reader.actor.access.team_ids

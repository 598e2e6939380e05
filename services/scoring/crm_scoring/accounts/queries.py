"""Finding the account that a caller speaks of. What they may not see is not found."""

from uuid import UUID

from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from crm_kit.projections import Projection

from crm_scoring.accounts.model import Account

Accounts = Projection[Account]


async def get_account(reader: Reader, accounts: Accounts, id: UUID) -> Account:
    """The account, if the scope of what the caller asks for reaches it; NotFound otherwise."""
    account = await accounts.find(reader, id, scope=reader.scope)
    if account is None:
        raise NotFound("the account does not exist", reason="ACCOUNT_NOT_FOUND")
    return account

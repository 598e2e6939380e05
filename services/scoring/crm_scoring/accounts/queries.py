"""Finding the account that a caller speaks of. What they may not see is not found."""

from uuid import UUID

from crm_kit.accounts import Account, Accounts
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound


async def get_account(reader: Reader, accounts: Accounts, id: UUID) -> Account:
    """The account, if the scope of what the caller asks for reaches it; NotFound otherwise."""
    account = await accounts.find(reader, id, scope=reader.scope)
    if account is None:
        raise NotFound("the account does not exist", reason="ACCOUNT_NOT_FOUND")
    return account

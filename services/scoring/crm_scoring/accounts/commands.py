"""Keeping the accounts as the customer service last said."""

from crm_kit.database.connections import row_of
from crm_kit.database.work import UnitOfWork
from crm_kit.projections import put_newest

from crm_scoring.accounts.model import Account
from crm_scoring.accounts.tables import accounts


def project_account(work: UnitOfWork, account: Account, *, version: int) -> None:
    """Gather the account as it is in this version, unless a newer one is known."""
    put_newest(work, accounts, row_of(account) | {"version": version})

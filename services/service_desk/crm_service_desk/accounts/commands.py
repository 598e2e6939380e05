"""Every write on accounts as they are known here."""

from crm_kit.database.connections import row_of
from crm_kit.database.work import UnitOfWork
from crm_kit.projections import put_newest

from crm_service_desk.accounts.reference import AccountReference
from crm_service_desk.accounts.tables import accounts


def put_account(work: UnitOfWork, account: AccountReference) -> None:
    """Gather what is known of an account now; an older version changes nothing."""
    put_newest(work, accounts, row_of(account))

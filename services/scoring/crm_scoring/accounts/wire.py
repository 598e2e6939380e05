"""Accounts out of messages of the customer service."""

from uuid import UUID

from crm.customer.v1 import accounts_pb2 as pb
from crm_kit.wire import id_from

from crm_scoring.accounts.model import Account


def account_from_pb(account: pb.Account, *, version: int) -> Account:
    return Account(
        id=UUID(account.id),
        display_name=account.display_name,
        owner_id=id_from(account.owner_id),
        owner_team_id=id_from(account.owner_team_id),
        version=version,
    )

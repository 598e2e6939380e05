"""Accounts from the customer service: from its events, and asked for."""

from uuid import UUID

from crm.customer.v1 import accounts_pb2 as pb
from crm_kit.rpc.clients import ServiceClient
from crm_kit.wire import id_from

from crm_scoring.accounts.model import Account

GET_ACCOUNT = "/crm.customer.v1.AccountService/GetAccount"


def account_from_pb(account: pb.Account) -> Account:
    return Account(
        id=UUID(account.id),
        display_name=account.display_name,
        owner_id=id_from(account.owner_id),
        owner_team_id=id_from(account.owner_team_id),
    )


class CustomerService:
    """Asks the customer service, as the user whose request this is."""

    def __init__(self, peer: ServiceClient) -> None:
        self._peer = peer

    async def fetch(self, id: UUID) -> Account:
        """The account as the caller may see it; NotFound, or Unavailable when there is no answer."""
        return account_from_pb(await self._peer.call(GET_ACCOUNT, pb.GetAccountRequest(id=str(id)), pb.Account))

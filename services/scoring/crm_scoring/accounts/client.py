"""Accounts asked for at the customer service, as the user whose request this is."""

from uuid import UUID

from crm.customer.v1 import accounts_pb2 as pb
from crm_kit.etags import version_of
from crm_kit.rpc.clients import ServiceClient

from crm_scoring.accounts.model import Account
from crm_scoring.accounts.wire import account_from_pb

GET_ACCOUNT = "/crm.customer.v1.AccountService/GetAccount"


class CustomerClient:
    """What scoring needs of the customer service."""

    def __init__(self, peer: ServiceClient) -> None:
        self._peer = peer

    async def get_account(self, id: UUID) -> Account:
        """The account as the caller may see it; NotFound, PermissionDenied, or Unavailable without an answer."""
        found = await self._peer.call(GET_ACCOUNT, pb.GetAccountRequest(id=str(id)), pb.Account)
        return account_from_pb(found, version=version_of(found.etag) or 0)

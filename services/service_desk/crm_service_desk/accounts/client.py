"""Asking the customer service about accounts."""

from uuid import UUID

from crm.customer.v1 import accounts_pb2 as pb
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import NotFound, PermissionDenied, invalid_field
from crm_kit.etags import version_of
from crm_kit.rpc.clients import ServiceClient

from crm_service_desk.accounts.commands import put_account
from crm_service_desk.accounts.queries import find_account
from crm_service_desk.accounts.wire import account_from

GET_ACCOUNT = "/crm.customer.v1.AccountService/GetAccount"


class CustomerClient:
    """Knows which accounts there are; asks the customer service for one whose event has not come yet."""

    def __init__(self, customer: ServiceClient) -> None:
        self._customer = customer

    async def require_account(self, work: UnitOfWork, id: UUID, *, field: str) -> None:
        """InvalidArgument REFERENCE_NOT_FOUND naming `field` unless the account exists for the caller.

        Call it before anything is gathered: while the customer service is asked, no connection is held.
        """
        if await find_account(work, id, scope=work.actor.access.scope("accounts.read")):
            return
        await work.release()
        try:
            found = await self._customer.call(GET_ACCOUNT, pb.GetAccountRequest(id=str(id)), pb.Account)
        except (NotFound, PermissionDenied):
            raise invalid_field(field, "reference", "does not exist", reason="REFERENCE_NOT_FOUND") from None
        put_account(work, account_from(found, version=version_of(found.etag) or 0))

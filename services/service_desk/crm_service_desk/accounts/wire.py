"""Accounts from the customer service: out of its events, or asked for."""

from uuid import UUID

from crm.customer.v1 import accounts_pb2 as pb
from crm.type.v1 import value_tier_pb2
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import NotFound, PermissionDenied, invalid_field
from crm_kit.etags import version_of
from crm_kit.rpc.clients import ServiceClient
from crm_kit.wire import id_from

from crm_service_desk.accounts.commands import put_account
from crm_service_desk.accounts.queries import find_account
from crm_service_desk.accounts.reference import AccountReference

GET_ACCOUNT = "/crm.customer.v1.AccountService/GetAccount"


def tier_from(tier: value_tier_pb2.ValueTier.ValueType) -> str | None:
    """`KEY`, or None while it is not known."""
    return value_tier_pb2.ValueTier.Name(tier).removeprefix("VALUE_TIER_") if tier else None


def account_from(message: pb.Account, *, version: int) -> AccountReference:
    return AccountReference(
        id=UUID(message.id),
        display_name=message.display_name,
        owner_id=id_from(message.owner_id),
        owner_team_id=id_from(message.owner_team_id),
        value_tier=tier_from(message.value_tier),
        version=version,
    )


class AccountBook:
    """Knows which accounts there are; asks the customer service for one whose event has not come yet."""

    def __init__(self, customer: ServiceClient) -> None:
        self._customer = customer

    async def account(self, work: UnitOfWork, id: UUID, *, field: str) -> AccountReference:
        """The account; InvalidArgument REFERENCE_NOT_FOUND naming `field` when there is none for the caller.

        Call it before anything is gathered: while the customer service is asked, no connection is held.
        """
        known = await find_account(work, id, scope=work.actor.access.scope("accounts.read"))
        if known is not None:
            return known
        await work.release()
        try:
            found = await self._customer.call(GET_ACCOUNT, pb.GetAccountRequest(id=str(id)), pb.Account)
        except (NotFound, PermissionDenied):
            raise invalid_field(field, "reference", "does not exist", reason="REFERENCE_NOT_FOUND") from None
        account = account_from(found, version=version_of(found.etag) or 0)
        put_account(work, account)
        return account

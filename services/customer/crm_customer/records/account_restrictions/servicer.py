"""AccountRestrictionService: from message to command or query and back, nothing else."""

from collections.abc import Callable

from crm.customer.v1 import account_restrictions_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.etags import check_etag

from crm_customer.records.account_restrictions.commands import save_restriction
from crm_customer.records.account_restrictions.queries import get_restriction
from crm_customer.records.account_restrictions.wire import restriction_to_pb, restriction_updated


class AccountRestrictionServicer:
    """`wake` has accounts looked at once a changed setting is true."""

    contract = pb.DESCRIPTOR.services_by_name["AccountRestrictionService"]

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    async def GetAccountRestriction(
        self, _request: pb.GetAccountRestrictionRequest, reader: Reader
    ) -> pb.AccountRestriction:
        return restriction_to_pb(await get_restriction(reader))

    async def UpdateAccountRestriction(
        self, request: pb.UpdateAccountRestrictionRequest, work: UnitOfWork
    ) -> pb.AccountRestriction:
        before = await get_restriction(work)
        check_etag(request.account_restriction.etag, before.version)
        saved = save_restriction(work, before, restriction_updated(before, request))
        work.after_commit.append(self._wake)
        return restriction_to_pb(saved)

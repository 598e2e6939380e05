"""ApprovalDelegationService: from message to command or query and back, nothing else."""

from crm.customer.v1 import approval_delegations_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_customer.directory.approval_delegations import commands
from crm_customer.directory.approval_delegations.resource import DELEGATIONS


class ApprovalDelegationServicer:
    contract = pb.DESCRIPTOR.services_by_name["ApprovalDelegationService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def CreateApprovalDelegation(
        self, request: pb.CreateApprovalDelegationRequest, work: UnitOfWork
    ) -> pb.ApprovalDelegation:
        values = DELEGATIONS.values_of(request.approval_delegation)
        return DELEGATIONS.message(work, await commands.create_delegation(work, values))

    async def GetApprovalDelegation(
        self, request: pb.GetApprovalDelegationRequest, reader: Reader
    ) -> pb.ApprovalDelegation:
        return await DELEGATIONS.read(reader, request.id)

    async def ListApprovalDelegations(
        self, request: pb.ListApprovalDelegationsRequest, reader: Reader
    ) -> pb.ListApprovalDelegationsResponse:
        return await DELEGATIONS.list(reader, request, pb.ListApprovalDelegationsResponse, self._tokens)

    async def UpdateApprovalDelegation(
        self, request: pb.UpdateApprovalDelegationRequest, work: UnitOfWork
    ) -> pb.ApprovalDelegation:
        before, values = await DELEGATIONS.to_update(work, request)
        return DELEGATIONS.message(work, await commands.update_delegation(work, before, values))

    async def CancelApprovalDelegation(
        self, request: pb.CancelApprovalDelegationRequest, work: UnitOfWork
    ) -> pb.ApprovalDelegation:
        before = await DELEGATIONS.target(work, request)
        return DELEGATIONS.message(work, commands.cancel_delegation(work, before))

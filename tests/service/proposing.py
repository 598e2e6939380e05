"""Change proposals for tests, by gRPC."""

from collections.abc import Mapping
from typing import Any

from crm.resource.v1 import change_proposals_pb2 as pb
from crm.resource.v1.change_proposals_pb2_grpc import ChangeProposalServiceStub
from crm_kit.resource.values import to_value

from tests.service.running import Running, User

Proposal = pb.ChangeProposal


class Desk:
    """Where changes of the records of a collection are proposed and decided, accounts unless told otherwise."""

    def __init__(self, service: Running, collection: str = "accounts") -> None:
        self.stub = ChangeProposalServiceStub(service.channel)
        self.of: dict[str, Any] = {"collection": collection}

    async def propose(
        self, by: User, record_id: str, values: Mapping[str, object], *, key: str = "", **more: Any
    ) -> Proposal:
        sent = {path: to_value(value) for path, value in values.items()}
        proposal = pb.ChangeProposal(record_id=record_id, values=sent, **{"reason": "they told me", **more})
        request = pb.CreateChangeProposalRequest(change_proposal=proposal, **self.of)
        metadata = by.with_key(key) if key else by.metadata
        answer: Proposal = await self.stub.CreateChangeProposal(request, metadata=metadata)
        return answer

    async def get(self, by: User, proposal: Proposal) -> Proposal:
        request = pb.GetChangeProposalRequest(id=proposal.id, **self.of)
        answer: Proposal = await self.stub.GetChangeProposal(request, metadata=by.metadata)
        return answer

    async def list(self, by: User, filter: str = "") -> list[Proposal]:
        request = pb.ListChangeProposalsRequest(filter=filter, **self.of)
        return list((await self.stub.ListChangeProposals(request, metadata=by.metadata)).change_proposals)

    async def count(self, by: User, filter: str = "") -> int:
        request = pb.CountChangeProposalsRequest(filter=filter, **self.of)
        return int((await self.stub.CountChangeProposals(request, metadata=by.metadata)).count)

    async def accept(self, by: User, proposal: Proposal, *fields: str, key: str = "", **more: Any) -> Proposal:
        request = pb.AcceptChangeProposalRequest(id=proposal.id, fields=fields, **self.of, **more)
        metadata = by.with_key(key) if key else by.metadata
        answer: Proposal = await self.stub.AcceptChangeProposal(request, metadata=metadata)
        return answer

    async def decline(self, by: User, proposal: Proposal, *fields: str, comment: str = "no", **more: Any) -> Proposal:
        request = pb.DeclineChangeProposalRequest(id=proposal.id, fields=fields, comment=comment, **self.of, **more)
        answer: Proposal = await self.stub.DeclineChangeProposal(request, metadata=by.metadata)
        return answer

    async def withdraw(self, by: User, proposal: Proposal, **more: Any) -> Proposal:
        request = pb.WithdrawChangeProposalRequest(id=proposal.id, **self.of, **more)
        answer: Proposal = await self.stub.WithdrawChangeProposal(request, metadata=by.metadata)
        return answer

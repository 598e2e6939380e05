"""ChangeProposalService: from message to command or query and back, for the collections of one service."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from crm.resource.v1 import change_proposals_pb2 as pb

from crm_kit.change_proposals import commands
from crm_kit.change_proposals.model import ChangeProposal
from crm_kit.change_proposals.proposable import Proposable
from crm_kit.change_proposals.queries import get_proposal
from crm_kit.change_proposals.resource import OF_COLLECTION
from crm_kit.database.work import Reader, UnitOfWork, counting
from crm_kit.errors import NotFound
from crm_kit.identity.membership import READING
from crm_kit.paging import PageTokens
from crm_kit.resource.facets import count_values
from crm_kit.resource.names import Names
from crm_kit.resource.summary_wire import named_values


class ChangeProposalServicer:
    # The pipeline gives each reader the scope in which the caller reads the collection.
    contract = pb.DESCRIPTOR.services_by_name["ChangeProposalService"]

    def __init__(self, proposables: Mapping[str, Proposable], names: Names, tokens: PageTokens) -> None:
        self._proposables = proposables
        self._names = names
        self._tokens = tokens
        self._lists = {
            name: each.proposals.list_of("change_proposals", of=OF_COLLECTION, is_long=True)
            for name, each in proposables.items()
        }

    async def CreateChangeProposal(
        self, request: pb.CreateChangeProposalRequest, work: UnitOfWork
    ) -> pb.ChangeProposal:
        on = self._of(request)
        given = on.proposals.values_of(request.change_proposal)
        return on.proposals.message(work, await commands.create_proposal(work, on, given))

    async def GetChangeProposal(self, request: pb.GetChangeProposalRequest, reader: Reader) -> pb.ChangeProposal:
        return self._of(request).proposals.message(reader, await self._get(request, reader))

    async def ListChangeProposals(
        self, request: pb.ListChangeProposalsRequest, reader: Reader
    ) -> pb.ListChangeProposalsResponse:
        response, listing, of = pb.ListChangeProposalsResponse, self._lists[request.collection], binds_of(request)
        proposals = self._of(request).proposals
        return await proposals.list(reader, request, response, self._tokens, listing=listing, binds=of)

    async def CountChangeProposals(
        self, request: pb.CountChangeProposalsRequest, reader: Reader
    ) -> pb.CountChangeProposalsResponse:
        count = await self._lists[request.collection].count(reader, request.filter, **binds_of(request))
        return pb.CountChangeProposalsResponse(count=count.total, exact=count.exact)

    async def CountChangeProposalValues(
        self, request: pb.CountChangeProposalValuesRequest, reader: Reader
    ) -> pb.CountChangeProposalValuesResponse:
        proposals, listing, field = self._of(request).proposals, self._lists[request.collection], request.field
        asked: dict[str, Any] = {"filter": request.filter, "limit": request.limit, **binds_of(request)}
        counted = await count_values(proposals, reader, field, listing=listing, **asked)
        return pb.CountChangeProposalValuesResponse(
            values=await named_values(proposals, self._names, reader, field, counted),
            unset_count=counted.unset,
            total_count=counted.total,
            truncated=counted.truncated,
            exact=counted.exact,
        )

    async def AcceptChangeProposal(
        self, request: pb.AcceptChangeProposalRequest, work: UnitOfWork
    ) -> pb.ChangeProposal:
        on, before = self._of(request), await self._get(request, work, etag=request.etag)
        accepted = await commands.accept_proposal(
            work,
            on,
            before,
            request.fields,
            overwrite_fields=request.overwrite_fields,
            record_etag=request.record_etag,
            comment=request.comment.strip() or None,
        )
        return on.proposals.message(work, accepted)

    async def DeclineChangeProposal(
        self, request: pb.DeclineChangeProposalRequest, work: UnitOfWork
    ) -> pb.ChangeProposal:
        on, before = self._of(request), await self._get(request, work, etag=request.etag)
        declined = await commands.decline_proposal(work, on, before, request.fields, request.comment.strip())
        return on.proposals.message(work, declined)

    async def WithdrawChangeProposal(
        self, request: pb.WithdrawChangeProposalRequest, work: UnitOfWork
    ) -> pb.ChangeProposal:
        on, before = self._of(request), await self._get(request, work, etag=request.etag)
        return on.proposals.message(work, commands.withdraw_proposal(work, on, before, request.comment.strip() or None))

    def permission_of(self, request: Any) -> str:
        """What a request needs: to read the collection that it names. Whoever decides needs more of the record."""
        return self._of(request).records.permission

    async def _get(self, request: Any, reader: Reader, *, etag: str = "") -> ChangeProposal:
        proposals = self._of(request).proposals
        # Whether somebody decides is another question than whether they read what is proposed.
        with counting(reader, READING):
            return await get_proposal(reader, proposals, request.collection, UUID(request.id), etag=etag)

    def _of(self, request: Any) -> Proposable:
        """What changes are proposed of in the collection that a request names; NotFound when nothing is."""
        found = self._proposables.get(request.collection)
        if found is None:
            raise NotFound(f"no changes of {request.collection!r} are proposed here", reason="COLLECTION_NOT_FOUND")
        return found


def binds_of(request: Any) -> dict[str, str]:
    """What a list of a collection needs."""
    return {"collection": request.collection}

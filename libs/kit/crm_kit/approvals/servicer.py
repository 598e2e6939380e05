"""ApprovalService: from message to command or query and back, for what one service lets be approved."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from crm.resource.v1 import approvals_pb2 as pb
from google.protobuf.message import DecodeError, Message

from crm_kit.approvals import commands
from crm_kit.approvals.commands import Approvals
from crm_kit.approvals.declaration import Approvable
from crm_kit.approvals.gate import Gate
from crm_kit.approvals.model import Approval
from crm_kit.approvals.resource import OF_COLLECTION, SUBMITTED_BY_ME, approvals_by_collection, waiting_for_me
from crm_kit.composition import compose_texts
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import InvalidArgument, NotFound, invalid_field
from crm_kit.listing import Listing, PageOf
from crm_kit.paging import PageTokens
from crm_kit.resource.facets import count_values
from crm_kit.resource.names import Names
from crm_kit.resource.summary_wire import named_values, summarized
from crm_kit.resource.validation import check_message
from crm_kit.resource.violations import below
from crm_kit.wire import id_from

MAX_REQUEST_BYTES = 64 * 1024
OF_ONES_OWN = (
    pb.GetApprovalRequest,
    pb.ListApprovalsRequest,
    pb.CountApprovalsRequest,
    pb.CountApprovalValuesRequest,
    pb.SummarizeApprovalsRequest,
    pb.ListApprovalChangesRequest,
    pb.WithdrawApprovalRequest,
)


class ApprovalServicer:
    contract = pb.DESCRIPTOR.services_by_name["ApprovalService"]

    def __init__(self, gate: Gate, names: Names, tokens: PageTokens) -> None:
        self._gate = gate
        self._names = names
        self._tokens = tokens
        self._approvals = approvals_by_collection(gate.approvables)
        self._lists = {
            name: each.list_of("approvals", of=OF_COLLECTION, is_long=True) for name, each in self._approvals.items()
        }
        self._submitted = {
            name: each.list_of("submitted_approvals", of=OF_COLLECTION & SUBMITTED_BY_ME)
            for name, each in self._approvals.items()
        }
        self._waiting = {
            name: each.list_of("waiting_approvals", of=OF_COLLECTION & waiting_for_me(reading_of(gate, name)))
            for name, each in self._approvals.items()
        }

    async def SubmitApproval(self, request: pb.SubmitApprovalRequest, work: UnitOfWork) -> pb.Approval:
        approvals, approvable = self._of(request), self._gate.find(request.collection, request.verb)
        asked, comment = request_of(approvable, request.request), request.comment.strip() or None
        return await self._done(work, await commands.submit(work, self._gate, approvals, approvable, asked, comment))

    async def GetApproval(self, request: pb.GetApprovalRequest, reader: Reader) -> pb.Approval:
        return self._of(request).message(reader, await self._get(request, reader))

    async def ListApprovals(self, request: pb.ListApprovalsRequest, reader: Reader) -> pb.ListApprovalsResponse:
        listing, of = self._list(request, reader), {"collection": request.collection}
        response = pb.ListApprovalsResponse
        return await self._of(request).list(reader, request, response, self._tokens, listing=listing, binds=of)

    async def CountApprovals(self, request: pb.CountApprovalsRequest, reader: Reader) -> pb.CountApprovalsResponse:
        count = await self._list(request, reader).count(reader, request.filter, collection=request.collection)
        return pb.CountApprovalsResponse(count=count.total, exact=count.exact)

    async def SummarizeApprovals(
        self, request: pb.SummarizeApprovalsRequest, reader: Reader
    ) -> pb.SummarizeApprovalsResponse:
        approvals, listing = self._of(request), self._list(request, reader)
        binds = {"collection": request.collection}
        found = await summarized(approvals, self._names, reader, request, listing=listing, binds=binds)
        return pb.SummarizeApprovalsResponse(
            groups=found.groups, total_count=found.total_count, truncated=found.truncated
        )

    async def CountApprovalValues(
        self, request: pb.CountApprovalValuesRequest, reader: Reader
    ) -> pb.CountApprovalValuesResponse:
        approvals, listing, field = self._of(request), self._list(request, reader), request.field
        asked: dict[str, Any] = {"filter": request.filter, "limit": request.limit, "collection": request.collection}
        counted = await count_values(approvals, reader, field, listing=listing, **asked)
        return pb.CountApprovalValuesResponse(
            values=await named_values(approvals, self._names, reader, field, counted),
            unset_count=counted.unset,
            total_count=counted.total,
            truncated=counted.truncated,
            exact=counted.exact,
        )

    async def ListWaitingApprovals(
        self, request: pb.ListWaitingApprovalsRequest, reader: Reader
    ) -> pb.ListWaitingApprovalsResponse:
        asked = PageOf(request.page_size, request.page_token, request.filter, order_by="due_time")
        response, of = pb.ListWaitingApprovalsResponse, {"collection": request.collection}
        listing = self._waiting[request.collection]
        return await self._of(request).list(reader, asked, response, self._tokens, listing=listing, binds=of)

    async def ApproveApproval(self, request: pb.ApproveApprovalRequest, work: UnitOfWork) -> pb.Approval:
        approvals, before = self._of(request), await self._get(request, work, etag=request.etag)
        comment = request.comment.strip() or None
        return await self._done(work, await commands.approve(work, self._gate, approvals, before, comment))

    async def RejectApproval(self, request: pb.RejectApprovalRequest, work: UnitOfWork) -> pb.Approval:
        approvals, before = self._of(request), await self._get(request, work, etag=request.etag)
        comment = request.comment.strip()
        return await self._done(work, await commands.reject(work, self._gate, approvals, before, comment))

    async def WithdrawApproval(self, request: pb.WithdrawApprovalRequest, work: UnitOfWork) -> pb.Approval:
        approvals, before = self._of(request), await self._get(request, work, etag=request.etag)
        comment = request.comment.strip() or None
        return await self._done(work, await commands.withdraw(work, self._gate, approvals, before, comment))

    async def ReassignApproval(self, request: pb.ReassignApprovalRequest, work: UnitOfWork) -> pb.Approval:
        approvals, before = self._of(request), await self._get(request, work, etag=request.etag)
        said = {"from_id": id_from(request.from_id), "comment": request.comment.strip()}
        to_user_id = UUID(request.to_user_id)
        return await self._done(work, await commands.reassign(work, self._gate, approvals, before, to_user_id, **said))

    async def ListApprovalChanges(
        self, request: pb.ListApprovalChangesRequest, reader: Reader
    ) -> pb.ListApprovalChangesResponse:
        await self._get(request, reader)
        return await self._of(request).list_changes(reader, request, pb.ListApprovalChangesResponse, self._tokens)

    def permission_of(self, request: Any) -> str | Sequence[str]:
        """What a request needs: the permission of the verb to submit, else that to read the collection.

        What they have submitted people read and withdraw with the permission by which they did.
        """
        reading = reading_of(self._gate, request.collection)
        if isinstance(request, pb.SubmitApprovalRequest):
            return self._gate.find(request.collection, request.verb).verb.permission
        if isinstance(request, OF_ONES_OWN):
            return [reading, *(each.verb.permission for each in self._gate.of(request.collection))]
        return reading

    async def _done(self, work: UnitOfWork, approval: Approval) -> pb.Approval:
        """The answer to whoever has done something with an approval."""
        shown = await commands.seen_by_caller(work, self._gate, approval)
        return self._approvals[approval.collection].message(work, shown)

    async def _get(self, request: Any, reader: Reader, *, etag: str = "") -> Approval:
        """The approval that a request means; NotFound when the caller may not see it, or it is another collection's."""
        approvals = self._of(request)
        approval = await approvals.get(reader, UUID(request.id), etag=etag)
        is_seen = self._reads(request, reader) or approval.submitter_id == reader.actor.user_id
        if approval.collection != request.collection or not is_seen:
            raise NotFound("the approval does not exist", reason=approvals.not_found)
        return approval

    def _list(self, request: Any, reader: Reader) -> Listing:
        """What the caller may list of a collection."""
        return (self._lists if self._reads(request, reader) else self._submitted)[request.collection]

    def _reads(self, request: Any, reader: Reader) -> bool:
        """Whether the caller may read the collection, and not what they have submitted alone."""
        return reader.actor.access.may(reading_of(self._gate, request.collection))

    def _of(self, request: Any) -> Approvals:
        """The approvals of the collection that a request names, which `permission_of` has found."""
        return self._approvals[request.collection]


def reading_of(gate: Gate, collection: str) -> str:
    """The permission to read a collection that has something to approve."""
    return gate.of(collection)[0].resource.permission


def request_of(approvable: Approvable, sent: Message) -> Message:
    """The verb's request that was sent in place of `VerbRequest`. InvalidArgument for one that breaks its rules."""
    data = sent.SerializeToString()
    if len(data) > MAX_REQUEST_BYTES:
        raise invalid_field("request", "max_bytes", f"is larger than {MAX_REQUEST_BYTES} bytes")
    try:
        request: Message = approvable.request.FromString(data)
    except DecodeError as error:
        raise invalid_field("request", "type", f"is not a request of {approvable.rpc}") from error
    # What came were unknown fields, whose texts nothing has composed.
    compose_texts(request)
    if not getattr(request, approvable.record_id):
        raise invalid_field(f"request.{approvable.record_id}", "required", "is required: it says which record is meant")
    try:
        check_message(request)
    except InvalidArgument as error:
        raise below(error, "request") from None
    return request

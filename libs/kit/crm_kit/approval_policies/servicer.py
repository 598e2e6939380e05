"""ApprovalPolicyService: from message to command or query and back, for what one service lets be approved."""

from typing import Any

from crm.resource.v1 import approval_policies_pb2 as pb
from crm.resource.v1 import events_pb2 as events

from crm_kit.approval_policies.commands import create_policy, get_policy, save_policy, update_policy
from crm_kit.approvals.gate import Gate
from crm_kit.approvals.policies.resource import OF_COLLECTION, POLICIES
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.listing import PageOf
from crm_kit.paging import PageTokens

WRITE = "approval_policies.write"
READS = (pb.GetApprovalPolicyRequest, pb.ListApprovalPoliciesRequest, pb.ListApprovalPolicyChangesRequest)


class ApprovalPolicyServicer:
    contract = pb.DESCRIPTOR.services_by_name["ApprovalPolicyService"]

    def __init__(self, gate: Gate, tokens: PageTokens) -> None:
        self._gate = gate
        self._tokens = tokens

    async def CreateApprovalPolicy(
        self, request: pb.CreateApprovalPolicyRequest, work: UnitOfWork
    ) -> pb.ApprovalPolicy:
        values = POLICIES.values_of(request.approval_policy)
        approvable = self._gate.find(request.collection, values["verb"], field="approval_policy.verb")
        return POLICIES.message(work, await create_policy(work, self._gate.calendars, approvable, values))

    async def GetApprovalPolicy(self, request: pb.GetApprovalPolicyRequest, reader: Reader) -> pb.ApprovalPolicy:
        return POLICIES.message(reader, await get_policy(reader, request.collection, request.id))

    async def ListApprovalPolicies(
        self, request: pb.ListApprovalPoliciesRequest, reader: Reader
    ) -> pb.ListApprovalPoliciesResponse:
        asked = PageOf(request.page_size, request.page_token, request.filter)
        response, of = pb.ListApprovalPoliciesResponse, {"collection": request.collection}
        return await POLICIES.list(reader, asked, response, self._tokens, listing=OF_COLLECTION, binds=of)

    async def UpdateApprovalPolicy(
        self, request: pb.UpdateApprovalPolicyRequest, work: UnitOfWork
    ) -> pb.ApprovalPolicy:
        await get_policy(work, request.collection, request.approval_policy.id)
        before, values = await POLICIES.to_update(work, request)
        approvable = self._gate.find(before.collection, before.verb)
        return POLICIES.message(work, await update_policy(work, self._gate.calendars, approvable, before, values))

    async def ArchiveApprovalPolicy(
        self, request: pb.ArchiveApprovalPolicyRequest, work: UnitOfWork
    ) -> pb.ApprovalPolicy:
        before = await get_policy(work, request.collection, request.id, etag=request.etag)
        return POLICIES.message(work, save_policy(work, before, before.archive(), events.ApprovalPolicyArchived))

    async def RestoreApprovalPolicy(
        self, request: pb.RestoreApprovalPolicyRequest, work: UnitOfWork
    ) -> pb.ApprovalPolicy:
        before = await get_policy(work, request.collection, request.id, etag=request.etag)
        return POLICIES.message(work, save_policy(work, before, before.restore(), events.ApprovalPolicyRestored))

    async def ListApprovalPolicyChanges(
        self, request: pb.ListApprovalPolicyChangesRequest, reader: Reader
    ) -> pb.ListApprovalPolicyChangesResponse:
        await get_policy(reader, request.collection, request.id)
        return await POLICIES.list_changes(reader, request, pb.ListApprovalPolicyChangesResponse, self._tokens)

    def permission_of(self, request: Any) -> str:
        """What a request needs: to read the collection that it names, or to change its policies."""
        reading = self._reading(request)
        return reading if isinstance(request, READS) else WRITE

    def _reading(self, request: Any) -> str:
        """What reading the collection that a request names takes."""
        approvable, *_ = self._gate.of(request.collection)
        return approvable.resource.permission

"""SegmentService: from message to command or query and back, nothing else."""

from collections.abc import Awaitable, Callable, Collection
from uuid import UUID

from crm.customer.v1 import segments_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.listing import Listing
from crm_kit.paging import PageTokens

from crm_customer.records.segments import commands
from crm_customer.records.segments.previewing import preview
from crm_customer.records.segments.resource import SEGMENTS

# Those of the accounts that the caller reads and that are in business.
InBusiness = Callable[[Reader, Collection[UUID]], Awaitable[Collection[UUID]]]


class SegmentServicer:
    contract = pb.DESCRIPTOR.services_by_name["SegmentService"]

    def __init__(self, tokens: PageTokens, accounts: Listing, in_business: InBusiness) -> None:
        self._tokens = tokens
        self._accounts = accounts
        self._in_business = in_business

    async def CreateSegment(self, request: pb.CreateSegmentRequest, work: UnitOfWork) -> pb.Segment:
        values = SEGMENTS.values_of(request.segment)
        return SEGMENTS.message(work, await commands.create_segment(work, self._accounts, values))

    async def GetSegment(self, request: pb.GetSegmentRequest, reader: Reader) -> pb.Segment:
        return await SEGMENTS.read(reader, request.id)

    async def ListSegments(self, request: pb.ListSegmentsRequest, reader: Reader) -> pb.ListSegmentsResponse:
        return await SEGMENTS.list(reader, request, pb.ListSegmentsResponse, self._tokens)

    async def PreviewSegment(self, request: pb.PreviewSegmentRequest, reader: Reader) -> pb.PreviewSegmentResponse:
        most = request.max_members if request.HasField("max_members") else None
        found = await preview(reader, self._accounts, request.filter, request.order_by, most)
        return pb.PreviewSegmentResponse(
            count=found.count.total, exact=found.count.exact, account_ids=map(str, found.first_ids)
        )

    async def UpdateSegment(self, request: pb.UpdateSegmentRequest, work: UnitOfWork) -> pb.Segment:
        before, values = await SEGMENTS.to_update(work, request)
        return SEGMENTS.message(work, await commands.update_segment(work, self._accounts, before, values))

    async def AddSegmentMembers(
        self, request: pb.AddSegmentMembersRequest, work: UnitOfWork
    ) -> pb.AddSegmentMembersResponse:
        await commands.lock_members(work, request.id)
        before = await SEGMENTS.get(work, UUID(request.id))
        asked = {UUID(id): id for id in request.account_ids}
        there = await self._in_business(work, asked)
        found = [id for id in asked if id in there]
        changed = await commands.add_members(work, before, found)
        return pb.AddSegmentMembersResponse(
            segment=SEGMENTS.message(work, changed.segment),
            added_count=len(changed.ids),
            unchanged_count=len(found) - len(changed.ids),
            missing_ids=[spelled for id, spelled in asked.items() if id not in there],
        )

    async def RemoveSegmentMembers(
        self, request: pb.RemoveSegmentMembersRequest, work: UnitOfWork
    ) -> pb.RemoveSegmentMembersResponse:
        await commands.lock_members(work, request.id)
        before = await SEGMENTS.get(work, UUID(request.id))
        ids = list(dict.fromkeys(UUID(id) for id in request.account_ids))
        changed = await commands.remove_members(work, before, ids)
        return pb.RemoveSegmentMembersResponse(
            segment=SEGMENTS.message(work, changed.segment),
            removed_count=len(changed.ids),
            unchanged_count=len(ids) - len(changed.ids),
        )

    async def ArchiveSegment(self, request: pb.ArchiveSegmentRequest, work: UnitOfWork) -> pb.Segment:
        return SEGMENTS.message(work, commands.archive_segment(work, await SEGMENTS.target(work, request)))

    async def RestoreSegment(self, request: pb.RestoreSegmentRequest, work: UnitOfWork) -> pb.Segment:
        return SEGMENTS.message(work, commands.restore_segment(work, await SEGMENTS.target(work, request)))

"""FeedService: from message to command or query and back, nothing else."""

from collections.abc import Callable

from crm.customer.v1 import feeds_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_customer.feeds import commands
from crm_customer.feeds.model import PauseReason
from crm_customer.feeds.resource import FEEDS


class FeedServicer:
    contract = pb.DESCRIPTOR.services_by_name["FeedService"]

    def __init__(self, tokens: PageTokens, wake: Callable[[], None]) -> None:
        """`wake` has feeds looked at that are due."""
        self._tokens = tokens
        self._wake = wake

    async def CreateFeed(self, request: pb.CreateFeedRequest, work: UnitOfWork) -> pb.Feed:
        created = await commands.create_feed(work, FEEDS.values_of(request.feed))
        work.after_commit.append(self._wake)
        return FEEDS.message(work, created)

    async def GetFeed(self, request: pb.GetFeedRequest, reader: Reader) -> pb.Feed:
        return await FEEDS.read(reader, request.id)

    async def ListFeeds(self, request: pb.ListFeedsRequest, reader: Reader) -> pb.ListFeedsResponse:
        return await FEEDS.list(reader, request, pb.ListFeedsResponse, self._tokens)

    async def UpdateFeed(self, request: pb.UpdateFeedRequest, work: UnitOfWork) -> pb.Feed:
        before, values = await FEEDS.to_update(work, request)
        changed = await commands.update_feed(work, before, values)
        work.after_commit.append(self._wake)
        return FEEDS.message(work, changed)

    async def PauseFeed(self, request: pb.PauseFeedRequest, work: UnitOfWork) -> pb.Feed:
        before = await FEEDS.target(work, request)
        FEEDS.check_reaches(work.scope)
        paused = await commands.pause_feed(work, before, PauseReason.REQUESTED)
        work.after_commit.append(self._wake)
        return FEEDS.message(work, paused)

    async def ResumeFeed(self, request: pb.ResumeFeedRequest, work: UnitOfWork) -> pb.Feed:
        before = await FEEDS.target(work, request)
        FEEDS.check_reaches(work.scope)
        resumed = await commands.resume_feed(work, before)
        work.after_commit.append(self._wake)
        return FEEDS.message(work, resumed)

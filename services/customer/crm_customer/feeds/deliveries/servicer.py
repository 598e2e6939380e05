"""FeedDeliveryService: from message to command or query and back, nothing else."""

from collections.abc import Callable
from uuid import UUID

from crm.customer.v1 import feed_deliveries_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens
from crm_kit.resource.violations import told_without

from crm_customer.feeds.deliveries import commands
from crm_customer.feeds.deliveries.resource import FEED_DELIVERIES
from crm_customer.feeds.deliveries.wire import table_of_request, values_of_request


class FeedDeliveryServicer:
    contract = pb.DESCRIPTOR.services_by_name["FeedDeliveryService"]

    def __init__(self, tokens: PageTokens, arrived: Callable[[], None], wake: Callable[[], None]) -> None:
        """`arrived` has deliveries counted, `wake` has feeds looked at that are due."""
        self._tokens = tokens
        self._arrived = arrived
        self._wake = wake

    async def CreateFeedDelivery(self, request: pb.CreateFeedDeliveryRequest, work: UnitOfWork) -> pb.FeedDelivery:
        values = FEED_DELIVERIES.values_of(request.feed_delivery)
        received = await commands.receive_delivery(work, values)
        work.after_commit.append(self._arrived)
        return FEED_DELIVERIES.message(work, received)

    async def DeliverFeedRows(self, request: pb.DeliverFeedRowsRequest, work: UnitOfWork) -> pb.FeedDelivery:
        with told_without(FEED_DELIVERIES.place):
            received = await commands.receive_rows(work, values_of_request(request), table_of_request(request))
        work.after_commit.append(self._arrived)
        return FEED_DELIVERIES.message(work, received)

    async def WithdrawFeedDelivery(self, request: pb.WithdrawFeedDeliveryRequest, work: UnitOfWork) -> pb.FeedDelivery:
        withdrawn = await commands.withdraw_delivery(work, UUID(request.id), etag=request.etag)
        work.after_commit.append(self._wake)
        return FEED_DELIVERIES.message(work, withdrawn)

    async def GetFeedDelivery(self, request: pb.GetFeedDeliveryRequest, reader: Reader) -> pb.FeedDelivery:
        return await FEED_DELIVERIES.read(reader, request.id)

    async def ListFeedDeliveries(
        self, request: pb.ListFeedDeliveriesRequest, reader: Reader
    ) -> pb.ListFeedDeliveriesResponse:
        return await FEED_DELIVERIES.list(reader, request, pb.ListFeedDeliveriesResponse, self._tokens)

    async def ReleaseFeedDelivery(self, request: pb.ReleaseFeedDeliveryRequest, work: UnitOfWork) -> pb.FeedDelivery:
        before = await FEED_DELIVERIES.target(work, request)
        released = await commands.release_delivery(work, before)
        work.after_commit.append(self._wake)
        return FEED_DELIVERIES.message(work, released)

    async def RejectFeedDelivery(self, request: pb.RejectFeedDeliveryRequest, work: UnitOfWork) -> pb.FeedDelivery:
        before = await FEED_DELIVERIES.target(work, request)
        rejected = await commands.reject_delivery(work, before)
        work.after_commit.append(self._wake)
        return FEED_DELIVERIES.message(work, rejected)

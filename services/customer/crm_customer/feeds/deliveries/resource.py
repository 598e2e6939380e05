"""Deliveries of feeds, declared. They serve everybody, so every scope sees them all."""

from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import feed_deliveries_pb2 as pb
from crm_kit.resource.writing import Resource

from crm_customer.feeds.deliveries.model import FeedDelivery
from crm_customer.feeds.deliveries.tables import feed_deliveries
from crm_customer.imports.model import Mode

FEED_DELIVERIES = Resource(
    "feed_delivery",
    entity=FeedDelivery,
    table=feed_deliveries,
    message=pb.FeedDelivery,
    created=events.FeedDeliveryCreated,
    verbs={
        # Of a feed that only updates, what comes out of order cannot be released: that the call itself says.
        "ReleaseFeedDelivery": lambda delivery, _: delivery.release(Mode.UPSERT),
        "RejectFeedDelivery": lambda delivery, attempt: delivery.reject(attempt.now),
        "WithdrawFeedDelivery": lambda delivery, attempt: delivery.withdraw(
            by=attempt.reader.actor.user_id, now=attempt.now
        ),
    },
)

"""Feeds, declared. They serve everybody, so every scope sees them all."""

from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import feeds_pb2 as pb
from crm_kit.resource.writing import Resource

from crm_customer.feeds.model import Feed, PauseReason
from crm_customer.feeds.tables import feeds

# What is known of its deliveries.
WATCHED = ("health", "last_delivery_time", "last_data_date", "next_due_time", "missing_date")

FEEDS = Resource(
    "feed",
    entity=Feed,
    table=feeds,
    message=pb.Feed,
    created=events.FeedCreated,
    updated=events.FeedUpdated,
    beside=WATCHED,
    verbs={
        "PauseFeed": lambda feed, _: feed.pause(PauseReason.REQUESTED),
        "ResumeFeed": lambda feed, attempt: feed.resume(by=attempt.reader.actor.user_id),
    },
)

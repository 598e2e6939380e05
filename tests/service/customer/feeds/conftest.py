"""Feeds to test with."""

import pytest
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.feed_deliveries_pb2_grpc import FeedDeliveryServiceStub
from crm.customer.v1.feeds_pb2_grpc import FeedServiceStub
from crm.customer.v1.imports_pb2_grpc import ImportServiceStub

from tests.service.customer.feeds.bringing import Bringing
from tests.service.running import Running


@pytest.fixture
async def bringing(customer: Running) -> Bringing:
    """Somebody who may do everything, with the services of feeds."""
    channel = customer.channel
    return Bringing(
        running=customer,
        user=await customer.user(),
        feeds=FeedServiceStub(channel),
        deliveries=FeedDeliveryServiceStub(channel),
        imports=ImportServiceStub(channel),
        accounts=AccountServiceStub(channel),
    )

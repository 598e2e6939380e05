"""Feeds to test with."""

import pytest

from tests.service.customer.feeds.bringing import Bringing, bringing_by
from tests.service.running import Running


@pytest.fixture
async def bringing(customer: Running) -> Bringing:
    """Somebody who may do everything, with the services of feeds."""
    return bringing_by(customer, await customer.user())

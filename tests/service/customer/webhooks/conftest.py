"""Webhooks of one tenant, with a receiver on this machine."""

from collections.abc import AsyncIterator

import pytest

from tests.service.customer.webhooks.hooks import Hooks
from tests.service.customer.webhooks.receiving import Receiver, receiving
from tests.service.running import Running


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as started:
        yield started


@pytest.fixture
async def hooks(customer: Running, receiver: Receiver) -> Hooks:
    """Of a sandbox tenant, whose clock can be moved."""
    return await Hooks.of(customer, receiver)

"""The whole platform, started once for all of these tests."""

from collections.abc import AsyncIterator

import pytest
from crm_local.testing import Platform, platform_for_tests


@pytest.fixture(scope="session")
async def platform() -> AsyncIterator[Platform]:
    async with platform_for_tests() as started:
        yield started


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The README's tour expects a fresh installation, so it goes before what fills it."""
    items.sort(key=lambda item: item.path.name != "test_tour.py")

"""The whole platform, started once for all of these tests."""

from collections.abc import AsyncIterator, Generator
from typing import Any

import pytest
from crm_local.settings import GATEWAY, SERVICES
from crm_local.testing import Platform, platform_for_tests

LEVELS = ("warning", "error", "critical")
LAST_LINES = 20
FIRST = {"test_tour.py": 0, "test_examples.py": 1}


@pytest.fixture(scope="session")
async def platform() -> AsyncIterator[Platform]:
    async with platform_for_tests() as started:
        yield started


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The README's tour and the examples expect a fresh installation, so they go before what fills it."""
    items.sort(key=lambda item: FIRST.get(item.path.name, len(FIRST)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Whoever reads of a failure reads what the processes warned of by then: their folder is gone afterwards."""
    report = yield
    platform: Any = getattr(item, "funcargs", {}).get("platform")
    if report.failed and isinstance(platform, Platform):
        for process in (*SERVICES, GATEWAY):
            lines = [
                line for line in platform.log(process).splitlines() if any(f'"{level}"' in line for level in LEVELS)
            ]
            report.sections.append((f"warnings of {process}", "\n".join(lines[-LAST_LINES:])))
    return report

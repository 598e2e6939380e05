"""What holds for all tests."""

import os
from collections.abc import Iterator

import psutil
import pytest
import structlog
from crm_local.leftovers import wait_ended
from hypothesis import HealthCheck, settings

# gRPC tells of connections that tests break on purpose, wherever the report of the tests is at that moment.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

# A busy machine is no defect of the code under test.
settings.register_profile("guanxi", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("guanxi")
# As the services log it: a traceback with the values of all variables takes half a second.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    """Whatever tests start, they end; set up before all others, this looks when all others are gone."""
    yield
    left = wait_ended(psutil.Process().children(recursive=True), seconds=10)
    assert not left, f"still running: {left}"

"""Real PostgreSQL and NATS for all service tests, and each service running in this process."""

from collections.abc import AsyncIterator, Iterator

import pytest
from crm_local.testing import Servers, servers_for_tests

from tests.service.holding import Held, watched_connections
from tests.service.running import Running, Tokens, running


@pytest.fixture(autouse=True)
def nobody_waits_with_a_connection() -> Iterator[Held]:
    """In no test of a service."""
    with watched_connections() as held:
        yield held
    assert not held.found, "\n".join(held.found)


# How long a tenant's turn, a trial and an answer that is put together may take.
BOUNDS = (
    "crm_kit.reports.sending.A_TENANTS_SECONDS",
    "crm_kit.automation.due.job.A_TENANTS_SECONDS",
    "crm_kit.jobs.trying.TRY_SECONDS",
    "crm_gateway.routes.account_360.DEADLINE_SECONDS",
    "crm_gateway.routes.approvals.DEADLINE_SECONDS",
    "crm_gateway.routes.tasks.DEADLINE_SECONDS",
)
A_BUSY_MACHINES_SECONDS = 60.0


@pytest.fixture(autouse=True)
def as_much_as_on_an_idle_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is done within these bounds, however busy the machine is. Tests of a bound set it themselves."""
    for bound in BOUNDS:
        monkeypatch.setattr(bound, A_BUSY_MACHINES_SECONDS)


@pytest.fixture(scope="session")
async def servers() -> AsyncIterator[Servers]:
    async with servers_for_tests() as started:
        yield started


@pytest.fixture(scope="session")
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture(scope="session")
async def customer(servers: Servers, tokens: Tokens) -> AsyncIterator[Running]:
    async with running("customer", servers, tokens) as service:
        yield service


@pytest.fixture(scope="session")
async def sales(servers: Servers, tokens: Tokens) -> AsyncIterator[Running]:
    async with running("sales", servers, tokens) as service:
        yield service


@pytest.fixture(scope="session")
async def scoring(servers: Servers, tokens: Tokens) -> AsyncIterator[Running]:
    async with running("scoring", servers, tokens) as service:
        yield service


@pytest.fixture(scope="session")
async def service_desk(servers: Servers, tokens: Tokens) -> AsyncIterator[Running]:
    async with running("service_desk", servers, tokens) as service:
        yield service

"""A desk in a tenant of its own."""

import pytest

from tests.service.running import Running
from tests.service.service_desk.desk import Desk


@pytest.fixture
async def desk(service_desk: Running) -> Desk:
    tenant_id = await service_desk.tenant(sandbox=True)
    return Desk(service_desk, await service_desk.user(tenant_id))

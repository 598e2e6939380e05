"""What follows from an event follows from the automation rules that the event followed from."""

from collections.abc import AsyncIterator
from uuid import UUID

import nats
import pytest
from crm.customer.v1 import accounts_pb2, events_pb2
from crm.event.v1 import event_pb2
from crm_kit.database.statements import compile_statement
from crm_kit.database.work import UnitOfWork
from crm_kit.events.consumers import Event
from crm_kit.events.outbox import emit
from crm_kit.ids import new_id
from crm_kit.plumbing import outbox
from crm_local.testing import Servers
from nats.aio.client import Client
from sqlalchemy import bindparam, select

from tests.service.eventually import eventually
from tests.service.kit.listening import Listener
from tests.service.running import Running

CAUSE = event_pb2.Cause(rule_id=str(new_id()), display_name="一条规则", collection="accounts")
UPDATES = compile_statement(
    select(outbox.c.event).where(
        outbox.c.tenant_id == bindparam("tenant_id"), outbox.c.subject.startswith("crm.events.customer.AccountUpdated")
    )
)


@pytest.fixture
async def client(servers: Servers) -> AsyncIterator[Client]:
    connected = await nats.connect(servers.nats_url)
    yield connected
    await connected.close()


class Retelling(Listener):
    """Tells an update of each account that was created."""

    def _gather(self, work: UnitOfWork, event: Event, _payload: object) -> None:
        if work.tenant_id in self._tenant_ids:
            id = UUID(event.aggregate_id)
            update = events_pb2.AccountUpdated(account=accounts_pb2.Account(id=str(id)))
            emit(work, update, aggregate_type="account", id=id, version=2)


@pytest.mark.parametrize("projected", [False, True], ids=["one by one", "together"])
async def test_what_a_consumer_tells_of_an_event_has_its_causes(
    customer: Running, client: Client, projected: bool
) -> None:
    tenant_id = await customer.tenant()
    ids = [new_id() for _ in range(12)]
    async with customer.unit_of_work(tenant_id) as work:
        for index, id in enumerate(ids):
            work.causes = [CAUSE] * (index % 3)
            created = events_pb2.AccountCreated(account=accounts_pb2.Account(id=str(id)))
            emit(work, created, aggregate_type="account", id=id, version=1)

    async def told() -> list[event_pb2.Event]:
        rows = await customer.service.database.all(tenant_id, UPDATES, {"tenant_id": tenant_id})
        return [event_pb2.Event.FromString(row["event"]) for row in rows] if len(rows) == len(ids) else []

    async with Retelling(customer, client, tenant_id, projected=projected):
        causes = {each.aggregate_id: list(each.causes) for each in await eventually(told)}
    assert causes == {str(id): [CAUSE] * (index % 3) for index, id in enumerate(ids)}

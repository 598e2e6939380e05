"""A consumer under test, and events for it."""

import asyncio
from collections.abc import Collection
from uuid import UUID

from crm.customer.v1 import accounts_pb2, events_pb2
from crm_kit.database.statements import compile_statement
from crm_kit.database.work import UnitOfWork
from crm_kit.events.consumers import Consumers, Event
from crm_kit.events.outbox import emit
from crm_kit.ids import new_id
from crm_kit.plumbing import changes, outbox
from crm_kit.readiness import end
from google.protobuf.message import Message
from nats.aio.client import Client
from sqlalchemy import func, select

from tests.service.eventually import eventually
from tests.service.running import Running

Created = events_pb2.AccountCreated
Told = events_pb2.AccountCreated | events_pb2.AccountUpdated


class Listener:
    """Keeps what it handled of its tenants, and fails for as long as it is told to.

    Its effect is a row, so that tests see what was committed and not what was tried, and one with an id of its own,
    so that an effect that is had twice is two rows. The row's action is the event's id.
    """

    def __init__(
        self,
        customer: Running,
        client: Client,
        *tenant_ids: UUID,
        projected: bool = False,
        backoff_seconds: tuple[float, ...] = (0.01, 0.01),
        name: str | None = None,
        follows: Collection[type[Message]] = (Created,),
    ) -> None:
        service = customer.service
        self.consumers = Consumers(
            name or f"test-{new_id().hex}", service.database, service.clock, backoff_seconds=backoff_seconds
        )
        for payload in follows:
            if projected:
                self.consumers.project(payload, self._gather)
            else:
                self.consumers.on(payload, self._handle)
        self.handled: list[tuple[str, int]] = []
        self.tried: list[tuple[str, int]] = []
        # Aggregates or tenants whose events cannot be handled.
        self.broken: set[UUID] = set()
        # Tenants whose events hang until they are let go.
        self.hung: set[UUID] = set()
        self.hanging: list[str] = []
        self.let_go = asyncio.Event()
        # How long each event of a tenant takes.
        self.seconds: dict[UUID, float] = {}
        self.complaint = "a handler that cannot"
        self._client = client
        self._tenant_ids: Collection[UUID] = tenant_ids

    async def _handle(self, work: UnitOfWork, event: Event, payload: Message) -> None:
        if work.tenant_id in self.hung:
            self.hanging.append(event.aggregate_id)
            await self.let_go.wait()
        await asyncio.sleep(self.seconds.get(work.tenant_id, 0))
        self._gather(work, event, payload)

    def _gather(self, work: UnitOfWork, event: Event, _payload: Message) -> None:
        if work.tenant_id not in self._tenant_ids:
            # A new consumer is given the whole past of the stream.
            return
        told = (event.aggregate_id, event.aggregate_version)
        self.tried.append(told)
        if self.broken & {work.tenant_id, UUID(event.aggregate_id)}:
            raise ValueError(self.complaint)
        note_effect(work, self.consumers.name, event)
        work.after_commit.append(lambda: self.handled.append(told))

    async def __aenter__(self) -> "Listener":
        self._task = asyncio.create_task(self.consumers.run(self._client))
        return self

    async def __aexit__(self, *_: object) -> None:
        await end([self._task])

    async def handles(self, count: int) -> None:
        """Wait until so many events have had their effect."""

        async def has_handled() -> bool:
            return len(self.handled) >= count

        await eventually(has_handled, seconds=30)

    def versions(self, id: UUID) -> list[int]:
        """The versions of the aggregate that had their effect, in the order they had it."""
        return [version for seen, version in self.handled if seen == str(id)]


def note_effect(work: UnitOfWork, name: str, event: Event) -> None:
    """Gather the row that an effect is."""
    row = {"resource_type": name, "resource_id": new_id(), "version": 1, "change_time": work.now}
    work.insert(changes, row | {"actor_id": work.actor.user_id, "action": event.id, "fields": []})


async def tell(
    customer: Running, tenant_id: UUID, id: UUID, *versions: int, payload_type: type[Told] = Created
) -> None:
    """Commit one event of the aggregate for each version."""
    async with customer.unit_of_work(tenant_id) as work:
        for version in versions:
            payload = payload_type(account=accounts_pb2.Account(id=str(id)))
            emit(work, payload, aggregate_type="account", id=id, version=version)


async def published(customer: Running, tenant_id: UUID) -> None:
    """Wait until all events of the tenant are at the broker."""
    query = compile_statement(select(func.count()).where(outbox.c.publish_time.is_(None)))

    async def none_is_left() -> bool:
        return bool((await customer.service.database.all(tenant_id, query, {}))[0][0] == 0)

    await eventually(none_is_left)


async def effects(customer: Running, tenant_id: UUID, name: str) -> int:
    """How many effects a consumer's events have had in the tenant."""
    counting = select(func.count()).where(changes.c.resource_type == name)
    rows = await customer.service.database.all(tenant_id, compile_statement(counting), {})
    return int(rows[0][0])

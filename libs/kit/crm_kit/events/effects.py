"""What events bring about: inbox row and effect in one transaction, so that each has its effect once."""

import asyncio
from itertools import chain, zip_longest
from uuid import UUID

import asyncpg
from crm.event.v1 import event_pb2
from google.protobuf.message import Message

from crm_kit.clock import TenantClock
from crm_kit.database.connections import Database
from crm_kit.database.work import UnitOfWork, retried, unit_of_work
from crm_kit.errors import CrmError, Unavailable
from crm_kit.events.deliveries import Chain, Delivery, actor_of
from crm_kit.events.received import receive, seen
from crm_kit.events.subscriptions import Handler, Subscriptions
from crm_kit.identity.access import Scope
from crm_kit.plumbing import inbox
from crm_kit.telemetry import RequestInfo, current

Event = event_pb2.Event
ANSWER_SECONDS = 2.0


class Effects:
    """The effects of one consumer's events."""

    # What takes longer has failed, unless the database answers nobody. Before the broker gives it to another.
    MAX_SECONDS = 10.0

    def __init__(self, name: str, database: Database, clock: TenantClock, subscriptions: Subscriptions) -> None:
        self._name = name
        self._database = database
        self._clock = clock
        self._subscriptions = subscriptions

    # --- one by one ---

    async def apply_in_time(self, event: Event) -> None:
        """TimeoutError for an event that takes too long; Unavailable when that is not the event's fault."""
        try:
            async with asyncio.timeout(self.MAX_SECONDS):
                await self.apply(event)
        except TimeoutError as error:
            await self._require_database()
            raise TimeoutError(f"it took longer than {self.MAX_SECONDS:.0f} s") from error

    async def _require_database(self) -> None:
        """Unavailable unless the database answers a question that cannot take long."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._database.now()
        except TimeoutError as error:
            raise Unavailable("the database does not answer") from error

    async def apply(self, event: Event) -> None:
        """Inbox row and effect in one transaction; an event that has had its effect is passed over."""
        subscription = self._subscriptions.of(event)
        payload = subscription.payload.FromString(event.payload.value)
        token = current.set(RequestInfo(event.id, event.trace_parent))
        try:
            if subscription.follower is not None:
                await subscription.follower(event, payload)
            else:
                await retried(lambda: self._once(event, payload, subscription.handler))
        finally:
            current.reset(token)

    async def _once(self, event: Event, payload: Message, handler: Handler) -> None:
        actor = actor_of(event)
        now = await self._clock.now(actor.tenant_id)
        try:
            async with unit_of_work(self._database, actor, scope=Scope.ALL, now=now) as work:
                work.causes = event.causes
                work.insert(inbox, {"event_id": UUID(event.id), "consumer": self._name})
                await handler(work, event, payload)
        except (CrmError, asyncpg.IntegrityConstraintViolationError):
            # Which constraint refuses an event that has had its effect is chance: the inbox knows.
            values = {"tenant_id": actor.tenant_id, "event_id": UUID(event.id), "consumer": self._name}
            if not await self._database.all(actor.tenant_id, seen(), values):
                raise

    # --- many events in one transaction ---

    async def project_in_time(self, chains: list[Chain]) -> None:
        """Project many events of a tenant in one transaction, or none; TimeoutError when it takes too long."""
        async with asyncio.timeout(self.MAX_SECONDS):
            await self._project(chains)

    async def _project(self, chains: list[Chain]) -> None:
        actor = chains[0][0].actor
        ids = sorted(delivery.id for delivery in chain.from_iterable(chains))
        now = await self._clock.now(actor.tenant_id)
        async with unit_of_work(self._database, actor, scope=Scope.ALL, now=now) as work:
            await work.flush()
            new = {row["event_id"] for row in await work.all(receive(), event_ids=ids, consumer=self._name)}
            # Rows of one statement are sent together, so it goes in rounds: no event overtakes one of its aggregate.
            # Aggregates in one order everywhere, so that two processes do not lock each other out.
            for nth in zip_longest(*sorted(chains, key=lambda each: each[0].aggregate_id)):
                for delivery in nth:
                    if delivery is not None and delivery.id in new:
                        # It may have come twice.
                        new.remove(delivery.id)
                        self._gather(work, delivery)
                await work.flush_many()

    def _gather(self, work: UnitOfWork, delivery: Delivery) -> None:
        event, subscription = delivery.event, self._subscriptions.of(delivery.event)
        assert subscription.projection is not None
        work.actor, work.causes = delivery.actor, event.causes
        token = current.set(RequestInfo(event.id, event.trace_parent))
        try:
            subscription.projection(work, event, subscription.payload.FromString(event.payload.value))
        finally:
            current.reset(token)

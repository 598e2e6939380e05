"""Events in: the inbox row and the effect in one transaction, the acknowledgement after the commit.

Events of one aggregate are handled in their order, different aggregates side by side. What fails again and again
goes to the dead letters with its reason, and can be replayed by command.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import structlog
from crm.event.v1 import event_pb2
from google.protobuf.message import DecodeError, Message
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig
from sqlalchemy import bindparam, select

from crm_kit.clock import TenantClock
from crm_kit.database.connections import Database
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork, retried, unit_of_work
from crm_kit.errors import CrmError, Unavailable
from crm_kit.events.outbox import subject_of
from crm_kit.events.relay import STREAM
from crm_kit.identity.access import SERVICE_ACCESS, Actor, Scope
from crm_kit.plumbing import dead_letters, inbox
from crm_kit.telemetry import RequestInfo, current

log = structlog.get_logger()
Payload = TypeVar("Payload", bound=Message)
Event = event_pb2.Event
Handler = Callable[[UnitOfWork, Event, Any], Awaitable[None]]
BATCH = 100
# How long the broker waits before it gives a dead consumer's events to another; the inbox absorbs what comes twice.
ACK_WAIT_SECONDS = 15
BACKOFF_SECONDS = (0.2, 1.0, 5.0, 15.0, 30.0)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a service does when one kind of event becomes true."""

    payload: type[Message]
    handler: Handler


class Consumers:
    """The subscriptions of one service; `name` is its durable name at the broker."""

    def __init__(
        self,
        name: str,
        database: Database,
        clock: TenantClock,
        *,
        backoff_seconds: Sequence[float] = BACKOFF_SECONDS,
    ) -> None:
        self.name = name
        self._database = database
        self._clock = clock
        # An event is tried once more than there are waits here, then it is a dead letter.
        self._backoff_seconds = backoff_seconds
        self._subscriptions: dict[str, Subscription] = {}
        self._failures: dict[str, int] = {}

    def on(self, payload: type[Payload], handler: Callable[[UnitOfWork, Event, Payload], Awaitable[None]]) -> None:
        """Call `handler(work, event, payload)` for each event of this type, exactly once in effect."""
        full_name = payload.DESCRIPTOR.full_name
        assert full_name not in self._subscriptions, f"{full_name} is handled already"
        self._subscriptions[full_name] = Subscription(payload, handler)

    async def run(self, nats: Client) -> None:
        """Consume until cancelled; without subscriptions there is nothing to do."""
        if not self._subscriptions:
            # Waits all the same: work that ends is taken for work that failed.
            await asyncio.Event().wait()
        while True:
            try:
                await self._consume(nats.jetstream(timeout=5))
            except (NatsError, Unavailable, OSError) as error:
                log.warning("consumer.waiting", consumer=self.name, error=type(error).__name__)
                await asyncio.sleep(1)

    async def _consume(self, stream: JetStreamContext) -> None:
        config = ConsumerConfig(
            durable_name=self.name,
            filter_subjects=sorted(subject_of(name) for name in self._subscriptions),
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT_SECONDS,
            max_ack_pending=2 * BATCH,
        )
        await stream.add_consumer(STREAM, config)
        puller = await stream.pull_subscribe_bind(durable=self.name, stream=STREAM)
        try:
            while True:
                try:
                    messages = await puller.fetch(BATCH, timeout=5)
                except NatsTimeoutError:
                    continue
                await self._handle_batch(messages)
        finally:
            await puller.unsubscribe()

    async def _handle_batch(self, messages: list[Msg]) -> None:
        """Aggregates side by side, each one's events in order."""
        chains: dict[str, list[tuple[Msg, Event]]] = {}
        for message in messages:
            try:
                event = Event.FromString(message.data)
            except DecodeError:
                log.warning("consumer.unreadable", subject=message.subject)
                await message.term()
                continue
            chains.setdefault(event.aggregate_id, []).append((message, event))
        limit = asyncio.Semaphore(8)

        async def follow(chain: list[tuple[Msg, Event]]) -> None:
            async with limit:
                for message, event in chain:
                    await self._handle(message, event)

        await asyncio.gather(*(follow(chain) for chain in chains.values()))

    async def _handle(self, message: Msg, event: Event) -> None:
        """Have the effect once, then acknowledge; or say when to send it again."""
        try:
            await self.apply(event)
        except Unavailable:
            # Nothing wrong with the event: it waits, however often.
            await message.nak(delay=1)
        except Exception as error:
            # Whatever a handler raises must not stop the events behind it.
            log.warning("consumer.failed", event_type=event.payload.type_url, event_id=event.id, exc_info=True)
            await self._failed(message, event, error)
        else:
            self._failures.pop(event.id, None)
            await message.ack()

    async def _failed(self, message: Msg, event: Event, error: Exception) -> None:
        """Have it sent again after a growing wait; after the last one it is a dead letter.

        Counted here, since the broker also counts deliveries while the database was away.
        """
        failures = self._failures[event.id] = self._failures.get(event.id, 0) + 1
        if failures <= len(self._backoff_seconds):
            await message.nak(delay=self._backoff_seconds[failures - 1])
            return
        await self._dead_letter(event, error)
        await message.term()
        del self._failures[event.id]

    async def apply(self, event: Event) -> None:
        """Inbox row and effect in one transaction; an event that has had its effect is passed over."""
        subscription = self._subscriptions[event.payload.type_url.rpartition("/")[2]]
        payload = subscription.payload()
        event.payload.Unpack(payload)
        actor = Actor(UUID(event.tenant_id), UUID(event.actor_id), SERVICE_ACCESS)
        token = current.set(RequestInfo(event.id, event.trace_parent))
        try:
            await retried(lambda: self._once(actor, event, payload, subscription.handler))
        finally:
            current.reset(token)

    async def _once(self, actor: Actor, event: Event, payload: Message, handler: Handler) -> None:
        now = await self._clock.now(actor.tenant_id)
        try:
            async with unit_of_work(self._database, actor, scope=Scope.ALL, now=now) as work:
                work.insert(inbox, {"event_id": UUID(event.id), "consumer": self.name})
                await handler(work, event, payload)
        except (CrmError, asyncpg.IntegrityConstraintViolationError):
            # Which constraint refuses an event that has had its effect is chance: the inbox knows.
            if not await self._seen(actor.tenant_id, UUID(event.id)):
                raise

    async def _seen(self, tenant_id: UUID, event_id: UUID) -> bool:
        values = {"tenant_id": tenant_id, "event_id": event_id, "consumer": self.name}
        return bool(await self._database.all(tenant_id, seen(), values))

    async def _dead_letter(self, event: Event, error: Exception) -> None:
        actor = Actor(UUID(event.tenant_id), UUID(event.actor_id), SERVICE_ACCESS)
        now = await self._clock.now(actor.tenant_id)
        async with unit_of_work(self._database, actor, scope=Scope.ALL, now=now) as work:
            work.insert(
                dead_letters,
                {
                    "id": UUID(event.id),
                    "consumer": self.name,
                    "event": event.SerializeToString(),
                    "reason": f"{type(error).__name__}: {error}"[:2000],
                },
            )
        log.error("consumer.dead_letter", event_id=event.id, event_type=event.payload.type_url)


@statement
def seen() -> Any:
    return select(inbox.c.event_id).where(
        inbox.c.tenant_id == bindparam("tenant_id"),
        inbox.c.event_id == bindparam("event_id"),
        inbox.c.consumer == bindparam("consumer"),
    )

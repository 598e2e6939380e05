"""Events in: each has its effect once (`effects.py`), and is acknowledged after the commit.

Events of one aggregate are handled in their order, different aggregates side by side; projections of one tenant
together in one transaction. An event that fails is tried again after a growing wait, and only the events of its
aggregate wait behind it; one that takes long keeps no other tenant waiting. What fails again and again goes to the
dead letters with its reason, and can be replayed by command.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain
from typing import TypeVar

import structlog
from crm.event.v1 import event_pb2
from google.protobuf.message import Message
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from crm_kit.clock import TenantClock
from crm_kit.database.connections import Database
from crm_kit.database.work import UnitOfWork, unit_of_work
from crm_kit.errors import Unavailable
from crm_kit.events.dead_letters import put_dead_letter, reason_of
from crm_kit.events.deliveries import Chain, Delivery, chains_of, type_of
from crm_kit.events.effects import Effects
from crm_kit.events.lanes import Lane, Lanes
from crm_kit.events.pulling import pulling
from crm_kit.events.streams import STREAM, ensure_stream
from crm_kit.events.subscriptions import Subscription, Subscriptions
from crm_kit.events.waiting import Waiting
from crm_kit.identity.access import Scope

log = structlog.get_logger()
Event = event_pb2.Event
Payload = TypeVar("Payload", bound=Message)
BATCH = 200
PULL_SECONDS = 4.0
# Fewer are handled sooner one by one: a statement each, where a transaction of their own takes five.
MIN_TOGETHER = 4
# How long the broker waits before it gives a dead consumer's events to another; the inbox absorbs what comes twice.
ACK_WAIT_SECONDS = 15
BACKOFF_SECONDS = (0.2, 1.0, 5.0, 15.0, 30.0)
UNAVAILABLE_SECONDS = 1.0
# What waits behind an event comes back after it.
BEHIND_SECONDS = 0.05
# How often a consumer looks whether the broker sends what it should, and says that it still follows it.
AGREE_SECONDS = 60.0
# What only another version follows is handed back for so long, and twice as long each time.
FIRST_HAND_BACK_SECONDS, LAST_HAND_BACK_SECONDS = 0.2, 30.0


class Consumers:
    """The subscriptions of one service; `name` is its durable name at the broker."""

    def __init__(
        self,
        name: str,
        database: Database,
        clock: TenantClock,
        *,
        backoff_seconds: Sequence[float] = BACKOFF_SECONDS,
        ack_wait_seconds: float = ACK_WAIT_SECONDS,
    ) -> None:
        self.name = name
        self._database = database
        self._clock = clock
        self._ack_wait_seconds = ack_wait_seconds
        # An event is tried once more than there are waits here, then it is a dead letter.
        self._backoff_seconds = backoff_seconds
        self._subscriptions = Subscriptions(name, database)
        self._effects = Effects(name, database, clock, self._subscriptions)
        self._waiting = Waiting()
        self._lanes = Lanes()
        # Deliveries whose handler has run, whatever came of it.
        self._answered = 0

    def on(self, payload: type[Payload], handler: Callable[[UnitOfWork, Event, Payload], Awaitable[None]]) -> None:
        """Call `handler(work, event, payload)` for each event of this type, exactly once in effect.

        Each in a transaction of its own, so that it may read, lock and decide.
        """
        self._subscriptions.add(Subscription(payload, handler))

    def project(self, payload: type[Payload], projection: Callable[[UnitOfWork, Event, Payload], None]) -> None:
        """Call `projection(work, event, payload)` for each event of this type, exactly once in effect.

        It only gathers writes: many events of a tenant share a transaction, in which it would not see what those
        before it gathered.
        """

        async def alone(work: UnitOfWork, event: Event, told: Payload) -> None:
            projection(work, event, told)

        self._subscriptions.add(Subscription(payload, alone, projection))

    def follow(self, payload: type[Payload], follower: Callable[[Event, Payload], Awaitable[None]]) -> None:
        """Call `follower(event, payload)` for each event of this type, at least once.

        It sees to it by itself, in transactions of its own, that each has its effect once: there is no inbox row.
        """

        async def alone(work: UnitOfWork, event: Event, told: Payload) -> None:
            await follower(event, told)

        self._subscriptions.add(Subscription(payload, alone, follower=follower))

    async def run(self, nats: Client) -> None:
        """Consume until cancelled; without subscriptions there is nothing to do."""
        if not self._subscriptions:
            # Waits all the same: work that ends is taken for work that failed.
            await asyncio.Event().wait()
        while True:
            try:
                await self._consume(nats)
            except (NatsError, Unavailable, OSError) as error:
                log.warning("consumer.waiting", consumer=self.name, error=type(error).__name__)
            except Exception:
                # A defect of ours must not end the service: what was fetched comes again, and others go on.
                log.exception("consumer.stumbled", consumer=self.name)
            await asyncio.sleep(UNAVAILABLE_SECONDS)

    async def _consume(self, nats: Client) -> None:
        stream = nats.jetstream(timeout=5)
        # A broker that lost all it had has neither.
        await ensure_stream(stream)
        await self._subscriptions.agree(stream, ack_wait=self._ack_wait_seconds)
        clock = asyncio.get_running_loop().time
        agreed_at = clock()
        async with pulling(nats, STREAM, self.name) as puller:
            try:
                while True:
                    if clock() >= agreed_at + AGREE_SECONDS:
                        await self._subscriptions.agree(stream, ack_wait=self._ack_wait_seconds)
                        agreed_at = clock()
                    if messages := await puller.pull(BATCH, seconds=PULL_SECONDS):
                        await self._handle_batch(messages)
            finally:
                await self._lanes.close()

    # --- a batch ---

    async def _handle_batch(self, messages: list[Msg]) -> None:
        """Handle all that need not wait. Unavailable when none could be: then no more is fetched for a while."""
        answered = self._answered
        ready = await self._in_turn(await self._followed(await chains_of(messages)))
        groups, alone = self._apart(ready)
        await self._lanes.run([*map(self._lane_of_group, groups), *map(self._lane_of, alone)])
        if ready and self._answered == answered and not self._lanes.has_long:
            raise Unavailable("no event of a batch could be handled")

    async def _followed(self, chains: list[Chain]) -> list[Chain]:
        """Those that this version follows. What only another one does is its to handle; what none does is done with."""
        unknown = [each for each in chain.from_iterable(chains) if self._subscriptions.find(each.event) is None]
        if not unknown:
            return chains
        types = {type_of(each.event) for each in unknown}
        with contextlib.suppress(Unavailable):
            # Of what cannot be looked up now another version may know.
            types = await self._subscriptions.of_others(types)
        for delivery in unknown:
            if type_of(delivery.event) in types:
                await self._hand_back(delivery)
            else:
                await delivery.message.ack()
        known = ([each for each in deliveries if self._subscriptions.find(each.event)] for deliveries in chains)
        return [deliveries for deliveries in known if deliveries]

    async def _hand_back(self, delivery: Delivery) -> None:
        """Have it sent again, maybe to a process that follows it; it has not failed."""
        times = int(delivery.message.metadata.num_delivered or 1) - 1
        await delivery.message.nak(delay=min(FIRST_HAND_BACK_SECONDS * 2 ** min(times, 20), LAST_HAND_BACK_SECONDS))

    def _lane_of(self, deliveries: Chain) -> Lane:
        return self._lane([deliveries], lambda: self._follow(deliveries))

    def _lane_of_group(self, group: list[Chain]) -> Lane:
        async def project() -> None:
            for each in await self._together(group):
                await self._follow(each)

        return self._lane(group, project)

    def _lane(self, chains: list[Chain], run: Callable[[], Awaitable[None]]) -> Lane:
        async def wait() -> None:
            for each in chains:
                await self._postpone(each, UNAVAILABLE_SECONDS)

        def stay() -> None:
            # What comes of these aggregates meanwhile waits behind it.
            due = asyncio.get_running_loop().time() + Effects.MAX_SECONDS
            for delivery in chain.from_iterable(chains):
                self._waiting.put(delivery.aggregate_id, delivery.sequence, due=due, failed=False)

        return Lane(chains[0][0].event.tenant_id, run, wait, stay)

    async def _in_turn(self, chains: list[Chain]) -> list[Chain]:
        """Those that need not wait; the others are sent again when it may be their turn."""
        now, ready = asyncio.get_running_loop().time(), []
        self._waiting.begin_batch(now)
        for each in chains:
            seconds = 0.0
            if each[0].aggregate_id in self._waiting:
                each.sort(key=lambda delivery: delivery.sequence)
                seconds = self._waiting.seconds_to_wait(each[0].aggregate_id, each[0].sequence, now)
            if seconds:
                await self._postpone(each, seconds)
            else:
                ready.append(each)
        return ready

    def _apart(self, chains: list[Chain]) -> tuple[list[list[Chain]], list[Chain]]:
        """The chains that are projected together, by tenant, and those that are followed one by one."""
        by_tenant: dict[str, list[Chain]] = {}
        alone: list[Chain] = []
        for each in chains:
            first = each[0]
            if first.aggregate_id not in self._waiting and all(map(self._is_projected, each)):
                by_tenant.setdefault(first.event.tenant_id, []).append(each)
            else:
                alone.append(each)
        groups = []
        for group in by_tenant.values():
            if sum(map(len, group)) >= MIN_TOGETHER:
                groups.append(group)
            else:
                alone += group
        return groups, alone

    # --- many events in one transaction ---

    async def _together(self, chains: list[Chain]) -> list[Chain]:
        """Project a tenant's events in one transaction; what has to be followed one by one because that failed."""
        try:
            await self._effects.project_in_time(chains)
        except Unavailable:
            for each in chains:
                await self._postpone(each, UNAVAILABLE_SECONDS)
            return []
        except Exception:
            # Which of them it is shows one by one.
            log.info("consumer.one_by_one", consumer=self.name, exc_info=True)
            return chains
        for delivery in chain.from_iterable(chains):
            await self._done(delivery)
        return []

    # --- one by one ---

    async def _follow(self, deliveries: Chain) -> None:
        """Handle an aggregate's events one after the other; those behind one that has to wait, wait too."""
        for index, delivery in enumerate(deliveries):
            try:
                await self._handle(delivery)
            except Unavailable:
                # Nothing wrong with the event: it waits, however often.
                await self._postpone(deliveries[index:], UNAVAILABLE_SECONDS)
                return
            except Exception:
                # Whatever a handler raises must not stop the events of others.
                log.warning("consumer.failed", event_type=delivery.event.payload.type_url, exc_info=True)
                self._answered += 1
                await self._postpone(deliveries[index:], self._backoff_of(delivery), failed=True)
                return

    async def _handle(self, delivery: Delivery) -> None:
        """Have the effect once, and say so; what has failed often enough becomes a dead letter instead."""
        try:
            await self._effects.apply_in_time(delivery.event)
        except Unavailable:
            raise
        except Exception as error:
            if not self._has_failed_too_often(delivery):
                raise
            await self._give_up(delivery, error)
        else:
            await self._done(delivery)

    async def apply(self, event: Event) -> None:
        """Inbox row and effect in one transaction; an event that has had its effect is passed over."""
        await self._effects.apply(event)

    # --- what becomes of a delivery ---

    async def _done(self, delivery: Delivery) -> None:
        """It has had its effect."""
        self._answered += 1
        if delivery.aggregate_id in self._waiting:
            self._waiting.remove(delivery.aggregate_id, delivery.sequence)
        await delivery.message.ack()

    async def _postpone(self, deliveries: Chain, seconds: float, *, failed: bool = False) -> None:
        """Have them sent again later; `failed` when the first of them was tried and could not be handled.

        Counted here, since the broker also counts deliveries while the database was away.
        """
        due = asyncio.get_running_loop().time() + seconds
        for index, delivery in enumerate(deliveries):
            is_behind = index > 0
            self._waiting.put(delivery.aggregate_id, delivery.sequence, due=due, failed=failed and not is_behind)
            await delivery.message.nak(delay=seconds + is_behind * BEHIND_SECONDS)

    async def _give_up(self, delivery: Delivery, error: Exception) -> None:
        """It has failed too often."""
        self._answered += 1
        event = delivery.event
        now = await self._clock.now(delivery.actor.tenant_id)
        async with unit_of_work(self._database, delivery.actor, scope=Scope.ALL, now=now) as work:
            work.execute(
                put_dead_letter(),
                id=delivery.id,
                consumer=self.name,
                event=event.SerializeToString(),
                reason=reason_of(error),
            )
        log.error("consumer.dead_letter", event_id=event.id, event_type=event.payload.type_url, exc_info=error)
        self._waiting.remove(delivery.aggregate_id, delivery.sequence)
        await delivery.message.term()

    # --- looking up ---

    def _has_failed_too_often(self, delivery: Delivery) -> bool:
        return self._waiting.failures(delivery.aggregate_id, delivery.sequence) >= len(self._backoff_seconds)

    def _backoff_of(self, delivery: Delivery) -> float:
        if self._has_failed_too_often(delivery):
            # Not even its dead letter could be written.
            return UNAVAILABLE_SECONDS
        return self._backoff_seconds[self._waiting.failures(delivery.aggregate_id, delivery.sequence)]

    def _is_projected(self, delivery: Delivery) -> bool:
        return self._subscriptions.of(delivery.event).projection is not None

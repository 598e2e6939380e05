"""Which events a service follows: this version of it, and the others that run beside it or ran lately.

All versions of a service share one consumer at the broker, and it may send an event to any of them. While a release
rolls out, or after it was taken back, some know a type of events that others do not. Each notes what it follows before
it is sent anything; the broker sends what any of them has noted in the last day; and whoever is sent an event of
another's type hands it back, to be sent again, since only that other can say what follows from it.
docs/adr/0020-versions-of-a-service-share-a-consumer.md has the reasons.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from crm.event.v1 import event_pb2
from google.protobuf.message import Message
from nats.js import JetStreamContext
from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.types import Text, Uuid

from crm_kit.clock import system_now
from crm_kit.database.connections import Database, Record
from crm_kit.database.locks import advisory_lock
from crm_kit.database.statements import statement
from crm_kit.database.tables import SYSTEM_TENANT
from crm_kit.database.work import UnitOfWork, unit_of_work
from crm_kit.events.deliveries import type_of
from crm_kit.events.streams import ensure_consumer, is_sent
from crm_kit.events.subjects import subjects_of
from crm_kit.identity.access import Scope, service_actor
from crm_kit.plumbing import followed_events

Event = event_pb2.Event
Handler = Callable[[UnitOfWork, Event, Any], Awaitable[None]]
Projection = Callable[[UnitOfWork, Event, Any], None]
Follower = Callable[[Event, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a service does when one kind of event becomes true.

    `projection` when that only gathers writes, `follower` when it has transactions of its own.
    """

    payload: type[Message]
    handler: Handler
    projection: Projection | None = None
    follower: Follower | None = None


class Subscriptions:
    """Those of this version, by the full name of the event's type, and what other versions have noted."""

    def __init__(self, consumer: str, database: Database) -> None:
        self._consumer = consumer
        self._database = database
        self._by_type: dict[str, Subscription] = {}

    def __bool__(self) -> bool:
        return bool(self._by_type)

    def add(self, subscription: Subscription) -> None:
        """Follow one type more."""
        full_name = subscription.payload.DESCRIPTOR.full_name
        assert full_name not in self._by_type, f"{full_name} is handled already"
        self._by_type[full_name] = subscription

    def find(self, event: Event) -> Subscription | None:
        """What is done on the event; None when this version does not follow it."""
        return self._by_type.get(type_of(event))

    def of(self, event: Event) -> Subscription:
        """What is done on the event; LookupError when this version does not follow it."""
        found = self.find(event)
        if found is None:
            raise LookupError(f"this version of {self._consumer} does not follow {type_of(event)}")
        return found

    async def agree(self, stream: JetStreamContext, *, ack_wait: float) -> None:
        """Note what this version follows, then have the broker send it, with what others have noted.

        Noted first: from then on nobody takes an event of such a type for one that is followed by no version.
        """
        values = {"tenant_id": SYSTEM_TENANT, "consumer": self._consumer, "event_types": sorted(self._by_type)}
        await self._database.all(SYSTEM_TENANT, note(), values)
        if await is_sent(stream, self._consumer, subjects_in(await self._noted()), ack_wait=ack_wait):
            return
        # Of two that change it at once the later one has read what the earlier one noted.
        actor = service_actor(SYSTEM_TENANT)
        async with unit_of_work(self._database, actor, scope=Scope.ALL, now=system_now()) as work:
            await advisory_lock(work, f"events of {self._consumer}")
            rows = await work.all(noted(), consumer=self._consumer)
            await ensure_consumer(stream, self._consumer, subjects_in(rows), ack_wait=ack_wait)

    async def of_others(self, types: Iterable[str]) -> set[str]:
        """Which of these types another version follows, or did within the last day."""
        return set(types) & {row["event_type"] for row in await self._noted()}

    async def _noted(self) -> list[Record]:
        values = {"tenant_id": SYSTEM_TENANT, "consumer": self._consumer}
        return await self._database.all(SYSTEM_TENANT, noted(), values)


def subjects_in(rows: Iterable[Record]) -> set[str]:
    """The subjects of the events of the types that are noted."""
    return {subjects_of(row["event_type"]) for row in rows}


@statement
def note() -> Any:
    """A version runs that follows these types."""
    event_type = func.unnest(bindparam("event_types", type_=ARRAY(Text))).column_valued("event_type")
    fresh = insert(followed_events).from_select(
        ["tenant_id", "consumer", "event_type", "seen_time"],
        select(
            bindparam("tenant_id", type_=Uuid), bindparam("consumer", type_=Text), event_type, func.clock_timestamp()
        ),
    )
    return fresh.on_conflict_do_update(
        index_elements=["tenant_id", "consumer", "event_type"], set_={"seen_time": fresh.excluded.seen_time}
    )


@statement
def noted() -> Any:
    """What is kept no longer is gone: the table's retention says how long."""
    followed = followed_events.c
    return select(followed.event_type).where(
        followed.tenant_id == bindparam("tenant_id", type_=Uuid), followed.consumer == bindparam("consumer", type_=Text)
    )

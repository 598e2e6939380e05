"""Events as the broker delivers them, those of one aggregate in their order."""

from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

import structlog
from crm.event.v1 import event_pb2
from google.protobuf.message import DecodeError
from nats.aio.msg import Msg

from crm_kit.events.subjects import subject_of
from crm_kit.identity.access import SERVICE_ACCESS, Actor
from crm_kit.ids import id_from_text

log = structlog.get_logger()
Event = event_pb2.Event


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event as the broker delivered it. `actor` is who made it true: here they may do whatever follows from it."""

    message: Msg
    event: Event
    id: UUID
    actor: Actor

    @classmethod
    def of(cls, message: Msg) -> "Delivery":
        """DecodeError or ValueError when it is no event, or none that whoever sent it may tell of.

        The broker lets each service publish on its own subjects only: an event that is told on another's was made up.
        Answers of the broker itself can be led onto any subject, and are no events.
        """
        event = Event.FromString(message.data)
        if message.subject != subject_of(type_of(event), event.tenant_id):
            raise ValueError(f"{type_of(event)} does not travel on {message.subject}")
        return cls(message, event, id_from_text(event.id), actor_of(event))

    @property
    def aggregate_id(self) -> str:
        return self.event.aggregate_id

    @property
    def sequence(self) -> int:
        """Its place in the stream."""
        return int(self.message.metadata.sequence.stream)


Chain = list[Delivery]
"""Events of one aggregate, in their order."""


async def chains_of(messages: list[Msg]) -> list[Chain]:
    """The events by aggregate, in the order they came; what is no event is never sent again."""
    chains: dict[str, Chain] = {}
    for message in messages:
        try:
            delivery = Delivery.of(message)
        except (DecodeError, ValueError) as error:
            log.warning("consumer.unreadable", subject=message.subject, error=str(error))
            await message.term()
            continue
        chains.setdefault(delivery.aggregate_id, []).append(delivery)
    return list(chains.values())


def type_of(event: Event) -> str:
    """The full name of the payload's type."""
    return event.payload.type_url.rpartition("/")[2]


def actor_of(event: Event) -> Actor:
    """Who made it true, with all rights."""
    return _actor(event.tenant_id, event.actor_id)


@lru_cache(maxsize=1024)
def _actor(tenant_id: str, user_id: str) -> Actor:
    """Most events of a moment are of one tenant's few users."""
    return Actor(id_from_text(tenant_id), id_from_text(user_id), SERVICE_ACCESS)

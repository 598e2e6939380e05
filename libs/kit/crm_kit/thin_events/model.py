"""What a type of events is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventType:
    """What happened to the records of a collection, which the service `owner` has.

    `permission` is what reading one of them takes; `withheld` are its fields that take another permission besides.
    """

    name: str
    collection: str
    owner: str
    permission: str
    withheld: tuple[tuple[str, str], ...] = ()

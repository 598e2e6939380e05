"""What a type of events is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventType:
    """What happened to the records of a collection, which the service `owner` has.

    `permission` is what reading one of them takes; `withheld` are its fields that take another permission besides.
    `may_be_private`: people may keep one to themselves, so that others do not read it whatever they are permitted.
    """

    name: str
    collection: str
    owner: str
    permission: str
    withheld: tuple[tuple[str, str], ...] = ()
    may_be_private: bool = False

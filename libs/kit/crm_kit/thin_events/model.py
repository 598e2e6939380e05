"""What a type of events is."""

from dataclasses import dataclass

# What of a collection as a whole is told of, as `BatchCheckRecords` names it.
JOBS, CUSTOM_FIELDS = "jobs", "custom_fields"


@dataclass(frozen=True, slots=True)
class EventType:
    """What happened to the records of a collection, which the service `owner` has.

    `permission` is what reading one of them takes; `withheld` are its fields that take another permission besides.
    `may_be_private`: people may keep one to themselves, so that others do not read it whatever they are permitted.
    `part` is set of what is told of the collection as a whole: JOBS, or CUSTOM_FIELDS.
    """

    name: str
    collection: str
    owner: str
    permission: str
    withheld: tuple[tuple[str, str], ...] = ()
    may_be_private: bool = False
    part: str = ""

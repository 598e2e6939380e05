"""What a reader of a stream wants to know of: types of events, collections, records."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from difflib import get_close_matches
from uuid import UUID

from crm_kit.thin_events.model import EventType

from crm_gateway.problems import Problem, ProblemError, Violation, violation
from crm_gateway.streams.told import Told

# Of each parameter.
MAX_VALUES = 200
TYPES, COLLECTIONS, RECORD = "types", "collections", "record"
# What streams tell besides events, by names that stand beside those of types.
PRESENCE = "presence"


@dataclass(frozen=True, slots=True)
class Choice:
    """Events that fit each of these; None where any does."""

    types: frozenset[str] | None = None
    collections: frozenset[str] | None = None
    records: frozenset[tuple[str, str]] | None = None

    def takes(self, told: Told) -> bool:
        """Whether an event is one of those."""
        return (
            (self.types is None or told.type.name in self.types)
            and (self.collections is None or told.type.collection in self.collections)
            and (self.records is None or (told.type.collection, told.record_id) in self.records)
        )

    def takes_aside(self, name: str, collection: str, record_id: str) -> bool:
        """Whether what is told of a record besides events is wanted."""
        return (
            (self.types is None or name in self.types)
            and (self.collections is None or collection in self.collections)
            and (self.records is None or (collection, record_id) in self.records)
        )


def choice_of(parameters: Mapping[str, Sequence[str]], types: Iterable[EventType]) -> Choice:
    """What the parameters ask for, each given several times or separated by commas.

    ProblemError 422 that names the parameter, the rule and the value.
    """
    known = list(types)
    collections = {each.collection for each in known}
    names, chosen, paths = (_values(parameters, name) for name in (TYPES, COLLECTIONS, RECORD))
    chosen = [_name(each) for each in chosen]
    records = {each: _record(each, collections) for each in paths}
    violations = [
        *_unknown(TYPES, "event_type", names, {PRESENCE, *(each.name for each in known)}),
        *_unknown(COLLECTIONS, "event_collection", chosen, collections),
        *_wrong(RECORD, "record_path", paths, {path for path, each in records.items() if each}),
    ]
    if violations:
        raise ProblemError(Problem(422, "INVALID_ARGUMENT", errors=violations))
    return Choice(
        frozenset(names) or None,
        frozenset(chosen) or None,
        frozenset(each for each in records.values() if each) or None,
    )


def _values(parameters: Mapping[str, Sequence[str]], name: str) -> list[str]:
    return [part.strip() for each in parameters.get(name, ()) for part in each.split(",")]


def _unknown(name: str, rule: str, asked: Sequence[str], known: Set[str]) -> list[Violation]:
    """As `_wrong`, the first with the name that may be meant: looking for one takes a while."""
    found = _wrong(name, rule, asked, known)
    if found and not found[0].values.get("value", "?"):
        found[0] = violation(name, rule, "empty", **found[0].values)
        return found
    if found and (near := get_close_matches(found[0].values.get("value", ""), known, n=1)):
        found[0] = violation(name, rule, "near", near=near[0], **found[0].values)
    return found


def _wrong(name: str, rule: str, asked: Sequence[str], right: Set[str]) -> list[Violation]:
    """What was asked for and is not there; of too many values that they are too many."""
    if len(asked) > MAX_VALUES:
        return [violation(name, "repeated.max_items", max_items=MAX_VALUES)]
    return [violation(name, rule, value=each) for each in dict.fromkeys(asked) if each not in right]


def _name(collection: str) -> str:
    """Of a collection, as metadata has it: paths have hyphens, `service-levels`."""
    return collection.replace("-", "_")


def _record(text: str, collections: Set[str]) -> tuple[str, str] | None:
    """`accounts/<id>` in its parts; None when it is no such path."""
    collection, _, id = text.partition("/")
    try:
        found = _name(collection), str(UUID(id))
    except ValueError:
        return None
    return found if found[0] in collections else None

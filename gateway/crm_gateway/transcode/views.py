"""What a caller wants to see of an answer, and beside it: `fields=id,display_name,addresses.city&include=owner`.

Both are about a record, or about each record of a list.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from crm_gateway.problems import ProblemError, unreadable
from crm_gateway.protojson.encoder import Encode, Encoders, Selection
from crm_gateway.protojson.fields import is_map, is_well_known, message_of
from crm_gateway.protojson.scalars import Refused
from crm_gateway.records import collection_name
from crm_gateway.transcode.decoder import Violations, add
from crm_gateway.transcode.inclusion import INCLUDE, Reference, references_of

FIELDS = "fields"
REMEMBERED = 64
# What a page has beside its records.
_PAGE_FIELDS = frozenset({"next_page_token", "missing_ids"})


@dataclass(frozen=True, slots=True)
class View:
    """How one answer is written, and what of that to which it refers is written beside it."""

    encode: Encode
    references: tuple[Reference, ...] = ()


class Views:
    """The views of answers of one type."""

    def __init__(self, answer: Descriptor, encoders: Encoders, collections: Collection[str] = ()) -> None:
        self._answer = answer
        self._encoders = encoders
        self._records = records_of(answer)
        self._record = answer if self._records is None else message_of(self._records)
        self.references = references_of(self._record, collections)
        self._selected = lru_cache(REMEMBERED)(self._compiled)

    @cached_property
    def whole(self) -> View:
        """All of the answer, and nothing beside it."""
        return View(self._encoders.of(self._answer))

    @property
    def parameters(self) -> frozenset[str]:
        """The query parameters that are about the answer."""
        return frozenset({FIELDS, INCLUDE} if self.references else {FIELDS})

    def of(self, asked: Mapping[str, list[str]]) -> View:
        """The view that these parameters ask for; ProblemError names what they cannot mean."""
        fields = single(FIELDS, asked)
        include = single(INCLUDE, asked) if self.references else None
        if fields is None and include is None:
            return self.whole
        encode = self.whole.encode if fields is None else self._selected(fields)
        return View(encode, () if include is None else self._included(include))

    def records(self, message: Any) -> Sequence[Any]:
        """The records of an answer: the one that it is, or those of a page."""
        return [message] if self._records is None else getattr(message, self._records.name)

    def _included(self, text: str) -> tuple[Reference, ...]:
        words = [word.strip() for word in text.split(",")]
        violations: Violations = []
        for index, word in enumerate(words):
            if word not in self.references:
                choices = ", ".join(self.references)
                refused = (
                    Refused("enum", "word", word=word, choices=choices) if word else Refused("enum", choices=choices)
                )
                add(INCLUDE, refused, violations)
            elif word in words[:index]:
                add(INCLUDE, Refused("duplicate_key", "path", path=word), violations)
        if violations:
            raise ProblemError(unreadable(violations))
        return tuple(self.references[word] for word in words)

    def _compiled(self, text: str) -> Encode:
        selection = selection_of(text, self._record)
        if self._records is not None:
            # What belongs to the page is there whatever is asked of its records.
            selection = {**dict.fromkeys(self._answer.fields_by_name), self._records.name: selection}
        return self._encoders.selected(self._answer, selection)


def records_of(answer: Descriptor) -> FieldDescriptor | None:
    """The field of a page, or of what a search found, that has its records; None for any other answer."""
    is_page = any(name in answer.fields_by_name for name in _PAGE_FIELDS)
    found = [field for field in answer.fields if field.is_repeated and _has_fields(field)]
    # A page of reports has those that come with the platform beside its own.
    found = [field for field in found if field.name == collection_name(message_of(field))] or found
    if len(found) != 1 or not (is_page or _is_found(answer, found[0])):
        return None
    return found[0]


def _is_found(answer: Descriptor, field: FieldDescriptor) -> bool:
    """Whether a list in an answer that is no record itself has the records of a collection."""
    return not collection_name(answer) and bool(collection_name(message_of(field)))


def single(name: str, asked: Mapping[str, list[str]]) -> str | None:
    """The value of a parameter that may be there once."""
    values = asked.get(name, [])
    if len(values) > 1:
        violations: Violations = []
        add(name, Refused("duplicate_key"), violations)
        raise ProblemError(unreadable(violations))
    return values[0] if values else None


def selection_of(text: str, message: Descriptor) -> Selection:
    """The fields that are named, by name; None below one that is wanted whole.

    ProblemError for paths that do not exist, or that are there twice, also as a part of another.
    """
    violations: Violations = []
    selection: Selection = {}
    for path in text.split(","):
        _select(path.strip(), message, selection, violations)
    if violations:
        raise ProblemError(unreadable(violations))
    return selection


def _select(path: str, message: Descriptor, selection: Selection, violations: Violations) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        field = message.fields_by_name.get(parent)
        if field is None or not _has_fields(field) or field.message_type is None:
            add(FIELDS, Refused("unknown_field", "path", path=path), violations)
            return
        inner = selection.setdefault(parent, {})
        if inner is None:
            add(FIELDS, Refused("duplicate_key", "path", path=path), violations)
            return
        message, selection = field.message_type, inner
    if last not in message.fields_by_name:
        add(FIELDS, Refused("unknown_field", "path", path=path), violations)
    elif last in selection:
        add(FIELDS, Refused("duplicate_key", "path", path=path), violations)
    else:
        selection[last] = None


def _has_fields(field: FieldDescriptor) -> bool:
    """Whether a path can go on below it: to the fields of a message, or of each message of a list."""
    return field.message_type is not None and not is_map(field) and not is_well_known(field.message_type)

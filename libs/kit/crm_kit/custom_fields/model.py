"""A custom field: what a tenant adds to a resource, and the rules of its definition."""

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.errors import FieldViolation, InvalidArgument, invalid_field, wrong_state

MAX_FIELDS = 100
"""Of one collection, archived ones included."""
MAX_OPTIONS = 200
"""Of one selection, retired ones included."""


class FieldType(enum.StrEnum):
    TEXT = "TEXT"
    NUMBER = "NUMBER"
    DATE = "DATE"
    BOOL = "BOOL"
    SINGLE_SELECT = "SINGLE_SELECT"
    MULTI_SELECT = "MULTI_SELECT"
    REFERENCE = "REFERENCE"


class State(enum.StrEnum):
    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"


SELECTIONS = frozenset({FieldType.SINGLE_SELECT, FieldType.MULTI_SELECT})
CAN_BE_UNIQUE = frozenset({FieldType.TEXT, FieldType.NUMBER, FieldType.DATE, FieldType.REFERENCE})


@dataclass(frozen=True, slots=True)
class Label:
    """What people call something, in one language at least."""

    zh: str | None = None
    en: str | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """What a selection offers; a retired one is kept by records that have it."""

    key: str
    label: Label
    retired: bool = False


@dataclass(frozen=True, slots=True)
class CustomField:
    """Fields as in the contract. Methods return the changed one."""

    id: UUID
    collection: str
    key: str
    type: FieldType
    label: Label
    position: int
    create_time: datetime
    update_time: datetime
    version: int = 1
    options: tuple[Option, ...] = ()
    required: bool = False
    unique: bool = False
    reference_collection: str | None = None
    state: State = State.ACTIVE

    @property
    def is_active(self) -> bool:
        return self.state is State.ACTIVE

    @property
    def collated(self) -> bool:
        """Whether case, accents and width are no part of its values; what is unique is a code or a key."""
        return self.type is FieldType.TEXT and not self.unique

    def update(self, values: Mapping[str, Any]) -> "CustomField":
        """With new values of some properties; options that are left out are retired."""
        self.require_active("changed")
        if "options" in values:
            values = {**values, "options": with_retired(values["options"], self.options)}
        return replace(self, **values).checked()

    def archive(self) -> "CustomField":
        """Put it away."""
        self.require_active("archived")
        return replace(self, state=State.ARCHIVED)

    def restore(self) -> "CustomField":
        """Bring it back."""
        if self.is_active:
            raise wrong_state("custom_field", self.state, "restored", legal=[State.ARCHIVED])
        return replace(self, state=State.ACTIVE)

    def retype(self, type: FieldType, *, options: Sequence[Option] = ()) -> "CustomField":
        """With another type; a selection has the options that are given, or those it has.

        Ids that nobody has looked up are no references: InvalidArgument for that type.
        """
        self.require_active("retyped")
        if type is FieldType.REFERENCE and type is not self.type:
            raise invalid_field("type", "type", "no field can become a REFERENCE; define a new one instead")
        kept = with_retired(options or self.options, self.options) if type in SELECTIONS else tuple(options)
        collection = self.reference_collection if type is FieldType.REFERENCE else None
        return replace(self, type=type, options=kept, reference_collection=collection).checked()

    def checked(self) -> "CustomField":
        """The definition itself. InvalidArgument for what breaks a rule over more than one property."""
        violations = list(self._violations())
        if violations:
            detail = "; ".join(f"{each.field}: {each.detail}" for each in violations)
            raise InvalidArgument(detail, violations=violations)
        return self

    def require_active(self, done: str) -> None:
        """Only an active one is changed, archived or retyped."""
        if not self.is_active:
            raise wrong_state("custom_field", self.state, done, legal=[State.ACTIVE])

    def _violations(self) -> Iterator[FieldViolation]:
        if self.type in SELECTIONS and not self.options:
            yield FieldViolation("custom_field.options", "required", "a selection has one option at least")
        if self.type not in SELECTIONS and self.options:
            yield FieldViolation("custom_field.options", "empty", f"a {self.type} has no options")
        if len(self.options) > MAX_OPTIONS:
            detail = f"with the retired ones there are {len(self.options)}, at most {MAX_OPTIONS} are possible"
            yield FieldViolation("custom_field.options", "max_items", detail)
        keys = [option.key for option in self.options]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                yield FieldViolation(f"custom_field.options[{index}].key", "unique", f"{key} is there twice")
        if self.unique and self.type not in CAN_BE_UNIQUE:
            yield FieldViolation("custom_field.unique", "type", f"a {self.type} cannot be unique")
        yield from self._violations_of_reference()

    def _violations_of_reference(self) -> Iterator[FieldViolation]:
        path = "custom_field.reference_collection"
        if self.type is FieldType.REFERENCE and self.reference_collection is None:
            yield FieldViolation(path, "required", "a reference names the collection it is to")
        if self.type is not FieldType.REFERENCE and self.reference_collection is not None:
            yield FieldViolation(path, "empty", f"a {self.type} refers to nothing")


def with_retired(given: Sequence[Option], before: Sequence[Option]) -> tuple[Option, ...]:
    """The options given, and behind them those that were there before, retired: records may have them."""
    keys = {option.key for option in given}
    return (*given, *(replace(option, retired=True) for option in before if option.key not in keys))

"""A filter as a typed tree: what `parsing` makes, `sql` compiles and `evaluation` decides."""

from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from uuid import UUID

# How dates, numbers and ids are written, in filters and in custom fields.
DATE_TEXT = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
NUMBER_TEXT = r"-?[0-9]{1,30}(\.[0-9]{1,20})?"
UUID_TEXT = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


class Party(Enum):
    """Whoever asks, and their team with all below it."""

    ME = "me"
    MY_TEAM = "my_team"


class Unit(Enum):
    """Periods of the reader's calendar."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Now:
    """The time when it is asked, so many days of the reader's calendar or so many minutes later."""

    days: int = 0
    minutes: int = 0


@dataclass(frozen=True, slots=True)
class Start:
    """When the period begins that is so many periods later than the reader's current one."""

    unit: Unit
    later: int


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A telephone number as it was typed, which without a country code is one of the reader's country."""

    typed: str


# What words mean is settled when the filter is asked; see `words`.
Word = Party | Now | Start | PhoneNumber
Value = str | int | Decimal | date | datetime | bool | UUID | Word


class FieldType(StrEnum):
    """What a field holds. MONEY is the amount, whatever its currency."""

    TEXT = "TEXT"
    NUMBER = "NUMBER"
    INTEGER = "INTEGER"
    MONEY = "MONEY"
    DATE = "DATE"
    INSTANT = "INSTANT"
    BOOL = "BOOL"
    ENUM = "ENUM"
    UUID = "UUID"
    TEXT_LIST = "TEXT_LIST"
    UUID_LIST = "UUID_LIST"


LISTS = frozenset({FieldType.TEXT_LIST, FieldType.UUID_LIST})


class Operator(StrEnum):
    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True)
class Field:
    """A field by its path, for example `display_name` or `custom.fleet_size`.

    Text that is `collated` is compared by its collation key: whatever its case, accents and width.
    """

    path: str
    type: FieldType
    collated: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """`field >= value`; where the field is null `!=` is true and all others are false."""

    field: Field
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class OneOf:
    """`field IN (a, b)`; false where the field is null."""

    field: Field
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Has:
    """`field:value`: a text contains it, always whatever the case; a list has this member. False where it is null."""

    field: Field
    value: Value


@dataclass(frozen=True, slots=True)
class Present:
    """`field:*`: neither null nor empty."""

    field: Field


@dataclass(frozen=True, slots=True)
class IsNull:
    """`field = null`."""

    field: Field


@dataclass(frozen=True, slots=True)
class Not:
    term: "Filter"


@dataclass(frozen=True, slots=True)
class And:
    """All of them; of no terms (the empty filter) it is true."""

    terms: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    terms: tuple["Filter", ...]


Term = Comparison | OneOf | Has | Present | IsNull
Filter = Term | Not | And | Or
EVERYTHING = And(())


def shape(tree: Filter) -> str:
    """All of a filter but its values. Filters of one shape, over one schema, share one compiled statement."""
    match tree:
        case Comparison(field, operator, _):
            return f"{field.path} {field.type} {operator}"
        case OneOf(field, _):
            return f"{field.path} {field.type} IN"
        case Has(field, _):
            return f"{field.path} {field.type} {'key' if field.collated else ''}:"
        case Present(field):
            return f"{field.path} {field.type} :*"
        case IsNull(field):
            return f"{field.path} {field.type} null"
        case Not(term):
            return f"NOT({shape(term)})"
        case And(terms):
            return f"AND({','.join(map(shape, terms))})"
        case Or(terms):
            return f"OR({','.join(map(shape, terms))})"


@dataclass(frozen=True, slots=True)
class Shaped:
    """A filter that is equal, and hashes, by its shape alone: an argument for a cache of statements."""

    key: str
    tree: Filter = dataclass_field(compare=False)

    @classmethod
    def of(cls, tree: Filter) -> "Shaped":
        return cls(shape(tree), tree)


def fields_of(tree: Filter) -> frozenset[str]:
    """The paths a filter speaks of."""
    match tree:
        case Not(term):
            return fields_of(term)
        case And(terms) | Or(terms):
            return frozenset[str]().union(*map(fields_of, terms))
        case Comparison(field) | OneOf(field) | Has(field) | Present(field) | IsNull(field):
            return frozenset({field.path})

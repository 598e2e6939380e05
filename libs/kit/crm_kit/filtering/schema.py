"""Which fields a list, segment or rule may filter by, with their types and their SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    ColumnElement,
    Date,
    Numeric,
    Text,
    Uuid,
    and_,
    case,
    cast,
    func,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSONB

from crm_kit.filtering.tree import DATE_TEXT, UUID_TEXT, FieldType, Party


@dataclass(frozen=True, slots=True, eq=False)
class FilterField:
    """One field. `expression` is its SQL; None where filters are only decided in memory.

    `values` are what an ENUM (or a TEXT_LIST of enum values) may be compared with -> what is stored for it.
    `word` is what may stand for an id of a user or team; `user_field` and `team_field` know it.
    A TEXT that is `folded` is compared in lower case on both sides; an index on `lower(column)` serves it.
    """

    type: FieldType
    expression: ColumnElement[Any] | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    folded: bool = False
    word: Party | None = None

    @property
    def nullable(self) -> bool:
        """Whether it can be null: a column says so itself, of any other expression it is presumed.

        A NOT NULL column that an outer join may leave without a row is not to be given as it is.
        """
        return not isinstance(self.expression, Column) or bool(self.expression.nullable)


@dataclass(frozen=True, slots=True, eq=False)
class FilterSchema:
    """Fields by path. Make one per list, once."""

    fields: Mapping[str, FilterField]


def enum_field(
    expression: ColumnElement[Any] | None,
    values: Sequence[str],
    *,
    prefix: str = "",
    type: FieldType = FieldType.ENUM,
) -> FilterField:
    """A field of enum values, each accepted with and without the prefix. `values` are as stored, either way.

    `type` TEXT_LIST is for lists of enum values.
    """
    accepted: dict[str, str] = {}
    for value in values:
        short = value.removeprefix(prefix)
        accepted |= {short: value, prefix + short: value}
    return FilterField(type, expression, MappingProxyType(accepted))


def user_field(expression: ColumnElement[Any] | None, *, type: FieldType = FieldType.UUID) -> FilterField:
    """A field of a user's id, which may be called `me`; `type` UUID_LIST is for lists of them."""
    return FilterField(type, expression, word=Party.ME)


def team_field(expression: ColumnElement[Any] | None) -> FilterField:
    """A field of a team's id; `my_team` is the team of whoever asks and all below it."""
    return FilterField(FieldType.UUID, expression, word=Party.MY_TEAM)


def money_fields(
    name: str, amount: ColumnElement[Any] | None, currency_code: ColumnElement[Any] | None
) -> dict[str, FilterField]:
    """`name` and `name.amount` compare the amount, `name.currency_code` the currency."""
    return {
        name: FilterField(FieldType.MONEY, amount),
        f"{name}.amount": FilterField(FieldType.NUMBER, amount),
        f"{name}.currency_code": FilterField(FieldType.TEXT, currency_code),
    }


@dataclass(frozen=True, slots=True)
class CustomField:
    """What a tenant defined: its type and, for a selection, its options."""

    type: FieldType
    options: tuple[str, ...] = ()


def custom_fields(
    column: ColumnElement[Any], definitions: Mapping[str, CustomField], *, prefix: str = "custom"
) -> dict[str, FilterField]:
    """Fields `custom.<key>` that read a JSONB object column. Keys are bind parameters, never text of the SQL.

    Dates and ids are JSON strings, numbers are numbers, selections of several are arrays of strings.
    """
    found: dict[str, FilterField] = {}
    for key, definition in definitions.items():
        expression = _custom_expression(column, key, definition.type)
        if definition.options:
            found[f"{prefix}.{key}"] = enum_field(expression, definition.options, type=definition.type)
        else:
            found[f"{prefix}.{key}"] = FilterField(definition.type, expression)
    return found


def _custom_expression(column: ColumnElement[Any], key: str, type: FieldType) -> ColumnElement[Any]:
    """The value, or null where what is stored is not of the type: a key may once have meant something else."""
    value = type_coerce(column, JSONB)[key]
    text = value.astext
    kind = func.jsonb_typeof(value)
    match type:
        case FieldType.TEXT | FieldType.ENUM:
            return case((kind == "string", text))
        case FieldType.NUMBER:
            return case((kind == "number", cast(text, Numeric)))
        case FieldType.BOOL:
            return case((kind == "boolean", cast(text, Boolean)))
        case FieldType.DATE:
            return case((_is_text_of(text, DATE_TEXT, "date"), cast(text, Date)))
        case FieldType.UUID:
            return case((_is_text_of(text, UUID_TEXT, "uuid"), cast(text, Uuid)))
        case FieldType.TEXT_LIST:
            elements = func.jsonb_array_elements_text(value).column_valued("element")
            return case((kind == "array", func.array(select(elements).scalar_subquery(), type_=ARRAY(Text))))
    raise ValueError(f"a custom field cannot be of type {type}")


def _is_text_of(text: ColumnElement[Any], pattern: str, type: str) -> ColumnElement[bool]:
    return and_(text.regexp_match(f"^{pattern}$"), func.pg_input_is_valid(text, type))

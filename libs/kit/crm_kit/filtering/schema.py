"""Which fields a list, segment or rule may filter by, with their types and their SQL."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sqlalchemy import Column, ColumnElement

from crm_kit.filtering.tree import Field, FieldType, Party

# How what tenants add to a resource is named in filters and orders.
CUSTOM = "custom."


@dataclass(frozen=True, slots=True, eq=False)
class FilterField:
    """One field. `expression` is its SQL; None where filters are only decided in memory.

    `values` are what an ENUM (or a TEXT_LIST of enum values) may be compared with -> what is stored for it.
    `word` is what may stand for an id of a user or team; `user_field` and `team_field` know it.
    Text, or a list of texts, that is `collated` is compared whatever its case, accents and width: `expression` is the
    column of its collation keys.
    A TEXT, or a list of them, that is a `phone_number` is looked for as it is kept, whichever way it is written.
    `within` says that there is a row with the value, of which a condition is true, where values are rows of their own.
    """

    type: FieldType
    expression: ColumnElement[Any] | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    collated: bool = False
    word: Party | None = None
    within: Callable[[ColumnElement[bool]], ColumnElement[bool]] | None = None
    phone_number: bool = False

    @property
    def nullable(self) -> bool:
        """Whether it can be null: a column says so itself, of any other expression it is presumed.

        A NOT NULL column that an outer join may leave without a row is not to be given as it is.
        """
        return not isinstance(self.expression, Column) or bool(self.expression.nullable)


@dataclass(frozen=True, slots=True, eq=False)
class FilterSchema:
    """Fields by path. Make one per list, once. `beyond` tells the SQL of fields that tenants add, by path and type."""

    fields: Mapping[str, FilterField]
    beyond: Callable[[str, FieldType], FilterField] | None = None

    def sql_of(self, field: Field) -> FilterField:
        """What the field is in SQL."""
        if self.beyond is not None and field.path.startswith(CUSTOM):
            return self.beyond(field.path, field.type)
        return self.fields[field.path]


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

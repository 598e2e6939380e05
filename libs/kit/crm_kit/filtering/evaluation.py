"""A filter decided in memory."""

import operator
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from crm_kit.collation.keys import collation_key
from crm_kit.filtering.folding import fold
from crm_kit.filtering.tree import (
    DATE_TEXT,
    LISTS,
    NUMBER_TEXT,
    UUID_TEXT,
    And,
    Comparison,
    Field,
    FieldType,
    Filter,
    Has,
    IsNull,
    Not,
    OneOf,
    Operator,
    Or,
    Present,
    Term,
    Value,
    Word,
)
from crm_kit.filtering.words import FilterContext, value_of, values_of
from crm_kit.money import Money

_OPERATORS: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUAL: operator.eq,
    Operator.NOT_EQUAL: operator.ne,
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.GREATER: operator.gt,
    Operator.AT_LEAST: operator.ge,
}
_FROM_TEXT: dict[FieldType, Callable[[str], object]] = {
    FieldType.DATE: date.fromisoformat,
    FieldType.INSTANT: datetime.fromisoformat,
    FieldType.UUID: UUID,
    FieldType.NUMBER: Decimal,
}

_PATTERNS = {FieldType.DATE: DATE_TEXT, FieldType.UUID: UUID_TEXT, FieldType.NUMBER: NUMBER_TEXT}
_NUMBERS = (int, float, Decimal)
_KINDS: dict[FieldType, tuple[type, ...]] = {
    FieldType.TEXT: (str,),
    FieldType.NUMBER: (*_NUMBERS, str),
    FieldType.INTEGER: _NUMBERS,
    FieldType.MONEY: (Decimal, Money),
    FieldType.DATE: (date, str),
    FieldType.INSTANT: (datetime, str),
    FieldType.BOOL: (bool,),
    FieldType.ENUM: (str,),
    FieldType.UUID: (UUID, str),
    FieldType.TEXT_LIST: (list, tuple),
    FieldType.UUID_LIST: (list, tuple),
}
_EMPTIABLE = LISTS | {FieldType.TEXT}


Predicate = Callable[["Values", FilterContext | None], bool]
# What a value is compared with, which may depend on the value's type, and on who asks.
Operand = Callable[[Any, FilterContext | None], Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A field whose value is asked for; `key` tells it from others sooner than the field would."""

    key: str
    field: Field

    @classmethod
    def of(cls, field: Field) -> "Asked":
        return cls(f"{field.path} {field.type} {field.collated}", field)


class Values:
    """A record's values as filters compare them, each read once, however many filters ask for it.

    `record` has them under the fields' names; `a.b` is looked up as it is, or as `b` of the mapping or object under
    `a`, where it may be missing or of another type and then is null. Dates, instants, ids and numbers may also be given
    as text. KeyError when the record lacks a field.
    """

    __slots__ = ("_known", "_record")

    def __init__(self, record: Mapping[str, object]) -> None:
        self._record = record
        self._known: dict[str, Any] = {}

    def of(self, asked: "Asked") -> Any:
        """The value of a field, None where it is null."""
        key = asked.key
        if key in self._known:
            return self._known[key]
        field = asked.field
        value = _read(field, self._record)
        if field.type in LISTS and not value:
            # A list without members is no value.
            value = None
        self._known[key] = value
        return value


def evaluate(tree: Filter, record: Mapping[str, object], context: FilterContext | None = None) -> bool:
    """Whether the filter takes the record, as `Values` has it, exactly as its SQL would take the row.

    ValueError when the filter has words such as `me` or `today` and there is no `context` to say what they stand for.
    """
    return predicate(tree)(Values(record), context)


def predicate(tree: Filter) -> Predicate:
    """The filter made ready to be asked of many records."""
    match tree:
        case And(terms):
            return _until([predicate(term) for term in terms], found=False)
        case Or(terms):
            return _until([predicate(term) for term in terms], found=True)
        case Not(term):
            holds = predicate(term)
            return lambda values, context: not holds(values, context)
    return _predicate_of(tree)


@dataclass(frozen=True, slots=True)
class Required:
    """What a filter takes no record without: a field that equals a constant."""

    asked: Asked
    value: Hashable


def required(tree: Filter) -> Required | None:
    """The first such part of a filter, by which it can be found among many; None where it has none."""
    for term in tree.terms if isinstance(tree, And) else (tree,):
        if not isinstance(term, Comparison) or term.operator is not Operator.EQUAL or term.field.type in LISTS:
            continue
        if _is_constant(term.field, term.value):
            return Required(Asked.of(term.field), _alike(term.field, term.value, None))
    return None


def _until(parts: Sequence[Predicate], *, found: bool) -> Predicate:
    """The first answer that is `found`, or that none is: OR where that is true, AND where it is false."""

    def ask(values: Values, context: FilterContext | None) -> bool:
        for part in parts:
            if part(values, context) is found:
                return found
        return not found

    return parts[0] if len(parts) == 1 else ask


def _predicate_of(term: Term) -> Predicate:
    field = term.field
    asked = Asked.of(field)
    of_null = isinstance(term, IsNull) or (isinstance(term, Comparison) and term.operator is Operator.NOT_EQUAL)
    holds = _holds(term)

    def ask(values: Values, context: FilterContext | None) -> bool:
        value = values.of(asked)
        return of_null if value is None else holds(value, context)

    return ask


def _holds(term: Term) -> Callable[[Any, FilterContext | None], bool]:
    """What a term says of a value that is there."""
    match term:
        case IsNull():
            return lambda value, context: False
        case Present(field):
            emptiable = field.type in _EMPTIABLE
            return lambda value, context: not (emptiable and len(value) == 0)
        case Comparison(field, op, operand):
            return _compared(field, _OPERATORS[op], operand)
        case OneOf(field, operands):
            return _one_of(field, operands)
        case Has(field, operand):
            wanted = _operand(field, operand)
            if field.type in LISTS or field.collated:
                return lambda value, context: wanted(value, context) in value
            return lambda value, context: fold(str(wanted(value, context))) in fold(value)


def _compared(field: Field, compare: Callable[[Any, Any], bool], operand: Value) -> Callable[[Any, Any], bool]:
    if _is_constant(field, operand):
        constant = _alike(field, operand, None)
        return lambda value, context: compare(value, constant)
    other = _operand(field, operand)
    return lambda value, context: compare(value, other(value, context))


def _one_of(field: Field, operands: tuple[Value, ...]) -> Callable[[Any, FilterContext | None], bool]:
    def is_one(value: Any, context: FilterContext | None) -> bool:
        return any(value == _alike(field, each, value) for each in values_of(field, operands, context))

    return is_one


def _is_constant(field: Field, operand: Value) -> bool:
    """Whether what a field is compared with is the same for all values and everybody: then it is made once."""
    return not isinstance(operand, Word) and (field.collated or not isinstance(operand, (Decimal, int)))


def _operand(field: Field, operand: Value) -> Operand:
    """What a field is compared with."""
    if _is_constant(field, operand):
        constant = _alike(field, operand, None)
        return lambda value, context: constant
    return lambda value, context: _alike(field, value_of(field, operand, context), value)


def _read(field: Field, record: Mapping[str, object]) -> Any:
    """The field's value in the form the filter's values have."""
    if field.path in record:
        value = record[field.path]
    else:
        value = _walk(field.path, record)
        if not _could_be(field.type, value):
            return None
    if isinstance(value, str):
        if field.type in _FROM_TEXT:
            return _FROM_TEXT[field.type](value)
        return collation_key(value) if field.collated else value
    if field.collated and isinstance(value, (list, tuple)):
        return [collation_key(each) for each in value]
    return value.amount if isinstance(value, Money) else value


def _walk(path: str, record: Mapping[str, object]) -> Any:
    head, *rest = path.split(".")
    value: Any = record[head]
    for name in rest:
        value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    return value


def _could_be(type: FieldType, value: object) -> bool:
    """Whether a value found inside another is of the type. A custom field's key may once have meant something else."""
    if not isinstance(value, _KINDS[type]) or (isinstance(value, bool) and type is not FieldType.BOOL):
        return False
    return not isinstance(value, str) or type not in _FROM_TEXT or _is_text_of(type, value)


def _is_text_of(type: FieldType, text: str) -> bool:
    if type in _PATTERNS and not re.fullmatch(_PATTERNS[type], text):
        return False
    try:
        _FROM_TEXT[type](text)
    except ValueError:
        return False
    return True


def _alike(field: Field, operand: Value, value: object) -> Any:
    """The operand as what it is compared with: a float column compares as float, as in SQL."""
    if field.collated:
        return collation_key(str(operand))
    return float(operand) if isinstance(value, float) and isinstance(operand, (Decimal, int)) else operand

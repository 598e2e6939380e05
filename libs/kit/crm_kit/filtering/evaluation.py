"""A filter decided in memory."""

import operator
import re
from collections.abc import Callable, Mapping
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


def evaluate(tree: Filter, record: Mapping[str, object], context: FilterContext | None = None) -> bool:
    """Whether the filter takes the record, exactly as its SQL would take the row.

    `record` has the values under the fields' names; `a.b` is looked up as it is, or as `b` of the mapping or
    object under `a`, where it may be missing or of another type and then is null. Dates, instants, ids and numbers
    may also be given as text. KeyError when the record lacks a field of the filter; ValueError when it has
    words such as `me` or `today` and there is no `context` to say what they stand for.
    """
    match tree:
        case And(terms):
            return all(evaluate(term, record, context) for term in terms)
        case Or(terms):
            return any(evaluate(term, record, context) for term in terms)
        case Not(term):
            return not evaluate(term, record, context)
    value = _read(tree.field, record)
    if tree.field.type in LISTS and not value:
        # A list without members is no value.
        value = None
    return _holds_of_null(tree) if value is None else _holds(tree, value, context)


def _holds_of_null(term: Term) -> bool:
    return isinstance(term, IsNull) or (isinstance(term, Comparison) and term.operator is Operator.NOT_EQUAL)


def _holds(term: Term, value: Any, context: FilterContext | None) -> bool:
    match term:
        case IsNull():
            return False
        case Present(field):
            return not (field.type in _EMPTIABLE and len(value) == 0)
        case Comparison(field, op, operand):
            return _OPERATORS[op](value, _alike(field, value_of(field, operand, context), value))
        case OneOf(field, operands):
            return any(value == _alike(field, operand, value) for operand in values_of(field, operands, context))
        case Has(field, operand):
            wanted = value_of(field, operand, context)
            if field.type in LISTS or field.collated:
                return _alike(field, wanted, value) in value
            return fold(str(wanted)) in fold(value)


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

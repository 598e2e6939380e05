"""A filter as SQL: an expression with bind parameters `f_0`, `f_1` ... and their values. No value becomes text.

A comparison with NULL is neither true nor false to SQL, but false to a filter. WHERE treats both alike, so only
negation differs: NOT is moved down to the terms, and the negated term of a nullable column also takes its nulls.
What does not need that stays a plain comparison, which indexes serve.
"""

import operator
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Numeric,
    String,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    false,
    func,
    literal_column,
    not_,
    or_,
    true,
)
from sqlalchemy.types import TypeEngine

from crm_kit.collation.keys import collation_key
from crm_kit.filtering.schema import CUSTOM, FilterSchema
from crm_kit.filtering.tokens import end_of, first_of, token_of
from crm_kit.filtering.tree import (
    LISTS,
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
)
from crm_kit.filtering.words import FilterContext, value_of, values_of

# Types that an index on the column serves: an int column too is compared with a bigint, but not with a numeric.
_BIND_TYPES: dict[FieldType, TypeEngine[Any]] = {
    FieldType.TEXT: Text(),
    FieldType.NUMBER: Numeric(),
    FieldType.INTEGER: BigInteger(),
    FieldType.MONEY: Numeric(),
    FieldType.DATE: Date(),
    FieldType.INSTANT: DateTime(timezone=True),
    FieldType.BOOL: Boolean(),
    FieldType.ENUM: Text(),
    FieldType.UUID: Uuid(),
    FieldType.TEXT_LIST: ARRAY(Text()),
    FieldType.UUID_LIST: ARRAY(Uuid()),
}
_OPERATORS: dict[Operator, Callable[[Any, Any], ColumnElement[bool]]] = {
    Operator.EQUAL: operator.eq,
    Operator.NOT_EQUAL: operator.ne,
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.GREATER: operator.gt,
    Operator.AT_LEAST: operator.ge,
}
_OPPOSITES = {
    Operator.EQUAL: Operator.NOT_EQUAL,
    Operator.NOT_EQUAL: Operator.EQUAL,
    Operator.LESS: Operator.AT_LEAST,
    Operator.AT_MOST: Operator.GREATER,
    Operator.GREATER: Operator.AT_MOST,
    Operator.AT_LEAST: Operator.LESS,
}


def compile_sql(tree: Filter, schema: FilterSchema) -> ColumnElement[bool]:
    """The expression for WHERE; the values of its parameters are `filter_values`.

    It depends on the filter's shape alone: compile it once per `shape`.
    """
    return _Compiler(schema).compile(tree)


def filter_values(tree: Filter, context: FilterContext) -> dict[str, Any]:
    """The values of the parameters `f_0`, `f_1` ... of a filter, words being what they stand for in the context."""
    return {f"f_{index}": value for index, value in enumerate(_values(tree, context))}


def _values(tree: Filter, context: FilterContext) -> Iterator[object]:
    match tree:
        case Comparison(field, _, value):
            yield _compared(field, value_of(field, value, context))
        case OneOf(field, values):
            yield [_compared(field, value) for value in values_of(field, values, context)]
        case Has(field, value):
            found = value_of(field, value, context)
            yield [_compared(field, found)] if field.type in LISTS else _pattern(field, str(found))
        case Not(term):
            yield from _values(term, context)
        case And(terms) | Or(terms):
            for term in terms:
                yield from _values(term, context)


def _compared(field: Field, value: object) -> object:
    if field.collated:
        value = collation_key(str(value))
    return token_of(custom_key(field), value) if field.path.startswith(CUSTOM) else value


def custom_key(field: Field) -> str:
    """The key of a custom field."""
    return field.path.removeprefix(CUSTOM)


def _pattern(field: Field, text: str) -> str:
    """What LIKE finds a text by within a value, or within the token of a custom field."""
    beginning = _escape_pattern(first_of(custom_key(field))) if field.path.startswith(CUSTOM) else ""
    return f"{beginning}%{_escape_pattern(collation_key(text) if field.collated else text)}%"


def _escape_pattern(text: str) -> str:
    """Text to be found as it is by LIKE, whose default escape is the backslash."""
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


class _Compiler:
    """Walks a tree as `_values` does: the n-th value belongs to the parameter `f_n`."""

    def __init__(self, schema: FilterSchema) -> None:
        self.schema = schema
        self.numbers = count()

    def compile(self, tree: Filter, taken: bool = True) -> ColumnElement[bool]:
        """True of the rows that the filter takes; with `taken` False, of those that it does not."""
        match tree:
            case Not(term):
                return self.compile(term, not taken)
            case And(terms) | Or(terms):
                parts = [self.compile(term, taken) for term in terms]
                # De Morgan: not all is any not.
                return and_(true(), *parts) if isinstance(tree, And) is taken else or_(false(), *parts)
        if self.schema.sql_of(tree.field).within is not None:
            is_custom = tree.field.path.startswith(CUSTOM)
            return self._elsewhere(tree, taken) if is_custom else self._among(tree, taken)
        match tree:
            case IsNull(field):
                return self._is_null(field) if taken else not_(self._is_null(field))
            case Comparison(field, op, _):
                return self._comparison(field, op if taken else _OPPOSITES[op], taken)
            case OneOf(field, _):
                clause = self._expression(field) == any_(self._bind(ARRAY(_BIND_TYPES[field.type])))
            case Has(field, _):
                clause = self._has(field)
            case Present(field):
                clause = self._present(field)
        if taken:
            return clause
        return clause.is_not(true()) if self._nullable(field) else not_(clause)

    def _elsewhere(self, term: Term, taken: bool) -> ColumnElement[bool]:
        """Of a value that is a row of its own: there is one whose token fits, or there is none."""
        declared = self.schema.sql_of(term.field)
        token: Any = declared.expression
        key = custom_key(term.field)
        fits: ColumnElement[bool] = and_(token >= first_of(key), token < end_of(key))
        match term:
            case IsNull():
                taken = not taken
            case Comparison(_, Operator.EQUAL, _):
                fits = token == self._bind(Text())
            case Comparison(_, Operator.NOT_EQUAL, _):
                fits, taken = token == self._bind(Text()), not taken
            case Comparison(_, Operator.LESS | Operator.AT_MOST as op, _):
                fits = and_(token >= first_of(key), _OPERATORS[op](token, self._bind(Text())))
            case Comparison(_, op, _):
                fits = and_(_OPERATORS[op](token, self._bind(Text())), token < end_of(key))
            case OneOf():
                fits = token == any_(self._bind(ARRAY(Text())))
            case Has(field, _):
                is_list = field.type in LISTS
                fits = token == any_(self._bind(ARRAY(Text()))) if is_list else and_(fits, self._contains(token, field))
        assert declared.within is not None
        found = declared.within(fits)
        return found if taken else not_(found)

    def _among(self, term: Term, taken: bool) -> ColumnElement[bool]:
        """Of a list whose members are rows of their own: there is one that fits, or there is none."""
        declared = self.schema.sql_of(term.field)
        assert declared.within is not None
        match term:
            case Has(field, _):
                found = declared.within(self._expression(field) == any_(self._bind(_BIND_TYPES[field.type])))
            case IsNull():
                found, taken = declared.within(true()), not taken
            case Present():
                found = declared.within(true())
            case Comparison(field) | OneOf(field):
                raise ValueError(f"{field.path} is a list, of which a filter asks for members")
        return found if taken else not_(found)

    def _comparison(self, field: Field, op: Operator, taken: bool) -> ColumnElement[bool]:
        expression, value = self._expression(field), self._bind(_BIND_TYPES[field.type])
        clause = _OPERATORS[op](expression, value)
        if not self._nullable(field):
            return clause
        if op is Operator.NOT_EQUAL:
            return expression.is_distinct_from(value)
        # Two conditions that an index serves; `(a < b) IS NOT TRUE` would be none.
        return clause if taken or op is Operator.EQUAL else or_(clause, expression.is_(None))

    def _has(self, field: Field) -> ColumnElement[bool]:
        expression = self._expression(field)
        if field.type not in LISTS:
            return self._contains(expression, field)
        # That it has members at all is said, too: by that an index is known which has only the few lists with some.
        return and_(self._present(field), expression.bool_op("@>")(self._bind(_list_type(expression, field))))

    def _contains(self, expression: ColumnElement[Any], field: Field) -> ColumnElement[bool]:
        pattern = self._bind(Text())
        # Case is no part of a key.
        return expression.like(pattern) if field.collated else expression.ilike(pattern)

    def _present(self, field: Field) -> ColumnElement[bool]:
        expression = self._expression(field)
        if field.type in LISTS:
            # Not as a parameter: whatever its value, a plan is to know the index that has it as its condition.
            return func.cardinality(expression) > literal_column("0")
        return expression != "" if field.type is FieldType.TEXT else expression.is_not(None)

    def _is_null(self, field: Field) -> ColumnElement[bool]:
        """A list without members is no value."""
        expression = self._expression(field)
        return func.coalesce(func.cardinality(expression), 0) == 0 if field.type in LISTS else expression.is_(None)

    def _nullable(self, field: Field) -> bool:
        return self.schema.sql_of(field).nullable

    def _expression(self, field: Field) -> ColumnElement[Any]:
        expression = self.schema.sql_of(field).expression
        if expression is None:
            raise ValueError(f"{field.path} has no SQL")
        return expression

    def _bind(self, type: TypeEngine[Any]) -> ColumnElement[Any]:
        return bindparam(f"f_{next(self.numbers)}", type_=type)


def _list_type(expression: ColumnElement[Any], field: Field) -> TypeEngine[Any]:
    """`@>` takes arrays of one type: varchar[] does not go with text[]. A cast to varchar(20)[] would cut values."""
    members = expression.type.item_type if isinstance(expression.type, ARRAY) else None
    if isinstance(members, String) and not isinstance(members, Text):
        return ARRAY(String())
    return _BIND_TYPES[field.type]

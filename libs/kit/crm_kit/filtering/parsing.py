"""From the text of a filter to its typed tree; each mistake is answered with its position and what was expected."""

from difflib import get_close_matches
from functools import lru_cache

from lark import Token, Tree

from crm_kit.errors import InvalidArgument
from crm_kit.filtering.grammar import parse_text, refuse, shown
from crm_kit.filtering.schema import FilterField, FilterSchema
from crm_kit.filtering.tree import (
    EVERYTHING,
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
    Party,
    Present,
    Value,
)
from crm_kit.filtering.values import Unreadable, read_value
from crm_kit.filtering.words import Period

MAX_TERMS = 50
MAX_DEPTH = 20
_NAMED_FIELDS = 40
# Of longer names nobody is told what they may have meant: looking would take long.
_NEAR_CHARACTERS = 60

_EQUALITY = ("=", "!=", "IN")
_ORDER = (*_EQUALITY, "<", "<=", ">", ">=")
# What can be asked of a field besides `:*`, `= null` and `!= null`, which can be asked of all.
OPERATORS = {
    FieldType.TEXT: (*_ORDER, ":"),
    FieldType.NUMBER: _ORDER,
    FieldType.INTEGER: _ORDER,
    FieldType.MONEY: _ORDER,
    FieldType.DATE: _ORDER,
    FieldType.INSTANT: _ORDER,
    FieldType.BOOL: ("=", "!="),
    FieldType.ENUM: _EQUALITY,
    FieldType.UUID: _EQUALITY,
    FieldType.TEXT_LIST: (":",),
    FieldType.UUID_LIST: (":",),
}


@lru_cache(maxsize=1024)
def parse_filter(text: str, schema: FilterSchema, *, field: str = "filter") -> Filter:
    """The typed tree of a filter; of an empty text the one that takes everything.

    InvalidArgument with reason INVALID_FILTER names `field`, the position (1 is the first character) and what
    was expected there: for a text that cannot be read, an unknown field, a value of a wrong type, or a filter
    of more than 2000 characters, 50 terms or 20 levels of parentheses.
    """
    return _Reader(schema, field).read(parse_text(text, field), 0)


class _Reader:
    """Types one untyped tree."""

    def __init__(self, schema: FilterSchema, field: str) -> None:
        self.schema = schema
        self.field = field
        self.terms = 0

    def read(self, node: Tree[Token], depth: int) -> Filter:
        children: list[Tree[Token]] = [child for child in node.children if isinstance(child, Tree)]
        match node.data:
            case "conjunction":
                return And(tuple(self.read(child, depth) for child in children))
            case "disjunction":
                return Or(tuple(self.read(child, depth) for child in children))
            case "negation":
                return Not(self.read(children[0], depth))
            case "group":
                return self._read_group(node, children[0], depth + 1)
            case "everything":
                return EVERYTHING
        return self._read_term(str(node.data), [child for child in node.children if isinstance(child, Token)])

    def _unknown(self, name: Token) -> InvalidArgument:
        known = self._known_fields()
        detail, told = f"unknown field {shown(name)}", {"found": shown(name), "fields": known}
        if near := get_close_matches(name[:_NEAR_CHARACTERS], self.schema.fields, n=1):
            detail = f"{detail}; perhaps {near[0]} is meant"
            return self._refuse(name, f"{detail}, or one of {known}", problem="near_field", near=near[0], **told)
        return self._refuse(name, f"{detail}; expected one of {known}", problem="field", **told)

    def _read_group(self, node: Tree[Token], inner: Tree[Token], depth: int) -> Filter:
        if depth > MAX_DEPTH:
            detail = f"a filter has at most {MAX_DEPTH} levels of parentheses"
            raise self._refuse(node.children[0], detail, problem="deep", most=MAX_DEPTH)
        return self.read(inner, depth)

    def _read_term(self, kind: str, tokens: list[Token]) -> Filter:
        name, *rest = tokens
        self._count(name)
        declared = self.schema.fields.get(name)
        if declared is None:
            raise self._unknown(name)
        field = Field(str(name), declared.type, declared.collated)
        if kind == "membership":
            self._check_operator(field, rest[0], "IN")
            return self._read_membership(field, declared, rest[1:])
        operator, value = rest
        return self._read_comparison(field, declared, operator, value)

    def _count(self, token: Token) -> None:
        self.terms += 1
        if self.terms > MAX_TERMS:
            detail = f"a filter has at most {MAX_TERMS} comparisons"
            raise self._refuse(token, detail, problem="many", most=MAX_TERMS)

    def _read_membership(self, field: Field, declared: FilterField, tokens: list[Token]) -> Filter:
        values: list[Value] = []
        terms: list[Filter] = []
        for token in tokens:
            value = self._value(field, declared, token)
            if isinstance(value, Period):
                self._count(token)
                terms.append(_within(field, value))
            else:
                values.append(value)
        if values:
            terms.append(OneOf(field, tuple(values)))
        return terms[0] if len(terms) == 1 else Or(tuple(terms))

    def _read_comparison(self, field: Field, declared: FilterField, operator: Token, value: Token) -> Filter:
        bare = value.type == "WORD"
        if operator == ":" and bare and value == "*":
            return Present(field)
        if bare and value == "null" and operator in ("=", "!="):
            return IsNull(field) if operator == "=" else Not(IsNull(field))
        self._check_operator(field, operator, str(operator))
        typed = self._value(field, declared, value)
        if isinstance(typed, Period):
            return _compared_with_period(field, Operator(operator), typed)
        if typed is Party.MY_TEAM:
            team = OneOf(field, (typed,))
            return team if operator == "=" else Not(team)
        return Has(field, typed) if operator == ":" else Comparison(field, Operator(operator), typed)

    def _check_operator(self, field: Field, token: Token, operator: str) -> None:
        allowed = OPERATORS[field.type]
        if operator not in allowed:
            expected = ", ".join(allowed)
            detail = f"{field.path} is {field.type}: expected {expected}, :* or = null, found {operator}"
            values = {"name": field.path, "expected": expected, "found": operator}
            raise self._refuse(token, detail, problem="operator", **values)

    def _value(self, field: Field, declared: FilterField, literal: Token) -> Value | Period:
        if literal.type == "WORD" and literal == "null":
            detail = 'null goes with = and != only; the text is written "null"'
            raise self._refuse(literal, detail, problem="null")
        try:
            return read_value(literal, declared)
        except Unreadable as error:
            detail = f"{field.path} is {field.type}: expected {error}, found {shown(literal)}"
            values = {"name": field.path, "found": shown(literal), "possible": error.possible}
            problem = "choice" if error.possible else f"value.{declared.type}"
            raise self._refuse(literal, detail, problem=problem, **values) from None

    def _known_fields(self) -> str:
        names = sorted(self.schema.fields)
        more = f" and {len(names) - _NAMED_FIELDS} more" if len(names) > _NAMED_FIELDS else ""
        return f"{', '.join(names[:_NAMED_FIELDS])}{more}"

    def _refuse(self, token: Token | Tree[Token], detail: str, *, problem: str, **values: object) -> InvalidArgument:
        assert isinstance(token, Token)
        return refuse(self.field, (token.start_pos or 0) + 1, detail, problem=problem, **values)


def _within(field: Field, period: Period) -> Filter:
    since = Comparison(field, Operator.AT_LEAST, period.start)
    return And((since, Comparison(field, Operator.LESS, period.end)))


def _compared_with_period(field: Field, operator: Operator, period: Period) -> Filter:
    """Less is before its start, greater is after its end."""
    match operator:
        case Operator.EQUAL:
            return _within(field, period)
        case Operator.NOT_EQUAL:
            return Not(_within(field, period))
        case Operator.LESS | Operator.AT_LEAST:
            return Comparison(field, operator, period.start)
        case Operator.AT_MOST:
            return Comparison(field, Operator.LESS, period.end)
        case Operator.GREATER:
            return Comparison(field, Operator.AT_LEAST, period.end)

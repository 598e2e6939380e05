from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from crm_kit.errors import InvalidArgument
from crm_kit.filtering.parsing import MAX_DEPTH, MAX_TERMS, parse_filter
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
    Present,
    Shaped,
    Value,
    fields_of,
    shape,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.steps import quickest
from tests.unit.kit.filtering_examples import SCHEMA, TREES, text_of

A = Comparison(Field("size", FieldType.INTEGER), Operator.EQUAL, 1)
B = Comparison(Field("size", FieldType.INTEGER), Operator.EQUAL, 2)
C = Comparison(Field("size", FieldType.INTEGER), Operator.EQUAL, 3)


def parse(text: str) -> Filter:
    return parse_filter(text, SCHEMA)


def refusal(text: str) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as raised:
        parse(text)
    return raised.value


@given(TREES)
def test_a_tree_written_out_reads_back_as_itself(tree: Filter) -> None:
    assert parse(text_of(tree)) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("size = 1 AND size = 2 OR size = 3", And((A, Or((B, C))))),
        ("size = 1 OR size = 2 AND size = 3", And((Or((A, B)), C))),
        ("(size = 1 AND size = 2) OR size = 3", Or((And((A, B)), C))),
        ("NOT size = 1 OR size = 2", Or((Not(A), B))),
        ("NOT (size = 1 OR size = 2)", Not(Or((A, B)))),
        ("size=1 AND size=2 AND size=3", And((A, B, C))),
        ("((size = 1))", A),
        ("", EVERYTHING),
        (" \n\t ", EVERYTHING),
    ],
)
def test_or_binds_tighter_than_and_as_aip_160_has_it(text: str, tree: Filter) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "type", "value"),
    [
        ("name = Huaxin", FieldType.TEXT, "Huaxin"),
        ("name = 华信电力", FieldType.TEXT, "华信电力"),
        ("name = 'Huaxin Power'", FieldType.TEXT, "Huaxin Power"),
        (r'name = "a \"b\" \\ c"', FieldType.TEXT, r'a "b" \ c'),
        ("name = 'it''s'", None, None),
        ('name = ""', FieldType.TEXT, ""),
        ('name = "null"', FieldType.TEXT, "null"),
        ('name = "*"', FieldType.TEXT, "*"),
        ("name = ANDROID", FieldType.TEXT, "ANDROID"),
        ("name = 12", FieldType.TEXT, "12"),
        ("name = 2026-01-31T08:00:00Z", FieldType.TEXT, "2026-01-31T08:00:00Z"),
        ("size = -3", FieldType.INTEGER, -3),
        ("size = 9223372036854775807", FieldType.INTEGER, 2**63 - 1),
        ("share = 0.10", FieldType.NUMBER, Decimal("0.10")),
        ("total = 1234.50", FieldType.MONEY, Decimal("1234.50")),
        ("total.amount = 5", FieldType.NUMBER, Decimal(5)),
        ("total.currency_code = CNY", FieldType.TEXT, "CNY"),
        ("due_date = 2026-01-31", FieldType.DATE, date(2026, 1, 31)),
        ('due_date = "2026-01-31"', FieldType.DATE, date(2026, 1, 31)),
        ("create_time = 2026-01-31T08:00:00Z", FieldType.INSTANT, datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("create_time = 2026-01-31T08:00:00.5+08:00", FieldType.INSTANT, datetime(2026, 1, 31, 0, 0, 0, 500000, UTC)),
        ("create_time = '2026-01-31T08:00:00-04:00'", FieldType.INSTANT, datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("urgent = true", FieldType.BOOL, True),
        ("urgent = false", FieldType.BOOL, False),
        ("status = OPEN", FieldType.ENUM, "OPEN"),
        ("status = STATUS_OPEN", FieldType.ENUM, "OPEN"),
        ('status = "ON_HOLD"', FieldType.ENUM, "ON_HOLD"),
        (
            "owner_id = 0197C0DE-0000-7000-8000-00000000000a",
            FieldType.UUID,
            UUID("0197c0de-0000-7000-8000-00000000000a"),
        ),
        ("custom.fleet = 12", FieldType.NUMBER, Decimal(12)),
        ("custom.grade = 'x y'", FieldType.ENUM, "x y"),
    ],
)
def test_values_are_read_as_the_type_of_their_field(text: str, type: FieldType | None, value: Value) -> None:
    if type is None:
        assert refusal(text).reason == "INVALID_FILTER"
        return
    path = text.split(" ")[0]
    tree = parse(text)
    assert tree == Comparison(Field(path, type), Operator.EQUAL, value)
    assert isinstance(tree, Comparison)
    assert tree.value.__class__ is value.__class__


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("name:hua", Has(Field("name", FieldType.TEXT), "hua")),
        ("tags:vip", Has(Field("tags", FieldType.TEXT_LIST), "vip")),
        ('tags : "key account"', Has(Field("tags", FieldType.TEXT_LIST), "key account")),
        ('tags:"*"', Has(Field("tags", FieldType.TEXT_LIST), "*")),
        ("tags:*", Present(Field("tags", FieldType.TEXT_LIST))),
        ("owner_id:*", Present(Field("owner_id", FieldType.UUID))),
        ("roles:PARTNER", Has(Field("roles", FieldType.TEXT_LIST), "ROLE_PARTNER")),
        ("roles:ROLE_PARTNER", Has(Field("roles", FieldType.TEXT_LIST), "ROLE_PARTNER")),
        ("owner_id = null", IsNull(Field("owner_id", FieldType.UUID))),
        ("tags != null", Not(IsNull(Field("tags", FieldType.TEXT_LIST)))),
        ("status IN (OPEN,STATUS_CLOSED)", OneOf(Field("status", FieldType.ENUM), ("OPEN", "CLOSED"))),
        ("size IN (1)", OneOf(Field("size", FieldType.INTEGER), (1,))),
        ("NOT name IN ('a', b)", Not(OneOf(Field("name", FieldType.TEXT), ("a", "b")))),
    ],
)
def test_has_presence_null_and_lists(text: str, tree: Filter) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "position", "told"),
    [
        ("name", 5, "expected a comparison (=, !=, <, <=, >, >=, :) or IN, found the end"),
        ("name =", 7, "expected a value, found the end"),
        ("name == a", 7, "expected a value, found ="),
        ('name = "a" b', 12, "expected AND, OR or the end, found b"),
        ("name = a and size = 1", 10, "expected AND, OR or the end, found and"),
        ("(name = a", 10, "expected ), found the end"),
        ("name = a AND", 13, "expected a field, NOT or (, found the end"),
        ("NOT NOT name = a", 5, "expected a field or (, found NOT"),
        ('name = "abc', 8, 'expected a value, found " without its closing "'),
        ("name = ! a", 8, "expected a value, found !"),
        ("size IN ()", 10, "expected a value, found )"),
        ("size IN (1 2)", 12, "expected a comma or ), found 2"),
        ("size IN (1,2", 13, "expected a comma or ), found the end"),
        ("name = a\nAND ?", 15, "expected a comparison (=, !=, <, <=, >, >=, :) or IN, found the end"),
        ("fax = 1", 1, "unknown field fax; expected one of brand, chance, code, create_time, custom.fleet"),
        ("name = a AND custom.nothing = 1", 14, "unknown field custom.nothing"),
        ("brnad = a", 1, "unknown field brnad; perhaps brand is meant, or one of brand, chance, code"),
        ("size = 1.5", 8, "size is INTEGER: expected a whole number such as 12, found 1.5"),
        ("size = 9223372036854775808", 8, "size is INTEGER: expected a whole number"),
        ("share = 1e5", 9, "share is NUMBER: expected a number such as 12.5, found 1e5"),
        ("share = NaN", 9, "share is NUMBER"),
        ("share = １", 9, "share is NUMBER"),
        ('total = "5"', 9, 'total is MONEY: expected an amount such as 1234.50, without quotes, found "5"'),
        ("due_date = 2026-02-30", 12, "due_date is DATE: expected a date such as 2026-01-31, or a word"),
        ("due_date = 20260131", 12, "due_date is DATE"),
        ("create_time > 2026-01-31", 15, "create_time is INSTANT: expected an instant such as"),
        ("create_time > 2026-01-31T08:00:00", 15, "create_time is INSTANT"),
        ("create_time > 2026-01-31T24:00:00Z", 15, "create_time is INSTANT"),
        ("create_time > 2026-01-31T08:00:00.1234567Z", 15, "create_time is INSTANT"),
        ("create_time > 0001-01-01T00:00:00+14:00", 15, "create_time is INSTANT"),
        ("urgent = TRUE", 10, "urgent is BOOL: expected true or false, found TRUE"),
        ("urgent > true", 8, "urgent is BOOL: expected =, !=, :* or = null, found >"),
        ("status = LATE", 10, "status is ENUM: expected one of OPEN, ON_HOLD, CLOSED, found LATE"),
        ("status < OPEN", 8, "status is ENUM: expected =, !=, IN, :* or = null, found <"),
        ("roles:BOSS", 7, "roles is TEXT_LIST: expected one of PROSPECT, PARTNER, found BOSS"),
        ("custom.parent = me", 17, "custom.parent is UUID: expected an id such as"),
        ("owner_id:0197c0de", 9, "owner_id is UUID: expected =, !=, IN"),
        ("tags = vip", 6, "tags is TEXT_LIST: expected :, :* or = null, found ="),
        ("tags IN (a)", 9, "tags is TEXT_LIST"),
        ("size < null", 8, "null goes with = and != only"),
        ("size IN (1, null)", 13, "null goes with = and != only"),
        ("name = a\0", 9, "this character is not allowed"),
        ("name = \ud800", 8, "this character is not allowed"),
        ("a" * 2001, 2001, "at most 2000 characters"),
    ],
)
def test_a_bad_filter_is_answered_with_position_and_expectation(text: str, position: int, told: str) -> None:
    error = refusal(text)
    assert error.reason == "INVALID_FILTER"
    (violation,) = error.violations
    assert violation.field == "filter"
    assert violation.detail.startswith(f"at position {position}: ")
    assert told in violation.detail


def test_the_error_names_the_field_the_filter_came_in() -> None:
    with pytest.raises(InvalidArgument) as raised:
        parse_filter("name", SCHEMA, field="segment.filter")
    assert [violation.field for violation in raised.value.violations] == ["segment.filter"]


def test_fifty_terms_are_allowed_and_the_next_is_refused_where_it_stands() -> None:
    fifty = " OR ".join(["size=1"] * MAX_TERMS)
    assert isinstance(parse(fifty), Or)
    error = refusal(f"{fifty} OR size=1")
    assert f"at position {len(fifty) + 5}: a filter has at most 50" in error.detail


def test_twenty_levels_of_parentheses_are_allowed_and_the_next_is_refused_where_it_opens() -> None:
    assert parse("(" * MAX_DEPTH + "size=1" + ")" * MAX_DEPTH) == A
    error = refusal("(" * 900 + "size=1" + ")" * 900)
    assert "at position 21: a filter has at most 20" in error.detail


HOSTILE = [
    "(" * 2000,
    "(" * 997 + "size=1" + ")" * 997,
    "NOT " * 500,
    '"' * 2000,
    'name="' + "\\" * 1993,
    "share=" + "-" * 1994,
    "size IN (" + "1," * 990,
    "create_time=2026-01-31T00:" + "0" * 1970,
    "size=" + "9" * 1995,
    "a." * 1000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_filters_are_refused_in_time_that_grows_with_their_length_only(text: str) -> None:
    assert refusal(text).reason == "INVALID_FILTER"
    # Usually 5 ms; exponential behaviour would take years.
    assert quickest(lambda: refusal(text), 2.0) < 2.0


@given(st.text(max_size=60) | st.text("()=!<>:,\"'\\ ANDORTIsize1*-.", max_size=60))
def test_any_text_is_either_a_filter_or_an_invalid_argument(text: str) -> None:
    try:
        parse(text)
    except InvalidArgument as error:
        assert error.reason == "INVALID_FILTER"


@given(TREES, TREES)
def test_filters_of_one_shape_differ_in_values_only(one: Filter, other: Filter) -> None:
    def without_values(tree: Filter) -> object:
        match tree:
            case Comparison(field, operator):
                return (field, operator)
            case OneOf(field) | Has(field) | Present(field) | IsNull(field):
                return (type(tree).__name__, field)
            case Not(term):
                return ("not", without_values(term))
            case And(terms) | Or(terms):
                return (type(tree).__name__, *map(without_values, terms))

    assert (shape(one) == shape(other)) == (without_values(one) == without_values(other))


def test_filters_of_one_shape_are_one_key_of_a_cache_of_statements() -> None:
    one, other = Shaped.of(parse("size = 1 OR name:a")), Shaped.of(parse("size = 2 OR name:b"))
    assert one == other
    assert hash(one) == hash(other)
    assert one != Shaped.of(parse("size = 1 AND name:a"))


def test_a_filter_tells_which_fields_it_speaks_of() -> None:
    assert fields_of(parse("status = OPEN AND (size > 1 OR NOT tags:*)")) == {"status", "size", "tags"}
    assert fields_of(EVERYTHING) == set()

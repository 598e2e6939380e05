import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
from crm_kit.database.statements import compile_statement
from crm_kit.filtering.parsing import parse_filter
from crm_kit.filtering.schema import FilterField, FilterSchema
from crm_kit.filtering.sql import compile_sql, filter_values
from crm_kit.filtering.tree import FieldType, Filter, shape
from hypothesis import given
from sqlalchemy import select

from tests.unit.kit.filtering_examples import CONTEXT, SCHEMA, TREES, things


def compiled(text: str) -> tuple[str, dict[str, Any]]:
    tree = parse_filter(text, SCHEMA)
    return where(compile_sql(tree, SCHEMA)), filter_values(tree, CONTEXT)


def where(clause: Any) -> str:
    sql = compile_statement(select(things.c.id).where(clause)).sql
    return re.sub(r"\s+", " ", sql).split(" WHERE ")[1].replace("things.", "")


@pytest.mark.parametrize(
    ("text", "sql", "values"),
    [
        ("", "true", []),
        ("name = a", "name = $1::VARCHAR", ["a"]),
        ("name != a", "name IS DISTINCT FROM $1::VARCHAR", ["a"]),
        ("code != a", "code != $1::VARCHAR", ["a"]),
        ("brand = Volta", "brand_key = $1::VARCHAR", ["volta"]),
        ("brand != ÉVA", "brand_key IS DISTINCT FROM $1::VARCHAR", ["eva"]),
        ("brand IN (Volta, b)", "brand_key = ANY ($1::TEXT[])", [["volta", "b"]]),
        ("brand < B", "brand_key < $1::VARCHAR", ["b"]),
        ("brand:Völ", "brand_key LIKE $1::VARCHAR", ["%vol%"]),
        ("brand:*", "brand_key != $1::VARCHAR", []),
        ("makers:VOLTA", "cardinality(makers_key) > 0 AND (makers_key @> $1::TEXT[])", [["volta"]]),
        ("size >= 3", "size >= $1::BIGINT", [3]),
        ("urgent = true", "urgent = $1::BOOLEAN", [True]),
        ("name:50%", "name ILIKE $1::VARCHAR", [r"%50\%%"]),
        ("tags:vip", "cardinality(tags) > 0 AND (tags @> $1::TEXT[])", [["vip"]]),
        ("roles:PARTNER", "cardinality(roles) > 0 AND (roles @> $1::VARCHAR[])", [["ROLE_PARTNER"]]),
        ("status IN (OPEN, CLOSED)", "status = ANY ($1::TEXT[])", [["OPEN", "CLOSED"]]),
        ("size IN (1, 2)", "size = ANY ($1::BIGINT[])", [[1, 2]]),
        ("owner_id = null", "owner_id IS NULL", []),
        ("name:*", "name != $1::VARCHAR", []),
        ("tags:*", "cardinality(tags) > 0", []),
        ("size:*", "size IS NOT NULL", []),
        ("NOT owner_id = null", "owner_id IS NOT NULL", []),
        ("owner_id != null", "owner_id IS NOT NULL", []),
        ("NOT owner_id != null", "owner_id IS NULL", []),
        ("NOT size = 1", "size IS DISTINCT FROM $1::BIGINT", [1]),
        ("NOT size != 1", "size = $1::BIGINT", [1]),
        ("NOT size < 1", "size >= $1::BIGINT OR size IS NULL", [1]),
        ("NOT size IN (1)", "(size = ANY ($1::BIGINT[])) IS NOT true", [[1]]),
        ("NOT name:a", "(name ILIKE $1::VARCHAR) IS NOT true", ["%a%"]),
        ("NOT tags:a", "(cardinality(tags) > 0 AND (tags @> $1::TEXT[])) IS NOT true", [["a"]]),
        ("NOT name:*", "(name != $1::VARCHAR) IS NOT true", []),
        ("NOT rank = 1", "rank != $1::BIGINT", [1]),
        ("NOT rank < 1", "rank >= $1::BIGINT", [1]),
        ("NOT rank <= 1", "rank > $1::BIGINT", [1]),
        ("NOT rank IN (1)", "NOT (rank = ANY ($1::BIGINT[]))", [[1]]),
        ("NOT code:a", "code NOT ILIKE $1::VARCHAR", ["%a%"]),
        ("NOT labels:a", "NOT (cardinality(labels) > 0 AND (labels @> $1::TEXT[]))", [["a"]]),
        ("owner_id = me", "owner_id = $1::UUID", [CONTEXT.me]),
        ("owner_id IN (me)", "owner_id = ANY ($1::UUID[])", [[CONTEXT.me]]),
        ("watcher_ids:me", "cardinality(watcher_ids) > 0 AND (watcher_ids @> $1::UUID[])", [[CONTEXT.me]]),
        ("team_id = my_team", "team_id = ANY ($1::UUID[])", [list(CONTEXT.team_ids)]),
        (
            "create_time = today",
            "create_time >= $1::TIMESTAMP WITH TIME ZONE AND create_time < $2::TIMESTAMP WITH TIME ZONE",
            [datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)],
        ),
        ("due_date <= last_month", "due_date < $1::DATE", [date(2026, 1, 1)]),
        (
            "NOT (size = 1 OR rank > 2)",
            "size IS DISTINCT FROM $1::BIGINT AND rank <= $2::BIGINT",
            [1, 2],
        ),
        (
            "NOT (rank = 1 AND NOT rank = 2)",
            "rank != $1::BIGINT OR rank = $2::BIGINT",
            [1, 2],
        ),
        (
            "size = 1 AND size = 2 OR size = 3",
            "size = $1::BIGINT AND (size = $2::BIGINT OR size = $3::BIGINT)",
            [1, 2, 3],
        ),
        (
            "(size = 1 AND size = 2) OR size = 3",
            "size = $1::BIGINT AND size = $2::BIGINT OR size = $3::BIGINT",
            [1, 2, 3],
        ),
        (
            "total > 5 AND total.currency_code = CNY",
            "total_amount > $1::NUMERIC AND total_currency_code = $2::VARCHAR",
            None,
        ),
    ],
)
def test_a_filter_compiles_to_parameters(text: str, sql: str, values: list[Any] | None) -> None:
    found, bound = compiled(text)
    assert found == sql
    assert values is None or list(bound.values()) == values


@given(TREES)
def test_values_belong_to_the_parameters_of_their_names_and_none_is_part_of_the_text(tree: Filter) -> None:
    values = filter_values(tree, CONTEXT)
    statement = compile_statement(select(things.c.id).where(compile_sql(tree, SCHEMA)))
    assert {name for name in statement.names if name.startswith("f_")} == set(values)
    assert not set(statement.constants) & set(values)
    assert list(values) == [f"f_{index}" for index in range(len(values))]
    assert statement.arguments(values) is not None


@given(TREES, TREES)
def test_filters_of_one_shape_have_one_text_and_filters_of_one_text_one_shape(one: Filter, other: Filter) -> None:
    texts = {where(compile_sql(tree, SCHEMA)) for tree in (one, other)}
    if shape(one) == shape(other):
        assert len(texts) == 1


def test_the_values_of_a_later_filter_fit_the_statement_of_the_first() -> None:
    first, later = (
        parse_filter(f"name:{name} AND status IN ({states})", SCHEMA)
        for name, states in [("a", "OPEN"), ("b", "OPEN, CLOSED")]
    )
    assert shape(first) == shape(later)
    statement = compile_statement(select(things.c.id).where(compile_sql(first, SCHEMA)))
    assert statement.arguments(filter_values(later, CONTEXT)) == ["%b%", ["OPEN", "CLOSED"]]


def test_a_value_longer_than_the_column_is_not_cut_to_fit() -> None:
    assert "VARCHAR[]" in compiled("roles:PARTNER")[0]
    assert "(20" not in compiled("roles:PARTNER AND name = a")[0]


def test_a_hostile_value_stays_a_value() -> None:
    sql, values = compiled("""name = "'; DROP TABLE things; --" """)
    assert sql == "name = $1::VARCHAR"
    assert values == {"f_0": "'; DROP TABLE things; --"}


def test_the_key_of_a_custom_field_is_a_parameter_too() -> None:
    sql, _ = compiled("custom.fleet > 1")
    assert "fleet" not in sql


def test_a_field_for_memory_only_has_no_sql() -> None:
    schema = FilterSchema({"mood": FilterField(FieldType.TEXT)})
    with pytest.raises(ValueError, match="mood has no SQL"):
        compile_sql(parse_filter("mood = good", schema), schema)

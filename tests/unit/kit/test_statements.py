"""Statements compiled once, and many joined to one."""

import pytest
from crm_kit.database.statements import Statement, compile_statement, statement
from crm_kit.database.write_statements import join_statements
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, Select, Table, Text, Uuid, bindparam, select

things = Table("things", MetaData(), Column("id", Uuid), Column("name", Text))


def test_values_go_where_their_names_stand() -> None:
    query = compile_statement(select(things).where(things.c.name == bindparam("name"), things.c.id == bindparam("id")))
    assert query.arguments({"id": 1, "name": 2, "unused": 3}) == [2, 1]


def test_a_missing_value_is_an_error_that_names_it() -> None:
    query = compile_statement(select(things).where(things.c.name == bindparam("name")))
    with pytest.raises(KeyError, match="name"):
        query.arguments({})


def test_literals_and_lists_of_literals_are_parameters_not_text() -> None:
    query = compile_statement(select(things).where(things.c.name.in_(["a'; DROP", "b"])).limit(5))
    assert "DROP" not in query.sql
    assert sorted(map(str, query.arguments({}))) == ["5", "a'; DROP", "b"]


def test_a_statement_is_compiled_once_for_the_same_arguments() -> None:
    built = []

    @statement
    def by_name(wanted: str) -> Select[tuple[object, ...]]:
        built.append(wanted)
        return select(things).where(things.c.name == wanted)

    assert by_name("a") is by_name("a")
    assert by_name("b") is not by_name("a")
    assert built == ["a", "b"]


def parameters(sql: str) -> list[int]:
    return [int(part.split(")")[0].split(",")[0].split(":")[0].split(" ")[0]) for part in sql.split("$")[1:]]


@given(st.lists(st.integers(0, 12), min_size=1, max_size=8), st.booleans())
def test_joined_statements_keep_their_parameters_in_order(sizes: list[int], wakes_relay: bool) -> None:
    pieces = [
        Statement(f"INSERT INTO t VALUES ({', '.join(f'${n + 1}' for n in range(size))})", tuple("x" * size))
        for size in sizes
    ]
    joined = join_statements(tuple(pieces), (False,) * len(pieces), wakes_relay)
    assert parameters(joined) == list(range(1, sum(sizes) + 1))
    assert ("pg_notify" in joined) == wakes_relay


def test_what_must_touch_a_row_is_checked_and_nothing_else() -> None:
    piece = Statement("UPDATE t SET a = $1 RETURNING 1", ("a",))
    joined = join_statements((piece, piece), (False, True), False)
    assert "FROM s0" not in joined
    assert "crm_require((SELECT count(*) FROM s1), 1)" in joined


def test_a_statement_that_is_planned_by_values_has_a_new_text_after_every_fifth_use() -> None:
    query = compile_statement(select(things).where(things.c.name == bindparam("name")))
    used = [query.planned_by_values() for _ in range(12)]
    texts = [each.sql for each in used]
    assert [texts.index(text) for text in texts] == [0] * 5 + [5] * 5 + [10] * 2
    assert all(text.startswith(query.sql) for text in texts)
    assert used[7].arguments({"name": "a"}) == ["a"]

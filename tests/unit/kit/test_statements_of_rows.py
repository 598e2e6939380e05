"""Rows of an INSERT in one text: which statements can, and that each run keeps its values and its place."""

import re
from itertools import chain
from typing import Any

import pytest
from crm_kit.database.statements import ROWS_TOGETHER, Statement, compile_statement, texts_of
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Executable, Integer, MetaData, Table, bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql

things = Table("things", MetaData(), Column("id", Integer, primary_key=True), Column("size", Integer))
ROW: dict[str, Any] = {"id": bindparam("id"), "size": bindparam("size")}


def upsert(key: str = "id") -> Any:
    fresh = postgresql.insert(things).values(ROW)
    return fresh.on_conflict_do_update(index_elements=[key], set_={"size": fresh.excluded.size})


def texts(clause: Executable, runs: list[list[object]]) -> list[tuple[str, list[list[object]]]]:
    return [(text, list(several)) for text, several in texts_of(compile_statement(clause), runs)]


@given(st.integers(1, 4 * ROWS_TOGETHER))
def test_every_run_is_sent_once_and_in_its_order(count: int) -> None:
    runs: list[list[object]] = [[number, -number] for number in range(count)]
    sent = texts(insert(things).values(ROW), runs)
    assert list(chain.from_iterable(chain.from_iterable(several) for _, several in sent)) == [
        value for run in runs for value in run
    ]
    for text, several in sent:
        parameters = [int(number) for number in re.findall(r"\$(\d+)", text)]
        assert parameters == list(range(1, len(parameters) + 1))
        assert all(len(run) == len(parameters) for run in several)


def test_rows_that_are_many_are_few_statements() -> None:
    sent = texts(upsert(), [[number, 0] for number in range(4 * ROWS_TOGETHER + 1)])
    assert [len(several) for _, several in sent] == [4, 1]


def test_rows_that_replace_the_same_one_go_one_by_one() -> None:
    runs: list[list[object]] = [[number // 2, number] for number in range(2 * ROWS_TOGETHER)]
    assert texts(upsert(), runs) == [(compile_statement(upsert()).sql, runs)]
    assert len(texts(upsert("size"), runs)[0][1]) == 2


@pytest.mark.parametrize(
    "clause",
    [
        update(things).where(things.c.id == bindparam("that")).values(size=bindparam("size")),
        insert(things).values(ROW).returning(things.c.id),
        insert(things).values(id=bindparam("id"), size=select(func.count()).select_from(things).scalar_subquery()),
        insert(things).from_select(
            ["id", "size"], select(bindparam("id", type_=Integer), bindparam("size", type_=Integer))
        ),
        postgresql.insert(things).values(ROW).on_conflict_do_update(constraint="things_pkey", set_={"size": 0}),
    ],
)
def test_what_depends_on_more_than_its_values_runs_for_each(clause: Executable) -> None:
    compiled: Statement = compile_statement(clause)
    assert compiled.row is None
    runs: list[list[object]] = [[number] * len(compiled.names) for number in range(3 * ROWS_TOGETHER)]
    assert list(texts_of(compiled, runs)) == [(compiled.sql, runs)]

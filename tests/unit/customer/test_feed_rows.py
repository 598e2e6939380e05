"""Rows that come with a request are the file that they would be: read back by another reader they say the same."""

import csv
import io
from decimal import Decimal

from crm_customer.feeds.deliveries.rows import layout_of, table_of
from crm_customer.imports.spreadsheets.layout import Layout
from crm_customer.imports.spreadsheets.reader import read_spreadsheet
from hypothesis import given
from hypothesis import strategies as st

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters="\ufeff"), max_size=20)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15)
COLUMNS = st.sampled_from(["客户编号", "客户名称", "行业", 'a "b"', "x,y"])
ROWS = st.lists(
    st.dictionaries(COLUMNS, st.one_of(TEXTS, NUMBERS, st.booleans(), st.none()), min_size=1).map(
        lambda row: {"key": "K-1", **row}
    ),
    min_size=1,
    max_size=8,
)


SHOWN = {None: "", True: "TRUE", False: "FALSE"}


@given(ROWS, st.sampled_from([".", ","]))
def test_a_reader_of_csv_reads_what_was_sent(rows: list[dict[str, object]], separator: str) -> None:
    table = table_of(rows)
    found = list(csv.reader(io.StringIO(table.content(separator).decode(), newline="")))
    assert found[0] == sorted({column for row in rows for column in row})
    for row, cells in zip(rows, found[1:], strict=True):
        for column, cell in zip(found[0], cells, strict=True):
            value = row.get(column)
            if isinstance(value, float):
                assert Decimal(cell.replace(separator, ".")) == Decimal(repr(value))
                assert "e" not in cell.lower()
            elif isinstance(value, str):
                assert cell.split() == value.split()
            else:
                assert value is None or isinstance(value, bool)
                assert cell == SHOWN[value]


@given(ROWS)
def test_the_importer_finds_as_many_rows_as_were_sent(rows: list[dict[str, object]]) -> None:
    content = table_of(rows).content(".")
    sheet = read_spreadsheet(io.BytesIO(content), layout_of(Layout(encoding="GB18030", separator=";"), "."))
    assert sheet.header[sheet.header.index("key")] == "key"
    assert len(list(sheet.rows)) == len(rows)


@given(ROWS)
def test_the_same_rows_are_the_same_file_whatever_the_order_of_their_columns(rows: list[dict[str, object]]) -> None:
    turned = [dict(reversed(row.items())) for row in rows]
    assert table_of(turned).content(".") == table_of(rows).content(".")

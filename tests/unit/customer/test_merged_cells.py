"""Cells merged over several rows of a column, as lists of contacts have them."""

import io
import itertools

import openpyxl
import pytest
from crm_customer.imports.spreadsheets.merged_cells import Continuation, Merge, merges_of
from crm_customer.imports.spreadsheets.reader import read_spreadsheet
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.xml.constants import SHEET_MAIN_NS

Rows = list[list[str]]


def read(rows: Rows, *merged: str) -> list[tuple[str, ...]]:
    made = openpyxl.Workbook()
    sheet = made.worksheets[0]
    for row in rows:
        sheet.append([cell or None for cell in row])
    for place in merged:
        sheet.merge_cells(place)
    file = io.BytesIO()
    made.save(file)
    return [cells for _, cells in read_spreadsheet(file).rows]


HEADER = ["客户名称", "电话", "联系人"]


def test_a_merged_cell_is_the_value_of_each_of_its_rows() -> None:
    rows = [HEADER, ["华信", "1", "张伟"], ["", "", "李敏"], ["", "", "王芳"], ["恒通", "2", "陈晨"], ["", "", "赵磊"]]
    assert read(rows, "A2:A4", "B2:B3") == [
        ("华信", "1", "张伟"),
        ("华信", "1", "李敏"),
        ("华信", "", "王芳"),
        ("恒通", "2", "陈晨"),
        ("", "", "赵磊"),
    ]


def test_a_row_with_nothing_but_merged_cells_stays_empty() -> None:
    rows = [HEADER, ["华信", "1", "张伟"], ["", "", ""], ["", "", "李敏"]]
    assert read(rows, "A2:A4", "B2:B4") == [("华信", "1", "张伟"), ("华信", "1", "李敏")]


def test_of_cells_merged_over_rows_and_columns_the_first_column_has_the_value() -> None:
    rows = [HEADER, ["华信", "", "张伟"], ["", "", "李敏"]]
    assert read(rows, "A2:B3") == [("华信", "", "张伟"), ("华信", "", "李敏")]


def test_cells_merged_over_columns_alone_are_left_as_they_are() -> None:
    rows = [HEADER, ["华信", "", "张伟"], ["", "", "李敏"]]
    assert read(rows, "A2:B2") == [("华信", "", "张伟"), ("", "", "李敏")]


def test_a_column_of_a_header_of_two_rows_keeps_its_name() -> None:
    rows = [["客户名称", "联系方式", ""], ["", "电话", "邮箱"], ["华信", "1", "a@b.cn"], ["", "2", ""]]
    assert read(rows, "A1:A2", "B1:C1", "A3:A4") == [("华信", "1", "a@b.cn"), ("华信", "2", "")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16be", "iso-8859-1"])
@pytest.mark.parametrize("beside", range(0, 40, 3))
def test_merges_are_found_wherever_in_the_file_they_are_named(encoding: str, beside: int) -> None:
    """Also where the word is read in two parts, in each encoding that XML of sheets may have."""
    before = f'<?xml version="1.0" encoding="{encoding}"?><x:worksheet xmlns:x="{SHEET_MAIN_NS}">'
    merges = '<x:mergeCells><x:mergeCell ref="B2:B4"/></x:mergeCells></x:worksheet>'
    written = (before + merges).encode(encoding)
    blanks = (1 << 16) - len(before.encode(encoding)) - beside
    unit = 2 if encoding.startswith("utf-16") else 1
    filled = before + " " * (blanks // unit) + merges
    assert merges_of(io.BytesIO(written)) == merges_of(io.BytesIO(filled.encode(encoding))) == [Merge(2, 4, 2)]


def test_a_sheet_without_merges_has_none() -> None:
    assert merges_of(io.BytesIO(f'<worksheet xmlns="{SHEET_MAIN_NS}"><sheetData/></worksheet>'.encode())) == []


@st.composite
def sheets(draw: st.DrawFn) -> tuple[Rows, list[Merge]]:
    """Rows of three cells, and merges that do not overlap."""
    rows = draw(st.lists(st.lists(st.sampled_from(["", "a", "b"]), min_size=3, max_size=3), min_size=1, max_size=9))
    merges = []
    for column in (1, 2, 3):
        starts = sorted(draw(st.sets(st.integers(1, len(rows)), max_size=3)))
        for first, after in itertools.pairwise([*starts, len(rows) + 4]):
            merges.append(Merge(first, draw(st.integers(first, after - 1)), column))
    return rows, sorted(merges)


@given(sheets())
def test_each_cell_is_its_own_or_that_of_the_first_row_it_is_merged_with(sheet: tuple[Rows, list[Merge]]) -> None:
    rows, merges = sheet
    continuation = Continuation(iter(merges))
    for number, cells in enumerate(rows, start=1):
        expected = list(cells)
        for merge in merges:
            if merge.first_row <= number <= merge.last_row and any(cells) and not cells[merge.column - 1]:
                expected[merge.column - 1] = rows[merge.first_row - 1][merge.column - 1]
        assert continuation.continued(number, list(cells)) == expected

"""Numbers and dates of a column, in whichever notation it is written."""

import io
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import openpyxl
import pytest
from crm_customer.imports.spreadsheets.cells import NumberText, typed_text
from crm_customer.imports.spreadsheets.fields import CellError, Reason
from crm_customer.imports.spreadsheets.layout import Layout
from crm_customer.imports.spreadsheets.notations import Readings, columns_in, date_readings, number_readings
from crm_customer.imports.spreadsheets.reader import Spreadsheet, read_spreadsheet
from crm_customer.imports.spreadsheets.unpacked import UnpackedSheet, pack
from hypothesis import given
from hypothesis import strategies as st

UNCLEAR = "UNCLEAR"


def sheet(header: tuple[str, ...], *rows: tuple[str, ...]) -> Spreadsheet:
    return Spreadsheet(header, iter(list(enumerate(rows, start=2))))


def read_beside(readings: Readings, texts: list[str], others: list[str] | None = None) -> list[str]:
    """What the cells of a column are read as, beside another column of its kind."""
    filled = [*(others or []), *[""] * len(texts)][: max(len(texts), len(others or []))]
    rows = list(zip([*texts, *[""] * (len(filled) - len(texts))], filled, strict=True))
    column = columns_in(sheet(("a", "b"), *rows), {"a": readings, "b": readings})["a"]
    return [value_or_reason(column.value, text) for text in texts]


def value_or_reason(value: Callable[[str], str], text: str) -> str:
    try:
        return value(text)
    except CellError as refused:
        return UNCLEAR if refused.reason is Reason.NOTATION_UNCLEAR else refused.reason


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1.234,56"], ["1234.56"]),
        (["12,5"], ["12.5"]),
        (["1,234,567.50"], ["1234567.50"]),
        (["1.234.567"], ["1234567"]),
        (["1'234.50", "1 234,50"], ["1234.50", "1234.50"]),
        (["$1,200.5", "-€5", "￥12.50", "1.200,50 €", "１２"], ["1200.5", "-5", "12.50", "1200.50", "12"]),
        (["1.234"], [UNCLEAR]),
        (["-1,234"], [UNCLEAR]),
        (["0.125", "1234.567"], ["0.125", "1234.567"]),
        (["1.234", "12,5"], ["1234", "12.5"]),
        (["1.234", "12.5"], ["1.234", "12.5"]),
        # Written in both ways, the column says nothing.
        (["1.234", "12,5", "12.5"], [UNCLEAR, "12.5", "12.5"]),
        (["50%", "12,5 %"], [Reason.NUMBER_INVALID, Reason.NUMBER_INVALID]),
        # As they are; the rules of the field refuse them.
        (["1,23,456", "1 2", "1.234,56.7", "$", "many", "1."], ["1,23,456", "1 2", "1.234,56.7", "$", "many", "1."]),
    ],
)
def test_numbers_are_read_as_their_column_is_written(texts: list[str], values: list[str]) -> None:
    assert read_beside(number_readings, texts) == values


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["2026/1/5", "2026年1月5日", "2026-01-31 08:30:00"], ["2026-01-05", "2026-01-05", "2026-01-31"]),
        (["31.01.2026", "1. 2. 2026 8:30"], ["2026-01-31", "2026-02-01"]),
        (["01/31/2026", "01/02/2026"], ["2026-01-31", "2026-01-02"]),
        (["31/01/2026", "01/02/2026"], ["2026-01-31", "2026-02-01"]),
        (["01/02/2026", "05/05/2026"], [UNCLEAR, "2026-05-05"]),
        (["01/31/2026", "31/01/2026", "01/02/2026"], ["2026-01-31", "2026-01-31", UNCLEAR]),
        (["31/02/2026", "12.31.2026", "soon"], ["31/02/2026", "12.31.2026", "soon"]),
    ],
)
def test_dates_are_read_as_their_column_is_written(texts: list[str], values: list[str]) -> None:
    assert read_beside(date_readings, texts) == values


def test_another_column_of_the_kind_decides_where_the_own_one_says_nothing() -> None:
    assert read_beside(number_readings, ["1.234"], ["12,5"]) == ["1234"]
    assert read_beside(number_readings, ["1.234"], ["12,5", "12.5"]) == [UNCLEAR]
    assert read_beside(number_readings, ["1.234", "0.5"], ["12,5"]) == ["1.234", "0.5"]
    assert read_beside(date_readings, ["01/02/2026"], ["12/31/2026"]) == ["2026-01-02"]


def test_a_row_that_is_cut_in_the_wrong_places_decides_nothing() -> None:
    read = columns_in(sheet(("a",), ("1.234",), ("12.5", "x")), {"a": number_readings})
    assert value_or_reason(read["a"].value, "1.234") == UNCLEAR


def test_an_unclear_cell_is_told_with_both_of_its_values() -> None:
    column = columns_in(sheet(("a",), ("1.234",)), {"a": number_readings})["a"]
    with pytest.raises(CellError, match=r"may be 1\.234 or 1234,.* write it as 1\.2340 or 1234") as refused:
        column.value("1.234")
    told = {"rule": "number", "one": "1.234", "other": "1234", "clear": "1.2340"}
    assert refused.value.metadata == told | {"setting": "layout.decimal_separator"}
    assert [column.value(text) for text in ("1.2340", "1234")] == ["1.2340", "1234"]


@pytest.mark.parametrize(
    ("readings", "layout", "text", "value"),
    [
        (number_readings, Layout(decimal_separator="."), "1.234", "1.234"),
        (number_readings, Layout(decimal_separator=","), "1.234", "1234"),
        # Neither is guessed against what was said: the rules of the field refuse them.
        (number_readings, Layout(decimal_separator="."), "12,5", "12,5"),
        (date_readings, Layout(date_order="DMY"), "01/02/2026", "2026-02-01"),
        (date_readings, Layout(date_order="MDY"), "01/02/2026", "2026-01-02"),
        (date_readings, Layout(date_order="MDY"), "31/01/2026", "31/01/2026"),
        (date_readings, Layout(decimal_separator="."), "01/02/2026", UNCLEAR),
    ],
)
def test_what_is_said_of_a_file_decides(readings: Readings, layout: Layout, text: str, value: str) -> None:
    told = Spreadsheet(("a",), iter([(2, (text,))]), layout)
    assert value_or_reason(columns_in(told, {"a": readings})["a"].value, text) == value


def test_a_number_of_a_workbook_stays_the_number_that_it_is() -> None:
    book = openpyxl.Workbook()
    page = book.create_sheet("list", 0)
    for row in (["name", "area"], ["A, [x]", 1.234], ["B", "12,5"], ["C", "1.234"]):
        page.append(row)
    file, packed = io.BytesIO(), io.BytesIO()
    book.save(file)
    read = read_spreadsheet(file)
    unpacked = UnpackedSheet(read.header, pack(read, packed), read.layout, packed)
    column = columns_in(unpacked.spreadsheet(), {"area": number_readings})["area"]
    cells = [cells for _, cells in unpacked.spreadsheet().rows]
    assert [cell for cell, _ in cells] == ["A, [x]", "B", "C"]
    assert [column.value(cell) for _, cell in cells] == ["1.234", "12.5", "1234"]


def test_a_number_in_scientific_notation_says_nothing_of_how_others_are_written() -> None:
    cell = typed_text("1,234567E3")
    assert isinstance(cell, NumberText)
    assert read_beside(number_readings, ["1.234", cell]) == [UNCLEAR, "1234.567"]


@st.composite
def written_numbers(draw: st.DrawFn) -> list[tuple[Decimal, str]]:
    """Numbers, each as one and the same writer puts it down."""
    point, thousands = draw(st.sampled_from([(".", ","), (".", "'"), (".", " "), (",", "."), (",", " "), (",", "'")]))
    numbers = draw(st.lists(st.decimals(-(10**9), 10**9, places=draw(st.integers(0, 4))), min_size=1, max_size=6))
    grouped = draw(st.booleans())
    return [(each, as_written(each, point, thousands if grouped else "")) for each in numbers]


def as_written(number: Decimal, point: str, thousands: str) -> str:
    return f"{number:,f}".translate({ord(","): thousands, ord("."): point})


@given(written_numbers())
def test_numbers_of_one_writer_are_read_back_exactly_or_refused(written: list[tuple[Decimal, str]]) -> None:
    values = read_beside(number_readings, [text for _, text in written])
    for (number, text), value in zip(written, values, strict=True):
        assert value == UNCLEAR or Decimal(value) == number, text
        # Only one mark with three digits behind it may leave a doubt.
        digits = text.lstrip("-")
        assert value != UNCLEAR or (len(digits) <= 7 and digits[-4] in ",."), text


@given(st.lists(st.dates(date(1900, 1, 1), date(2100, 1, 1)), min_size=1), st.sampled_from(["%d/%m/%Y", "%m/%d/%Y"]))
def test_dates_of_one_writer_are_read_back_exactly_or_refused(days: list[date], shape: str) -> None:
    values = read_beside(date_readings, [day.strftime(shape) for day in days])
    for day, value in zip(days, values, strict=True):
        assert value in (day.isoformat(), UNCLEAR)
    if any(day.day > 12 for day in days):
        assert UNCLEAR not in values

"""The rows of a sheet, against what openpyxl makes of the same file, and in forms that openpyxl does not write."""

import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import openpyxl
import pytest
from crm_customer.imports.spreadsheets.cells import cell_text
from crm_customer.imports.spreadsheets.reader import read_spreadsheet
from crm_kit.errors import InvalidArgument
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.factories.workbooks import book, with_parts

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LETTERS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
YEARS = ("1990-01-01", "2090-01-01")
CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**14), 10**14),
    st.floats(-1e9, 1e9, allow_nan=False),
    st.datetimes(*map(datetime.fromisoformat, YEARS)).map(lambda each: each.replace(microsecond=0)),
    st.dates(*map(date.fromisoformat, YEARS)),
    st.text(LETTERS, max_size=12).filter(lambda text: not text.startswith("=")),
)


def sheet(xml: str) -> list[tuple[str, ...]]:
    """The cells below the header of a workbook whose sheet is this XML."""
    content = with_parts(book(["a", "b"], ["c", "d"]), xl__worksheets__sheet1_xml=xml.encode())
    return [cells for _, cells in read_spreadsheet(io.BytesIO(content)).rows]


def plain(*cells: str) -> str:
    header = '<row><c t="inlineStr"><is><t>名称</t></is></c><c t="inlineStr"><is><t>备注</t></is></c></row>'
    return f'<worksheet xmlns="{MAIN}"><sheetData>{header}<row>{"".join(cells)}</row></sheetData></worksheet>'


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(CELLS, min_size=1, max_size=6), min_size=1, max_size=6))
def test_cells_are_what_openpyxl_reads(rows: list[list[Any]]) -> None:
    content = book(["客户名称", "电话", "c", "d", "e", "f"], *rows)
    known = openpyxl.load_workbook(io.BytesIO(content), data_only=True).worksheets[0]
    expected = [tuple(cell_text(cell) for cell in row) for row in known.iter_rows(min_row=2, values_only=True)]
    assert read(content) == [row for row in expected if any(row)]


def read(content: bytes) -> list[tuple[str, ...]]:
    try:
        return [cells for _, cells in read_spreadsheet(io.BytesIO(content)).rows]
    except InvalidArgument as error:
        assert error.metadata["rule"] == "no_rows"
        return []


def test_the_runs_of_a_text_are_joined_and_how_it_is_read_aloud_is_left_out() -> None:
    runs = (
        '<r><rPr><b/></rPr><t>株式</t></r><r><t xml:space="preserve">会社 </t></r><rPh sb="0" eb="2"><t>カブ</t></rPh>'
    )
    assert sheet(plain(f'<c t="inlineStr"><is>{runs}</is></c>')) == [("株式会社", "")]


def test_cells_without_their_place_stand_behind_the_one_before() -> None:
    assert sheet(plain("<c><v>1</v></c>", "<c><v>2</v></c>")) == [("1", "2")]
    assert sheet(plain('<c r="B2"><v>2</v></c>')) == [("", "2")]


def test_names_may_have_a_prefix() -> None:
    xml = plain("<c><v>1</v></c>").replace("<", "<x:").replace("<x:/", "</x:").replace("xmlns=", "xmlns:x=")
    assert sheet(xml) == [("1", "")]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('<c t="b"><v>1</v></c>', "TRUE"),
        ('<c t="b"><v>0</v></c>', "FALSE"),
        ('<c t="e"><v>#N/A</v></c>', "#N/A"),
        ('<c t="str"><f>A1</f><v>甲</v></c>', "甲"),
        ('<c t="str"><f>A1</f><v></v></c>', ""),
        ("<c><f>1+1</f></c>", "#NOT_CALCULATED"),
        ("<c><f>1+1</f><v>2</v></c>", "2"),
        ('<c t="d"><v>2026-03-01</v></c>', "2026-03-01"),
        ("<c><v>1E400</v></c>", "#NUM!"),
        ("<c/>", ""),
    ],
)
def test_each_kind_of_cell_is_read(cell: str, text: str) -> None:
    assert sheet(plain('<c t="inlineStr"><is><t>x</t></is></c>', cell)) == [("x", text)]


@pytest.mark.parametrize(
    "xml",
    [
        plain('<c t="s"><v>7</v></c>'),
        plain('<c r="2B"><v>1</v></c>'),
        plain("<c><v>one</v></c>"),
        plain('<c s="x"><v>1</v></c>'),
        plain("<c><v>1</v></c>")[:-40],
        plain("<c><v>1</v></c>").replace("<row><c><v>", '<row r="1"><c><v>'),
    ],
)
def test_a_sheet_that_is_not_sound_is_refused(xml: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        sheet(xml)
    assert refused.value.metadata["rule"] == "broken"


def test_an_entity_does_not_grow_without_bound() -> None:
    entities = "".join(f'<!ENTITY e{at} "{f"&e{at - 1};" * 10}">' for at in range(1, 12))
    document = f'<!DOCTYPE x [<!ENTITY e0 "{"x" * 100}">{entities}]>'
    began = datetime.now(UTC)
    with pytest.raises(InvalidArgument) as refused:
        sheet(document + plain('<c t="inlineStr"><is><t>&e11;</t></is></c>'))
    assert refused.value.metadata["rule"] == "broken"
    assert datetime.now(UTC) - began < timedelta(seconds=30)

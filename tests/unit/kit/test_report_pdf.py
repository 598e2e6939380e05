"""Reports as PDF: every cell is there, within its column, whatever it says and however many there are."""

import threading
from contextlib import closing
from datetime import date
from typing import Any, cast

import pytest
from crm.resource.v1 import reports_pb2 as pb
from crm_kit.reports.pdf import GAP, MARGIN, MAX_LINES, MIN_COLUMN, MORE, WIDTH, lines_of, pdf_of, widths_of
from crm_kit.reports.table import Place, ReportTable
from crm_kit.reports.typeface import FONT, plain, register_font
from hypothesis import given
from hypothesis import strategies as st
from pypdfium2 import PdfDocument, PdfPage, PdfTextObj
from reportlab.pdfbase.pdfmetrics import getFont

DAY = date(2027, 3, 1)
TEXT = st.text("ab 华信\n", max_size=60)


def by_character(text: str) -> float:
    """A font in which Chinese is twice as wide."""
    return sum(2.0 if ord(each) > 127 else 1.0 for each in text)


@given(TEXT, st.floats(2.0, 30.0))
def test_no_line_is_wider_than_its_column_and_nothing_is_lost_before_the_last(text: str, width: float) -> None:
    lines = lines_of(text, width, by_character)
    assert 1 <= len(lines) <= MAX_LINES
    assert all(by_character(line) <= max(width, 2.0 + by_character(MORE)) for line in lines)
    told, wanted = "".join(lines).replace(" ", ""), "".join(text.split())
    assert told == wanted or (told.endswith(MORE) and wanted.startswith(told[: -len(MORE)]))


def test_lines_are_broken_at_blanks_and_within_chinese() -> None:
    assert lines_of("large orders of", 8.0, by_character) == ["large", "orders", "of"]
    assert lines_of("华信电力有限公司", 8.0, by_character) == ["华信电力", "有限公司"]


@given(st.lists(st.lists(TEXT, min_size=3, max_size=3), min_size=1, max_size=5))
def test_columns_are_as_wide_as_the_page_at_most_and_narrow_ones_keep_what_they_want(rows: list[list[str]]) -> None:
    widths = widths_of(rows, lambda text: 20 * by_character(text))
    assert sum(widths) <= WIDTH - 2 * MARGIN + 0.001
    for column, width in zip(zip(*rows, strict=True), widths, strict=True):
        wanted = max(MIN_COLUMN, *(20 * by_character(cell) + GAP for cell in column))
        assert width == pytest.approx(wanted) or width == pytest.approx(max(widths))


def answer(groups: int, name: str = "华信电力") -> pb.ReportAnswer:
    keys = [pb.ReportAnswer.Key(value=str(number), name=f"{name} {number}") for number in range(groups)]
    rows = [pb.ReportAnswer.Row(keys=[key], record_count=number) for number, key in enumerate(keys)]
    heading = pb.ReportAnswer.Heading(name="account_id", en="Account", zh="客户")
    return pb.ReportAnswer(groups=[heading], rows=rows, total=pb.ReportAnswer.Row(record_count=groups))


def texts_in(file: bytes) -> list[str]:
    """What is written in a PDF, in order, as a reader of PDFs reads it."""
    found: list[str] = []
    with closing(PdfDocument(file)) as document:
        for page in document:
            found += [each.extract().strip() for each in texts_of(page)]
    return found


def texts_of(page: PdfPage) -> list[PdfTextObj]:
    return [each for each in page.get_objects(textpage=page.get_textpage()) if isinstance(each, PdfTextObj)]


def test_every_row_is_on_some_page_under_the_header_with_the_name_and_the_day() -> None:
    file = pdf_of(answer(200), "zh", name="客户报表", day=DAY)
    assert file.startswith(b"%PDF-")
    texts = texts_in(file)
    pages = texts.count("客户")
    assert pages == texts.count("客户报表 2027-03-01") >= 5
    assert [each for each in texts if each.startswith("华信电力 ")] == [f"华信电力 {number}" for number in range(200)]
    assert texts[-2:] == ["合计", "200"]
    assert file == pdf_of(answer(200), "zh", name="客户报表", day=DAY)


@pytest.mark.parametrize("name", ["<b>x</b> & (y) \\ 'z'", "字" * 500, "a\x00b\n\tc", "😀 é ŵ"])
def test_whatever_a_group_or_the_report_is_called_there_is_a_file(name: str) -> None:
    assert pdf_of(answer(3, name), "en", name=name, day=DAY).rstrip().endswith(b"%%EOF")
    assert pdf_of(pb.ReportAnswer(), "en", name=name, day=DAY).startswith(b"%PDF-")


@given(st.text("关闭时间（月）Closed(week)0123", min_size=1, max_size=20))
def test_a_cell_that_there_is_room_for_is_in_one_line(text: str) -> None:
    assert f"{text} 0" in texts_in(pdf_of(answer(1, text), "zh", name="客户报表", day=DAY))


def test_a_file_has_the_outlines_of_what_it_shows_and_of_no_more() -> None:
    shown = "华信 𠮷野家 㐂寿堂 Crème Ελλάς Россия ¥€£₹₽₿₩"
    file = pdf_of(answer(1, shown), "zh", name="客户报表", day=DAY)
    assert f"{shown} 0" in texts_in(file)
    with closing(PdfDocument(file)) as document:
        fonts = [each.get_font() for each in texts_of(document[0])]
        assert fonts
        assert all(font.is_embedded and "GuanxiSans" in font.get_base_name() for font in fonts)
    assert len(file) < 60_000


def test_each_sign_that_the_font_has_stands_where_its_outline_begins() -> None:
    register_font()
    face = cast("Any", getFont(FONT)).face
    assert {*map(ord, "华𠮷㐂（）“”·…￥₽")} <= face.charToGlyph.keys()
    # A bracket that opens stands at the right of its square: 0 would have it at the left.
    assert face.hmetrics[face.charToGlyph[ord("（")]][1] > face.getCharWidth(ord("（")) / 3


@pytest.mark.parametrize("text", ["a\x00b\u200bc\u202ed", "ab\ud800cd"])
def test_what_no_font_shows_is_left_out(text: str) -> None:
    assert plain(f" {text}\n\t{text} ") == "abcd abcd"


def test_files_that_are_made_at_once_are_what_they_are_alone() -> None:
    wanted = [pdf_of(answer(30, name), "zh", name=name, day=DAY) for name in ("华信电力", "𠮷野家")]
    made: list[bytes] = []

    def make(name: str) -> None:
        made.append(pdf_of(answer(30, name), "zh", name=name, day=DAY))

    threads = [threading.Thread(target=make, args=[name]) for name in ("华信电力", "𠮷野家") * 4]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(made) == sorted(wanted * 4)


def test_the_columns_are_looked_for_once_however_many_rows_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[ReportTable] = []
    places = ReportTable.places

    def watched(table: ReportTable) -> list[Place]:
        looked.append(table)
        return places(table)

    monkeypatch.setattr(ReportTable, "places", watched)
    assert len(list(ReportTable(answer(1000), "zh").rows())) == 1001
    assert len(looked) == 1

"""Reports as PDF: every cell is there, within its column, whatever it says and however many there are."""

import re
import zlib
from base64 import a85decode
from datetime import date

import pytest
from crm.resource.v1 import reports_pb2 as pb
from crm_kit.reports.pdf import GAP, MARGIN, MAX_LINES, MIN_COLUMN, MORE, WIDTH, lines_of, pdf_of, widths_of
from crm_kit.reports.table import Place, ReportTable
from hypothesis import given
from hypothesis import strategies as st

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
    """What is written in a PDF, in order: the texts of its pages are UCS-2."""
    found: list[str] = []
    for stream in re.findall(rb"stream\r?\n(.*?)~>endstream", file, re.DOTALL):
        page = zlib.decompress(a85decode(stream.strip()))
        texts = re.findall(rb"\((.*?(?<!\\)(?:\\\\)*)\) Tj", page, re.DOTALL)
        found += [_unescaped(text).decode("utf-16-be") for text in texts]
    return found


def _unescaped(text: bytes) -> bytes:
    def one(match: re.Match[bytes]) -> bytes:
        escaped = match[1]
        return (
            bytes([int(escaped, 8)])
            if escaped.isdigit()
            else {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}.get(escaped, escaped)
        )

    return re.sub(rb"\\([0-7]{3}|.)", one, text, flags=re.DOTALL)


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


def test_the_columns_are_looked_for_once_however_many_rows_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[ReportTable] = []
    places = ReportTable.places

    def watched(table: ReportTable) -> list[Place]:
        looked.append(table)
        return places(table)

    monkeypatch.setattr(ReportTable, "places", watched)
    assert len(list(ReportTable(answer(1000), "zh").rows())) == 1001
    assert len(looked) == 1

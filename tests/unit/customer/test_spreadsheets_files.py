"""Files as people have them: saved by other programs, in other encodings, with titles above and formulas within."""

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from crm_customer.imports.spreadsheets import separate
from crm_customer.imports.spreadsheets.cells import cell_text, has_lost_digits, typed_text
from crm_customer.imports.spreadsheets.layout import Layout
from crm_customer.imports.spreadsheets.number_formats import shape_of
from crm_customer.imports.spreadsheets.reader import Spreadsheet, read_spreadsheet
from crm_kit.errors import InvalidArgument
from hypothesis import given
from hypothesis import strategies as st

from tests.factories.workbooks import book, with_parts


def read(content: bytes, told: Layout | None = None, **names: Any) -> tuple[Spreadsheet, list[tuple[str, ...]]]:
    sheet = read_spreadsheet(io.BytesIO(content), told, **names)
    return sheet, [cells for _, cells in sheet.rows]


def refusal(content: bytes, told: Layout | None = None) -> str:
    with pytest.raises(InvalidArgument) as refused:
        read(content, told)
    assert refused.value.reason == "UPLOAD_UNREADABLE"
    return refused.value.detail


def with_value(content: bytes, old: bytes, new: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as source:
        sheet = source.read("xl/worksheets/sheet1.xml")
    assert old in sheet
    return with_parts(content, xl__worksheets__sheet1_xml=sheet.replace(old, new))


TEXTS = {
    "utf-8": "客户名称;城市\nMüller 华信;Köln\n",
    "gb18030": "客户名称,备注\n华信电力,年底续约\n鑫淼物流,见合同\n",
    "big5": "客戶名稱,城市,備註\n台達電子,台北市,聯絡業務\n鴻海精密,新北市,年底續約\n",
    "windows-1252": "Name;Ort\nMüller Anlagenbau;Köln\nGroße Bäckerei;Zürich\nSociété Générale;Orléans\n",
    "shift_jis": "会社名,住所\n株式会社タナカ,東京都\nトヨタ自動車,愛知県\n",
    "euc-kr": "회사명,도시\n삼성전자,서울\n현대자동차,서울특별시\n한국전력,나주시\n",
}
CODECS = {"big5": "cp950", "windows-1252": "cp1252", "shift_jis": "cp932", "euc-kr": "cp949"}


@pytest.mark.parametrize("encoding", TEXTS)
def test_text_is_read_in_the_encoding_that_makes_sense_of_it(encoding: str) -> None:
    text = TEXTS[encoding]
    sheet, rows = read(text.encode(CODECS.get(encoding, encoding)))
    assert sheet.layout.encoding == encoding
    lines = [tuple(line.replace(";", ",").split(",")) for line in text.splitlines()]
    assert [sheet.header, *rows] == lines


@pytest.mark.parametrize("name", ["Müller", "Sør", "Société", "Ærø", "Citroën", "Peña"])
def test_one_western_name_is_not_taken_for_chinese(name: str) -> None:
    sheet, rows = read(f"Name,City\n{name},Berlin\n".encode("cp1252"))
    assert (sheet.layout.encoding, rows) == ("windows-1252", [(name, "Berlin")])


@pytest.mark.parametrize(
    ("text", "codec", "told"),
    [
        ("Компания,Город\nЭнергия Москвы,Москва\n", "cp1251", "windows-1251"),
        ("Nazwa,Miasto\nŻółw i Łabędź,Łódź\n", "cp1250", "windows-1250"),
        ("Επωνυμία,Πόλη\nΕλληνική Τράπεζα,Αθήνα\n", "cp1253", "windows-1253"),
    ],
)
def test_an_encoding_that_is_not_clear_is_asked_for_and_can_be_told(text: str, codec: str, told: str) -> None:
    assert told in refusal(text.encode(codec))
    sheet, rows = read(text.encode(codec), Layout(encoding=told))
    assert (sheet.layout.encoding, [sheet.header, *rows]) == (told, [tuple(x.split(",")) for x in text.splitlines()])


def test_an_encoding_that_is_told_must_be_that_of_the_file() -> None:
    assert "it is not utf-8" in refusal("名称,市\n华信,x\n".encode("gb18030"), Layout(encoding="utf-8"))


def test_bars_separate_cells_and_any_separator_can_be_told() -> None:
    sheet, rows = read("客户名称|电话\n华信, 南方|1\n".encode())
    assert (sheet.layout.separator, sheet.header, rows) == ("|", ("客户名称", "电话"), [("华信, 南方", "1")])
    told, rows = read("客户名称^电话\n华信^1\n".encode(), Layout(separator="^"))
    assert (told.layout.separator, rows) == ("^", [("华信", "1")])


@pytest.mark.parametrize(
    ("above", "row"),
    [
        ([["2026年客户名单", None, None], ["制表人：王芳", "日期：2026-03-01", None]], 3),
        ([["基本信息", None, "联系方式"]], 2),
        ([["客户导出", None, None], [None, None, None], ["基本信息", "基本信息", "联系方式"]], 4),
    ],
)
def test_titles_notes_and_groups_stand_above_the_header(above: list[list[object]], row: int) -> None:
    sheet, rows = read(book(*above, ["客户名称", "行业", "电话"], ["华信", "能源", "1"]))
    assert (sheet.layout.header_row, sheet.header, rows) == (row, ("客户名称", "行业", "电话"), [("华信", "能源", "1")])


def test_a_cell_merged_over_both_rows_of_a_header_names_its_column() -> None:
    sheet, _ = read(book(["客户名称", "联系方式", None], [None, "电话", "邮箱"], ["华信", "1", "a@b.cn"]))
    assert sheet.header == ("客户名称", "电话", "邮箱")


def test_a_header_of_unknown_names_is_the_first_row_though_rows_below_have_known_words() -> None:
    sheet, rows = read("Firma,Herkunft,Art,Ort\nAcme,电话,公司,x\n".encode())
    assert (sheet.header, len(rows)) == (("Firma", "Herkunft", "Art", "Ort"), 1)
    told, _ = read(b"Liste,2026,,\nFirma,Herkunft,Ort\nAcme,a,x\n", told_names=["Firma", "Ort"])
    assert told.layout.header_row == 2


def test_the_row_of_the_header_can_be_told() -> None:
    content = book(["客户名称", "电话"], ["A", "B"], ["C", "D"])
    sheet, rows = read(content, Layout(header_row=2))
    assert (sheet.header, rows, sheet.layout.header_row) == (("A", "B"), [("C", "D")], 2)
    assert "it has no row 9" in refusal(content, Layout(header_row=9))


def test_the_second_column_of_one_name_is_told_apart_by_its_letter() -> None:
    sheet, rows = read("电话,客户名称,电话\n1,华信,2\n".encode())
    assert (sheet.header, rows) == (("电话", "客户名称", "电话 (C)"), [("1", "华信", "2")])


@pytest.mark.parametrize(
    "notes",
    [
        [],
        [["2026年客户名单"]],
        [["说明"], ["先读"], ["请勿修改"]],
        [["制表人：王芳", "日期"], ["a", "b"]],
        [["客户名称", "电话"]],
    ],
)
def test_a_first_sheet_without_a_table_is_told_with_the_sheets_that_have_one(notes: list[list[object]]) -> None:
    table: list[list[object]] = [["客户名称", "电话"], ["华信", "1"]]
    content = book(*notes, 名单=table, 附注=[["再读"], ["完"]], 旧名单=[["导出"], *table])
    with pytest.raises(InvalidArgument, match=r"choose one with layout\.sheet: 名单, 旧名单$") as refused:
        read(content)
    assert refused.value.metadata == {"rule": "no_table", "sheet": "Sheet", "sheets": "名单, 旧名单"}


def test_a_first_sheet_without_known_names_is_read_where_no_other_has_a_table_or_it_is_told() -> None:
    table: list[list[object]] = [["客户名称", "电话"], ["华信", "1"]]
    firms: list[list[object]] = [["Firma", "Ort"], ["Acme", "Ulm"]]
    assert read(book(*firms, 附注=[["再读"]]))[1] == [("Acme", "Ulm")]
    assert read(book(*firms, 名单=table), Layout(sheet="Sheet"))[1] == [("Acme", "Ulm")]
    assert read(book(*firms, 名单=table), Layout(header_row=1))[1] == [("Acme", "Ulm")]
    assert read(book(*firms, 名单=table), told_names=["Firma", "Ort"])[1] == [("Acme", "Ulm")]


def test_a_sheet_is_chosen_by_its_name() -> None:
    content = book(["说明"], ["先读"], 名单=[["客户名称", "电话"], ["华信", "1"]])
    sheet, rows = read(content, Layout(sheet="名单"))
    assert (sheet.layout.sheet, rows) == ("名单", [("华信", "1")])
    assert "no sheet 'Q3'; its sheets are: Sheet, 名单" in refusal(content, Layout(sheet="Q3"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html><table><tr><td>name</td></tr></table></html>", "web page or XML and only called a spreadsheet"),
        (b'\n<?xml version="1.0"?><Workbook></Workbook>', "web page or XML"),
        ("<meta charset=gbk><table><tr><td>客户</td></tr></table>".encode("gb18030"), "web page or XML"),
        (b"%PDF-1.7 ...", "it is a PDF"),
        (with_parts(book(["a"], ["b"]), content_xml=b"<x/>"), "OpenDocument"),
    ],
)
def test_what_is_only_called_a_spreadsheet_is_named(content: bytes, words: str) -> None:
    assert words in refusal(content)


def test_a_formula_without_a_value_says_so_and_one_with_an_empty_text_is_empty() -> None:
    content = book(["客户名称", "电话"], ["A", "=1+1"], ["B", 7])
    assert read(content)[1] == [("A", "#NOT_CALCULATED"), ("B", "7")]
    empty = with_value(content, b'<c r="B2"><f>1+1</f><v /></c>', b'<c r="B2" t="str"><f>""</f><v></v></c>')
    assert read(empty)[1] == [("A", ""), ("B", "7")]


@pytest.mark.parametrize(
    ("form", "number", "shown"),
    [
        ("000000", 42, "000042"),
        ("000000", 1234567, "1234567"),
        ("000-0000", 12345, "001-2345"),
        ('"C-"0000', 7, "C-0007"),
        (r"\K000", 5, "K005"),
        ("00000;-00000", 12, "00012"),
        ("[Red]0000", 12, "0012"),
        ("#,##0", 1200, "1200"),
        ("0.00", 3, "3"),
        ("0", 3, "3"),
        ('0" 人"', 30, "30"),
        ("General", 42, "42"),
    ],
)
def test_a_number_is_read_with_the_zeros_and_marks_that_its_cell_shows(form: str, number: int, shown: str) -> None:
    content = book(["客户编号", "客户名称"], [number, "A"], formats={"A2": form})
    assert read(content)[1] == [(shown, "A")]


@given(st.integers(0, 10**15 - 1), st.integers(2, 15))
def test_a_number_padded_with_zeros_is_the_number_python_pads(number: int, width: int) -> None:
    shape = shape_of("0" * width)
    assert cell_text(number, shape) == cell_text(float(number), shape) == f"{number:0{width}}"


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        (b"91440300708461136", "91440300708461136"),
        (b"440301199001011234", "440301199001011234"),
        (b"4.4030119900101101E+17", "4.40301199001011E+17"),
        (b"440301199001011000", "4.40301199001011E+17"),
        (b"123456789012345", "123456789012345"),
        (b"1.38001380E10", "13800138000"),
        (b"0.30000000000000004", "0.3"),
        (b"12.299999999999999", "12.3"),
    ],
)
def test_of_a_number_no_digit_is_made_up(stored: bytes, text: str) -> None:
    content = with_value(book(["客户编号", "客户名称"], [4242, "A"]), b"<v>4242</v>", b"<v>" + stored + b"</v>")
    assert read(content)[1] == [(text, "A")]
    assert has_lost_digits(text) == ("E" in text)


@pytest.mark.parametrize("code", ["2E05", "1E3", "7E12", "E10", "2e05"])
def test_a_text_that_looks_like_a_number_in_brief_is_a_code(code: str) -> None:
    assert read(book(["客户编号", "客户名称"], [code, "A"]))[1] == [(code, "A")]
    assert not has_lost_digits(typed_text(code))


@pytest.mark.parametrize("text", ["1.38E+10", "9.14403E+17", "1.23456789012345E+17", "1,38E+10", "1E+17"])
def test_a_number_in_brief_has_lost_digits_whoever_wrote_it(text: str) -> None:
    assert has_lost_digits(typed_text(text))


@pytest.mark.parametrize("part", ["xl/styles.xml", "xl/workbook.xml", "[Content_Types].xml", "xl/theme/theme1.xml"])
def test_no_part_of_a_workbook_is_read_beyond_its_bound(part: str) -> None:
    content = book(["a", "b"], [1, 2])
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name) + (b" " * (60 << 20) if name == part else b""))
    assert len(file.getvalue()) < 1 << 20
    assert f"{part!r} is more than 8 MB" in refusal(file.getvalue())


def test_parts_that_are_not_read_may_be_large() -> None:
    content = with_parts(book(["客户名称", "电话"], ["A", "1"]), xl__pivotCache__records_xml=b"<a/>" * (4 << 20))
    assert read(content)[1] == [("A", "1")]


async def test_a_file_is_read_in_a_process_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes("客户名单\n客户名称,电话\n华信,1\n中科,2\n".encode())
    with path.open("rb") as upload:
        unpacked = await separate.unpack(upload, Layout())
    with unpacked.file:
        assert (unpacked.header, unpacked.row_count) == (("客户名称", "电话"), 2)
        assert unpacked.layout == Layout(encoding="utf-8", separator=",", header_row=2)
        assert list(unpacked.spreadsheet().rows) == [(3, ("华信", "1")), (4, ("中科", "2"))]


async def test_a_reader_that_is_ended_from_outside_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    path = tmp_path / "list.csv"
    path.write_bytes(b"a,b\n1,2\n")
    with path.open("rb") as upload, pytest.raises(separate.ReaderDied):
        await separate.unpack(upload, Layout())

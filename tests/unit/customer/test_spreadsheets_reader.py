import csv
import io
import random
import zipfile
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from crm_customer.imports.spreadsheets.cells import cell_text, has_lost_digits, typed_text
from crm_customer.imports.spreadsheets.reader import MAX_COLUMNS, read_spreadsheet
from crm_customer.imports.spreadsheets.unpacked import UnpackedSheet, pack
from crm_customer.imports.spreadsheets.xlsx_file import MAX_UNPACKED_BYTES
from crm_kit.errors import InvalidArgument
from crm_kit.formulas import neutralized, restored
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.factories.spreadsheet import make_customer_spreadsheet

Rows = list[tuple[int, tuple[str, ...]]]


def xlsx(*rows: list[Any]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def read(content: bytes) -> tuple[tuple[str, ...], Rows]:
    """What is in a file. Read at once and put by first, it is the same."""
    sheet = read_spreadsheet(io.BytesIO(content))
    rows = list(sheet.rows)
    put_by = io.BytesIO()
    count = pack(read_spreadsheet(io.BytesIO(content)), put_by)
    assert count == len(rows)
    assert list(UnpackedSheet(sheet.header, count, sheet.layout, put_by).spreadsheet().rows) == rows
    return sheet.header, rows


def refusal(content: bytes) -> str:
    """Why a file cannot be read: known from putting it by, before a row is taken."""
    with pytest.raises(InvalidArgument) as refused:
        pack(read_spreadsheet(io.BytesIO(content)), io.BytesIO())
    assert refused.value.reason == "UPLOAD_UNREADABLE"
    return refused.value.detail


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_read_in_every_usual_encoding_and_delimiter(encoding: str, delimiter: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([["客户名称", "备注"], ["华信电力", "a,b;c\td"], ["龙門客栈", '他说"好"\n再见']])
    assert read(text.getvalue().encode(encoding)) == (
        ("客户名称", "备注"),
        [(2, ("华信电力", "a,b;c\td")), (3, ("龙門客栈", '他说"好"\n再见'))],
    )


def test_the_separator_that_a_program_declares_is_obeyed() -> None:
    assert read(b"sep=|\r\nname|city\r\nA,B;C|D\r\n") == (("name", "city"), [(3, ("A,B;C", "D"))])


cells = st.text(alphabet="华信 a1,;\"'\n=+-@。", max_size=8).map(typed_text)
tables = st.integers(2, 5).flatmap(
    lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=2, max_size=8)
)


@settings(deadline=None)
@given(tables, st.sampled_from(["utf-8", "gb18030"]))
def test_what_a_csv_writer_wrote_is_read_back(table: list[list[str]], encoding: str) -> None:
    # A few characters alone may be another encoding's, too.
    end = "华信电力设备有限公司深圳分公司"
    header = [f"列{number}" for number in range(len(table[0]))]
    text = io.StringIO()
    csv.writer(text).writerows([header, *[[neutralized(cell) for cell in row] for row in table], [end]])
    expected = [(at, tuple(row)) for at, row in enumerate(table, start=2) if any(row)]
    last = (len(table) + 2, (end, *[""] * (len(header) - 1)))
    assert read(text.getvalue().encode(encoding)) == (tuple(header), [*expected, last])


@settings(deadline=None, max_examples=25)
@given(tables)
def test_what_an_xlsx_writer_wrote_is_read_back(table: list[list[str]]) -> None:
    header = [f"列{number}" for number in range(len(table[0]))]
    rows: list[list[object]] = [[neutralized(cell) or None for cell in row] for row in table]
    expected = [(at, tuple(row)) for at, row in enumerate(table, start=2) if any(row)]
    last = (len(table) + 2, ("last", *[""] * (len(header) - 1)))
    assert read(xlsx(list(header), *rows, ["last"])) == (tuple(header), [*expected, last])


@given(st.text(max_size=20))
def test_a_neutralized_text_is_no_formula_and_can_be_restored(text: str) -> None:
    safe = neutralized(text)
    assert not safe.startswith(("=", "@", "\t", "\r", "\n"))
    assert not safe.startswith(("+", "-")) or Decimal(safe).is_finite()
    assert restored(safe) == text or safe == text
    assert restored(neutralized(neutralized(text))) == neutralized(text)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "'=", "''+"])
def test_dangerous_beginnings_get_an_apostrophe_that_goes_away_again(start: str) -> None:
    assert neutralized(f"{start}A1") == f"'{start}A1"
    assert restored(neutralized(f"{start}A1")) == f"{start}A1"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (13800138000.0, "13800138000"),
        (13800138000, "13800138000"),
        (12.5, "12.5"),
        (1e-7, "0.0000001"),
        (1e21, "1E+21"),
        (True, "TRUE"),
        (None, ""),
        (datetime.fromisoformat("2026-03-01"), "2026-03-01"),
        (datetime.fromisoformat("2026-03-01 09:30"), "2026-03-01 09:30:00"),
        (date(2026, 3, 1), "2026-03-01"),
        (time(9, 30), "09:30:00"),
        ("　华信\u00a0", "华信"),
        ("a\x00\x07b", "ab"),
        ("13800138000.0", "13800138000"),
        ("3.0", "3.0"),
        ("1.3800138001E+10", "13800138001"),
        ("1.38001E+10", "1.38001E+10"),
        ("'=SUM(A1)", "=SUM(A1)"),
    ],
)
def test_a_cell_becomes_what_a_person_would_read(value: object, text: str) -> None:
    assert cell_text(value) == text


def test_a_number_of_which_digits_are_missing_is_known_as_such() -> None:
    assert has_lost_digits(cell_text("1.38001E+10"))
    assert not has_lost_digits(cell_text(13800138000.0))
    assert not has_lost_digits("E10")


def test_formulas_give_the_value_they_last_had() -> None:
    content = xlsx(["name", "sum"], ["A", 1], ["B", 2])
    sheet = "xl/worksheets/sheet1.xml"
    old, new = b"<v>2</v>", b"<f>1+1</f><v>2</v>"
    assert read(_with_part(content, sheet, old, new))[1] == [(2, ("A", "1")), (3, ("B", "2"))]


def test_a_title_above_the_header_and_empty_rows_are_passed_over() -> None:
    rows: list[list[object]] = [
        ["2026年客户名单"],
        [],
        ["客户名称", "电话"],
        [],
        ["华信", "1"],
        ["", " "],
        ["中科", "2"],
    ]
    expected = (("客户名称", "电话"), [(5, ("华信", "1")), (7, ("中科", "2"))])
    assert read(xlsx(*rows)) == expected
    lines = "\n".join(",".join(map(str, row)) for row in rows)
    assert read(lines.encode()) == expected


def test_a_list_of_names_alone_has_no_title() -> None:
    assert read("客户名称\n华信\n中科\n".encode()) == (("客户名称",), [(2, ("华信",)), (3, ("中科",))])


def test_a_column_under_a_merged_header_is_called_after_its_letter() -> None:
    assert read(xlsx(["客户名称", "电话", None, "邮箱"], ["华信", "1", "2", "3"]))[0] == (
        *("客户名称", "电话", "(C)", "邮箱"),
    )


def test_cells_beyond_the_header_are_dropped_from_xlsx_and_kept_from_csv() -> None:
    assert read(xlsx(["a", "b"], [1, 2, 3]))[1] == [(2, ("1", "2"))]
    assert read(b"a,b\n1,2,3\n")[1] == [(2, ("1", "2", "3"))]


def test_only_the_first_visible_sheet_is_read() -> None:
    book = openpyxl.Workbook()
    book.worksheets[0].append(["secret"])
    book.worksheets[0].sheet_state = "hidden"
    shown = book.create_sheet()
    shown.append(["a", "b"])
    shown.append([1, 2])
    file = io.BytesIO()
    book.save(file)
    assert read(file.getvalue()) == (("a", "b"), [(2, ("1", "2"))])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"\n\n , \n", "it is empty"),
        (b"name,phone\n", "a header but no rows"),
        ("名单\n客户,电话\n".encode(), "a header but no rows"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old .xls file"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\xff\xff", "neither XLSX nor text"),
        (b"\xef\xbb\xbfname\n\xff\xff", "it says it is utf-8"),
        (b"name\n\x00\x00\n", "neither XLSX nor text"),
        (b'name,b\nA,1\n"B,2\nC,3\n', "quote that is opened and not closed"),
        (b"PK\x03\x04 something else", "not a sound XLSX file"),
        (b"a,b\n" + b"1," * 300 + b"\n", f"row 2 has more than {MAX_COLUMNS} columns"),
        (b"a,b\n1," + b"x" * 40_000 + b"\n", "row 2 has a cell of more than 32767 characters"),
        (b"a,b\n1," + b"x" * 200_000 + b"\n", "row 2 is not CSV"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(content: bytes, words: str) -> None:
    assert words in refusal(content)


def test_a_sheet_wider_than_allowed_is_refused() -> None:
    wide: list[object] = [f"c{number}" for number in range(MAX_COLUMNS + 5)]
    assert "more than 200 columns" in refusal(xlsx(wide, wide))


def test_a_zip_bomb_is_refused_before_it_unpacks() -> None:
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as part,
    ):
        for _ in range(1 + (MAX_UNPACKED_BYTES >> 24)):
            part.write(bytes(1 << 24))
    assert len(file.getvalue()) < 2 << 20
    assert "unpacks to more than 512 MB" in refusal(file.getvalue())


def test_a_size_that_lies_does_not_unpack_more() -> None:
    """Central directory and local header say 50 bytes; what comes after them is never taken."""
    content = bytearray(xlsx(["a", "b"], *([1, 2] for _ in range(5000))))
    at = content.rindex(b"xl/worksheets/sheet1.xml") - 46
    assert content[at : at + 4] == b"PK\x01\x02"
    content[at + 24 : at + 28] = (50).to_bytes(4, "little")
    assert "not a sound XLSX file" in refusal(bytes(content))


def test_nested_entities_are_not_expanded() -> None:
    bomb = (
        b'<!DOCTYPE a [<!ENTITY x "'
        + b"x" * 1000
        + b'">'
        + b"".join(b'<!ENTITY x%d "%s">' % (n, b"&x%d;" % (n - 1) * 20 if n else b"&x;" * 20) for n in range(8))
        + b"]>"
    )
    content = xlsx(["a", "b"], [1, 2])
    sheet = "xl/worksheets/sheet1.xml"
    attacked = _with_part(content, sheet, b"<worksheet", bomb + b"<worksheet")
    attacked = _with_part(attacked, sheet, b"<v>1</v>", b"<v>&x7;</v>")
    assert "not a sound XLSX file" in refusal(attacked)


def test_an_archive_of_a_later_version_of_the_format_is_refused() -> None:
    content = bytearray(xlsx(["a", "b"], [1, 2]))
    # The version needed to extract, of the first entry of the directory.
    content[content.index(b"PK\x01\x02") + 6] = 212
    assert "not a sound XLSX file" in refusal(bytes(content))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(seed: int) -> None:
    source = random.Random(seed)
    made = make_customer_spreadsheet(rows=20, bad_rows=3, seed=2)
    content = bytearray(source.choice([made.xlsx, made.csv])())
    for _ in range(source.randrange(1, 6)):
        content[source.randrange(len(content))] = source.randrange(256)
    if source.random() < 0.3:
        del content[source.randrange(len(content)) :]
    try:
        header, rows = read(bytes(content))
    except InvalidArgument as refused:
        assert refused.reason == "UPLOAD_UNREADABLE"
    else:
        assert all(len(cells) >= len(header) for _, cells in rows)


def _with_part(content: bytes, name: str, old: bytes, new: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(file, "w") as target:
        for part in source.namelist():
            data = source.read(part)
            if part == name:
                assert old in data
                data = data.replace(old, new, 1)
            target.writestr(part, data)
    return file.getvalue()


def test_a_row_number_beyond_the_format_is_refused() -> None:
    content = xlsx(["a", "b"], [1, 2], [3, 4])
    far = _with_part(content, "xl/worksheets/sheet1.xml", b'<row r="3"', b'<row r="99999999999"')
    assert "more than 1048576 rows" in refusal(far)

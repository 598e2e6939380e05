"""Exported files: what people type comes back as they typed it, nothing is computed, nothing is kept."""

import csv
import io
import tracemalloc
import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from crm.customer.v1 import accounts_pb2, contacts_pb2
from crm.sales.v1 import orders_pb2
from crm_gateway.exports.columns import called, columns_of, in_zone, text_of, unmistakable
from crm_gateway.exports.csv_file import CsvFile
from crm_gateway.protojson.encoder import Encoders
from crm_gateway.texts.catalogue import LANGUAGES
from crm_kit.formulas import neutralized, restored
from crm_kit.labels import Label
from crm_kit.spreadsheets.kinds import Kind
from crm_kit.spreadsheets.xlsx_file import UNWRITABLE, XlsxFile
from hypothesis import given
from hypothesis import strategies as st

ROWS = st.lists(st.lists(st.text(st.characters(codec="utf-8"), max_size=20), min_size=3, max_size=3), max_size=5)


def csv_of(rows: list[list[str]]) -> bytes:
    file = CsvFile()
    for row in rows:
        file.write(row)
    return file.take() + file.end()


def xlsx_of(rows: list[list[str]]) -> bytes:
    file = XlsxFile()
    parts = []
    for row in rows:
        file.write(row)
        parts.append(file.take())
    return b"".join([*parts, file.end()])


@pytest.mark.parametrize(
    "formula", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＠SUM(A1)", "'=1"]
)
def test_no_spreadsheet_computes_a_cell_of_a_csv_file(formula: str) -> None:
    assert neutralized(formula) == f"'{formula}"


@pytest.mark.parametrize("plain", ["+8613800138000", "-12.50", "0", "华信电力", "a=b", ""])
def test_numbers_telephone_numbers_and_words_stay_as_they_are(plain: str) -> None:
    assert neutralized(plain) == plain


@given(st.text(st.sampled_from("'=+-@\t\r\n＝＋－＠019.a"), max_size=6))
def test_an_import_reads_what_an_export_wrote(text: str) -> None:
    assert restored(neutralized(text)) == text


@given(ROWS)
def test_a_csv_file_is_read_back_as_it_was_written(rows: list[list[str]]) -> None:
    text = csv_of(rows).decode("utf-8-sig")
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert read == [[neutralized(cell) for cell in row] for row in rows]


@given(ROWS.filter(lambda rows: bool(rows)))
def test_a_workbook_is_read_back_as_text_cell_by_cell(rows: list[list[str]]) -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(xlsx_of(rows)), read_only=True).worksheets[0]
    read = [[cell.value or "" for cell in row] for row in sheet.iter_rows(max_col=3)]
    # XML reads a line break as one character, whatever it was.
    wanted = [[as_xml_reads(cell) for cell in row] for row in rows]
    assert [[str(cell) for cell in row] + [""] * (3 - len(row)) for row in read] == wanted


def as_xml_reads(cell: str) -> str:
    return UNWRITABLE.sub("\ufffd", cell).replace("\r\n", "\n").replace("\r", "\n")


def test_long_numbers_and_leading_zeros_keep_their_digits() -> None:
    rows = [["001234", "12345678901234567890", "2E05"]]
    sheet = openpyxl.load_workbook(io.BytesIO(xlsx_of(rows))).worksheets[0]
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == rows


def typed_cells(texts: list[str], kind: Kind) -> list[openpyxl.cell.cell.Cell]:
    file = XlsxFile()
    file.write(texts, [kind] * len(texts))
    row = next(openpyxl.load_workbook(io.BytesIO(file.end())).worksheets[0].iter_rows())
    return list(row)  # type: ignore[arg-type]


def test_amounts_and_counts_are_numbers_that_can_be_added() -> None:
    cells = typed_cells(["100.00", "-0.5", "1200", "0", ""], Kind.NUMBER)
    assert [each.value for each in cells] == [100, -0.5, 1200, 0, None]
    assert [each.number_format for each in cells[:3]] == ["#,##0.00", "General", "0"]


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**24), max_value=10**24, places=6))
def test_no_number_loses_a_digit(number: Decimal) -> None:
    text = f"{number:f}"
    (cell,) = typed_cells([text], Kind.NUMBER)
    assert Decimal(str(cell.value)) == number
    assert isinstance(cell.value, str) == (len(text.replace(".", "").lstrip("-0")) > 15)


@given(st.dates(date(1, 1, 1)))
def test_a_date_is_that_day_in_a_workbook(day: date) -> None:
    (cell,) = typed_cells([day.isoformat()], Kind.DATE)
    assert cell.value == (datetime.combine(day, time()) if day >= date(1900, 3, 1) else day.isoformat())


@given(st.datetimes(datetime.fromisoformat("1900-03-01"), timezones=st.just(UTC)))
def test_an_instant_is_that_second_in_a_workbook(instant: datetime) -> None:
    (cell,) = typed_cells([text_of(instant)], Kind.INSTANT)
    assert isinstance(cell.value, datetime)
    assert abs(cell.value.replace(tzinfo=UTC) - instant) < timedelta(milliseconds=2)
    assert "UTC" in cell.number_format


@pytest.mark.parametrize("kind", list(Kind))
def test_what_is_none_of_its_kind_is_text(kind: Kind) -> None:
    texts = ["=1+1", "abc", "1E5"]
    if kind is not Kind.TRUTH:
        assert [each.value for each in typed_cells(texts, kind)] == texts


def test_truths_are_truths() -> None:
    assert [each.value for each in typed_cells(["true", "false", ""], Kind.TRUTH)] == [True, False, None]


def test_columns_hold_what_the_contract_says() -> None:
    orders = {each.path: each.kind for each in columns_of(orders_pb2.Order.DESCRIPTOR)}
    assert (orders["gross_amount.amount"], orders["gross_amount.currency_code"]) == (Kind.NUMBER, Kind.TEXT)
    # Of several lines, a cell has all.
    assert orders["lines.quantity"] is Kind.TEXT
    accounts = {each.path: each.kind for each in columns_of(accounts_pb2.Account.DESCRIPTOR)}
    assert (accounts["employee_count"], accounts["create_time"]) == (Kind.NUMBER, Kind.INSTANT)
    assert {accounts[path] for path in ("id", "credit_code", "phone_numbers", "owner_id", "etag")} == {Kind.TEXT}
    contacts = {each.path: each.kind for each in columns_of(contacts_pb2.Contact.DESCRIPTOR)}
    assert contacts["birth_date"] is Kind.DATE


def test_values_of_enums_are_told_in_the_language_of_the_columns() -> None:
    role = accounts_pb2.Account.ROLE_SUPPLIER
    kind = accounts_pb2.Account.KIND_ORGANIZATION
    values = Encoders().of(accounts_pb2.Account.DESCRIPTOR)(accounts_pb2.Account(kind=kind, roles=[role, role]))
    told = {}
    for language in (None, *LANGUAGES):
        columns = {each.path: each for each in columns_of(accounts_pb2.Account.DESCRIPTOR, language)}
        told[language] = [columns[path].read(values) for path in ("kind", "roles", "status")]
    assert told == {
        None: ["ORGANIZATION", "SUPPLIER; SUPPLIER", ""],
        "en": ["Organization", "Supplier; Supplier", ""],
        "zh": ["企业", "供应商; 供应商", ""],
    }


def test_a_label_that_could_mean_another_value_is_not_used() -> None:
    labels = {"a": "A", "b": "c", "c": "Gold", "d": "gold", "e": "x; y", "f": "", "g": "silver"}
    assert unmistakable(labels) == {"a": "A", "g": "silver"}


def test_what_was_sent_is_not_kept() -> None:
    file = XlsxFile()
    row = [f"cell {number}" for number in range(30)]
    tracemalloc.start()
    for _ in range(5000):
        file.write(row)
        file.take()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
    assert file.end()


def test_a_workbook_is_a_whole_archive() -> None:
    archive = zipfile.ZipFile(io.BytesIO(xlsx_of([["a", "b", "c"]])))
    assert archive.testzip() is None


def test_columns_are_the_fields_with_nested_ones_under_their_path() -> None:
    headings = [column.heading for column in columns_of(orders_pb2.Order.DESCRIPTOR)]
    assert headings[:3] == ["id", "account_id", "account_name"]
    assert "gross_amount.amount" in headings
    assert "gross_amount.currency_code" in headings
    assert "lines.quantity" in headings
    assert "lines" not in headings


def test_a_record_fills_its_columns() -> None:
    addresses = [accounts_pb2.Address(city="深圳", line="A座; 3楼"), accounts_pb2.Address(line="1号")]
    account = accounts_pb2.Account(id="x", display_name="华信", tags=["vip", "old"], addresses=addresses)
    account.competitor_profile.strengths = "price"
    values = Encoders().of(accounts_pb2.Account.DESCRIPTOR)(account)
    row = {column.heading: column.read(values) for column in columns_of(accounts_pb2.Account.DESCRIPTOR)}
    assert (row["display_name"], row["tags"], row["industry"]) == ("华信", "vip; old", "")
    assert row["competitor_profile.strengths"] == "price"
    assert (row["addresses.city"], row["addresses.line"]) == ("深圳; ", '"A座; 3楼"; 1号')
    assert row["addresses.postal_code"] == ""
    assert row["employee_count"] == ""


def test_columns_are_called_as_people_call_their_fields_and_never_two_alike() -> None:
    columns = list(columns_of(accounts_pb2.Account.DESCRIPTOR))
    for language in LANGUAGES:
        headings = [column.heading.casefold() for column in called(columns, language)]
        assert len(set(headings)) == len(headings)
    chinese = {column.path: column.heading for column in called(columns, "zh")}
    assert [chinese[path] for path in ("display_name", "owner_id", "owner_name", "addresses.city")] == [
        "客户名称",
        "负责人ID",
        "负责人名称",
        "地址：城市",
    ]
    assert {column.path: column.heading for column in called(columns, "en")}["owner_name"] == "Owner name"
    twice = [replace(column, label=Label("Same", "相同")) for column in columns[:2]]
    assert [column.heading for column in called(twice, "en")] == [column.path for column in columns[:2]]


def test_plain_values_are_written_plainly() -> None:
    values: list[object] = [True, None, 3, [], {}, ["a", 1]]
    assert [text_of(value) for value in values] == ["true", "", "3", "", "", "a; 1"]


@given(
    st.datetimes(datetime.fromisoformat("1950-01-01"), timezones=st.just(UTC)),
    st.sampled_from(["Asia/Shanghai", "America/St_Johns", "UTC", "Asia/Kathmandu", "Europe/Berlin"]),
)
def test_an_instant_in_a_zone_is_what_its_clocks_show_with_their_offset(instant: datetime, name: str) -> None:
    text = text_of(in_zone({"time": [instant]}, ZoneInfo(name))["time"][0])
    assert datetime.fromisoformat(text) == instant
    local = instant.astimezone(ZoneInfo(name))
    assert text.startswith(f"{local:%Y-%m-%dT%H:%M:%S}")
    (cell,) = typed_cells([text], Kind.INSTANT)
    assert isinstance(cell.value, datetime)
    assert abs(cell.value - local.replace(tzinfo=None)) < timedelta(milliseconds=2)
    assert (local.isoformat(timespec="seconds")[19:] if local.utcoffset() else "UTC") in cell.number_format

import gettext
import io
import time
from collections.abc import Callable

import openpyxl
import pycountry
import pytest
from crm_customer.imports.spreadsheets.fields import Reason
from crm_customer.imports.spreadsheets.mapping import mapping_for
from crm_customer.imports.spreadsheets.reader import Spreadsheet, read_spreadsheet
from crm_customer.imports.spreadsheets.regions import region_code
from crm_customer.imports.spreadsheets.report import ERRORS_COLUMN, write_csv_report, write_xlsx_report
from crm_customer.imports.spreadsheets.rows import AccountRow, BadRow, RowRules, read_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.factories.spreadsheet import HEADER, make_customer_spreadsheet


def sheet(header: list[str], *rows: list[str]) -> Spreadsheet:
    return Spreadsheet(tuple(header), ((at, tuple(row)) for at, row in enumerate(rows, start=2)))


def only(header: list[str], row: list[str], rules: RowRules | None = None) -> AccountRow | BadRow:
    [result] = read_rows(sheet(header, row), mapping_for(header, {}, name_required=False), rules)
    return result


def account(header: list[str], row: list[str], rules: RowRules | None = None) -> AccountRow:
    result = only(header, row, rules)
    assert isinstance(result, AccountRow), result
    return result


def problem(header: list[str], row: list[str], rules: RowRules | None = None) -> tuple[str, str, Reason]:
    result = only(header, row, rules)
    assert isinstance(result, BadRow), result
    [error] = result.errors
    assert error.detail
    return error.column, error.value, error.reason


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *(("广东", "CN-GD"), ("广东省", "CN-GD"), ("Guangdong", "CN-GD"), ("GuangDong Province", "CN-GD")),
        *(("广东省深圳市", "CN-GD"), ("中国广东", "CN-GD"), ("CN-GD", "CN-GD"), ("ｃｎ-ｇｄ", "CN-GD")),
        *(("内蒙古自治区", "CN-NM"), ("Inner Mongolia", "CN-NM"), ("新疆维吾尔自治区", "CN-XJ"), ("北京市", "CN-BJ")),
        *(("香港特别行政区", "CN-HK"), ("陕西", "CN-SN"), ("山西", "CN-SX"), ("Shaanxi", "CN-SN"), ("Shanxi", "CN-SX")),
        *(("Hebei", "CN-HE"), ("Hubei", "CN-HB"), ("Henan", "CN-HA"), ("Hunan", "CN-HN"), ("Hainan", "CN-HI")),
        *(("德国", "DE"), ("Germany", "DE"), ("US-CA", "US-CA"), ("中国", "CN"), ("South Korea", "KR")),
        *(("南方大区", None), ("Atlantis", None), ("CN-ZZ", None), ("XX", None), ("", None), ("Guangdongx", None)),
    ],
)
def test_regions_are_known_by_their_names(text: str, code: str | None) -> None:
    assert region_code(text) == code


def test_a_row_becomes_an_account() -> None:
    header = [
        "客户名称",
        "客户类型",
        "状态",
        "统一社会信用代码",
        "员工人数",
        "地区",
        "电话",
        "手机",
        "邮箱",
        "网址",
        "客户编号",
        "SAP编号",
        "标签",
        "联系人",
        "联系人电话",
    ]
    row = [
        *(
            "华信  电力",
            "企业",
            "合作中",
            "91440300708461136t",
            "1,200人",
            "广东省深圳市",
            "0755-86661234",
            "138 0013 8000、13900139000",
        ),
        *("a@b.cn; C@d.com", "www.huaxin.com", "C001", "77", "重点，VIP", "张伟", "13800138000"),
    ]
    mapping = mapping_for(header, {"SAP编号": "external_ids.sap"})
    [result] = read_rows(sheet(header, row), mapping, RowRules(external_source="erp"))
    assert result == AccountRow(
        row_number=2,
        display_name="华信 电力",
        kind="ORGANIZATION",
        status="ACTIVE",
        credit_code="91440300708461136T",
        employee_count=1200,
        region_code="CN-GD",
        phone_numbers=("+8675586661234", "+8613800138000", "+8613900139000"),
        emails=("a@b.cn", "C@d.com"),
        website="https://www.huaxin.com",
        external_ids=(("erp", "C001"), ("sap", "77")),
        tags=("重点", "VIP"),
        contact_name="张伟",
        contact_phone=("+8613800138000",),
        account_row=2,
    )


def test_the_region_of_a_row_says_where_its_phone_number_is() -> None:
    header = ["电话", "名称", "国家"]
    assert account(header, ["030 901820", "A", "德国"]).phone_numbers == ("+4930901820",)
    assert account(header, ["2345 6789", "A", ""], RowRules(default_region="HK")).phone_numbers == ("+85223456789",)


def test_the_type_of_a_customer_may_be_its_role() -> None:
    assert account(["名称", "客户类型"], ["A", "个人"]).kind == "PERSON"
    assert account(["名称", "客户类型"], ["A", "经销商/供应商"]).roles == ("PARTNER", "SUPPLIER")


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("电话", "1380013800", Reason.PHONE_INVALID),
        ("电话", "1.38001E+10", Reason.DIGITS_LOST),
        ("统一社会信用代码", "91440300708461136A", Reason.CREDIT_CODE_INVALID),
        ("统一社会信用代码", "9.14403E+17", Reason.DIGITS_LOST),
        ("客户编号", "1.00002E+12", Reason.DIGITS_LOST),
        ("客户编号", "sap: 1; 2", Reason.VALUE_UNKNOWN),
        ("客户编号", "7; sap: 1", Reason.VALUE_UNKNOWN),
        ("邮箱", "info@localhost", Reason.EMAIL_INVALID),
        ("邮箱", "info@", Reason.EMAIL_INVALID),
        ("邮箱", "bad mail", Reason.EMAIL_INVALID),
        ("邮箱", "ｂａｄ　mail", Reason.EMAIL_INVALID),
        ("地区", "南方大区", Reason.REGION_UNKNOWN),
        ("客户名称", "华" * 201, Reason.TOO_LONG),
        ("简称", "#N/A", Reason.CELL_ERROR),
        ("员工人数", "twenty", Reason.NUMBER_INVALID),
        ("网址", "huaxin", Reason.WEBSITE_INVALID),
        ("网址", "ftp://huaxin.com", Reason.WEBSITE_INVALID),
        ("状态", "不清楚", Reason.VALUE_UNKNOWN),
        ("客户类型", "不清楚", Reason.VALUE_UNKNOWN),
        ("标签", "很" * 51, Reason.TOO_LONG),
    ],
)
def test_a_wrong_cell_is_reported_with_column_value_and_reason(column: str, value: str, reason: Reason) -> None:
    header, row = (["客户名称"], [value]) if column == "客户名称" else (["客户名称", column], ["A", value])
    assert problem(header, row) == (column, value, reason)


def test_only_the_wrong_one_of_several_values_is_named() -> None:
    assert problem(["名称", "电话"], ["A", "13800138000/123"]) == ("电话", "123", Reason.PHONE_INVALID)
    for cell in ("a@huaxin.cn bad b@huaxin.cn", "a@huaxin.cn, bad", "a@huaxin.cn\nbad"):
        assert problem(["名称", "邮箱"], ["A", cell]) == ("邮箱", "bad", Reason.EMAIL_INVALID)


def test_a_missing_name_is_an_error_only_where_names_are_required() -> None:
    assert problem(["客户名称", "电话"], ["", "13800138000"]) == ("客户名称", "", Reason.NAME_MISSING)
    assert account(["客户编号", "电话"], ["C1", ""], RowRules(name_required=False)).display_name is None


def test_all_errors_of_a_row_are_reported_at_once() -> None:
    result = only(["客户名称", "电话", "邮箱"], ["", "1", "x"])
    assert isinstance(result, BadRow)
    assert {error.reason for error in result.errors} == {
        *(Reason.NAME_MISSING, Reason.PHONE_INVALID, Reason.EMAIL_INVALID),
    }


def test_more_cells_than_the_header_has_is_an_error_of_the_row() -> None:
    assert problem(["客户名称", "电话"], ["A", "13800138000", "x"]) == ("", "x", Reason.TOO_MANY_CELLS)


def test_more_values_than_an_account_may_have_is_an_error() -> None:
    many = "/".join(f"1380013{number:04d}" for number in range(21))
    assert problem(["客户名称", "电话"], ["A", many])[2] is Reason.TOO_MANY_VALUES


def test_the_keys_of_several_systems_are_read_as_an_export_writes_them() -> None:
    cell = 'sap: 007; erp: =1; "crm: a; b"'
    assert account(["名称", "external_ids"], ["A", cell]).external_ids == (
        ("sap", "007"),
        ("erp", "=1"),
        ("crm", "a; b"),
    )
    for key in ("[007]", "SAP: 7", "sap:7", "a; b"):
        assert account(["名称", "external_ids"], ["A", key]).external_ids == (("spreadsheet", key),)


def test_an_external_id_belongs_to_the_first_sound_row_that_has_it() -> None:
    header = ["客户名称", "客户编号"]
    rows = [["", "C1"], ["A", "C1"], ["B", "C1"], ["C", "C2"]]
    kinds = [type(row) for row in read_rows(sheet(header, *rows), mapping_for(header, {}))]
    assert kinds == [BadRow, AccountRow, BadRow, AccountRow]


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.integers(0, 20), st.sampled_from(["xlsx", "utf-8-sig", "gb18030"]))
def test_exactly_the_errors_that_were_put_in_are_found(seed: int, bad: int, form: str) -> None:
    made = make_customer_spreadsheet(rows=60, bad_rows=bad, seed=seed)
    content = made.xlsx() if form == "xlsx" else made.csv(form)
    read = read_spreadsheet(io.BytesIO(content))
    rows = list(read_rows(read, mapping_for(read.header, {})))
    errors = [error for row in rows if isinstance(row, BadRow) for error in row.errors]
    found = [(error.row_number, error.column, error.value, str(error.reason)) for error in errors]
    assert found == [(e.row_number, e.column, e.value, e.reason) for e in made.errors]
    assert [row.row_number for row in rows] == list(range(2, 62))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.text(max_size=30), min_size=9, max_size=9), min_size=1, max_size=4))
def test_any_text_in_any_cell_gives_an_account_or_errors(rows: list[list[str]]) -> None:
    header = ["名称", "类型", "状态", "信用代码", "地区", "电话", "邮箱", "网址", "编号"]
    for result in read_rows(sheet(header, *rows), mapping_for(header, {})):
        assert isinstance(result, AccountRow) or result.errors


@pytest.mark.parametrize("write", [write_csv_report, write_xlsx_report])
def test_a_report_can_be_corrected_and_imported_again(write: Callable[..., int]) -> None:
    header = ["客户名称", "电话", "备注", "邮箱"]
    rows = [["=A", "123", "-1+1", "a@b.cn"], ["@B", "+86 138", "'=x", ""], ["C", "1", "ok", "x"]]
    mapping = mapping_for(header, {})
    bad = [row for row in read_rows(sheet(header, *rows), mapping) if isinstance(row, BadRow)]
    file = io.BytesIO()
    assert write(file, header, bad) == 3
    again = read_spreadsheet(io.BytesIO(file.getvalue()))
    assert again.header == (*header, ERRORS_COLUMN)
    cells = [row for _, row in again.rows]
    assert [list(row[:-1]) for row in cells] == rows
    assert "电话:" in cells[2][-1]
    assert "邮箱:" in cells[2][-1]
    assert mapping_for(again.header, {}) == mapping
    corrected = [[row[0], "13800138000", row[2], ""] for row in rows]
    assert all(isinstance(row, AccountRow) for row in read_rows(sheet(header, *corrected), mapping))


def test_a_report_of_a_report_has_one_column_of_errors() -> None:
    header = ["客户名称", ERRORS_COLUMN, "电话"]
    [bad] = read_rows(sheet(header, ["A", "old", "1", "more"]), mapping_for(header, {}))
    assert isinstance(bad, BadRow)
    file = io.BytesIO()
    write_csv_report(file, header, [bad])
    again = read_spreadsheet(io.BytesIO(file.getvalue()))
    [(_, cells)] = again.rows
    assert again.header == ("客户名称", "电话", ERRORS_COLUMN)
    assert cells[:2] == ("A", "1,more")
    assert "old" not in cells[2]


def test_no_cell_of_an_xlsx_report_is_a_formula() -> None:
    header = ["客户名称", "=HYPERLINK(1)"]
    [bad] = read_rows(sheet(header, ["", "=cmd|' /C calc'!A0"]), {"客户名称": "display_name"})
    assert isinstance(bad, BadRow)
    file = io.BytesIO()
    write_xlsx_report(file, header, [bad])
    written = openpyxl.load_workbook(file).worksheets[0]
    assert {cell.data_type for row in written.iter_rows() for cell in row if cell.value} == {"s"}
    assert not any(str(cell.value).startswith("=") for row in written.iter_rows() for cell in row)
    # What is typed over it stays text, too: a number of 18 digits keeps them.
    assert {cell.number_format for row in written.iter_rows() for cell in row} == {"@"}


def test_a_report_is_the_same_file_on_any_day(monkeypatch: pytest.MonkeyPatch) -> None:
    header = ["客户名称", "电话"]
    bad = [row for row in read_rows(sheet(header, ["", "1"]), mapping_for(header, {})) if isinstance(row, BadRow)]
    files = []
    for day in (0, 400):
        monkeypatch.setattr(time, "time", lambda day=day: 1_800_000_000.0 + day * 86_400)
        file = io.BytesIO()
        write_xlsx_report(file, header, bad)
        files.append(file.getvalue())
    assert files[0] == files[1]


def test_a_made_spreadsheet_is_the_same_for_the_same_seed() -> None:
    made = make_customer_spreadsheet(rows=50, bad_rows=7, seed=3)
    assert made == make_customer_spreadsheet(rows=50, bad_rows=7, seed=3)
    assert made != make_customer_spreadsheet(rows=50, bad_rows=7, seed=4)
    assert made.header == HEADER
    assert len({error.reason for error in made.errors}) == 7
    with pytest.raises(ValueError, match="cannot be bad"):
        make_customer_spreadsheet(rows=5, bad_rows=5)


@pytest.mark.parametrize("cell", ["无", "n/a", "N/A", "-", "--", "—", "/", "暂无", "無", "null", "\u200b", "\u3164"])
def test_a_word_for_nothing_is_nothing(cell: str) -> None:
    found = account(["客户名称", "电话", "邮箱", "人数", "国家", "联系人", "custom.x"], ["A", *[cell] * 6])
    assert found == AccountRow(row_number=2, display_name="A", account_row=2)
    assert problem(["客户名称"], [cell])[2] is Reason.NAME_MISSING


@pytest.mark.parametrize(
    ("typed", "count"),
    [
        *(
            ("51-200", 51),
            ("500+", 500),
            ("50人以下", 50),
            ("10,001+ employees", 10001),
            ("1.2万", 12000),
            ("约300人", 300),
        ),
        *(("1,200", 1200), ("1.200", 1200), ("1 200", 1200), ("1'200", 1200), ("1,200.00", 1200), ("1.200,00", 1200)),
        *(("12.0", 12), ("１００", 100), ("20-99人", 20), ("1-2万", 10000), ("0", 0)),
    ],
)
def test_a_number_of_people_is_read_as_it_is_written(typed: str, count: int) -> None:
    assert account(["名称", "人数"], ["A", typed]).employee_count == count


@pytest.mark.parametrize("typed", ["12,5", "12.5", "1,20", "200-51", "99999999999", "-5", "twelve"])
def test_what_is_no_number_of_people_becomes_none(typed: str) -> None:
    assert problem(["名称", "人数"], ["A", typed])[2] is Reason.NUMBER_INVALID


@given(st.integers(0, 10**9 - 1), st.sampled_from([",", ".", " ", "'", ""]))
def test_thousands_may_be_grouped_by_any_mark(number: int, mark: str) -> None:
    assert account(["名称", "人数"], ["A", f"{number:,}".replace(",", mark)]).employee_count == number


@pytest.mark.parametrize(
    ("state", "country", "code"),
    [
        *(
            ("DE", "US", "US-DE"),
            ("CA", "United States", "US-CA"),
            ("IN", "USA", "US-IN"),
            ("California", "US", "US-CA"),
        ),
        *(("加州", "美国", "US-CA"), ("加利福尼亚州", "美國", "US-CA"), ("Bavaria", "Deutschland", "DE-BY")),
        *(("Bayern", "DE", "DE-BY"), ("東京都", "日本", "JP-13"), ("Île-de-France", "France", "FR-IDF")),
        *(("ile de france", "法国", "FR-IDF"), ("NSW", "Australia", "AU-NSW"), ("广东省", "中国", "CN-GD")),
        *(("廣東", "中國", "CN-GD"), ("Singapore", "SG", "SG"), ("", "Österreich", "AT"), ("", "香港", "CN-HK")),
        *(("广东", "", "CN-GD"), ("Texas", "", "US-TX")),
    ],
)
def test_a_state_is_one_of_the_country_beside_it(state: str, country: str, code: str) -> None:
    assert account(["名称", "State", "Country"], ["A", state, country]).region_code == code


def test_a_state_of_another_country_is_none() -> None:
    assert problem(["名称", "State", "Country"], ["A", "Bayern", "US"]) == ("State", "Bayern", Reason.REGION_UNKNOWN)


def test_every_country_is_known_by_its_english_and_chinese_names() -> None:
    chinese = gettext.translation("iso3166-1", pycountry.LOCALES_DIR, ["zh_CN"])
    own = {"CN-HK": "HK", "CN-MO": "MO", "CN-TW": "TW"}
    for country in pycountry.countries:
        names = {country.name, country.alpha_3, chinese.gettext(country.name)}
        codes = {region_code(name) for name in names}
        assert {own.get(code or "", code) for code in codes} == {country.alpha_2}, names


def test_a_number_without_country_code_beside_an_unknown_country_is_no_number_of_another() -> None:
    row = account(["名称", "国家", "电话"], ["A", "Atlantis", "13800138000"], RowRules(skip_invalid=True))
    assert (row.phone_numbers, [each.reason for each in row.left_out]) == (
        (),
        [Reason.REGION_UNKNOWN, Reason.PHONE_INVALID],
    )


def test_a_contacts_first_and_last_name_are_put_together_as_its_script_does() -> None:
    header = ["公司", "First Name", "Last Name"]
    assert account(header, ["A", "Anna", "Schmidt"]).contact_name == "Anna Schmidt"
    assert account(header, ["A", "伟", "张"]).contact_name == "张伟"
    assert account(header, ["A", "", "Schmidt"]).contact_name == "Schmidt"

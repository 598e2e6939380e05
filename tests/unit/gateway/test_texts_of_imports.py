"""What is wrong with a spreadsheet and its rows is told in every language, with its values."""

import ast
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID

import crm_customer.imports
import pytest
from crm.customer.v1 import imports_pb2 as pb
from crm_customer.imports.files import Fault, fault_from
from crm_customer.imports.model import MAX_TENANT_BYTES, MAX_USER_BYTES, Upload, check_room
from crm_customer.imports.spreadsheets.fields import Reason
from crm_customer.imports.spreadsheets.mapping import mapping_for
from crm_customer.imports.spreadsheets.notations import Column, date_readings, number_readings
from crm_customer.imports.spreadsheets.reader import _OTHER_ARCHIVES, _OTHERS, Spreadsheet, read_spreadsheet
from crm_customer.imports.spreadsheets.rows import BadRow, read_rows
from crm_gateway.expansion import load_contract
from crm_gateway.openapi.document import error_reasons
from crm_gateway.problems import from_crm_error, variant, without_labels
from crm_gateway.texts.catalogue import LANGUAGES, Language, catalogue
from crm_gateway.translation.answers import translator
from crm_gateway.translation.imports import told, translate_failure, translate_row_errors
from crm_kit.errors import CrmError, InvalidArgument

# A column and what is wrong in it: at least one of each reason that a cell or a row alone can have.
WRONG = [
    ("id", "K7", "K7 不是客户的 ID"),
    ("电话", "1380013800", "“1380013800”不是有效的电话号码，请核对位数、区号和国家代码"),
    ("客户编号", "1.38E+10", "电子表格软件缩短了“1.38E+10”，请将该列设为文本格式后重新填写"),
    ("统一社会信用代码", "91440300708461136A", "校验位不符"),
    ("统一社会信用代码", "9144", "应为 18 位"),
    ("邮箱", "info@", "“info@”不是有效的电子邮箱地址"),
    ("地区", "南方大区", "无法识别“南方大区”"),
    ("网址", "huaxin", "“huaxin”不是有效的网址"),
    ("员工人数", "twenty", "“twenty”不是整数人数"),
    ("状态", "不清楚", "“不清楚”不可用，可填写：潜在, 活跃, 休眠, 流失, POTENTIAL, ACTIVE, DORMANT, LOST"),
    ("客户编号", "sap: 1; 2", "可填写：sap: C1; crm: 7"),
    ("简称", "#N/A", "该单元格的公式没有结果（#N/A）"),
    ("标签", "很" * 51, "内容有 51 个字符，最多 50 个"),
    ("标签", ",".join(map(str, range(51))), "值过多，最多 50 个"),
    ("面积", "1.234", "“1.234”可能是 1.234，也可能是 1234"),
    ("面积", "50%", "“50%”是百分数，请去掉百分号"),
    ("签约日期", "01/02/2026", "“01/02/2026”可能是 2026-02-01，也可能是 2026-01-02"),
]
# Columns of custom fields in which no other cell says how they are written.
CUSTOM = {"面积": Column(number_readings, None), "签约日期": Column(date_readings, None)}


def faults_of(header: list[str], *rows: list[str]) -> Iterator[Fault]:
    sheet = Spreadsheet(tuple(header), ((number, tuple(row)) for number, row in enumerate(rows, start=2)))
    custom = {column: "custom.x" for column in CUSTOM if column in header}
    for row in read_rows(sheet, mapping_for(header, custom), columns=CUSTOM):
        if isinstance(row, BadRow):
            yield from map(fault_from, row.errors)


def error_of(fault: Fault) -> pb.ImportError:
    return pb.ImportError(
        column=fault.column, value=fault.value, reason=fault.reason, detail=fault.detail, metadata=fault.metadata
    )


def is_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


@pytest.mark.parametrize(("column", "value", "text"), WRONG)
def test_a_wrong_cell_is_told_in_chinese_with_its_value_and_its_bound(column: str, value: str, text: str) -> None:
    (fault,) = faults_of(["客户名称", column], ["甲", value])
    answer = pb.ListImportErrorsResponse(errors=[error_of(fault)])
    translate_row_errors(answer, "en", without_labels)
    assert answer.errors[0].detail == fault.detail
    translate_row_errors(answer, "zh", without_labels)
    assert text in answer.errors[0].detail


def test_what_is_wrong_with_a_row_is_told_in_chinese() -> None:
    header = ["客户编号", "客户名称"]
    faults = faults_of(header, ["C1", "甲"], ["C1", "乙"], ["C2", ""], ["C3", "丙", "x"])
    assert [told(error_of(fault), "zh", without_labels) for fault in faults] == [
        "编号“C1”在第 2 行属于另一个客户",
        "缺少客户名称",
        "该行有 3 个单元格，表头只有 2 个；含有分隔符的文本请加引号",
    ]


def test_every_reason_of_a_cell_is_among_the_examples() -> None:
    of_rows = {Reason.NAME_MISSING, Reason.EXTERNAL_ID_DUPLICATE, Reason.TOO_MANY_CELLS}
    found = {fault.reason for column, value, _ in WRONG for fault in faults_of(["客户名称", column], ["甲", value])}
    assert found | of_rows == set(Reason)


def reasons_of_imports() -> set[str]:
    """Every reason that the program of imports names where a row is refused."""
    found = {"INTERNAL", *Reason}
    for name in ("batch", "faults", "lookups", "row_values"):
        tree = ast.parse((Path(crm_customer.imports.__path__[0]) / f"{name}.py").read_text())
        for keyword in (each for each in ast.walk(tree) if isinstance(each, ast.keyword) and each.arg == "reason"):
            assert isinstance(keyword.value, ast.Constant)
            found.add(keyword.value.value)
    return found


def rules_of_files() -> set[str]:
    """Every key of a text that the program names where a file is refused as a whole."""
    rules = {rule for rule, _ in (*_OTHERS.values(), *_OTHER_ARCHIVES.values())}
    for path in Path(crm_customer.imports.__path__[0]).rglob("*.py"):
        for call in (each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.Call)):
            if isinstance(call.func, ast.Name) and call.func.id in {"unreadable", "_too_much"}:
                rule = call.args[0]
                if isinstance(rule, ast.Constant):
                    rules.add(str(rule.value))
    return {f"UPLOAD_UNREADABLE.{rule}" for rule in rules}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_refusal_of_a_file_lacks_its_text_and_no_text_its_refusal(language: Language) -> None:
    details = catalogue(language).tables["details"]
    of_uploads = {variant(error.reason, error.metadata) for error in refused_uploads()}
    named = {key.removesuffix(".plain") for key in details if key.startswith("UPLOAD_UNREADABLE.")}
    assert rules_of_files() | {key for key in of_uploads if key.startswith("UPLOAD_UNREADABLE.")} == named


@pytest.mark.parametrize(
    ("content", "failure"),
    [
        (b"%PDF-1.7", "文件是 PDF。请索取 .xlsx 或 .csv 格式的名单。"),
        ("名称\n甲,乙\n" + "x" * 40_000, "第 3 行有单元格超过 32767 个字符。"),
        ('名称\n"甲\n', "第 2 行不是有效的 CSV，请检查是否有未闭合的引号。"),
        (b"", "文件是空的。"),
        ("名称\n".encode(), "文件只有表头，没有数据行。"),
    ],
)
def test_why_a_file_is_refused_is_told_in_chinese_with_its_bound(content: bytes | str, failure: str) -> None:
    data = content.encode() if isinstance(content, str) else content
    with pytest.raises(InvalidArgument) as refused:
        list(read_spreadsheet(io.BytesIO(data)).rows)
    job = pb.Import(failure_reason="UPLOAD_UNREADABLE", failure="x", failure_metadata=refused.value.metadata)
    translate_failure(job, "en", without_labels)
    assert job.failure == "x"
    translate = translator(pb.ListImportsResponse.DESCRIPTOR)
    assert translate is not None
    translate(answer := pb.ListImportsResponse(imports=[job]), "zh", without_labels)
    assert answer.imports[0].failure == failure


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_reason_of_a_row_lacks_its_text(language: Language) -> None:
    assert reasons_of_imports() <= catalogue(language).tables["rows"].keys()


def test_no_text_of_a_row_lacks_its_reason() -> None:
    named = {key.partition(".")[0] for key in catalogue("en").tables["rows"]}
    assert named <= reasons_of_imports()


def test_what_any_command_may_refuse_is_told_in_chinese() -> None:
    for reason in error_reasons(load_contract()):
        error = pb.ImportError(column="名称", value="x", reason=reason, detail="english")
        assert is_chinese(told(error, "zh", without_labels)), reason


def test_a_rule_of_the_contract_says_more_than_its_reason() -> None:
    error = pb.ImportError(column="名称", value="x", reason="INVALID_ARGUMENT", detail="english")
    error.metadata["rule"] = "credit_code.length"
    assert told(error, "zh", without_labels) == "应为 18 位"


def refused_uploads() -> Iterator[CrmError]:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    part = Upload(UUID(int=1), "a.csv", UUID(int=2), now, now, total_bytes=10, received_bytes=4)
    sealed, untold = replace(part, sealed=True), replace(part, total_bytes=0, received_bytes=0)
    for attempt in (
        partial(part.append, 4, 7),
        partial(part.append, 5, 1),
        partial(sealed.append, 4, 1),
        partial(part.end, 4),
        partial(part.seal),
        partial(untold.seal),
        partial(check_room, 1, of_tenant=MAX_TENANT_BYTES, of_user=0),
        partial(check_room, 1, of_tenant=MAX_USER_BYTES, of_user=MAX_USER_BYTES),
    ):
        with pytest.raises(CrmError) as refused:
            attempt()
        yield refused.value


def test_every_refusal_of_an_upload_is_told_in_chinese_with_its_numbers() -> None:
    for error in refused_uploads():
        text = from_crm_error(error).told("zh")
        assert is_chinese(text)
        numbers = re.findall(r"\d{1,}", error.detail)
        assert set(numbers) <= set(re.findall(r"\d+", text)), (error.detail, text)

"""What is wrong with a filter is told in every language, with its position and its values."""

import ast
from pathlib import Path
from typing import Any

import crm_customer
import crm_kit.filtering
import pytest
from crm_gateway.texts.catalogue import LANGUAGES, Language, catalogue
from crm_kit.errors import InvalidArgument
from crm_kit.filtering.parsing import parse_filter
from crm_kit.filtering.schema import FilterField, FilterSchema
from crm_kit.filtering.tree import FieldType
from sqlalchemy import column

COLUMN: Any = column("x")
SCHEMA = FilterSchema(
    {
        "name": FilterField(FieldType.TEXT, COLUMN),
        "size": FilterField(FieldType.INTEGER, COLUMN),
        "area": FilterField(FieldType.NUMBER, COLUMN),
        "day": FilterField(FieldType.DATE, COLUMN),
        "vip": FilterField(FieldType.BOOL, COLUMN),
        "status": FilterField(FieldType.ENUM, COLUMN, values={"OPEN": "OPEN", "CLOSED": "CLOSED"}),
    }
)
WRONG = {
    "status = ": "从第 10 个字符起无法识别：应为 值，实为 结尾",
    "name x": "从第 6 个字符起无法识别：应为 比较符（=、!=、<、<=、>、>=、:） / IN，实为 x",
    "colour = red": "第 1 个字符处的字段 colour 不存在，可用：area, day, name, size, status, vip",
    "status > OPEN": "第 8 个字符处：status 不能用 > 比较，可用 =, !=, IN、:* 或 = null",
    "status = NEW": "第 10 个字符处：status 没有值 NEW，可用：OPEN, CLOSED",
    "size = many": "第 8 个字符处：size 应为整数，例如 12，实为 many",
    "day = someday": "第 7 个字符处：day 应为日期，例如 2026-01-31，或 today 等词，实为 someday",
    "vip = maybe": "第 7 个字符处：vip 应为true 或 false，实为 maybe",
    "size < null": '第 8 个字符处：null 只能与 = 和 != 一起使用；文本请写作 "null"',
    'name = "\0"': "第 9 个字符不能用于文本",
    "(" * 21 + "vip = true" + ")" * 21: "括号不能超过 20 层",
    " AND ".join(["vip = true"] * 51): "不能超过 50 个比较",
    "x" * 2001: "不能超过 2000 个字符",
}


def refused(text: str) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as raised:
        parse_filter(text, SCHEMA)
    return raised.value


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:20])
def test_a_wrong_filter_is_told_in_chinese_with_position_and_values(text: str) -> None:
    values = refused(text).metadata
    assert catalogue("zh").rule(f"filter.{values['problem']}", values) == WRONG[text]
    assert catalogue("en").rule(f"filter.{values['problem']}", values)


def problems_of_filters() -> set[str]:
    """Every problem that the program names where a filter is refused."""
    found = {f"value.{kind}" for kind in FieldType} | {"choice"}
    reading = Path(crm_kit.filtering.__path__[0])
    sources = [*reading.glob("*.py"), reading.parent / "kept_filters.py"]
    # What filters that are kept are refused for is said where they are.
    kept = Path(crm_customer.__path__[0]).rglob("*.py")
    sources += [path for path in kept if "raise Unusable(" in path.read_text()]
    for path in sources:
        for keyword in (each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.keyword)):
            if keyword.arg == "problem" and isinstance(keyword.value, ast.Constant):
                found.add(str(keyword.value.value))
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_problem_of_a_filter_lacks_its_text_and_no_text_its_problem(language: Language) -> None:
    texts = {key for key in catalogue(language).tables["rules"] if key.startswith("filter.") and key != "filter.plain"}
    assert texts == {f"filter.{problem}" for problem in problems_of_filters()}

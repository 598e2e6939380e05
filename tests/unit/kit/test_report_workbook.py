"""Reports as workbooks: the whole table, and native charts of the figures beside them."""

import io
import zipfile
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from crm_kit.reports.model import Chart
from crm_kit.reports.plots import MAX_GROUPS, MAX_SERIES, Plot, plots_of
from crm_kit.reports.workbook import workbook_of
from openpyxl.utils.cell import range_boundaries

from tests.unit.kit.test_report_plots import MONTH, OWNER, STATE, add, answer_of, month_name

KINDS = {
    Chart.BAR: ("BarChart", "bar", "clustered"),
    Chart.LINE: ("LineChart", None, "standard"),
    Chart.PIE: ("PieChart", None, None),
    Chart.FUNNEL: ("BarChart", "bar", "stacked"),
}


def sheets_of(content: bytes) -> tuple[Any, Any]:
    """The table, and the charts if there are any."""
    book = openpyxl.load_workbook(io.BytesIO(content))
    return book.worksheets[0], book.worksheets[1] if len(book.worksheets) > 1 else None


def cells(sheet: Any, reference: str) -> list[Any]:
    """What a chart refers to."""
    left, top, right, bottom = range_boundaries(reference.partition("!")[2].replace("$", ""))
    return [sheet.cell(row, left).value for row in range(top or 0, (bottom or 0) + 1) if left == right]


def shown(sheet: Any, chart: Any) -> list[tuple[str, list[Any], list[Any]]]:
    """The series of a chart: what each is called, its groups and figures."""
    found = []
    for each in chart.series:
        groups = each.cat.strRef or each.cat.numRef
        (name,) = cells(sheet, each.tx.strRef.f)
        found.append((name or "", cells(sheet, groups.f), cells(sheet, each.val.numRef.f)))
    return found


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("chart", [*KINDS])
def test_a_chart_is_native_and_of_the_kind_and_the_figures_of_the_report(chart: Chart, count: int) -> None:
    answer = answer_of(OWNER)
    for number, amount in enumerate((900, 400, 100)[:count]):
        add(answer, [(str(number), f"华信 {number}")], Decimal(amount))
    _, sheet = sheets_of(workbook_of(answer, "zh", chart=chart))
    (drawn,) = sheet._charts
    kind, direction, grouping = KINDS[chart]
    assert type(drawn).__name__ == kind
    assert (getattr(drawn, "barDir", None), getattr(drawn, "grouping", None)) == (direction, grouping)
    (plot,) = plots_of(answer, chart, "zh")
    assert isinstance(plot, Plot)
    *_, (name, groups, values) = shown(sheet, drawn)
    assert (name, groups, values) == (plot.series[0].name, plot.groups, plot.series[0].values)
    assert cells(sheet, drawn.title.tx.strRef.f) == [plot.title]


def test_the_steps_of_a_funnel_are_in_the_middle() -> None:
    answer = answer_of(OWNER)
    for number, amount in enumerate((900, 400, -5)):
        add(answer, [(str(number), "华信")], Decimal(amount))
    _, sheet = sheets_of(workbook_of(answer, "zh", chart=Chart.FUNNEL))
    (_, _, rooms), (_, _, steps) = shown(sheet, sheet._charts[0])
    assert (rooms, steps) == ([0, 250, 450], [900, 400, 0])


def test_months_are_columns_from_the_left_to_the_right_with_those_that_are_empty() -> None:
    answer = answer_of(MONTH, STATE)
    for day in ("2026-01-01", "2026-04-01"):
        for state in ("赢单", "输单"):
            add(answer, [(day, month_name(day)), (state, state)], Decimal(3))
    _, sheet = sheets_of(workbook_of(answer, "zh", chart=Chart.BAR))
    (drawn,) = sheet._charts
    months = ["2026年1月", "2026年2月", "2026年3月", "2026年4月"]
    assert drawn.barDir == "col"
    assert shown(sheet, drawn) == [("赢单", months, [3, 0, 0, 3]), ("输单", months, [3, 0, 0, 3])]


def test_figures_are_numbers_and_nothing_is_a_formula_whatever_groups_are_called() -> None:
    names = ["=1+1", "{=1}", "https://example.com", "a\x00b", "字" * 40_000, "0012"]
    answer = answer_of(OWNER, STATE, measures=["=sum"])
    for number, name in enumerate(names):
        add(answer, [(str(number), name), (name, name)], Decimal("1234.50"), measure="=sum")
    long = "12345678901234567.89"
    add(answer, [("x", "x"), ("x", "x")], Decimal(long), measure="=sum")
    content = workbook_of(answer, "zh", chart=Chart.BAR)
    table, sheet = sheets_of(content)
    rows = list(table.iter_rows(values_only=True))
    assert rows[0][3] == "=sum 合计 CNY"
    assert [row[0] for row in rows[1:7]] == [*names[:3], "a\ufffdb", names[4][:32_767], "0012"]
    assert rows[1][2:] == (1, 1234.5)
    assert (table.cell(2, 3).number_format, table.cell(2, 4).number_format) == ("0", "#,##0.00")
    assert rows[7][3] == long
    assert {cell.data_type for each in (table, sheet) for row in each.iter_rows() for cell in row} <= {"s", "n"}
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        for part in parts.namelist():
            assert b"<f>" not in parts.read(part), part
            assert b"hyperlink" not in parts.read(part), part


def test_a_table_has_no_charts_and_a_number_has_its_figure() -> None:
    answer = answer_of(OWNER, compared=True)
    add(answer, [("1", "华信")], Decimal(1))
    assert sheets_of(workbook_of(answer, "en"))[1] is None
    total = answer.total.cells.add(measure="sum:amount", currency_code="CNY")
    total.figure.amount.amount, total.compared.amount.amount, total.difference = "12", "10", "2"
    table, sheet = sheets_of(workbook_of(answer, "zh", chart=Chart.NUMBER))
    assert [*sheet.iter_rows(values_only=True)] == [("sum:amount 合计 CNY", "12", "10", "2")]
    assert (table.title, sheet.title) == ("表格", "图表")


def test_what_is_drawn_of_many_groups_is_bounded_and_charts_do_not_cover_each_other() -> None:
    answer = answer_of(OWNER, STATE, measures=["sum:a", "sum:b"])
    for number in range(1000):
        state = str(number % (MAX_SERIES + 1))
        row = add(answer, [(str(number), f"华信 {number}"), (state, state)], Decimal(number), measure="sum:a")
        row.cells.add(measure="sum:b", currency_code="CNY").figure.amount.amount = "1"
    table, sheet = sheets_of(workbook_of(answer, "zh", chart=Chart.BAR))
    assert table.max_row == 1002
    first, second = sheet._charts
    assert [len(each) for _, _, each in shown(sheet, first)] == [MAX_GROUPS[Chart.BAR]] * MAX_SERIES
    assert second.anchor._from.row > first.anchor.to.row
    assert range_boundaries(second.series[0].val.numRef.f.partition("!")[2])[1] > first.anchor.to.row

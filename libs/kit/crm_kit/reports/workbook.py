"""The answer of a report as a workbook: its table, and a sheet with its charts, which spreadsheet programs draw. Pure.

Charts are of the figures beside them, as the report draws them: people can change both. Nothing is a formula.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crm_kit.notice_texts import Language
from crm_kit.reports.charts import COLOURS
from crm_kit.reports.model import Chart
from crm_kit.reports.plots import Number, Plot, Series, plots_of
from crm_kit.reports.table import ReportTable
from crm_kit.spreadsheets.kinds import Kind
from crm_kit.spreadsheets.xlsx_file import decimals_of, written

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.worksheet import Worksheet

TABLE: Mapping[Language, str] = {"en": "Table", "zh": "表格"}
CHARTS: Mapping[Language, str] = {"en": "Charts", "zh": "图表"}
# Of a chart and of a row of the sheet, in pixels; figures stand in the columns from this one on.
WIDTH, HEIGHT, ROW, FIGURES = 640, 400, 20, 11
# What has no decimals, two, or any number of them.
FORMATS = {0: "0", 2: "#,##0.00"}
# Bars that lie have a line each, as far as a screen goes.
LINE, MAX_HEIGHT = 24, 1200
# Title and names stand above the figures.
HEAD = 2
# What fills up the sides of a funnel.
ROOM = ""
DRAWN = {Chart.LINE: {"type": "line"}, Chart.PIE: {"type": "pie"}, Chart.FUNNEL: {"type": "bar", "subtype": "stacked"}}


def workbook_of(answer: Any, language: Language, *, chart: Chart = Chart.TABLE) -> bytes:
    """The whole file; it may take a while."""
    # 3 MB that only those need who make one.
    from xlsxwriter import Workbook

    file = io.BytesIO()
    with Workbook(file, {"in_memory": True}) as book:
        _write_table(book, book.add_worksheet(TABLE[language]), ReportTable(answer, language))
        plots = plots_of(answer, chart, language)
        if plots:
            charts = _Charts(book, book.add_worksheet(CHARTS[language]))
            for plot in plots:
                charts.add(plot)
    return file.getvalue()


def _write_table(book: "Workbook", sheet: "Worksheet", table: ReportTable) -> None:
    formats = {decimals: book.add_format({"num_format": told}) for decimals, told in FORMATS.items()}
    kinds = table.kinds()
    for column, name in enumerate(table.header()):
        sheet.write_string(0, column, written(name))
    for at, row in enumerate(table.rows(), 1):
        for column, (text, kind) in enumerate(zip(row, kinds, strict=True)):
            decimals = decimals_of(text) if kind is Kind.NUMBER else None
            if decimals is None:
                sheet.write_string(at, column, written(text))
            else:
                sheet.write_number(at, column, float(text), formats.get(decimals))


@dataclass(slots=True)
class _Charts:
    """A sheet of charts below each other, each beside its figures."""

    book: "Workbook"
    sheet: "Worksheet"
    top: int = 0

    def add(self, plot: Plot | Number) -> None:
        if isinstance(plot, Number):
            self._write_number(plot)
        else:
            self._write_figures(plot)
            self.sheet.insert_chart(self.top, 0, self._drawn(plot))
            self.top += max(_height(plot) // ROW, HEAD + len(plot.groups)) + 2

    def _write_number(self, number: Number) -> None:
        told = (number.title, number.value, number.compared, number.difference)
        for column, text in enumerate(told):
            self.sheet.write_string(self.top, column, written(text))
        self.top += 1

    def _write_figures(self, plot: Plot) -> None:
        """Title, the names of series, a row for each group, and what is left out."""
        columns = _columns_of(plot)
        self._write_texts(0, [plot.title])
        self._write_texts(1, ["", *(each.name for each in columns)])
        for number, group in enumerate(plot.groups):
            self._write_texts(HEAD + number, [group])
        self._write_texts(HEAD + len(plot.groups), [plot.note])
        for column, each in enumerate(columns, FIGURES + 1):
            for number, value in enumerate(each.values):
                if value is not None:
                    self.sheet.write_number(self.top + HEAD + number, column, value)

    def _write_texts(self, row: int, texts: Sequence[str]) -> None:
        for column, text in enumerate(texts, FIGURES):
            self.sheet.write_string(self.top + row, column, written(text))

    def _drawn(self, plot: Plot) -> Any:
        is_funnel = plot.chart is Chart.FUNNEL
        lies = _lies(plot)
        columns = _columns_of(plot)
        chart: Any = self.book.add_chart(DRAWN.get(plot.chart, {"type": "bar" if lies else "column"}))
        # Told by their cells: as texts of a chart those that begin like a formula would be one.
        chart.set_title({"name": self._cell(0, 0)})
        for number, each in enumerate(columns):
            chart.add_series(self._series(plot, number, is_room=is_funnel and each.name == ROOM))
        if lies:
            # The first one on top, as in the table.
            chart.set_y_axis({"reverse": True, "label_position": "low"})
        if is_funnel:
            chart.set_x_axis({"visible": False, "major_gridlines": {"visible": False}})
        if len(plot.series) == 1 and plot.chart is not Chart.PIE:
            chart.set_legend({"none": True})
        chart.set_size({"width": WIDTH, "height": _height(plot)})
        return chart

    def _series(self, plot: Plot, number: int, *, is_room: bool) -> dict[str, Any]:
        last, column = len(plot.groups) - 1, number + 1
        drawn: dict[str, Any] = {
            "name": self._cell(1, column),
            "categories": self._cells(0, last),
            "values": self._cells(column, last),
        }
        if plot.chart is Chart.PIE:
            drawn |= {"points": [{"fill": {"color": _colour(at)}} for at in range(len(plot.groups))]}
            return drawn | {"data_labels": {"percentage": True}}
        if is_room:
            return drawn | {"fill": {"none": True}, "gap": 50}
        colour = {"color": _colour(0 if plot.chart is Chart.FUNNEL else number)}
        if plot.chart is Chart.LINE:
            return drawn | {"line": colour | {"width": 1.5}, "marker": {"type": "automatic"}}
        return drawn | {"fill": colour, "gap": 50, "data_labels": {"value": plot.chart is Chart.FUNNEL}}

    def _cell(self, row: int, column: int) -> list[Any]:
        """A title or a name, by its place beside the chart."""
        return [self.sheet.get_name(), self.top + row, FIGURES + column]

    def _cells(self, column: int, last: int) -> list[Any]:
        """What stands in a column for each group, of which there may be one alone: from the first to the last."""
        first, at = self.top + HEAD, FIGURES + column
        return [self.sheet.get_name(), first, at, first + last, at]


def _lies(plot: Plot) -> bool:
    """Whether bars lie, so that names of groups have room beside them."""
    return plot.chart is Chart.FUNNEL or (plot.chart is Chart.BAR and not plot.over_time)


def _height(plot: Plot) -> int:
    lines = len(plot.groups) * len(plot.series) if _lies(plot) else 0
    return min(max(HEIGHT, lines * LINE), MAX_HEIGHT)


def _columns_of(plot: Plot) -> Sequence[Series]:
    """What is drawn: of a funnel also the room beside each step, which puts it into the middle."""
    if plot.chart is not Chart.FUNNEL:
        return plot.series
    (steps,) = plot.series
    widths = [max(value or 0.0, 0.0) for value in steps.values]
    most = max(widths)
    return [Series(ROOM, [(most - width) / 2 for width in widths]), Series(steps.name, widths)]


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]

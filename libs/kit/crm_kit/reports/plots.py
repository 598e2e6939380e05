"""What the chart of a report shows: a plot for each figure, with its groups and what they are compared with. Pure.

A figure is a measure in one currency: amounts in two of them are two plots, since no scale is right for both.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from typing import Any

from crm_kit.filtering.tree import Unit
from crm_kit.labels import Label
from crm_kit.notice_texts import Language
from crm_kit.reports.model import Chart
from crm_kit.reports.periods import label_of_bucket
from crm_kit.reports.table import COMPARED, COUNT, OTHERS, Place, ReportTable, text_of
from crm_kit.resource.buckets import first_day_of, number_of

# What people can tell apart; the table has all.
MAX_PLOTS, MAX_SERIES = 4, 8
MAX_GROUPS = {Chart.BAR: 30, Chart.FUNNEL: 20, Chart.PIE: 8, Chart.LINE: 1000}
# What there are parts of.
WHOLE = ("count", "sum")
Values = tuple[str | None, ...]
# The series of what is compared.
THEN: Values = ("then", "compared")
# Of groups in several fields.
BETWEEN = " · "
LEFT_OUT = Label(
    "{shown} of {all} groups and {shown_series} of {all_series} series are drawn; the table has all.",
    "图中显示{all}个分组中的{shown}个、{all_series}个系列中的{shown_series}个，完整数据见表格。",
)


# What large figures are told in, so that an axis has short ones.
UNITS: Mapping[Language, Sequence[tuple[float, str]]] = {
    "en": ((1e12, "trillions"), (1e9, "billions"), (1e6, "millions"), (1e3, "thousands")),
    "zh": ((1e12, "万亿"), (1e8, "亿"), (1e4, "万")),
}
IN_UNITS: Mapping[Language, str] = {"en": "{}, in {}", "zh": "{}（{}）"}
# From so many times a unit on it is the one.
LARGE = 10


@dataclass(frozen=True, slots=True)
class Series:
    """Figures of one colour, one for each group; None where there is nothing to tell."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure of each group. `chart` is one of bars, line, pie and funnel; `note` says what is left out."""

    chart: Chart
    title: str
    groups: Sequence[str]
    series: Sequence[Series]
    over_time: bool
    note: str


@dataclass(frozen=True, slots=True)
class Number:
    """A figure of all records, as text; `compared` and `difference` are empty where nothing is compared."""

    title: str
    value: str
    compared: str
    difference: str


@dataclass(frozen=True, slots=True)
class Grid:
    """Figures by group and series. By their values, since two customers may have the same name."""

    groups: dict[Values, str]
    series: dict[Values, tuple[str, dict[Values, float | None]]]

    def lines(self, missing: float | None) -> list[Series]:
        """The first series, with this for a group of which one says nothing; nobody tells more of them apart."""
        return [
            Series(name, [figures.get(group, None if key == THEN else missing) for group in self.groups])
            for key, (name, figures) in islice(self.series.items(), MAX_SERIES)
        ]


def plots_of(answer: Any, chart: Chart, language: Language) -> list[Plot | Number]:
    """What is drawn of an answer, in the order of its measures; nothing for a table, nor where nothing was found."""
    if chart == Chart.NUMBER:
        return list(_numbers(answer, language))
    if chart not in MAX_GROUPS or not answer.groups or not answer.rows:
        return []
    places = [place for place in [None, *_places(answer)] if place is not None or not answer.measures]
    return [_plot(answer, chart, place, language) for place in places[:MAX_PLOTS]]


def _places(answer: Any) -> list[Place]:
    """Figures that are numbers: a moment has no height."""
    table = ReportTable(answer, "en")
    moments = {cell.measure for row in answer.rows for cell in row.cells if cell.figure.moment}
    return [place for place in table.places() if place[0] not in moments]


def _numbers(answer: Any, language: Language) -> Iterator[Number]:
    total, compared = answer.total, answer.HasField("compared_period")
    if not answer.measures:
        before = str(total.compared_record_count) if compared else ""
        difference = str(total.record_count - total.compared_record_count) if compared else ""
        yield Number(COUNT[language], str(total.record_count), before, difference)
    headings = {each.name: getattr(each, language) for each in answer.measures}
    for cell in total.cells[:MAX_PLOTS]:
        title = f"{headings[cell.measure]} {cell.currency_code}".strip()
        yield Number(title, text_of(cell.figure), text_of(cell.compared), cell.difference)


def _plot(answer: Any, chart: Chart, place: Place | None, language: Language) -> Plot:
    title = _title(answer, place, language)
    grid = _grid(answer, chart, place, language, title)
    is_whole = place is None or place[0].partition(":")[0] in WHOLE
    unit = _calendar_unit(answer)
    # What has no row has no records, unless there are more rows than are told of.
    is_all = not answer.HasField("others")
    if unit is not None and chart in (Chart.BAR, Chart.LINE):
        grid = replace(grid, groups=_in_time(unit, grid.groups, chart, language, is_all=is_all))
    series = grid.lines(0.0 if is_whole and is_all else None)
    groups = list(grid.groups.values())
    if chart is Chart.PIE:
        if is_whole and _are_shares(series):
            groups, series = _with_rest(groups, series[0], OTHERS[language])
        else:
            chart = Chart.BAR
    most = MAX_GROUPS[chart]
    note = ""
    if len(groups) > most or len(grid.series) > len(series):
        shown = {"shown": min(len(groups), most), "shown_series": len(series)}
        note = getattr(LEFT_OUT, language).format(all=len(groups), all_series=len(grid.series), **shown)
    drawn = [Series(each.name, each.values[:most]) for each in series]
    size, title = _unit(drawn, title, language)
    drawn = [Series(each.name, [None if value is None else value / size for value in each.values]) for each in drawn]
    return Plot(chart, title, groups[:most], drawn, unit is not None, note)


def _title(answer: Any, place: Place | None, language: Language) -> str:
    if place is None:
        return COUNT[language]
    headings = {each.name: getattr(each, language) for each in answer.measures}
    return f"{headings[place[0]]} {place[1]}".strip()


def _unit(series: Sequence[Series], title: str, language: Language) -> tuple[float, str]:
    """By what figures are divided, and the title that says so."""
    largest = max(abs(value or 0.0) for each in series for value in each.values)
    for size, name in UNITS[language]:
        if largest >= LARGE * size:
            return size, IN_UNITS[language].format(title, name)
    return 1.0, title


def _are_shares(series: Sequence[Series]) -> bool:
    """Whether the figures are parts of a whole: none is negative, and some are something."""
    values = [value or 0.0 for each in series for value in each.values]
    return min(values) >= 0 and max(values) > 0


def _with_rest(groups: Sequence[str], one: Series, others: str) -> tuple[list[str], list[Series]]:
    """The first groups, and all others together: shares are of the whole."""
    most = MAX_GROUPS[Chart.PIE] - 1
    if len(groups) <= most + 1:
        return [*groups], [one]
    rest = sum(value or 0.0 for value in one.values[most:])
    return [*groups[:most], others], [Series(one.name, [*one.values[:most], rest])]


def _grid(answer: Any, chart: Chart, place: Place | None, language: Language, title: str) -> Grid:
    """Groups by the first field; a series for each of what the other fields say, or one for now and one for then.

    Of shares and steps there is one series, and each row is a group of its own.
    """
    rows = [*answer.rows]
    if answer.HasField("others") and chart in (Chart.BAR, Chart.PIE):
        rows.append(answer.others)
    depth = len(answer.groups) if chart in (Chart.PIE, Chart.FUNNEL) else 1
    grid = Grid({}, {})
    for row in rows:
        group, other = _values(row.keys[:depth]), _values(row.keys[depth:])
        grid.groups.setdefault(group, _label(row.keys[:depth], language))
        name = _label(row.keys[depth:], language) if len(answer.groups) > depth else title
        grid.series.setdefault(other, (name, {}))[1][group] = _figure(row, place)
    if len(answer.groups) == 1 and depth == 1 and chart is not Chart.PIE and answer.HasField("compared_period"):
        before = {_values(row.keys): _figure(row, place, compared=True) for row in rows}
        grid.series[THEN] = (COMPARED[language].format(title), before)
    return grid


def _calendar_unit(answer: Any) -> Unit | None:
    """Of what the first groups are days, weeks, months, quarters or years; None when of none."""
    name = answer.groups[0].name.rpartition(":")[2].upper()
    return Unit[name] if name in Unit.__members__ and ":" in answer.groups[0].name else None


def _in_time(
    unit: Unit, groups: Mapping[Values, str], chart: Chart, language: Language, *, is_all: bool
) -> dict[Values, str]:
    """The groups with those between them that have no records, unless bars are in an order of their own."""
    numbers = [number_of(unit, date.fromisoformat(key[0])) for key in groups if key and key[0] is not None]
    in_order = sorted(numbers)
    if not numbers or (chart is Chart.BAR and numbers != in_order):
        return {**groups}
    span = range(in_order[0], in_order[-1] + 1)
    shown: Iterable[int] = span if is_all and len(span) <= MAX_GROUPS[chart] else in_order
    days = [first_day_of(unit, number) for number in shown]
    empty = {(day.isoformat(),): getattr(label_of_bucket(unit, day), language) for day in days}
    filled: dict[Values, str] = {key: groups.get(key, name) for key, name in empty.items()}
    # What has no date comes last, and what is left.
    return filled | {key: name for key, name in groups.items() if not key or key[0] is None}


def _values(keys: Sequence[Any]) -> Values:
    return tuple(key.value if key.HasField("value") else None for key in keys)


def _label(keys: Sequence[Any], language: Language) -> str:
    return BETWEEN.join(ReportTable.key(key, language) for key in keys) or OTHERS[language]


def _figure(row: Any, place: Place | None, *, compared: bool = False) -> float | None:
    if place is None:
        if not compared:
            return float(row.record_count)
        return float(row.compared_record_count) if row.HasField("compared_record_count") else None
    for cell in row.cells:
        if (cell.measure, cell.currency_code) == place:
            text = text_of(cell.compared if compared else cell.figure)
            return float(text) if text else None
    return None

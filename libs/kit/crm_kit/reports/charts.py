"""Draws the plots of a report for a PDF. Whatever its groups are called, nothing leaves the width that it is given."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from crm_kit.reports.model import Chart
from crm_kit.reports.plots import Number, Plot

if TYPE_CHECKING:
    from reportlab.graphics.shapes import Drawing

Cut = Callable[[str, float], str]
"""A text that is no wider than so many points."""
Shape = Any
"""Of reportlab, whose types take whole points alone."""

# Those of M. Okabe and K. Ito, which people tell apart however they see colours.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
# In points.
SIZE, LEADING, TITLE_SIZE, NUMBER_SIZE = 9.0, 12.0, 11.0, 28.0
HEAD, FOOT, GAP = 20.0, 16.0, 8.0
THICKNESS, COLUMNS, PIE, MOST = 10.0, 170.0, 180.0, 440.0
LABEL, VALUE, LEGEND = 170.0, 70.0, 180.0
# Of groups side by side, so many are named.
MAX_NAMED = 12
# Lines of more groups have no dots, which would stand in one another.
MAX_DOTS = 100
# Two places say too little of less.
SMALL = 0.1


def drawing_of(plot: Plot | Number, width: float, font: str, cut: Cut) -> "Drawing":
    """The drawing, as high as it has to be."""
    # 12 MB for those alone that make one.
    from reportlab.graphics.shapes import Drawing

    note = LEADING if isinstance(plot, Plot) and plot.note else 0.0
    height = HEAD + (NUMBER_SIZE + 2 * LEADING if isinstance(plot, Number) else _height(plot)) + note
    drawing = Drawing(width, height)
    drawing.add(_text(plot.title, 0, height - TITLE_SIZE, font, size=TITLE_SIZE, cut=cut, width=width))
    if isinstance(plot, Number):
        for shape in _number(plot, width, font, cut):
            drawing.add(shape)
        return drawing
    for shape in _DRAWN[plot.chart](plot, width, note, font, cut):
        drawing.add(shape)
    if plot.note:
        drawing.add(_text(plot.note, 0, 2, font, cut=cut, width=width))
    return drawing


def _height(plot: Plot) -> float:
    if plot.chart is Chart.PIE:
        return PIE
    if plot.chart is Chart.FUNNEL or _lies(plot):
        return min(MOST, FOOT + max(2, len(plot.groups)) * (len(plot.series) * THICKNESS + GAP))
    return COLUMNS


def _lies(plot: Plot) -> bool:
    """Whether bars lie: names of groups have room beside them, while time goes from the left to the right."""
    return plot.chart is Chart.BAR and not plot.over_time


def _number(plot: Number, width: float, font: str, cut: Cut) -> Iterator[Shape]:
    yield _text(plot.value, 0, 2 * LEADING, font, size=NUMBER_SIZE, cut=cut, width=width)
    if plot.compared:
        # Between two moments there is none.
        sign = "" if plot.difference.startswith("-") or not plot.difference else "+"
        yield _text(f"{sign}{plot.difference}  ({plot.compared})", 0, LEADING / 2, font, cut=cut, width=width)


def _bars(plot: Plot, width: float, bottom: float, font: str, cut: Cut) -> Iterator[Shape]:
    from reportlab.graphics.charts.barcharts import HorizontalBarChart, VerticalBarChart

    lies = _lies(plot)
    chart: Shape = HorizontalBarChart() if lies else VerticalBarChart()
    # The first one on top, as in the table: what lies is drawn from below.
    order = range(len(plot.series))[:: -1 if lies else 1]
    chart.data = [tuple(plot.series[number].values) for number in order]
    chart.groupSpacing, chart.barWidth = GAP, THICKNESS
    for place, number in enumerate(order):
        chart.bars[place].fillColor, chart.bars[place].strokeColor = _colour(number), None
    _place(chart, plot, width, bottom, left=LABEL if lies else VALUE)
    _axes(chart, plot, font, cut, lies=lies)
    chart.categoryAxis.reverseDirection = int(lies)
    yield chart
    yield from _legend(plot, width, bottom, font, cut)


def _lines(plot: Plot, width: float, bottom: float, font: str, cut: Cut) -> Iterator[Shape]:
    from reportlab.graphics.charts.linecharts import HorizontalLineChart

    chart: Shape = HorizontalLineChart()
    # Its axes alone: what it draws of a thousand days takes seconds.
    chart.data, chart.joinedLines = [(0.0,) * len(plot.groups)], 0
    _place(chart, plot, width, bottom, left=VALUE)
    _axes(chart, plot, font, cut, lies=False)
    yield chart
    for number, each in enumerate(plot.series):
        for part in _parts(each.values):
            yield from _line([_point(chart, plot, place, value) for place, value in part], number, len(plot.groups))
    yield from _legend(plot, width, bottom, font, cut)


def _point(chart: Any, plot: Plot, place: int, value: float) -> tuple[float, float]:
    """Where a figure stands: groups have as much room each."""
    axis = chart.valueAxis
    across = (place + 0.5) / len(plot.groups)
    up = (value - axis.valueMin) / (axis.valueMax - axis.valueMin)
    return chart.x + across * chart.width, chart.y + up * chart.height


def _line(points: Sequence[tuple[float, float]], colour: int, groups: int) -> Iterator[Shape]:
    """The line through points, and the points themselves where they do not touch each other or are alone."""
    from reportlab.graphics.shapes import Circle, PolyLine

    if len(points) > 1:
        line: Shape = PolyLine([at for point in points for at in point])
        line.strokeColor, line.strokeWidth = _colour(colour), 1.5
        yield line
    if len(points) == 1 or groups <= MAX_DOTS:
        for x, y in points:
            dot: Shape = Circle(x, y, 1.5)
            dot.fillColor, dot.strokeColor = _colour(colour), None
            yield dot


def _parts(values: Sequence[float | None]) -> Iterator[list[tuple[int, float]]]:
    """The line in the parts between which nothing is known, each figure with its place."""
    for is_known, found in groupby(enumerate(values), lambda each: each[1] is not None):
        if is_known:
            yield [(place, value) for place, value in found if value is not None]


def _pie(plot: Plot, width: float, bottom: float, font: str, cut: Cut) -> Iterator[Shape]:
    from reportlab.graphics.charts.piecharts import Pie
    from reportlab.lib.colors import white

    values = [value or 0.0 for value in plot.series[0].values]
    height = _height(plot)
    pie: Shape = Pie()
    pie.data, pie.labels = values, [""] * len(values)
    pie.x, pie.y = 0, bottom + height - PIE + GAP
    pie.width = pie.height = PIE - 2 * GAP
    pie.slices.strokeColor, pie.slices.strokeWidth = white, 0.5
    for number in range(len(values)):
        pie.slices[number].fillColor = _colour(number)
    yield pie
    total = sum(values)
    names = [f"{value / total:.1%}  {group}" for group, value in zip(plot.groups, values, strict=True)]
    yield from _named(names, PIE + GAP, bottom + height - LEADING, width - PIE - GAP, font, cut)


def _funnel(plot: Plot, width: float, bottom: float, font: str, cut: Cut) -> Iterator[Shape]:
    """Bars around a line in the middle: how much of the widest each is. Less than nothing has no width."""
    values = plot.series[0].values
    room, most = width - LABEL - VALUE, max([0.0, *(value for value in values if value is not None)]) or 1.0
    top, step = bottom + _height(plot), min(THICKNESS + GAP, _height(plot) / len(values))
    for number, (group, value) in enumerate(zip(plot.groups, values, strict=True), 1):
        base, wide = top - number * step, room * max(value or 0.0, 0.0) / most
        figure = "" if value is None else _figure(value)
        yield _box(LABEL + (room - wide) / 2, base, wide, THICKNESS, 0)
        yield _text(group, 0, base + 1, font, cut=cut, width=LABEL - GAP)
        yield _text(figure, width - VALUE + GAP, base + 1, font, cut=cut, width=VALUE - GAP)


_DRAWN = {Chart.BAR: _bars, Chart.LINE: _lines, Chart.PIE: _pie, Chart.FUNNEL: _funnel}


def _place(chart: Any, plot: Plot, width: float, bottom: float, *, left: float) -> None:
    chart.x, chart.y = left, bottom + FOOT
    chart.width = width - left - (LEGEND if len(plot.series) > 1 else VALUE / 2)
    chart.height = _height(plot) - FOOT


def _axes(chart: Any, plot: Plot, font: str, cut: Cut, *, lies: bool) -> None:
    values = [value for each in plot.series for value in each.values if value is not None]
    # From nothing on, which is where bars begin.
    low, high = min([0.0, *values]), max([0.0, *values])
    chart.valueAxis.valueMin, chart.valueAxis.valueMax = low, high if low < high else 1.0
    chart.valueAxis.labelTextFormat = _figure
    named = len(plot.groups) if lies else _named_below(plot, chart.width, cut)
    step = -(-len(plot.groups) // named)
    chart.categoryAxis.categoryNames = [
        "" if number % step else cut(group, LABEL - GAP if lies else _room_below(chart, plot, number, named))
        for number, group in enumerate(plot.groups)
    ]
    for axis in (chart.valueAxis, chart.categoryAxis):
        axis.labels.fontName, axis.labels.fontSize = font, SIZE
        axis.strokeWidth = 0.5
    # Names stand at the edge, also where bars go below nothing.
    chart.categoryAxis.labelAxisMode = "low"
    chart.categoryAxis.visibleTicks = 0


def _named_below(plot: Plot, width: float, cut: Cut) -> int:
    """How many groups have their names below them: as many as have room for them, or else for their first signs."""
    most = min(MAX_NAMED, len(plot.groups))
    longest = max(plot.groups, key=len)
    return next((count for count in range(most, 1, -1) if cut(longest, width / count - 2) == longest), most)


def _room_below(chart: Any, plot: Plot, number: int, named: int) -> float:
    """How wide the name of a group may be, which stands below its middle: also where that is near the edge."""
    middle: float = chart.width * (number + 0.5) / len(plot.groups)
    beside: float = min(chart.x + middle, chart.width - middle + VALUE / 2)
    return min(float(chart.width) / named - 2, 2 * beside)


def _legend(plot: Plot, width: float, bottom: float, font: str, cut: Cut) -> Iterator[Shape]:
    if len(plot.series) > 1:
        names = [each.name for each in plot.series]
        yield from _named(names, width - LEGEND + GAP, bottom + _height(plot) - LEADING, LEGEND - GAP, font, cut)


def _named(names: Sequence[str], left: float, top: float, width: float, font: str, cut: Cut) -> Iterator[Shape]:
    for number, name in enumerate(names):
        base = top - number * LEADING
        yield _box(left, base, SIZE - 2, SIZE - 2, number)
        yield _text(name, left + LEADING, base, font, cut=cut, width=width - LEADING)


def _box(x: float, y: float, width: float, height: float, colour: int) -> Shape:
    from reportlab.graphics.shapes import Rect

    box: Shape = Rect(x, y, width, height)
    box.fillColor, box.strokeColor = _colour(colour), None
    return box


def _text(text: str, x: float, y: float, font: str, *, cut: Cut, width: float, size: float = SIZE) -> Shape:
    from reportlab.graphics.shapes import String

    return String(x, y, cut(text, width * SIZE / size), fontName=font, fontSize=size)


def _figure(value: float) -> str:
    """`1,200,000`, `0.25`, `0.004`: two places, or two digits of what is smaller; none where they say nothing."""
    # Steps of an axis are sums: what should be nothing is some 10^-17.
    value = round(value, 9)
    if 0 < abs(value) < SMALL:
        return f"{value:.2g}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def _colour(number: int) -> Any:
    from reportlab.lib.colors import HexColor

    return HexColor(COLOURS[number % len(COLOURS)])

"""Charts of reports: what is drawn are the figures of the table, within the page, whatever groups are called."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, cast

import pytest
from crm.resource.v1 import reports_pb2 as pb
from crm_kit.filtering.tree import Unit
from crm_kit.reports.charts import drawing_of
from crm_kit.reports.model import Chart
from crm_kit.reports.pdf import HEIGHT, MARGIN, SIZE, WIDTH, cut_to, pdf_of
from crm_kit.reports.periods import label_of_bucket
from crm_kit.reports.plots import MAX_GROUPS, MAX_PLOTS, MAX_SERIES, Number, Plot, plots_of
from crm_kit.reports.typeface import FONT, register_font
from crm_kit.resource.buckets import first_day_of, number_of
from hypothesis import given
from hypothesis import strategies as st
from reportlab.graphics.charts.textlabels import Label
from reportlab.graphics.shapes import Circle, PolyLine, Rect, String
from reportlab.graphics.widgetbase import Widget
from reportlab.pdfbase.pdfmetrics import stringWidth

from tests.unit.kit.test_report_pdf import texts_in

DAY = date(2027, 3, 1)
OWNER, STATE, MONTH = ("owner_id", "负责人"), ("state", "状态"), ("close_time:month", "关闭月份")
Amounts = Sequence[Decimal | None]
AMOUNTS = st.lists(st.none() | st.decimals(-(10**12), 10**12, places=2), min_size=1, max_size=60)
register_font()
MEASURE = partial(stringWidth, fontName=FONT, fontSize=SIZE)
DRAWN = [Chart.BAR, Chart.LINE, Chart.PIE, Chart.FUNNEL]


def answer_of(
    *groups: tuple[str, str], measures: Sequence[str] = ("sum:amount",), compared: bool = False
) -> pb.ReportAnswer:
    answer = pb.ReportAnswer()
    for name, chinese in groups:
        answer.groups.add(name=name, zh=chinese)
    for name in measures:
        answer.measures.add(name=name, zh=f"{name} 合计")
    if compared:
        answer.compared_period.first_date = "2026-01-01"
    return answer


def add(
    answer: pb.ReportAnswer,
    keys: Sequence[tuple[str, str]],
    amount: Decimal | None,
    *,
    measure: str = "sum:amount",
    currency_code: str = "CNY",
    count: int = 1,
) -> pb.ReportAnswer.Row:
    """A row of groups, each with a value and a name."""
    row = answer.rows.add(record_count=count)
    for value, name in keys:
        row.keys.add(value=value, name=name)
    if amount is not None:
        row.cells.add(measure=measure, currency_code=currency_code).figure.amount.amount = str(amount)
    return row


def month_name(day: str) -> str:
    return label_of_bucket(Unit.MONTH, date.fromisoformat(day)).zh


def the_plot(answer: pb.ReportAnswer, chart: Chart) -> Plot:
    (plot,) = plots_of(answer, chart, "zh")
    assert isinstance(plot, Plot)
    return plot


@given(AMOUNTS, st.sampled_from([Chart.BAR, Chart.LINE, Chart.FUNNEL]))
def test_each_group_is_drawn_with_its_figure_in_the_order_of_the_table(amounts: Amounts, chart: Chart) -> None:
    answer = answer_of(OWNER)
    for number, amount in enumerate([Decimal(7), *amounts]):
        add(answer, [(str(number), f"华信 {number}")], amount)
    plot, most = the_plot(answer, chart), MAX_GROUPS[chart]
    assert plot.groups == [f"华信 {number}" for number in range(len(amounts) + 1)][:most]
    (series,) = plot.series
    # The unit is that of what is drawn.
    wanted = [None if amount is None else float(amount) for amount in [Decimal(7), *amounts]][:most]
    size = next(each for each in (1e12, 1e8, 1e4, 1) if each == 1 or any(abs(one or 0) >= 10 * each for one in wanted))
    assert [None if value is None else value * size for value in series.values] == pytest.approx(wanted)
    unit = {1e12: "（万亿）", 1e8: "（亿）", 1e4: "（万）", 1: ""}[size]
    assert (plot.title, plot.chart) == (f"sum:amount 合计 CNY{unit}", chart)
    assert bool(plot.note) == (len(amounts) + 1 > most)
    assert not plot.note or str(len(amounts) + 1) in plot.note


@given(st.lists(st.decimals(0, 999, places=2), min_size=1, max_size=60))
def test_shares_of_a_pie_are_those_of_the_whole_however_many_groups_there_are(amounts: Sequence[Decimal]) -> None:
    answer = answer_of(OWNER)
    for number, amount in enumerate([Decimal(1), *amounts]):
        add(answer, [(str(number), f"华信 {number}")], amount)
    answer.others.cells.add(measure="sum:amount", currency_code="CNY").figure.amount.amount = "5"
    plot = the_plot(answer, Chart.PIE)
    (series,) = plot.series
    assert plot.chart is Chart.PIE
    assert sum(value or 0 for value in series.values) == pytest.approx(float(sum(amounts)) + 6)
    assert plot.groups[-1] == "其他"
    assert len(plot.groups) == min(len(amounts) + 2, MAX_GROUPS[Chart.PIE])
    assert plot.note == ""


@pytest.mark.parametrize(
    ("measure", "amounts"), [("sum:amount", (5, -1)), ("avg:amount", (5, 1)), ("sum:amount", (0, 0))]
)
def test_what_are_no_parts_of_a_whole_are_bars(measure: str, amounts: tuple[int, int]) -> None:
    answer = answer_of(OWNER, measures=[measure])
    for number, amount in enumerate(amounts):
        add(answer, [(str(number), "华信")], Decimal(amount), measure=measure)
    assert the_plot(answer, Chart.PIE).chart is Chart.BAR


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from("uvw")), st.decimals(0, 99_999, places=2), min_size=1
    )
)
def test_groups_of_two_fields_keep_their_own_figures_also_where_their_names_are_alike(
    amounts: dict[tuple[str, str], Decimal],
) -> None:
    answer = answer_of(OWNER, STATE)
    for (owner, state), amount in amounts.items():
        add(answer, [(owner, "张伟"), (state, state)], amount)
    plot = the_plot(answer, Chart.BAR)
    owners = list(dict.fromkeys(owner for owner, _ in amounts))
    assert plot.groups == ["张伟"] * len(owners)
    assert {each.name: each.values for each in plot.series} == {
        state: [float(amounts.get((owner, state), 0)) for owner in owners]
        for state in dict.fromkeys(state for _, state in amounts)
    }


@given(
    st.sets(st.integers(0, 28), min_size=1),
    st.sampled_from(["sum:amount", "avg:amount"]),
    st.sampled_from([Chart.BAR, Chart.LINE]),
)
def test_months_without_records_have_their_place(months: set[int], measure: str, chart: Chart) -> None:
    answer = answer_of(MONTH, measures=[measure])
    days = {month: date(2026 + month // 12, month % 12 + 1, 1).isoformat() for month in range(29)}
    for month in sorted(months):
        add(answer, [(days[month], month_name(days[month]))], Decimal(month + 1), measure=measure)
    answer.rows.add(record_count=1).keys.add()
    plot = the_plot(answer, chart)
    span = range(min(months), max(months) + 1)
    assert plot.groups == [*(f"{2026 + month // 12}年{month % 12 + 1}月" for month in span), "（空）"]
    nothing = 0.0 if measure == "sum:amount" else None
    assert plot.series[0].values == [*(month + 1.0 if month in months else nothing for month in span), None]


def test_time_goes_from_the_left_to_the_right_in_lines_and_bars_keep_the_order_that_was_asked_for() -> None:
    answer = answer_of(MONTH)
    for day in ("2026-03-01", "2026-01-01", "2026-04-01"):
        add(answer, [(day, month_name(day))], Decimal(1))
    assert the_plot(answer, Chart.BAR).groups == ["2026年3月", "2026年1月", "2026年4月"]
    assert the_plot(answer, Chart.LINE).groups == ["2026年1月", "2026年2月", "2026年3月", "2026年4月"]
    answer.others.record_count = 1
    assert the_plot(answer, Chart.BAR).groups[-1] == "其他"
    assert the_plot(answer, Chart.LINE).groups == ["2026年1月", "2026年3月", "2026年4月"]


def test_each_currency_and_measure_has_a_scale_of_its_own() -> None:
    answer = answer_of(OWNER, measures=["sum:amount", "max:close_time", "count"])
    row = add(answer, [("1", "华信")], Decimal(10))
    row.cells.add(measure="sum:amount", currency_code="USD").figure.amount.amount = "7"
    row.cells.add(measure="max:close_time").figure.moment = "2027-01-01"
    row.cells.add(measure="count").figure.number = "3"
    plots = [each for each in plots_of(answer, Chart.BAR, "zh") if isinstance(each, Plot)]
    assert [(each.title, each.series[0].values) for each in plots] == [
        ("sum:amount 合计 CNY", [10.0]),
        ("sum:amount 合计 USD", [7.0]),
        ("count 合计", [3.0]),
    ]


def test_what_is_compared_stands_beside_it_and_records_are_counted_where_nothing_is_measured() -> None:
    answer = answer_of(OWNER, measures=[], compared=True)
    add(answer, [("1", "华信")], None, count=3).compared_record_count = 2
    add(answer, [("2", "北辰")], None, count=1)
    plot = the_plot(answer, Chart.BAR)
    assert [(each.name, each.values) for each in plot.series] == [
        ("记录数", [3.0, 1.0]),
        ("记录数（对比期）", [2.0, None]),
    ]
    answer.total.record_count, answer.total.compared_record_count = 4, 6
    assert plots_of(answer, Chart.NUMBER, "en") == [Number("Records", "4", "6", "-2")]


def test_a_table_and_an_answer_without_rows_have_no_chart() -> None:
    answer = answer_of(OWNER)
    assert [plots_of(answer, chart, "zh") for chart in DRAWN] == [[], [], [], []]
    add(answer, [("1", "华信")], Decimal(1))
    assert plots_of(answer, Chart.TABLE, "zh") == []


def test_no_more_is_drawn_than_people_can_tell_apart() -> None:
    answer = answer_of(OWNER, STATE)
    for state in range(MAX_SERIES + 2):
        add(answer, [("1", "华信"), (str(state), str(state))], Decimal(state))
    plot = the_plot(answer, Chart.BAR)
    assert (len(plot.series), "10个系列中的8个" in plot.note) == (MAX_SERIES, True)
    many = answer_of(OWNER, measures=[f"sum:{each}" for each in "abcde"])
    row = add(many, [("1", "华信")], None)
    for each in many.measures:
        row.cells.add(measure=each.name).figure.number = "1"
    assert len(plots_of(many, Chart.BAR, "zh")) == MAX_PLOTS


@pytest.mark.parametrize("chart", DRAWN)
@given(
    names=st.lists(st.text("ab 华信\n😀(\\)", max_size=80), min_size=1, max_size=40),
    field=st.sampled_from([OWNER, MONTH]),
    compared=st.booleans(),
    amount=st.sampled_from([Decimal("-1e12"), Decimal(0), Decimal("0.01"), Decimal("99999999999999.99")]),
)
def test_whatever_groups_are_called_charts_stay_on_the_page(
    chart: Chart, names: list[str], field: tuple[str, str], compared: bool, amount: Decimal
) -> None:
    answer = answer_of(field, compared=compared)
    for number, name in enumerate(names):
        value = str(number) if field is OWNER else date(2000 + number, 1, 1).isoformat()
        row = add(answer, [(value, name)], amount * (number + 1))
        row.cells[0].compared.amount.amount = "1"
    width = WIDTH - 2 * MARGIN
    drawing = drawing_of(the_plot(answer, chart), width, FONT, partial(cut_to, measure=MEASURE))
    assert drawing.height <= HEIGHT - 2 * MARGIN - 40
    left, low, right, high = drawing.getBounds()
    assert (left >= -1, low >= -1, right <= width + 1, high <= drawing.height + 1) == (True, True, True, True)


@pytest.mark.parametrize("count", [2, 4, 13, 37])
@pytest.mark.parametrize("letters", [5, 10, 20, 35])
def test_names_of_the_first_and_the_last_group_stay_on_the_page(count: int, letters: int) -> None:
    answer = answer_of(MONTH)
    for number in range(count):
        name = "信" * letters if number in (0, count - 1) else str(number)
        add(answer, [(f"{2000 + number // 12}-{number % 12 + 1:02}-01", name)], Decimal(number))
    width = WIDTH - 2 * MARGIN
    left, _, right, _ = drawing_of(
        the_plot(answer, Chart.LINE), width, FONT, partial(cut_to, measure=MEASURE)
    ).getBounds()
    assert (left >= -1, right <= width + 1) == (True, True)


@pytest.mark.parametrize("chart", [*DRAWN, Chart.NUMBER, Chart.TABLE])
def test_charts_come_before_a_table_that_has_every_row(chart: Chart) -> None:
    answer = answer_of(OWNER, compared=True)
    for number in range(50):
        add(answer, [(str(number), f"华信 {number}")], Decimal(number + 1))
    total = answer.total.cells.add(measure="sum:amount", currency_code="CNY")
    total.figure.amount.amount, total.compared.amount.amount, total.difference = "1275", "1000", "275"
    file = pdf_of(answer, "zh", name="客户报表", day=DAY, chart=chart)
    texts = texts_in(file)
    table = texts[texts.index("负责人") :]
    assert [each for each in table if each.startswith("华信 ")] == [f"华信 {number}" for number in range(50)]
    assert ("sum:amount 合计 CNY" in texts[: texts.index("负责人")]) == (chart is not Chart.TABLE)
    assert ("+275 (1000)" in texts) == (chart is Chart.NUMBER)
    assert file == pdf_of(answer, "zh", name="客户报表", day=DAY, chart=chart)


def drawn(plot: Plot | Number) -> Iterator[Any]:
    """All shapes of its chart that have no parts."""
    waiting: list[Any] = [drawing_of(plot, WIDTH - 2 * MARGIN, FONT, partial(cut_to, measure=MEASURE))]
    while waiting:
        shape = waiting.pop()
        if isinstance(shape, Label) and not getattr(shape, "_text", ""):
            continue
        parts = cast("Any", shape).draw().contents if isinstance(shape, Widget) else getattr(shape, "contents", None)
        if parts is None:
            yield shape
        else:
            waiting += parts


@pytest.mark.parametrize("amounts", [(-5, -2), (-5,), (5, -2), (5, 2)])
def test_bars_are_as_long_as_their_figures_also_where_all_are_less_than_nothing(amounts: Sequence[int]) -> None:
    answer = answer_of(OWNER)
    for number, amount in enumerate(amounts):
        add(answer, [(str(number), "华信")], Decimal(amount))
    bars = sorted(each.width for each in drawn(the_plot(answer, Chart.BAR)) if isinstance(each, Rect))
    assert bars == pytest.approx([amount * abs(bars[0]) / abs(min(amounts)) for amount in sorted(amounts)])


def test_a_line_goes_through_its_figures_and_has_gaps_where_nothing_is_known() -> None:
    answer = answer_of(MONTH, measures=["avg:amount"])
    for month, amount in ((1, -5), (2, -2), (4, -3)):
        add(answer, [(date(2026, month, 1).isoformat(), "")], Decimal(amount), measure="avg:amount")
    plot = the_plot(answer, Chart.LINE)
    shapes = list(drawn(plot))
    (line,) = [each for each in shapes if isinstance(each, PolyLine)]
    dots = sorted((each.cx, each.cy) for each in shapes if isinstance(each, Circle))
    (low, bottom), (middle, top), (right, height) = dots
    assert line.points == [low, bottom, middle, top]
    # April is as far from February as that is from December.
    assert (right - middle, top - bottom) == pytest.approx((2 * (middle - low), 3 * (height - bottom) / 2))


def test_steps_of_a_funnel_say_their_figures_whatever_they_are() -> None:
    answer = answer_of(OWNER)
    for number, amount in enumerate((Decimal(9), Decimal(-4), None)):
        add(answer, [(str(number), "华信")], amount)
    said = [each.text for each in drawn(the_plot(answer, Chart.FUNNEL)) if isinstance(each, String)]
    assert sorted(said) == ["", "-4", "9", "sum:amount 合计 CNY", "华信", "华信", "华信"]


def test_small_figures_are_told_apart_on_the_axis() -> None:
    answer = answer_of(OWNER)
    add(answer, [("1", "华信")], Decimal("0.004"))
    said = [each.text for each in drawn(the_plot(answer, Chart.BAR)) if isinstance(each, String)]
    assert {"0", "0.001", "0.002", "0.003", "0.004"} <= {*said}


def test_figures_are_told_in_a_unit_of_those_that_are_drawn() -> None:
    answer = answer_of(OWNER)
    for number in range(MAX_GROUPS[Chart.BAR] + 1):
        add(answer, [(str(number), "华信")], Decimal(7 if number < MAX_GROUPS[Chart.BAR] else 10**9))
    plot = the_plot(answer, Chart.BAR)
    assert ({*plot.series[0].values}, plot.title) == ({7.0}, "sum:amount 合计 CNY")


def test_between_moments_no_difference_is_told() -> None:
    answer = answer_of(OWNER, measures=["max:close_time"], compared=True)
    cell = answer.total.cells.add(measure="max:close_time")
    cell.figure.moment, cell.compared.moment = "2027-01-01", "2026-01-01"
    (number,) = plots_of(answer, Chart.NUMBER, "zh")
    said = [each.text for each in drawn(number) if isinstance(each, String)]
    assert [each.strip() for each in said if "2026" in each] == ["(2026-01-01)"]


@pytest.mark.parametrize("series", [1, 3])
@pytest.mark.parametrize("unit", [Unit.WEEK, Unit.MONTH, Unit.QUARTER])
def test_names_below_a_chart_are_whole(unit: Unit, series: int) -> None:
    answer = answer_of((f"close_time:{unit.value}", "日期"), OWNER)
    for number in range(30):
        first = first_day_of(unit, number_of(unit, DAY) + number)
        for owner in range(series):
            name = label_of_bucket(unit, first).zh
            add(answer, [(first.isoformat(), name), (str(owner), str(owner))], Decimal(1))
    plot = the_plot(answer, Chart.LINE)
    said = [each.text for each in drawn(plot) if isinstance(each, String) and each.text.startswith("20")]
    assert len(said) >= 6
    assert {*said} <= {*plot.groups}


def test_a_thousand_days_are_drawn_in_time() -> None:
    answer = answer_of(("close_time:day", "日期"), OWNER)
    for day in range(MAX_GROUPS[Chart.LINE]):
        owner = str(day % 8)
        add(answer, [((DAY + timedelta(days=day)).isoformat(), ""), (owner, owner)], Decimal(day))
    shapes = [type(each) for each in drawn(the_plot(answer, Chart.LINE))]
    assert (shapes.count(PolyLine), shapes.count(Circle)) == (8, 0)

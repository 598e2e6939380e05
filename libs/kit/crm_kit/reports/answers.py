"""Answers of reports as messages: each row and figure with the filter that opens its records."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from crm.resource.v1 import reports_pb2 as pb
from crm.resource.v1 import resources_pb2

from crm_kit.labels import Label
from crm_kit.money import format_amount
from crm_kit.reports.headings import group_heading, measure_heading, value_labels
from crm_kit.reports.periods import Days, label_of_bucket
from crm_kit.reports.running import Answer, Part, Row, others
from crm_kit.resource.openings import opening
from crm_kit.resource.questions import Function
from crm_kit.resource.reading import in_turns
from crm_kit.resource.shown_groups import figure_to_pb, number_text
from crm_kit.resource.summaries import Figure, Group

# What there is nothing of is 0 of these.
COUNTED = frozenset({Function.COUNT, Function.SUM, Function.DISTINCT})


@dataclass(frozen=True, slots=True)
class Written:
    """Writes the rows of an answer; `names` by the collection of a grouping and the id."""

    answer: Answer
    labels: Sequence[Mapping[str, Label]]
    names: Sequence[Mapping[str, str]]

    def row(self, row: Row) -> pb.ReportAnswer.Row:
        """A group, now and then."""
        now, then = self.answer.now, self.answer.compared
        is_compared = then is not None and row.is_known
        conditions = _conditions(now, row.key)
        shown = self._row(
            row.group, row.compared, conditions, _conditions_of(then, row.compared), is_compared=is_compared
        )
        shown.keys.extend(self._keys(row.key))
        shown.filter = opening(now.shown.filter, conditions)
        if then is not None and is_compared:
            shown.compared_record_count = row.compared.count if row.compared else 0
            if row.compared is not None:
                shown.compared_filter = opening(then.shown.filter, _conditions(then, row.compared.key))
        return shown

    def total(self) -> pb.ReportAnswer.Row:
        """All records."""
        now, then = self.answer.now, self.answer.compared
        shown = self._row(now.summary.total, then.summary.total if then else None, [], [], is_compared=then is not None)
        shown.filter = now.shown.filter
        if then is not None:
            shown.compared_record_count, shown.compared_filter = then.summary.total.count, then.shown.filter
        return shown

    def others(self) -> pb.ReportAnswer.Row | None:
        """The records of no row, then too where all rows are known; None when there are none."""
        rows, then = self.answer.rows, self.answer.compared
        rest = others(self.answer.now, [row.group for row in rows if row.group is not None])
        is_known = then is not None and all(row.is_known for row in rows)
        before = others(then, [row.compared for row in rows if row.compared is not None]) if then and is_known else None
        if not rest.count and not (before and before.count):
            return None
        shown = self._row(rest, before, None, None, is_compared=before is not None)
        if before is not None:
            shown.compared_record_count = before.count
        return shown

    def _row(
        self,
        now: Group | None,
        then: Group | None,
        conditions: list[str] | None,
        before: list[str] | None,
        *,
        is_compared: bool,
    ) -> pb.ReportAnswer.Row:
        """`conditions` are those of the records now, `before` then; None where no filter opens them.

        `is_compared`: what was then is known, none being none.
        """
        shown = pb.ReportAnswer.Row(record_count=now.count if now else 0)
        figures, compared = _by_place(now), _by_place(then)
        for place in self._places(figures, compared):
            figure, other = figures.get(place), compared.get(place)
            measure, currency_code = place
            cell = shown.cells.add(measure=measure, currency_code=currency_code)
            if figure is not None:
                cell.figure.CopyFrom(_figure(self.answer.now, figure, conditions))
            if other is not None and self.answer.compared is not None:
                cell.compared.CopyFrom(_figure(self.answer.compared, other, before))
            if is_compared:
                cell.difference = difference(figure, other)
        return shown

    def _places(
        self, figures: Mapping[tuple[str, str], Figure], compared: Mapping[tuple[str, str], Figure]
    ) -> Iterator[tuple[str, str]]:
        """Measures in their order, each with its currencies in theirs."""
        for measure in self.answer.now.shown.question.measures:
            currencies = {code for name, code in (*figures, *compared) if name == measure.text}
            yield from ((measure.text, code) for code in sorted(currencies))

    def _keys(self, key: Iterable[str | None]) -> Iterator[pb.ReportAnswer.Key]:
        group_by = self.answer.now.shown.question.group_by
        for by, value, labels, names in zip(group_by, key, self.labels, self.names, strict=True):
            label = labels.get(value or "", Label("", ""))
            if by.unit is not None and value is not None:
                label = label_of_bucket(by.unit, date.fromisoformat(value))
            yield pb.ReportAnswer.Key(value=value, name=names.get(value or "", ""), en=label.en, zh=label.zh)


def _conditions(part: Part, key: tuple[str | None, ...]) -> list[str]:
    return part.shown.conditions(Group(key))


def _conditions_of(part: Part | None, group: Group | None) -> list[str] | None:
    return None if part is None or group is None else _conditions(part, group.key)


def _figure(part: Part, figure: Figure, conditions: list[str] | None) -> resources_pb2.Figure:
    return figure_to_pb(figure) if conditions is None else part.shown.figure(figure, conditions)


def _by_place(group: Group | None) -> dict[tuple[str, str], Figure]:
    return {(each.measure.text, each.currency_code): each for each in group.figures} if group else {}


def difference(now: Figure | None, then: Figure | None) -> str:
    """By how much a figure has changed, an amount with the decimals of its currency; empty for what is no number."""
    figure = now or then
    if figure is None or not isinstance(figure.value, Decimal):
        return ""
    if (now is None or then is None) and figure.measure.function not in COUNTED:
        return ""
    values = [each.value if each and isinstance(each.value, Decimal) else Decimal(0) for each in (now, then)]
    changed = values[0] - values[1]
    return format_amount(changed, figure.currency_code) if figure.currency_code else number_text(changed)


async def answer_to_pb(answer: Answer, names: Sequence[Mapping[str, str]]) -> pb.ReportAnswer:
    """The whole answer; `names` are those of the records that the values of each grouping are ids of."""
    asked, question = answer.asked, answer.now.shown.question
    written = Written(answer, [value_labels(asked, by) for by in question.group_by], names)
    rows = await in_turns(answer.rows, written.row)
    return pb.ReportAnswer(
        groups=[_heading(by.text, group_heading(asked, by)) for by in question.group_by],
        measures=[_heading(each.text, measure_heading(asked, each)) for each in question.measures],
        rows=rows,
        total=written.total(),
        others=written.others(),
        time_zone=answer.now.shown.zone,
        period=_days(answer.now.days),
        compared_period=_days(answer.compared.days if answer.compared else None),
    )


def _heading(name: str, label: Label) -> pb.ReportAnswer.Heading:
    return pb.ReportAnswer.Heading(name=name, en=label.en, zh=label.zh)


def _days(days: Days | None) -> pb.ReportAnswer.Days | None:
    if days is None:
        return None
    return pb.ReportAnswer.Days(first_date=days.first.isoformat(), last_date=days.last.isoformat())

"""Groups and figures as messages, each with the filter that opens its records."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from crm.resource.v1 import resources_pb2 as pb
from crm.type.v1 import money_pb2

from crm_kit.money import format_amount
from crm_kit.resource.openings import condition_of, of_currency, opening
from crm_kit.resource.questions import Function, Question
from crm_kit.resource.summaries import Figure, FigureValue, Group, Summary


@dataclass(frozen=True, slots=True)
class Shown:
    """Shows what a question found among the records of a filter; `zone` is the calendar's."""

    question: Question
    filter: str
    zone: str

    def group(self, group: Group) -> pb.SummarizeRecordsResponse.Group:
        """A group, with what opens it; of no group are all records."""
        told = zip(self.question.group_by, group.key, strict=False)
        conditions = self.conditions(group)
        return pb.SummarizeRecordsResponse.Group(
            key={by.text: value for by, value in told if value is not None},
            count=group.count,
            sums=sums_of(group),
            figures=[self.figure(each, conditions) for each in group.figures],
            filter=opening(self.filter, conditions),
        )

    def others(self, summary: Summary) -> pb.SummarizeRecordsResponse.Group | None:
        """The records of the groups that are left out, which no filter opens; None when there are none."""
        others = summary.others
        if not others.count:
            return None
        return pb.SummarizeRecordsResponse.Group(
            count=others.count, sums=sums_of(others), figures=[figure_to_pb(each) for each in others.figures]
        )

    def conditions(self, group: Group) -> list[str]:
        """What the records of a group have in common."""
        return [condition_of(by, key, self.zone) for by, key in zip(self.question.group_by, group.key, strict=False)]

    def figure(self, figure: Figure, conditions: list[str]) -> pb.Figure:
        """A figure with what opens its records."""
        if figure.currency_code:
            conditions = [*conditions, of_currency(figure.measure.field, figure.currency_code)]
        return figure_to_pb(figure, filter=opening(self.filter, conditions))


def figure_to_pb(figure: Figure, *, filter: str = "") -> pb.Figure:
    """A figure by what kind of value it is."""
    shown = pb.Figure(measure=figure.measure.text, record_count=figure.count, filter=filter)
    if figure.currency_code:
        assert isinstance(figure.value, Decimal)
        shown.amount.CopyFrom(money(figure.value, figure.currency_code))
    elif isinstance(figure.value, Decimal):
        shown.number = number_text(figure.value)
    else:
        shown.moment = moment_text(figure.value)
    return shown


def sums_of(group: Group) -> Iterator[pb.SummarizeRecordsResponse.Sum]:
    """The sums among the figures of a group."""
    for figure in group.figures:
        if figure.measure.function is Function.SUM:
            shown = figure_to_pb(figure)
            amount = shown.amount if shown.HasField("amount") else None
            yield pb.SummarizeRecordsResponse.Sum(field=figure.measure.field, number=shown.number, amount=amount)


def number_text(number: Decimal) -> str:
    """Decimal text without exponent and needless zeros."""
    text = f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def moment_text(value: FigureValue) -> str:
    """A date as ISO writes it, an instant in UTC as REST writes it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)


def money(amount: Decimal, currency_code: str) -> money_pb2.Money:
    return money_pb2.Money(amount=format_amount(amount, currency_code), currency_code=currency_code)

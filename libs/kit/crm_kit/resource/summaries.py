"""Counts, sums and other figures of records by group, with the reader's scope and the list's filter."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from crm_kit.database.connections import Record
from crm_kit.database.work import Reader
from crm_kit.filtering.sql import filter_values
from crm_kit.filtering.tree import Filter, Shaped
from crm_kit.listing import Listing, context_of
from crm_kit.resource.declaration import CURRENCY
from crm_kit.resource.questions import MAX_GROUPS, AnyResource, Function, Grouping, Measure, Question
from crm_kit.resource.reading import NO_BINDS
from crm_kit.resource.summary_statement import COUNTED, OF_CURRENCY, TOTAL, bucket_binds, grouped
from crm_kit.scans import within_share

# A group has a row of its own, and one for each currency; so have all records together.
MAX_ROWS = 6 * MAX_GROUPS
# Decimals of an average, beyond those of what it is of.
AVERAGE_DECIMALS = 6

Share = Callable[[Reader, Filter], AbstractAsyncContextManager[None]]
FigureValue = Decimal | date | datetime
Key = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """What a measure says of `count` records, which are of one currency where it says one.

    `sum` and `number` are what averages are made of: the sum of the values, and how many there are.
    """

    measure: Measure
    currency_code: str
    value: FigureValue
    count: int
    sum: Decimal = Decimal(0)
    number: int = 0


@dataclass(slots=True)
class Group:
    """Records with the same values of the fields, by their text; None where they have none.

    `key` has a text as most of them spell it, `by` what all of its spellings have in common: another question about the
    same fields may have this group under another key, but never under another `by`.
    """

    key: Key
    count: int = 0
    figures: list[Figure] = field(default_factory=list)
    by: Key = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """Whole groups in their order, all records together, and those of no group that is told."""

    groups: Sequence[Group]
    total: Group
    left_out: bool

    @property
    def others(self) -> Group:
        """What the groups that are left out have together: counts, sums and averages, which can be told from others."""
        found = Group((), self.total.count - sum(group.count for group in self.groups))
        shown: dict[tuple[Measure, str], list[Figure]] = {}
        for group in self.groups:
            for figure in group.figures:
                shown.setdefault((figure.measure, figure.currency_code), []).append(figure)
        for figure in self.total.figures:
            rest = _without(figure, shown.get((figure.measure, figure.currency_code), ()))
            if rest is not None:
                found.figures.append(rest)
        return found


async def summarize(
    resource: AnyResource,
    reader: Reader,
    tree: Filter,
    question: Question,
    *,
    share: Share = within_share,
    listing: Listing | None = None,
    binds: Mapping[str, Any] = NO_BINDS,
) -> Summary:
    """At most `limit` groups of the records that the filter takes and the reader may see.

    They are all records, or those of a narrowed `listing` with its `binds`.
    """
    filtered, asked = Shaped.of(tree), (question.group_by, question.measures, question.by)
    query = grouped(resource, listing or resource.listing, reader.scope, filtered, *asked)
    context = context_of(reader)
    calendar = bucket_binds(question.group_by, context.now, context.zone)
    values = {**binds, **filter_values(tree, context), **calendar, "row_limit": MAX_ROWS + 1}
    async with share(reader, tree):
        rows = await reader.all(query, **values)
    groups: dict[Key, Group] = {}
    total = Group(())
    for row in rows:
        # Of the currencies of a group each may have another spelling of its key: the first row is that of all.
        by, key = (_key_in(row, name, question.group_by) for name in ("by", "key"))
        _add(total if row[TOTAL] else groups.setdefault(by, Group(key, by=by)), row, question.measures)
    is_cut = len(rows) > MAX_ROWS
    # The last group may have more currencies than were read.
    whole = list(groups.values())[: -1 if is_cut else None]
    if not question.group_by:
        whole = [total]
    return Summary(whole[: question.limit], total, left_out=is_cut or len(whole) > question.limit)


def _key_in(row: Record, name: str, group_by: Sequence[Grouping]) -> Key:
    return tuple(_text(row[f"{name}_{index}"]) for index, _ in enumerate(group_by))


def _add(group: Group, row: Record, measures: Iterable[Measure]) -> None:
    """Add a row to its group: what it says of all records, or of those of one currency."""
    if not row[OF_CURRENCY]:
        group.count = int(row[COUNTED])
    for index, measure in enumerate(measures):
        value = row[f"value_{index}"]
        if value is None or measure.is_money is not row[OF_CURRENCY]:
            continue
        currency_code = row[CURRENCY] if measure.is_money else ""
        if measure.function is Function.AVG:
            sum, number = Decimal(value), int(row[f"number_{index}"])
            value = average(sum, number)
            group.figures.append(Figure(measure, currency_code, value, int(row[COUNTED]), sum, number))
        else:
            value = value if isinstance(value, date) else Decimal(value)
            group.figures.append(Figure(measure, currency_code, value, int(row[COUNTED])))


def average(sum: Decimal, number: int) -> Decimal:
    """Half up to six decimals."""
    with localcontext(prec=60, rounding=ROUND_HALF_UP):
        return (sum / number).quantize(Decimal(1).scaleb(-AVERAGE_DECIMALS))


def _without(total: Figure, shown: Sequence[Figure]) -> Figure | None:
    """The figure of the records that are in none of those shown; None where it cannot be told, or there is nothing."""
    count = total.count - sum(each.count for each in shown)
    if not count:
        return None
    if total.measure.function in (Function.COUNT, Function.SUM):
        assert isinstance(total.value, Decimal)
        value = total.value - sum((each.value for each in shown if isinstance(each.value, Decimal)), Decimal(0))
        return Figure(total.measure, total.currency_code, value, count)
    if total.measure.function is Function.AVG:
        number = total.number - sum(each.number for each in shown)
        rest = total.sum - sum((each.sum for each in shown), Decimal(0))
        if number:
            return Figure(total.measure, total.currency_code, average(rest, number), count, rest, number)
    return None


def _text(value: object) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case datetime() | date():
            return value.isoformat()
    return str(value)

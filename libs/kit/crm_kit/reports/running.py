"""Answers the question of a report, with the rights of who asks; where it compares, the same of another time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from crm_kit.database.work import Reader
from crm_kit.errors import InvalidArgument, invalid_field
from crm_kit.filtering.parsing import MAX_DEPTH, MAX_TERMS
from crm_kit.filtering.tree import FieldType
from crm_kit.listing import context_of
from crm_kit.reports.model import Period, Question
from crm_kit.reports.periods import Days, compared_with, counterpart, days_of
from crm_kit.resource import questions
from crm_kit.resource.buckets import Span, within
from crm_kit.resource.openings import opening
from crm_kit.resource.questions import MAX_GROUPS, AnyResource, Askable, Grouping, askable
from crm_kit.resource.shown_groups import Shown
from crm_kit.resource.summaries import Group, Key, Summary, summarize
from crm_kit.scans import adding_up

# What a row, a figure and a period add to a filter that opens their records.
ADDED_TERMS = 10


@dataclass(frozen=True, slots=True)
class Part:
    """What was found in one time: `days` where the question has a period."""

    shown: Shown
    summary: Summary
    days: Days | None

    @property
    def is_whole(self) -> bool:
        """Whether every group is told."""
        return not self.summary.left_out


@dataclass(frozen=True, slots=True)
class Row:
    """A group now, and in the time that is compared with; None where it has no records, if that is known."""

    key: Key
    group: Group | None
    compared: Group | None = None
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """All that was found."""

    asked: Askable
    now: Part
    compared: Part | None
    rows: list[Row]


async def answer(resource: AnyResource, reader: Reader, question: Question, *, place: str = "question.") -> Answer:
    """The answer as of the reader's time. InvalidArgument names what is not possible, below `place`."""
    asked = await askable(resource, reader, question.texts)
    typed = typed_question(asked, question, place)
    period = question.period
    if period is None:
        now = await _part(resource, reader, typed, question.filter, None, place)
        return Answer(asked, now, None, [Row(group.key, group) for group in now.summary.groups])
    kind = period_type(asked, period, place)
    days = days_of(period.span, reader.actor.access.day_of(reader.now))
    now = await _part(resource, reader, typed, _within(question.filter, period, kind, days, reader), days, place)
    if period.compare is None:
        return Answer(asked, now, None, [Row(group.key, group) for group in now.summary.groups])
    before = compared_with(days, period.compare)
    filter = _within(question.filter, period, kind, before, reader)
    compared = await _part(resource, reader, replace(typed, limit=MAX_GROUPS), filter, before, place)
    return Answer(asked, now, compared, list(merged(now, compared, period.field)))


async def _part(
    resource: AnyResource, reader: Reader, question: questions.Question, filter: str, days: Days | None, place: str
) -> Part:
    try:
        tree, _ = await resource.listing.read(reader, filter)
    except InvalidArgument as error:
        raise placed(error, f"{place}filter") from None
    summary = await summarize(resource, reader, tree, question, share=adding_up)
    return Part(Shown(question, filter, context_of(reader).zone), summary, days)


def typed_question(asked: Askable, question: Question, place: str) -> questions.Question:
    """The question as the resource understands it; of one without measures how many records there are."""
    measures = question.measures or (questions.COUNT.text,)
    return asked.question(question.group_by, measures, order_by=question.order_by, limit=question.limit, place=place)


def period_type(asked: Askable, period: Period, place: str) -> FieldType:
    """What the field of a period holds, a date or an instant; InvalidArgument when neither."""
    kinds = asked.calendar
    if period.field not in kinds:
        possible = ", ".join(kinds) or "nothing"
        detail = f"{period.field} is no date or instant of {asked.resource.collection}; possible: {possible}"
        metadata = {"field": period.field, "possible": possible}
        raise invalid_field(f"{place}period.field", "report_period", detail, metadata=metadata)
    return kinds[period.field]


def _within(filter: str, period: Period, kind: FieldType, days: Days, reader: Reader) -> str:
    zone = context_of(reader).zone if kind is FieldType.INSTANT else None
    return opening(filter, [within(period.field, Span(days.first, days.end), zone)])


async def check_question(resource: AnyResource, reader: Reader, question: Question, *, place: str) -> None:
    """InvalidArgument for what could not be answered, or whose records no filter could open."""
    asked = await askable(resource, reader, question.texts)
    typed_question(asked, question, place)
    if question.period is not None:
        period_type(asked, question.period, place)
    try:
        await resource.listing.read(reader, question.filter)
    except InvalidArgument as error:
        raise placed(error, f"{place}filter") from None
    anything = next(iter(resource.filter_schema.fields))
    try:
        await resource.listing.read(reader, opening(question.filter, [f"{anything} = null"] * ADDED_TERMS))
    except InvalidArgument:
        most, depth = MAX_TERMS - ADDED_TERMS, MAX_DEPTH - 1
        detail = f"has at most {most} comparisons and {depth} levels of parentheses"
        metadata = {"most": str(most), "depth": str(depth)}
        raise invalid_field(f"{place}filter", "report_filter", detail, metadata=metadata) from None


def placed(error: InvalidArgument, place: str) -> InvalidArgument:
    """The error of a list's filter, told of the question's; of what else is wrong as it is."""
    violations = [
        type(each)(place if each.field == "filter" else each.field, each.rule, each.detail) for each in error.violations
    ]
    return InvalidArgument(error.detail, reason=error.reason, violations=violations, metadata=error.metadata)


# --- two times side by side


def merged(now: Part, compared: Part, field: str) -> Iterator[Row]:
    """The groups of now in their order, each with what it was; and, as far as there is room, those that were only then.

    Buckets of the period's own field stand beside those that have the same place in the other time.
    """
    then = {by: (key, group) for by, key, group in _moved(now, compared, field)}
    groups = now.summary.groups
    rows = [
        Row(each.key, each, then[each.by][1] if each.by in then else None, compared.is_whole or each.by in then)
        for each in groups
    ]
    told_now = {each.by for each in groups}
    if now.is_whole:
        room = now.shown.question.limit - len(rows)
        rows += [Row(key, None, group) for by, (key, group) in then.items() if by not in told_now][: max(room, 0)]
    by = now.shown.question.by
    if isinstance(by.term, Grouping) and by.term.unit is not None:
        at = now.shown.question.group_by.index(by.term)
        told = [row for row in rows if row.key[at] is not None]
        told.sort(key=lambda row: row.key[at] or "", reverse=by.descending)
        rows = [*told, *(row for row in rows if row.key[at] is None)]
    yield from rows


def _moved(now: Part, compared: Part, field: str) -> Iterator[tuple[Key, Key, Group]]:
    """The groups of the other time by what they go by and are told by now; without those that have no place now."""
    assert now.days is not None and compared.days is not None
    for group in compared.summary.groups:
        moved: dict[int, str] = {}
        for at, (grouping, value) in enumerate(zip(compared.shown.question.group_by, group.key, strict=True)):
            if grouping.unit is None or grouping.field != field or value is None:
                continue
            found = counterpart(grouping.unit, date.fromisoformat(value), compared.days, now.days)
            if found is None:
                break
            moved[at] = found.isoformat()
        else:
            by, key = (tuple(moved.get(at, each) for at, each in enumerate(of)) for of in (group.by, group.key))
            yield by, key, group


def others(part: Part, shown: Sequence[Group]) -> Group:
    """The records of a part that are in none of the groups shown."""
    return Summary(shown, part.summary.total, left_out=False).others

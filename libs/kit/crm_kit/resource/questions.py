"""What can be asked of many records at once: by what they are grouped and what is told of each group.

Written as text: `stage_id` groups by a field, `close_time:month` by the months of a calendar; `count`, `sum:amount`,
`avg:amount`, `min:amount`, `max:close_time` and `distinct:account_id` measure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from crm_kit.custom_fields.definitions import definitions_of
from crm_kit.custom_fields.listing import TYPES as CUSTOM_TYPES
from crm_kit.custom_fields.model import CustomField
from crm_kit.database.work import Reader
from crm_kit.errors import InvalidArgument, invalid_field
from crm_kit.field_rights import is_hidden
from crm_kit.filtering.schema import CUSTOM
from crm_kit.filtering.tree import LISTS, FieldType, Unit
from crm_kit.money import Money
from crm_kit.resource.contract import FieldContract
from crm_kit.resource.reading import ReadableResource

AnyResource = ReadableResource[Any, Any]
APART = ":"
MAX_GROUPS = 1000
CALENDAR = frozenset({FieldType.DATE, FieldType.INSTANT})
NUMBERS = frozenset({FieldType.NUMBER, FieldType.INTEGER, FieldType.MONEY})
UNITS = tuple(unit.value for unit in Unit)


class Function(StrEnum):
    """What is told of a group; COUNT of its records, the others of a field of theirs."""

    COUNT = "count"
    SUM = "sum"
    AVG = "avg"
    MIN = "min"
    MAX = "max"
    DISTINCT = "distinct"


@dataclass(frozen=True, slots=True)
class Grouping:
    """A field whose values are groups; of dates and instants the days, weeks ... they are in."""

    field: str
    type: FieldType
    unit: Unit | None = None
    # The collection of the records that its values are ids of.
    refers_to: str = ""

    @property
    def text(self) -> str:
        return self.field if self.unit is None else f"{self.field}{APART}{self.unit.value}"


@dataclass(frozen=True, slots=True)
class Measure:
    """A function of a field, whose values are of a type; COUNT has neither."""

    function: Function
    field: str = ""
    type: FieldType | None = None

    @property
    def text(self) -> str:
        return f"{self.function.value}{APART}{self.field}" if self.field else self.function.value

    @property
    def is_money(self) -> bool:
        """Whether it is told per currency."""
        return self.type is FieldType.MONEY and self.function is not Function.DISTINCT


COUNT = Measure(Function.COUNT)


@dataclass(frozen=True, slots=True)
class By:
    """What groups are ordered by: a measure, or a grouping of the question."""

    term: Measure | Grouping
    descending: bool


@dataclass(frozen=True, slots=True)
class Question:
    """Groups and measures that a resource has. At most `limit` groups are told by themselves, in their order."""

    group_by: tuple[Grouping, ...]
    measures: tuple[Measure, ...]
    by: By
    limit: int = MAX_GROUPS


@dataclass(frozen=True, slots=True)
class Askable:
    """What a resource can be asked: its own fields and those that the tenant has added."""

    resource: AnyResource
    custom: Mapping[str, CustomField]
    # What whoever asks may know nothing of.
    hidden: frozenset[str] = frozenset()

    def question(
        self,
        group_by: Sequence[str],
        measures: Sequence[str],
        *,
        sum: Sequence[str] = (),
        order_by: str = "",
        limit: int = 0,
        place: str = "",
    ) -> Question:
        """What the texts ask; fields to `sum` are measures as well, the first.

        InvalidArgument names the first that is not possible, below `place`, and what is.
        """
        groups = tuple(self._grouping(text, f"{place}group_by[{at}]") for at, text in enumerate(group_by))
        sums = tuple(self._sum(field, f"{place}sum[{at}]") for at, field in enumerate(sum))
        measured = tuple(self._measure(text, f"{place}measures[{at}]") for at, text in enumerate(measures))
        by = self._by(order_by, groups, measured, f"{place}order_by")
        return Question(groups, tuple(dict.fromkeys((*sums, *measured))), by, limit or MAX_GROUPS)

    @property
    def calendar(self) -> Mapping[str, FieldType]:
        """The dates and instants, with which of both they are."""
        return {path: self._type(path) for path in self._calendar()}

    def _sum(self, field: str, place: str) -> Measure:
        known = list(self._sums())
        if field not in known:
            raise self._impossible(field, place, "sum", known)
        return Measure(Function.SUM, field, self._type(field))

    def _grouping(self, text: str, place: str) -> Grouping:
        field, apart, unit = text.partition(APART)
        known, calendar = list(self._groups()), list(self._calendar())
        if not apart and field in known:
            return Grouping(field, self._type(field), refers_to=self._refers_to(field))
        if field in calendar and unit in UNITS:
            return Grouping(field, self._type(field), Unit(unit))
        by_time = (f"{each}{APART}{'|'.join(UNITS)}" for each in calendar)
        raise self._impossible(text, place, "group_by", [*known, *by_time])

    def _measure(self, text: str, place: str) -> Measure:
        name, apart, field = text.partition(APART)
        possible = self._measurable()
        if name == Function.COUNT and not apart:
            return COUNT
        if name not in possible or field not in possible[Function(name)]:
            told = (f"{function.value}{APART}{'|'.join(fields)}" for function, fields in possible.items() if fields)
            raise self._impossible(text, place, "measures", [Function.COUNT.value, *told])
        return Measure(Function(name), field, self._type(field))

    def _measurable(self) -> dict[Function, list[str]]:
        sums = list(self._sums())
        ends = [*sums, *self._calendar()]
        told_apart = [*self._groups(), *(path for path in self._fields() if self._refers_to(path))]
        return {
            Function.SUM: sums,
            Function.AVG: sums,
            Function.MIN: ends,
            Function.MAX: ends,
            Function.DISTINCT: list(dict.fromkeys(told_apart)),
        }

    def _by(self, text: str, groups: Sequence[Grouping], measures: Sequence[Measure], place: str) -> By:
        """By time where the first groups are of a calendar; else the largest first."""
        if not text:
            is_calendar = bool(groups) and groups[0].unit is not None
            return By(groups[0], descending=False) if is_calendar else By(COUNT, descending=True)
        name, _, way = text.partition(" ")
        terms: list[Measure | Grouping] = [COUNT, *measures, *groups]
        known = {each.text: each for each in terms}
        if name not in known or way not in ("", "asc", "desc"):
            raise self._impossible(text, place, "summary_order", [f"{each} asc|desc" for each in known])
        return By(known[name], descending=way == "desc")

    def _impossible(self, text: str, place: str, rule: str, possible: Sequence[str]) -> InvalidArgument:
        told = ", ".join(possible) or "nothing"
        detail = f"{text} is not possible for {self.resource.collection}; possible: {told}"
        return invalid_field(place, rule, detail, metadata={"field": text, "possible": told})

    def _groups(self) -> Iterator[str]:
        """The fields whose values are groups: of them a record has one only."""
        yield from (path for path, each in self._own_fields() if each.group)
        yield from (path for path in self._custom_fields() if self._type(path) not in LISTS)

    def _sums(self) -> Iterator[str]:
        yield from (path for path, each in self._own_fields() if each.sum)
        yield from (path for path in self._custom_fields() if self._type(path) in NUMBERS)

    def _calendar(self) -> Iterator[str]:
        return (path for path in self._fields() if self._type(path) in CALENDAR)

    def _fields(self) -> Iterator[str]:
        """All that filters compare and that are one value, but for what is personal."""
        for path, each in self._own_fields():
            if each.filter and not each.sensitive and self._type(path) not in LISTS:
                yield path
        yield from (path for path in self._custom_fields() if self._type(path) not in LISTS)

    def _own_fields(self) -> Iterator[tuple[str, FieldContract]]:
        return (found for found in self.resource.paths.items() if not is_hidden(found[0], self.hidden))

    def _custom_fields(self) -> Iterator[str]:
        active = (CUSTOM + key for key, field in self.custom.items() if field.is_active)
        return (path for path in active if path not in self.hidden)

    def _type(self, path: str) -> FieldType:
        if path.startswith(CUSTOM):
            return CUSTOM_TYPES[self.custom[path.removeprefix(CUSTOM)].type]
        declared = self.resource.filter_schema.fields.get(path)
        if declared is not None:
            return declared.type
        return FieldType.MONEY if self.resource.hint_of(path) in (Money, Money | None) else FieldType.NUMBER

    def _refers_to(self, path: str) -> str:
        if path.startswith(CUSTOM):
            return self.custom[path.removeprefix(CUSTOM)].reference_collection or ""
        return self.resource.paths[path].refers_to


async def askable(resource: AnyResource, reader: Reader, texts: Sequence[str]) -> Askable:
    """What a resource can be asked; the tenant's own fields, as they are now, where one of the texts speaks of them."""
    if not resource.has_custom or not any(CUSTOM in text for text in texts):
        return Askable(resource, {}, resource.unlisted_from(reader))
    known = await definitions_of(reader, resource.collection, fresh=True)
    return Askable(resource, known.fields, resource.unlisted_from(reader))

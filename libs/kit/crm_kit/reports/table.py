"""The answer of a report as a table for spreadsheets: a row for each group, one for the others, one for all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crm_kit.notice_texts import Language
from crm_kit.spreadsheets.kinds import Kind

Words = Mapping[Language, str]
COUNT: Words = {"en": "Records", "zh": "记录数"}
COMPARED: Words = {"en": "{} (compared with)", "zh": "{}（对比期）"}
DIFFERENCE: Words = {"en": "{} (difference)", "zh": "{}（差额）"}
TOTAL: Words = {"en": "Total", "zh": "合计"}
OTHERS: Words = {"en": "Others", "zh": "其他"}
NOTHING: Words = {"en": "(none)", "zh": "（空）"}

Place = tuple[str, str]
"""A measure and a currency."""


@dataclass(frozen=True, slots=True)
class ReportTable:
    """An answer in a language."""

    answer: Any
    language: Language

    def header(self) -> list[str]:
        """What the columns are called."""
        names = [getattr(each, self.language) for each in self.answer.groups]
        count = COUNT[self.language]
        names += [count, *([COMPARED[self.language].format(count)] if self._is_compared else [])]
        for heading in self._figures():
            names.append(heading)
            if self._is_compared:
                names += [COMPARED[self.language].format(heading), DIFFERENCE[self.language].format(heading)]
        return names

    def kinds(self) -> list[Kind]:
        """What the columns hold."""
        numbers = len(self.header()) - len(self.answer.groups)
        return [Kind.TEXT] * len(self.answer.groups) + [Kind.NUMBER] * numbers

    def rows(self) -> Iterator[list[str]]:
        """The cells of each row, in the order of the header."""
        # Found once: they are looked for in all rows.
        places = self.places()
        for row in self.answer.rows:
            yield [*(self.key(key, self.language) for key in row.keys), *self._cells(row, places)]
        if self.answer.HasField("others"):
            yield [*self._in_place_of_keys(OTHERS), *self._cells(self.answer.others, places)]
        if self.answer.groups:
            yield [*self._in_place_of_keys(TOTAL), *self._cells(self.answer.total, places)]

    @property
    def _is_compared(self) -> bool:
        return bool(self.answer.HasField("compared_period"))

    def places(self) -> list[Place]:
        """Measures in their order, each with the currencies that it has in some row."""
        found = {(cell.measure, cell.currency_code) for row in self._all_rows() for cell in row.cells}
        order = [each.name for each in self.answer.measures]
        return sorted(found, key=lambda place: (order.index(place[0]), place[1]))

    def _all_rows(self) -> Sequence[Any]:
        return [*self.answer.rows, self.answer.others, self.answer.total]

    def _figures(self) -> Iterator[str]:
        headings = {each.name: getattr(each, self.language) for each in self.answer.measures}
        for measure, currency_code in self.places():
            yield f"{headings[measure]} {currency_code}".strip()

    @staticmethod
    def key(key: Any, language: Language) -> str:
        """What people call what the records of a group have in common in a field."""
        if not key.HasField("value"):
            return NOTHING[language]
        return key.name or getattr(key, language) or str(key.value)

    def _in_place_of_keys(self, words: Words) -> list[str]:
        return [words[self.language], *[""] * (len(self.answer.groups) - 1)] if self.answer.groups else []

    def _cells(self, row: Any, places: Sequence[Place]) -> Iterator[str]:
        yield str(row.record_count)
        if self._is_compared:
            yield str(row.compared_record_count) if row.HasField("compared_record_count") else ""
        cells = {(cell.measure, cell.currency_code): cell for cell in row.cells}
        for place in places:
            cell = cells.get(place)
            yield text_of(cell.figure) if cell else ""
            if self._is_compared:
                yield text_of(cell.compared) if cell else ""
                yield cell.difference if cell else ""


def text_of(figure: Any) -> str:
    """What a figure says; empty where it says nothing."""
    return str(figure.amount.amount or figure.number or figure.moment)

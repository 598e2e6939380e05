"""Rows of a spreadsheet as accounts, or as what is wrong with them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from crm_customer.imports.spreadsheets import fields
from crm_customer.imports.spreadsheets.cells import ERROR_VALUES
from crm_customer.imports.spreadsheets.fields import CellError, Reason
from crm_customer.imports.spreadsheets.mapping import CUSTOM_PREFIX, EXTERNAL_ID_PREFIX, Field
from crm_customer.imports.spreadsheets.reader import Spreadsheet

_MAX_VALUES = {
    Field.PHONE_NUMBERS: 20,
    Field.EMAILS: 20,
    Field.CONTACT_PHONE: 20,
    Field.CONTACT_EMAIL: 20,
    Field.TAGS: 50,
}


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account as a row tells it. None and empty tuples: the row does not tell.

    `kind`, `status` and `roles` are names of the contract without their prefix; phone numbers are E.164, the region
    is ISO 3166; `external_ids` are (source, value), `custom` are (key, text).
    """

    row_number: int
    display_name: str | None = None
    kind: str | None = None
    legal_name: str | None = None
    short_name: str | None = None
    credit_code: str | None = None
    roles: tuple[str, ...] = ()
    status: str | None = None
    industry: str | None = None
    employee_count: int | None = None
    region_code: str | None = None
    city: str | None = None
    address: str | None = None
    postal_code: str | None = None
    phone_numbers: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    website: str | None = None
    source: str | None = None
    external_ids: tuple[tuple[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    owner: str | None = None
    parent: str | None = None
    contact_name: str | None = None
    contact_title: str | None = None
    contact_phone: tuple[str, ...] = ()
    contact_email: tuple[str, ...] = ()
    preferences: str | None = None
    taboos: str | None = None
    remarks: str | None = None
    custom: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RowError:
    """One thing wrong with one row. `column` is the header, empty if it is about the row; `detail` is for people."""

    row_number: int
    column: str
    value: str
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be imported, as it was, with everything that is wrong with it."""

    row_number: int
    cells: tuple[str, ...]
    errors: tuple[RowError, ...]


@dataclass(frozen=True, slots=True)
class RowRules:
    """What the file does not say itself.

    `external_source` is the system of external ids whose column names none, `default_region` (ISO 3166-1 alpha-2)
    the country of phone numbers without a country code where the row's region names none.
    """

    external_source: str = "spreadsheet"
    default_region: str = "CN"
    name_required: bool = True


def read_rows(
    sheet: Spreadsheet, mapping: Mapping[str, str], rules: RowRules | None = None
) -> Iterator[AccountRow | BadRow]:
    """All rows of a sheet, in order. An external id that an earlier row has is an error of the later one.

    Keeps the external ids seen in memory, 100 bytes or so each.
    """
    rules = rules or RowRules()
    seen: dict[tuple[str, str], int] = {}
    for number, cells in sheet.rows:
        reading = _Reading(number, cells, sheet.header, mapping, rules)
        row = reading.row()
        if isinstance(row, AccountRow):
            row = reading.without_duplicates(row, seen)
        yield row


@dataclass(slots=True)
class _Reading:
    number: int
    cells: Sequence[str]
    header: Sequence[str]
    mapping: Mapping[str, str]
    rules: RowRules
    values: dict[str, str | int] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    external_ids: list[tuple[str, tuple[str, str]]] = field(default_factory=list)
    custom: list[tuple[str, str]] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)

    def row(self) -> AccountRow | BadRow:
        if len(self.cells) > len(self.header):
            extra = self.cells[len(self.header)]
            detail = f"the row has {len(self.cells)} cells, the header {len(self.header)}; quote texts with separators"
            self._refuse("", CellError(Reason.TOO_MANY_CELLS, detail, extra))
            return self._bad()
        phones = []
        for column, cell in zip(self.header, self.cells, strict=True):
            target = self.mapping.get(column)
            if not target or not cell:
                continue
            if target in {Field.PHONE_NUMBERS, Field.CONTACT_PHONE}:
                phones.append((column, target, cell))
            else:
                self._take(column, target, cell)
        # After the others: the region says in which country a number without a country code is.
        for column, target, cell in phones:
            self._attempt(column, cell, partial(self._phones, cell, target))
        self._check_name()
        self._check_counts()
        return self._bad() if self.errors else self._account()

    def without_duplicates(self, row: AccountRow, seen: dict[tuple[str, str], int]) -> AccountRow | BadRow:
        for column, key in self.external_ids:
            if key in seen:
                detail = f"row {seen[key]} has the same"
                self._refuse(column, CellError(Reason.EXTERNAL_ID_DUPLICATE, detail, key[1]))
        if self.errors:
            return self._bad()
        seen.update(dict.fromkeys(row.external_ids, self.number))
        return row

    def _take(self, column: str, target: str, cell: str) -> None:
        if target.startswith(CUSTOM_PREFIX):
            key = target.removeprefix(CUSTOM_PREFIX)
            self._attempt(column, cell, lambda: self.custom.append((key, fields.one_text(cell, target))))
        elif target == Field.EXTERNAL_IDS or target.startswith(EXTERNAL_ID_PREFIX):
            source = target.removeprefix(Field.EXTERNAL_IDS).removeprefix(".") or self.rules.external_source
            self._attempt(column, cell, lambda: self._external_id(column, source, cell))
        elif target == Field.KIND:
            self._attempt(column, cell, lambda: self._kind_or_role(cell))
        elif target in fields.SEVERAL:
            several = fields.SEVERAL[target]
            self._attempt(column, cell, lambda: self.lists.setdefault(target, []).extend(several(cell)))
        elif target in fields.SINGLE:
            single = fields.SINGLE[target]
            self._attempt(column, cell, lambda: self.values.update({target: single(cell)}))
        else:
            self._attempt(column, cell, lambda: self.values.update({target: fields.one_text(cell, target)}))

    def _attempt(self, column: str, cell: str, take: Callable[[], None]) -> None:
        if cell in ERROR_VALUES:
            self._refuse(column, CellError(Reason.CELL_ERROR, "the formula of this cell has failed", cell))
            return
        try:
            take()
        except CellError as refused:
            self._refuse(column, refused)

    def _phones(self, cell: str, target: str) -> None:
        country = str(self.values.get(Field.REGION, self.rules.default_region))[:2]
        self.lists.setdefault(target, []).extend(fields.phone_numbers(cell, country))

    def _external_id(self, column: str, source: str, cell: str) -> None:
        self.external_ids += [(column, key) for key in fields.external_ids(cell, source)]

    def _kind_or_role(self, cell: str) -> None:
        """客户类型 is used for both: a company, or a dealer."""
        try:
            self.values[Field.KIND] = fields.kind(cell)
        except CellError:
            self.lists.setdefault(Field.ROLES, []).extend(fields.roles(cell))

    def _check_name(self) -> None:
        if not self.rules.name_required or Field.DISPLAY_NAME in self.values:
            return
        column = next((c for c, target in self.mapping.items() if target == Field.DISPLAY_NAME), "")
        if not any(error.column == column for error in self.errors):
            self._refuse(column, CellError(Reason.NAME_MISSING, "the customer's name is missing", ""))

    def _check_counts(self) -> None:
        for target, most in _MAX_VALUES.items():
            if len(self.lists.get(target, ())) > most:
                column = next(c for c, t in self.mapping.items() if t == target)
                cell = self.cells[list(self.header).index(column)]
                self._refuse(column, CellError(Reason.TOO_MANY_VALUES, f"at most {most} are possible", cell))

    def _refuse(self, column: str, refused: CellError) -> None:
        self.errors.append(RowError(self.number, column, refused.value, refused.reason, refused.detail))

    def _bad(self) -> BadRow:
        return BadRow(self.number, tuple(self.cells), tuple(self.errors))

    def _account(self) -> AccountRow:
        several = {target: tuple(dict.fromkeys(values)) for target, values in self.lists.items()}
        told: dict[str, Any] = {**self.values, **several}
        return AccountRow(
            row_number=self.number,
            external_ids=tuple(dict.fromkeys(key for _, key in self.external_ids)),
            custom=tuple(self.custom),
            **told,
        )

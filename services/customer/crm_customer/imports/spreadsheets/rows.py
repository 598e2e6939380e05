"""Rows of a spreadsheet as accounts, or as what is wrong with them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from crm_kit.phone_numbers import phone_country

from crm_customer.imports.spreadsheets import fields
from crm_customer.imports.spreadsheets.cells import ERROR_VALUES
from crm_customer.imports.spreadsheets.fields import CellError, Reason
from crm_customer.imports.spreadsheets.groups import OWN_SOURCE, Groups, Key, Mention
from crm_customer.imports.spreadsheets.mapping import (
    CONTACT_NAMES,
    CUSTOM_PREFIX,
    EXTERNAL_ID_PREFIX,
    Field,
    has_states,
    is_key,
)
from crm_customer.imports.spreadsheets.notations import Column
from crm_customer.imports.spreadsheets.reader import Spreadsheet
from crm_customer.imports.spreadsheets.wording import company_key, plain, says_nothing

_MAX_VALUES = {
    Field.PHONE_NUMBERS: fields.MAX_PHONE_NUMBERS,
    Field.EMAILS: 20,
    Field.CONTACT_PHONE: fields.MAX_PHONE_NUMBERS,
    Field.CONTACT_EMAIL: 20,
    Field.TAGS: 50,
}


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account as a row tells it. None and empty tuples: the row does not tell.

    `kind`, `status` and `roles` are names of the contract without their prefix; phone numbers are E.164, the region
    is ISO 3166; `id` is that of an account, `external_ids` are (source, value), `custom` are (key, text). `account_row`
    is the number of the first row about the same account, its own if there is none. `left_out` is what is wrong with
    cells that were passed over.
    """

    row_number: int
    id: str | None = None
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
    account_row: int = 0
    left_out: tuple["RowError", ...] = ()


@dataclass(frozen=True, slots=True)
class RowError:
    """One thing wrong with one row. `column` is the header, empty if it is about the row; `detail` is for people.

    `metadata` are the values that the detail names.
    """

    row_number: int
    column: str
    value: str
    reason: Reason
    detail: str
    metadata: Mapping[str, str] = field(default_factory=dict)


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
    the country of phone numbers without a country code, and of states, where the row names none. With `skip_invalid`,
    a cell that is wrong is left out of its row, unless it is the account's name, id or key.
    """

    external_source: str = "spreadsheet"
    default_region: str = "CN"
    name_required: bool = True
    skip_invalid: bool = False


def read_rows(
    sheet: Spreadsheet,
    mapping: Mapping[str, str],
    rules: RowRules | None = None,
    columns: Mapping[str, Column] | None = None,
) -> Iterator[AccountRow | BadRow]:
    """All rows of a sheet, in order. Those about the same account are told apart as `Groups` says.

    `columns` are those of numbers and dates among the custom fields.
    """
    rules = rules or RowRules()
    groups = Groups(by_name=not CONTACT_NAMES.isdisjoint(mapping.values()))
    for number, cells in sheet.rows:
        yield _Reading(number, cells, sheet.header, mapping, rules, columns or {}).row(groups)


@dataclass(slots=True)
class _Reading:
    number: int
    cells: Sequence[str]
    header: Sequence[str]
    mapping: Mapping[str, str]
    rules: RowRules
    columns: Mapping[str, Column]
    values: dict[str, str | int] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    keys: list[tuple[str, Key]] = field(default_factory=list)
    custom: list[tuple[str, str]] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    left_out: list[RowError] = field(default_factory=list)

    def row(self, groups: Groups) -> AccountRow | BadRow:
        if len(self.cells) > len(self.header):
            extra = self.cells[len(self.header)]
            detail = f"the row has {len(self.cells)} cells, the header {len(self.header)}; quote texts with separators"
            count, columns = len(self.cells), len(self.header)
            self._refuse("", CellError(Reason.TOO_MANY_CELLS, detail, extra, cells=count, columns=columns))
            return self._bad()
        later: dict[str, list[tuple[str, str]]] = {}
        for column, cell in zip(self.header, self.cells, strict=True):
            target = self.mapping.get(column)
            if not target or not cell or says_nothing(cell):
                continue
            if target in _LATER:
                later.setdefault(target, []).append((column, cell))
            else:
                self._take(column, target, cell)
        # The country says which states there are, and both where a number without a country code is.
        for target in _LATER:
            for column, cell in later.get(target, ()):
                self._attempt(column, cell, partial(_LATER[target], self, cell, column))
        self._check_name()
        self._check_counts()
        self._complete()
        return self._bad() if self.errors else self._placed(groups)

    def _placed(self, groups: Groups) -> AccountRow | BadRow:
        """The row with the account it is about, unless another account has its key already."""
        mention = self._mention(by_name=groups.by_name)
        refused = groups.refused(mention)
        if refused is None:
            return self._account(*groups.place(mention))
        key, other = refused
        column = next(column for column, each in self.keys if each == key)
        detail = f"row {other} has the same"
        self._refuse(column, CellError(Reason.EXTERNAL_ID_DUPLICATE, detail, key[1], row=other))
        return self._bad()

    def _mention(self, *, by_name: bool) -> Mention:
        site = tuple(str(self.values[each]) if each in self.values else None for each in _SITE)
        name = str(self.values.get(Field.DISPLAY_NAME, ""))
        return Mention(
            row_number=self.number,
            name=plain(name),
            company=company_key(name) if by_name else "",
            is_person=self.values.get(Field.KIND) == "PERSON",
            keys=tuple(dict.fromkeys(key for _, key in self.keys)),
            site=site,
            host=host_of(str(self.values.get(Field.WEBSITE, ""))),
        )

    def _take(self, column: str, target: str, cell: str) -> None:
        if target.startswith(CUSTOM_PREFIX):
            self._attempt(column, cell, lambda: self._custom(column, target, cell))
        elif target == Field.ID:
            self._attempt(column, cell, lambda: self.keys.append((column, (OWN_SOURCE, fields.record_id(cell)))))
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

    def _custom(self, column: str, target: str, cell: str) -> None:
        text = self.columns[column].value(cell) if column in self.columns else cell
        self.custom.append((target.removeprefix(CUSTOM_PREFIX), fields.one_text(text, target)))

    def _attempt(self, column: str, cell: str, take: Callable[[], None]) -> None:
        if cell in ERROR_VALUES:
            self._refuse(column, CellError(Reason.CELL_ERROR, ERROR_VALUES[cell], cell))
            return
        try:
            take()
        except CellError as refused:
            self._refuse(column, refused)

    def _country(self, cell: str, _column: str) -> None:
        # Unknown, unless the next line knows it: no number may be taken for one of another country.
        self.values[Field.COUNTRY] = _NOWHERE
        self.values[Field.COUNTRY] = fields.country(cell)

    def _region(self, cell: str, column: str) -> None:
        country = str(self.values.get(Field.COUNTRY, ""))
        if country not in {"", _NOWHERE} and "-" not in country:
            self.values[Field.REGION] = fields.region(cell, country)
        elif has_states(column):
            self.values[Field.REGION] = fields.state(cell, self.rules.default_region)
        else:
            self.values[Field.REGION] = fields.region(cell)

    def _phones(self, cell: str, column: str) -> None:
        place = self.values.get(Field.REGION) or self.values.get(Field.COUNTRY) or self.rules.default_region
        numbers = fields.phone_numbers(cell, phone_country(str(place)))
        self.lists.setdefault(self.mapping[column], []).extend(numbers)

    def _external_id(self, column: str, source: str, cell: str) -> None:
        self.keys += [(column, key) for key in fields.external_ids(cell, source)]

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
                del self.lists[target][most:]
                column = next(c for c, t in self.mapping.items() if t == target)
                cell = self.cells[list(self.header).index(column)]
                self._refuse(column, CellError(Reason.TOO_MANY_VALUES, f"at most {most} are possible", cell, most=most))

    def _refuse(self, column: str, refused: CellError) -> None:
        target = self.mapping.get(column, "")
        is_needed = not target or target == Field.DISPLAY_NAME or is_key(target)
        errors = self.left_out if self.rules.skip_invalid and not is_needed else self.errors
        errors.append(RowError(self.number, column, refused.value, refused.reason, refused.detail, refused.metadata))

    def _bad(self) -> BadRow:
        return BadRow(self.number, tuple(self.cells), tuple(self.errors))

    def _complete(self) -> None:
        """What several cells tell together."""
        country = self.values.pop(Field.COUNTRY, _NOWHERE)
        if country != _NOWHERE:
            self.values.setdefault(Field.REGION, country)
        first, last = (str(self.values.pop(each, "")) for each in (Field.CONTACT_FIRST_NAME, Field.CONTACT_LAST_NAME))
        if first or last:
            self.values.setdefault(Field.CONTACT_NAME, full_name(first, last))

    def _account(self, account_row: int, keys: tuple[Key, ...]) -> AccountRow:
        several: dict[str, Any] = {target: tuple(dict.fromkeys(values)) for target, values in self.lists.items()}
        told: dict[str, Any] = {**self.values, **several}
        return AccountRow(
            row_number=self.number,
            id=next((value for source, value in keys if source == OWN_SOURCE), None),
            external_ids=tuple(key for key in keys if key[0] != OWN_SOURCE),
            custom=tuple(self.custom),
            account_row=account_row,
            left_out=tuple(self.left_out),
            **told,
        )


def host_of(website: str) -> str | None:
    """Whose website it is: `acme.example` of `https://www.Acme.example/de`."""
    return (urlsplit(website).hostname or "").removeprefix("www.") or None


def full_name(first: str, last: str) -> str:
    """A name as its script writes it: 张 and 伟 are 张伟, Anna and Schmidt are Anna Schmidt."""
    if any(map(is_han, first + last)):
        return f"{last}{first}"
    return f"{first} {last}".strip()


def is_han(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff"


_NOWHERE = "ZZ"
_SITE = (Field.CREDIT_CODE, Field.REGION, Field.CITY, Field.ADDRESS)
_LATER: Mapping[str, Callable[[_Reading, str, str], None]] = {
    Field.COUNTRY: _Reading._country,
    Field.REGION: _Reading._region,
    Field.PHONE_NUMBERS: _Reading._phones,
    Field.CONTACT_PHONE: _Reading._phones,
}
"""Fields whose cells are read after the others, in this order."""

"""An uploaded file as rows, some at a time; never the whole of it in memory."""

import contextlib
import errno
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import BinaryIO

from crm_kit.custom_fields.model import CustomField, FieldType
from crm_kit.custom_fields.texts import headings_of
from crm_kit.database.work import Reader
from crm_kit.errors import InvalidArgument, Unavailable

from crm_customer.imports.headings import contact_headings, contract_headings
from crm_customer.imports.model import Import, ImportColumn, Mode, Upload, fields_of
from crm_customer.imports.queries import get_part
from crm_customer.imports.spreadsheets.layout import Layout
from crm_customer.imports.spreadsheets.mapping import (
    CUSTOM_PREFIX,
    EXTERNAL_ID_PREFIX,
    Field,
    as_heading,
    check_complete,
    mapping_for,
)
from crm_customer.imports.spreadsheets.notations import (
    Readings,
    columns_in,
    date_readings,
    number_readings,
    with_clear_numbers,
)
from crm_customer.imports.spreadsheets.reader import Spreadsheet
from crm_customer.imports.spreadsheets.rows import AccountRow, BadRow, RowError, RowRules, read_rows
from crm_customer.imports.spreadsheets.unpacked import UnpackedSheet


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a row; `column` is the header, empty if it is about the whole row.

    `metadata` are the values that the detail names, among them the broken `rule` where there is one.
    `row_imported`: the row came in all the same, without this cell.
    """

    column: str
    value: str
    reason: str
    detail: str
    row_imported: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileRow:
    """A row of the file: its cells, and the account they tell or what is wrong with them.

    With an account, `faults` are about cells that were left out. `size` is that of its text, in bytes.
    """

    number: int
    cells: tuple[str, ...]
    account: AccountRow | None
    faults: tuple[Fault, ...] = ()
    size: int = 0


class Source:
    """The rows of one file in their order, each given once. Its methods read and parse: call them in a thread."""

    def __init__(self, unpacked: UnpackedSheet, job: Import, custom_fields: Mapping[str, CustomField]) -> None:
        self._sheet = unpacked.spreadsheet()
        self.header = self._sheet.header
        known = fields_of(each for each in job.mapping if each.field)
        self.layout = unpacked.layout
        self.mapping = known if job.mapping else taken_for(job, self.header, custom_fields)
        self._cells: tuple[str, ...] = ()
        self._unpacked = unpacked
        self._kinds = kinds_of(self.mapping, custom_fields)
        self._notation = self.layout
        if is_export(self.header, self.layout, custom_fields) and not self.layout.decimal_separator:
            self._notation = replace(self.layout, decimal_separator=".")
        rules = RowRules(
            external_source=job.external_source,
            default_region=job.default_region,
            name_required=job.mode is Mode.CREATE,
            skip_invalid=job.skip_invalid_cells,
        )
        self._rows = self._read(rules)

    def skip(self, count: int) -> None:
        """Pass over rows that are done; what later rows are compared with is kept of them."""
        for _ in islice(self._rows, count):
            pass

    def take(self, count: int, size: int) -> list[FileRow]:
        """The next rows, as many as `count` or, from the one on that makes them so many bytes, fewer; none at the end.

        `size` is exceeded by one row at most.
        """
        taken: list[FileRow] = []
        for row in islice(self._rows, count):
            taken.append(self._file_row(row))
            size -= taken[-1].size
            if size <= 0:
                break
        return taken

    @property
    def columns(self) -> tuple[ImportColumn, ...]:
        """All columns with what they were taken for."""
        return tuple(ImportColumn(column, self.mapping.get(column, "")) for column in self.header)

    def column(self, field: str) -> str:
        """The column that was taken for the field; empty if none was."""
        return next((column for column, target in self.mapping.items() if target == field), "")

    def columns_of_external_ids(self, default_source: str) -> dict[str, str]:
        """System to the column of its external ids."""
        return {
            target.removeprefix(EXTERNAL_ID_PREFIX) if target != Field.EXTERNAL_IDS else default_source: column
            for column, target in self.mapping.items()
            if target == Field.EXTERNAL_IDS or target.startswith(EXTERNAL_ID_PREFIX)
        }

    def _read(self, rules: RowRules) -> Iterator[AccountRow | BadRow]:
        # The rows are gone over twice only where one may say how another is written.
        told = replace(self._unpacked.spreadsheet(), layout=self._notation)
        columns = columns_in(told, self._kinds) if self._kinds else {}
        yield from read_rows(Spreadsheet(self.header, self._watched()), self.mapping, rules, columns)

    def _watched(self) -> Iterator[tuple[int, tuple[str, ...]]]:
        for number, cells in self._sheet.rows:
            # A report has them as text, and comes back.
            self._cells = with_clear_numbers(self.header, cells, self._kinds) if self._kinds else cells
            yield number, cells

    def _file_row(self, row: AccountRow | BadRow) -> FileRow:
        size = len("".join(self._cells).encode())
        if isinstance(row, AccountRow):
            left_out = tuple(replace(fault_from(each), row_imported=True) for each in row.left_out)
            return FileRow(row.row_number, self._cells, row, left_out, size)
        return FileRow(row.row_number, self._cells, None, tuple(map(fault_from, row.errors)), size)


_KINDS: Mapping[FieldType, Readings] = {FieldType.NUMBER: number_readings, FieldType.DATE: date_readings}


def kinds_of(mapping: Mapping[str, str], custom_fields: Mapping[str, CustomField]) -> dict[str, Readings]:
    """The columns of custom fields that are numbers or dates, with how their cells may be read."""
    fields = (
        (column, custom_fields.get(target.removeprefix(CUSTOM_PREFIX)))
        for column, target in mapping.items()
        if target.startswith(CUSTOM_PREFIX)
    )
    return {column: _KINDS[each.type] for column, each in fields if each and each.type in _KINDS}


def is_export(header: Collection[str], layout: Layout, custom_fields: Mapping[str, CustomField]) -> bool:
    """Whether the file is an export of accounts as it was written: headed as ours, commas between.

    Programs that write decimal commas have other separators.
    """
    own = contract_headings(owners=True).keys() | {as_heading(each) for each in headings_of(custom_fields)}
    return (
        layout.separator == "," and "id" in header and all(each == "id" or as_heading(each) in own for each in header)
    )


def fault_from(error: RowError) -> Fault:
    return Fault(error.column, error.value, error.reason, error.detail, metadata=error.metadata)


def taken_for(job: Import, header: tuple[str, ...], custom_fields: Mapping[str, CustomField]) -> dict[str, str]:
    """What each column is taken for, whether that is enough or not."""
    return mapping_for(
        header,
        fields_of(job.columns),
        custom_labels=headings_of(custom_fields),
        contract=contract_headings(owners=job.mode is not Mode.CREATE),
        # Accounts that are only now made have no id yet: another system's export tells its own.
        left_out=(Field.ID,) if job.mode is Mode.CREATE else (),
        name_required=job.mode is not Mode.UPDATE,
    )


def check_columns(job: Import, source: Source, custom_fields: Mapping[str, CustomField]) -> None:
    """Raise InvalidArgument when what the columns were taken for is not enough for the import's mode.

    Or when they are those of an export of contacts, and nobody has told what to take them for.
    """
    if not job.columns:
        check_accounts(source.header)
    check_complete(
        source.header,
        source.mapping,
        fields_of(job.columns),
        name_required=job.mode is not Mode.UPDATE,
        key_required=job.mode is not Mode.CREATE,
    )
    custom = [target for target in source.mapping.values() if target.startswith(CUSTOM_PREFIX)]
    keys = {f"{CUSTOM_PREFIX}{key}" for key, field in custom_fields.items() if field.is_active}
    unknown = next((each for each in custom if each not in keys), None)
    if unknown:
        detail, told = f"accounts have no field {unknown!r}", {"rule": "no_field", "field": unknown}
        raise InvalidArgument(detail, reason="IMPORT_MAPPING_INCOMPLETE", metadata=told)


def check_accounts(header: tuple[str, ...]) -> None:
    """Raise InvalidArgument for the header of an export of contacts: its rows would become accounts."""
    found = next((column for column in header if as_heading(column) in contact_headings()), None)
    if found is not None:
        raise InvalidArgument(
            f"the file is an export of contacts, by its column {found!r}, and this imports accounts; to bring in "
            "contacts, give each row the customer's name and the contact's, in columns such as Customer name and "
            "Contact name",
            reason="IMPORT_MAPPING_INCOMPLETE",
            metadata={"rule": "contacts", "column": found},
        )


def names_of(job: Import, custom_fields: Mapping[str, CustomField]) -> list[str]:
    """What columns may be called beside what everybody calls them: they tell which row is the header."""
    return [*headings_of(custom_fields), *(each.column for each in job.columns)]


@contextlib.contextmanager
def room_on_disk() -> Iterator[None]:
    """Unavailable while the disk is full: that is no fault of the file."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise Unavailable("the disk has no room for the file") from error


async def fetch_upload(reader: Reader, upload: Upload) -> BinaryIO:
    """The upload as a temporary file, which is gone when it is closed."""
    with contextlib.ExitStack() as stack:
        file: BinaryIO = stack.enter_context(tempfile.TemporaryFile())
        while (offset := file.tell()) < upload.received_bytes:
            part = await get_part(reader, upload.id, offset)
            if not part:
                raise InvalidArgument("the upload is not complete", reason="UPLOAD_UNREADABLE")
            file.write(part)
        # Who reads it does so by its descriptor.
        file.flush()
        stack.pop_all()
        return file

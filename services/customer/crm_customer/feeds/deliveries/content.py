"""What is in the file of a delivery: by what it is known again, how many rows it has, and what columns add up to."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal

from crm_kit.custom_fields.model import CustomField
from crm_kit.database.work import Reader
from crm_kit.errors import InvalidArgument

from crm_customer.feeds.deliveries.model import ColumnSum, Counted
from crm_customer.imports.files import Source, fetch_upload, names_of, room_on_disk
from crm_customer.imports.model import Import, Upload
from crm_customer.imports.queries import get_part
from crm_customer.imports.spreadsheets.cells import NumberText
from crm_customer.imports.spreadsheets.layout import Layout
from crm_customer.imports.spreadsheets.mapping import Field
from crm_customer.imports.spreadsheets.notations import Notation, number_readings
from crm_customer.imports.spreadsheets.separate import unpack
from crm_customer.imports.spreadsheets.unpacked import UnpackedSheet

# More digits than a cell has: nothing is rounded.
EXACT = Context(prec=1000)


async def digest_of(reader: Reader, upload: Upload) -> str:
    """The SHA-256 of a file, however it was cut into parts; InvalidArgument when it is not complete."""
    digest, size = hashlib.sha256(), 0
    while size < upload.received_bytes:
        part = await get_part(reader, upload.id, size)
        if not part:
            raise InvalidArgument("the upload is not complete", reason="UPLOAD_UNREADABLE")
        digest.update(part)
        size += len(part)
    return digest.hexdigest()


async def count_rows(
    reader: Reader, upload: Upload, draft: Import, columns: Sequence[str], custom_fields: Mapping[str, CustomField]
) -> Counted:
    """Read a file as the import would that is made of it. InvalidArgument where it cannot be read."""
    with room_on_disk():
        file = await fetch_upload(reader, upload)
        with file:
            unpacked = await unpack(file, draft.layout or Layout(), names_of(draft, custom_fields))
    with unpacked.file:
        source = Source(unpacked, draft, custom_fields)
        keys, id = key_columns(source, draft.external_source), source.column(Field.ID)
        return await asyncio.to_thread(counted, unpacked, keys, id, columns)


def key_columns(source: Source, external_source: str) -> set[str]:
    """The columns by which accounts are found."""
    found = {*source.columns_of_external_ids(external_source).values(), source.column(Field.ID)}
    return found - {""}


def counted(sheet: UnpackedSheet, keys: set[str], id: str, columns: Sequence[str]) -> Counted:
    """Go over all rows once; `id` is the column of ids, if there is one. It reads: call it in a thread."""
    notation = Notation.DECIMAL_COMMA if sheet.layout.decimal_separator == "," else Notation.DECIMAL_POINT
    at_keys = [at for at, column in enumerate(sheet.header) if column in keys]
    at_id = [at for at, column in enumerate(sheet.header) if id and column == id]
    places = {column: sheet.header.index(column) for column in columns if column in sheet.header}
    sums: dict[str, Decimal | None] = {column: Decimal(0) if column in places else None for column in columns}
    rows = keyless = with_id = 0
    for _, cells in sheet.spreadsheet().rows:
        rows += 1
        keyless += not any(cells[at].strip() for at in at_keys)
        with_id += any(cells[at].strip() for at in at_id)
        for column, at in places.items():
            sums[column] = added(sums[column], cells[at], notation)
    return Counted(rows, keyless, with_id, tuple(ColumnSum(column, plain(sums[column])) for column in columns))


def added(total: Decimal | None, cell: str, notation: Notation) -> Decimal | None:
    """The sum with one more cell; None once one of them is no number."""
    if total is None or not cell.strip():
        return total
    # What is a number in a workbook is one however people write theirs.
    reading = cell if isinstance(cell, NumberText) else number_readings(cell.strip()).get(notation)
    return None if reading is None else EXACT.add(total, Decimal(reading))


def plain(total: Decimal | None) -> str:
    """A sum as the contract has it."""
    return "" if total is None else format(total, "f")

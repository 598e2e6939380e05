"""Every SELECT on uploads, and those on imports that their declaration does not make."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from crm_kit.filtering.schema import FilterField, FilterSchema
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope, visible
from crm_kit.listing import Listing
from crm_kit.paging import OrderColumn
from sqlalchemy import Select, bindparam, exists, func, or_, select

from crm_customer.imports.model import MIN_COUNTED_BYTES, Upload
from crm_customer.imports.tables import (
    UPLOAD_LASTS,
    import_errors,
    import_jobs,
    import_rows,
    imports,
    upload_parts,
    uploads,
)

PAGE = 1000


@statement
def upload_by_id(scope: Scope, *, locked: bool = False) -> Select[Any]:
    columns = [column for column in uploads.c if column.name != "tenant_id"]
    found = select(*columns).where(
        uploads.c.tenant_id == bindparam("tenant_id"), uploads.c.id == bindparam("id"), visible(uploads, scope)
    )
    return found.with_for_update() if locked else found


@statement
def part_at() -> Select[Any]:
    return select(upload_parts.c.content).where(
        upload_parts.c.tenant_id == bindparam("tenant_id"),
        upload_parts.c.upload_id == bindparam("upload_id"),
        upload_parts.c.first_byte == bindparam("first_byte"),
    )


@statement
def room_taken() -> Select[Any]:
    """Needs `since` and `user_id`: what the uploads take that are not gone yet, the tenant's and the user's.

    By what is stored, whatever a clock says: the bytes of an upload that is over stay for some days more.
    """
    stored = exists().where(upload_parts.c.tenant_id == uploads.c.tenant_id, upload_parts.c.upload_id == uploads.c.id)
    counted = func.sum(func.greatest(uploads.c.held_bytes, MIN_COUNTED_BYTES))
    of_user = counted.filter(uploads.c.owner_id == bindparam("user_id"))
    return select(
        func.coalesce(counted, 0).label("of_tenant"),
        func.coalesce(of_user, 0).label("of_user"),
    ).where(uploads.c.tenant_id == bindparam("tenant_id"), or_(uploads.c.create_time > bindparam("since"), stored))


@statement
def imports_under_way() -> Select[Any]:
    """Needs `upload_id`."""
    return (
        select(imports.c.id)
        .join(import_jobs, (import_jobs.c.tenant_id == imports.c.tenant_id) & (import_jobs.c.import_id == imports.c.id))
        .where(imports.c.tenant_id == bindparam("tenant_id"), imports.c.upload_id == bindparam("upload_id"))
        .limit(1)
    )


@statement
def rows_after() -> Select[Any]:
    return (
        select(import_rows.c.row_number, import_rows.c.cells)
        .where(
            import_rows.c.tenant_id == bindparam("tenant_id"),
            import_rows.c.import_id == bindparam("import_id"),
            import_rows.c.row_number > bindparam("row_number"),
        )
        .order_by(import_rows.c.row_number)
        .limit(PAGE)
    )


@statement
def errors_between() -> Select[Any]:
    errors = import_errors.c
    return (
        select(errors.row_number, errors.column, errors.value, errors.reason, errors.detail, errors.metadata)
        .where(
            errors.tenant_id == bindparam("tenant_id"),
            errors.import_id == bindparam("import_id"),
            errors.row_number.between(bindparam("first"), bindparam("last")),
            ~errors.row_imported,
        )
        .order_by(errors.row_number, errors.id)
    )


def _listed_errors(_scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    return select(import_errors).where(
        import_errors.c.tenant_id == bindparam("tenant_id"), import_errors.c.import_id == bindparam("import_id")
    )


# Needs the bind parameter `import_id`. Errors are numbered through within their import.
ERRORS = Listing(
    name="import_errors",
    rows=_listed_errors,
    fields=FilterSchema(
        {
            "row_number": FilterField(FieldType.INTEGER, import_errors.c.row_number),
            "column": FilterField(FieldType.TEXT, import_errors.c.column),
            "reason": FilterField(FieldType.TEXT, import_errors.c.reason),
            "row_imported": FilterField(FieldType.BOOL, import_errors.c.row_imported),
        }
    ),
    orders={"id": OrderColumn(import_errors.c.id), "row_number": OrderColumn(import_errors.c.row_number)},
    default_order="row_number",
)


async def get_upload(reader: Reader, id: UUID, *, locked: bool = False) -> Upload:
    """The upload; NotFound when there is none, it has expired, or the reader may not see it.

    `locked` within a transaction: it stays as it is until that ends.
    """
    row = await _upload_row(reader, id, locked=locked)
    if reader.now >= row["create_time"] + UPLOAD_LASTS:
        raise NotFound(f"uploads last {UPLOAD_LASTS.days} days; upload the file again", reason="UPLOAD_NOT_FOUND")
    return Upload(**dict(row))


async def get_stored_upload(reader: Reader, id: UUID, *, locked: bool = False) -> Upload:
    """As `get_upload`, also when it has expired: for an import that began while it could, and to delete it."""
    return Upload(**dict(await _upload_row(reader, id, locked=locked)))


async def _upload_row(reader: Reader, id: UUID, *, locked: bool) -> Record:
    row = await reader.one(upload_by_id(reader.scope, locked=locked), id=id)
    if row is None:
        raise NotFound("the upload does not exist", reason="UPLOAD_NOT_FOUND")
    return row


async def get_part(reader: Reader, upload_id: UUID, first_byte: int) -> bytes:
    """The part that begins there; empty if none does."""
    row = await reader.one(part_at(), upload_id=upload_id, first_byte=first_byte)
    return row["content"] if row else b""


async def bad_rows(reader: Reader, import_id: UUID) -> AsyncIterator[tuple[list[Record], list[Record]]]:
    """The rows that could not be imported and what is wrong with them, some at a time, in the file's order."""
    last = 0
    while rows := await reader.all(rows_after(), import_id=import_id, row_number=last):
        first, last = rows[0]["row_number"], rows[-1]["row_number"]
        yield rows, await reader.all(errors_between(), import_id=import_id, first=first, last=last)

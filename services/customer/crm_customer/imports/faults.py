"""Errors of commands in the words of the file: which cell of a row is wrong, and what is wrong with it."""

from crm_kit.errors import CrmError

from crm_customer.imports.files import Fault, FileRow, Source
from crm_customer.imports.spreadsheets.mapping import Field

# Fields of the contract that columns know by another name.
FIELDS = {
    "owner_id": Field.OWNER,
    "parent_id": Field.PARENT,
    "addresses": Field.ADDRESS,
    "contact.display_name": Field.CONTACT_NAME,
    "contact.phone_numbers": Field.CONTACT_PHONE,
    "contact.emails": Field.CONTACT_EMAIL,
}


def answers_for_itself(error: CrmError) -> bool:
    """Whether the error is about the row alone, found before anything of it was sent."""
    is_taken = error.reason == "CUSTOM_FIELD_VALUE_TAKEN"
    return is_taken or error.code in {"INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "PERMISSION_DENIED"}


def fault_of(error: CrmError, row: FileRow, source: Source, default_source: str) -> Fault:
    """An error of a command in the words of the file."""
    path, detail, told = "", error.detail, error.metadata
    if error.violations:
        first = error.violations[0]
        path, detail, told = first.field, first.detail, {"rule": first.rule} | told
    elif detail.startswith("account."):
        path, _, detail = detail.partition(": ")
    column = column_of(path.partition("[")[0], source, default_source)
    if not column and told.get("rule") == "required":
        # Nothing else would say which: there is no column of it.
        field = path.removeprefix("account.").removeprefix("custom.")
        return Fault("", "", reason="FIELD_MISSING", detail=f"{field} is required", metadata={"field": field})
    value = row.cells[source.header.index(column)] if column else ""
    return Fault(column, value, error.reason, detail, metadata=told)


def column_of(path: str, source: Source, default_source: str) -> str:
    """The column that a field of the contract came from; empty when there is none."""
    name = path.removeprefix("account.")
    if name == "external_ids":
        return next(iter(source.columns_of_external_ids(default_source).values()), source.column(Field.ID))
    return source.column(FIELDS.get(name, name))

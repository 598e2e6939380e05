"""How a file is refused as a whole."""

from crm_kit.errors import InvalidArgument

MAX_ROW_CHARACTERS = 100_000
"""Of all cells of a row together. In XLSX a text stands in the file once, however many cells show it."""


def unreadable(rule: str, detail: str, **metadata: object) -> InvalidArgument:
    """An InvalidArgument of reason UPLOAD_UNREADABLE; the detail goes on after "the file cannot be read:".

    The texts of each language have `UPLOAD_UNREADABLE.<rule>` with the values of the metadata.
    """
    told = {"rule": rule} | {name: str(value) for name, value in metadata.items()}
    return InvalidArgument(f"the file cannot be read: {detail}", reason="UPLOAD_UNREADABLE", metadata=told)


def too_long(row_number: int) -> InvalidArgument:
    """The refusal of a file with a row of more than `MAX_ROW_CHARACTERS`."""
    detail = f"row {row_number} has more than {MAX_ROW_CHARACTERS} characters in all its cells"
    return unreadable("long_row", detail, row=row_number, most=MAX_ROW_CHARACTERS)

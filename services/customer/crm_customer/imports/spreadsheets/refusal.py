"""How a file is refused as a whole."""

from crm_kit.errors import InvalidArgument


def unreadable(detail: str) -> InvalidArgument:
    """An InvalidArgument of reason UPLOAD_UNREADABLE; the detail goes on after "the file cannot be read:"."""
    return InvalidArgument(f"the file cannot be read: {detail}", reason="UPLOAD_UNREADABLE")

"""What the file of a part of a mail is called: as its sender has called it, as far as a file can be called so."""

import mimetypes
import unicodedata
from email.message import Message
from pathlib import PurePosixPath

from crm_kit.attachments.model import MAX_NAME_BYTES, checked_name
from crm_kit.errors import InvalidArgument

from crm_service_desk.mail.headers import decoded

# An ending that is longer says nothing.
MAX_ENDING_BYTES = 20


def file_name(part: Message, number: int) -> str:
    """The name, without a path and what nobody could read; `number` is what is called by it that has none."""
    written = part.get_filename()
    name = cleaned(decoded(written)) if isinstance(written, str) else ""
    return name or f"file-{number}{ending_for(part.get_content_type())}"


def ending_for(content_type: str) -> str:
    """`.jpg` of `image/jpeg`; empty for what is not known."""
    return ".eml" if content_type == "message/rfc822" else mimetypes.guess_extension(content_type) or ""


def cleaned(name: str) -> str:
    """The name as one is kept; empty where nothing is left of it."""
    last = name.replace("\\", "/").rpartition("/")[2]
    # Those that turn the writing round go, too: `\u202efdp.exe` is shown as what it is.
    spaced = "".join(" " if each.isspace() else each for each in unicodedata.normalize("NFC", last))
    kept = "".join(filter(str.isprintable, spaced)).strip()
    try:
        return checked_name(shortened(kept))
    except InvalidArgument:
        return ""


def shortened(name: str) -> str:
    """The name within its bytes, with its ending."""
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    ending = PurePosixPath(name).suffix
    ending = ending if len(ending.encode()) <= MAX_ENDING_BYTES else ""
    room = MAX_NAME_BYTES - len(ending.encode())
    return name.encode()[:room].decode(errors="ignore").rstrip() + ending

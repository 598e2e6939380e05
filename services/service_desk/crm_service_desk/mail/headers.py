"""Fields of the header of a mail as they are written, whatever they say of themselves."""

import re
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message

from crm_service_desk.mail.charsets import as_text, without_controls

IDS = re.compile(r"<[^<>\s]+>")
# Characters in which the longest subject is written; encoded words take several times what they say.
MAX_ENCODED = 4_000


def raw_header(mail: Message, name: str) -> str:
    """The first field of that name as it is written, in one line; bytes that are no ASCII are read as likely ones."""
    value = next((each for key, each in mail.raw_items() if key.lower() == name.lower()), "")
    if not value.isascii():
        value = as_text(value.encode("utf-8", "surrogateescape"))
    return without_controls(value).replace("\n", "")


def decoded(value: str) -> str:
    """The text with its encoded words read; of a long one the beginning: looking for them takes time by the square."""
    try:
        parts = decode_header(value[:MAX_ENCODED])
    except (HeaderParseError, ValueError):
        return value
    return "".join(each if isinstance(each, str) else as_text(each, charset) for each, charset in parts)

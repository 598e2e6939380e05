"""Fields of the header of a mail as they are written, whatever they say of themselves."""

import re
from email.message import Message

from crm_service_desk.mail.charsets import as_text, without_controls

IDS = re.compile(r"<[^<>\s]+>")


def raw_header(mail: Message, name: str) -> str:
    """The first field of that name as it is written, in one line; bytes that are no ASCII are read as likely ones."""
    value = next((each for key, each in mail.raw_items() if key.lower() == name.lower()), "")
    if not value.isascii():
        value = as_text(value.encode("utf-8", "surrogateescape"))
    return without_controls(value).replace("\n", "")

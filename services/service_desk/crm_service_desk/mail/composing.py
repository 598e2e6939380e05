"""A mail of ours as it travels (RFC 5322), in ASCII, the same at every attempt.

Files are written piece by piece: what the standard library makes of a whole mail of some megabytes holds up
everything else.
"""

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

# Every server takes what is ASCII.
POLICY = SMTP.clone(cte_type="7bit")
# In base64 a line has 57 bytes of a file, and a piece so many lines.
PIECE_BYTES = 57 * 4096
# What stands in a header without being written otherwise: a folded or encoded id means nothing to anybody.
PLAIN_ID = re.compile(r"<[\x21-\x3b\x3d\x3f-\x7e]{1,500}>")
MAX_REFERENCES = 20


@dataclass(frozen=True, slots=True)
class File:
    """A file that goes with a mail; `media_type` such as `application/pdf`."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """What a mail says, and whom it answers: `references` are the ids of mails, the latest last."""

    message_id: str
    from_name: str
    from_address: str
    to_addresses: tuple[str, ...]
    cc_addresses: tuple[str, ...]
    subject: str
    text: str
    references: tuple[str, ...]
    time: datetime
    # A program wrote it: programs do not answer it (RFC 3834).
    automatic: bool = False


def compose(draft: Draft, files: Sequence[File] = ()) -> list[bytes]:
    """The mail in pieces, each of whole lines. That a program sent it is said only of what one wrote."""
    said = EmailMessage(policy=POLICY)
    said.set_content(draft.text)
    head = _head(draft)
    if not files:
        del said["MIME-Version"]
        return [head + said.as_bytes()]
    # Nobody who wrote the text or a file has known it.
    boundary = f"guanxi-{re.sub('[^0-9A-Za-z]', '', draft.message_id)[:40]}"
    del said["MIME-Version"]
    begin = f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n--{boundary}\r\n'.encode()
    pieces = [head + begin + said.as_bytes()]
    for file in files:
        pieces += [f"\r\n--{boundary}\r\n".encode() + _file_head(file), *_encoded(file.content)]
    return [*pieces, f"\r\n--{boundary}--\r\n".encode()]


def _head(draft: Draft) -> bytes:
    """The header without the fields that say how the body is written."""
    head = EmailMessage(policy=POLICY)
    head["From"] = Address(display_name=_line(draft.from_name), addr_spec=draft.from_address)
    head["To"] = [Address(addr_spec=each) for each in draft.to_addresses]
    if draft.cc_addresses:
        head["Cc"] = [Address(addr_spec=each) for each in draft.cc_addresses]
    head["Subject"] = _line(draft.subject)
    head["Date"] = draft.time
    if draft.automatic:
        head["Auto-Submitted"] = "auto-replied"
        # What some of them go by instead.
        head["X-Auto-Response-Suppress"] = "All"
    head["MIME-Version"] = "1.0"
    written = head.as_bytes().rstrip(b"\r\n")
    ids = [each for each in draft.references if PLAIN_ID.fullmatch(each)][-MAX_REFERENCES:]
    fields = [f"Message-ID: {draft.message_id}"]
    if ids:
        fields += [f"In-Reply-To: {ids[-1]}", "References: " + "\r\n ".join(ids)]
    return b"\r\n".join([written, *(each.encode() for each in fields), b""])


def _file_head(file: File) -> bytes:
    head = EmailMessage(policy=POLICY)
    # What has parts of its own is read as these, and never in base64 (RFC 2046, 5.2).
    has_parts = file.media_type.startswith(("message/", "multipart/"))
    head["Content-Type"] = "application/octet-stream" if has_parts else file.media_type
    head["Content-Transfer-Encoding"] = "base64"
    head.add_header("Content-Disposition", "attachment", filename=_line(file.name))
    return head.as_bytes()


def _encoded(content: bytes) -> Iterator[bytes]:
    for at in range(0, len(content), PIECE_BYTES):
        yield base64.encodebytes(content[at : at + PIECE_BYTES]).replace(b"\n", b"\r\n")


def _line(text: str) -> str:
    """The text in one line, without what nobody can read."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())

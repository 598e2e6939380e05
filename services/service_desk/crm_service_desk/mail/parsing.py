"""A mail as it came (RFC 5322), read for what an inbound message has of it. Whatever is broken, it can be read."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import cast

from crm_kit.blanks import is_visible
from crm_kit.zones import EARLIEST

from crm_service_desk.mail.charsets import as_text
from crm_service_desk.mail.headers import IDS, decoded, raw_header
from crm_service_desk.mail.html import text_of
from crm_service_desk.mail.parts import read_parts
from crm_service_desk.mail.reports import DeliveryReport, report_of

MAX_TEXT = 20_000
MAX_PAGE = 1_000_000
MAX_PARTS = 200
MAX_REFERENCES = 50
MAX_RECIPIENTS = 100
MAX_ADDRESS, MAX_NAME, MAX_SUBJECT, MAX_ID = 320, 200, 500, 500
# What stands at the end of a text that is longer.
CUT = "\n[…]"
NOBODY = "unknown"
# Programs that write by these rules, as RFC 3834 and the makers of mail servers call them.
BULK = frozenset({"bulk", "junk", "list", "auto_reply", "auto-reply"})
SUPPRESSED = frozenset({"all", "oof", "autoreply"})
DAEMONS = frozenset({"mailer-daemon", "postmaster"})


@dataclass(frozen=True, slots=True)
class Mail:
    """What an inbound message has of a mail; by the same names, and within the same bounds."""

    source_id: str
    from_address: str
    from_name: str | None
    to_addresses: tuple[str, ...]
    subject: str | None
    text: str | None
    thread_references: tuple[str, ...]
    sent_time: datetime | None
    automatic: bool
    reply_to_address: str | None = None
    # What it says of a mail of ours, where a mail server sent it for that.
    report: DeliveryReport | None = None


def parse_mail(raw: bytes, *, digest: str = "") -> Mail:
    """Read a mail. Its `Message-ID` is its id, or, where it has none, what its bytes add up to (SHA-256).

    That is `digest`, where `raw` is the letter of a mail without its files.
    """
    mail = read_parts(raw)
    name, address = _sender(mail)
    return Mail(
        source_id=_own_id(mail) or f"sha256:{digest or hashlib.sha256(raw).hexdigest()}",
        from_address=address,
        from_name=_bounded(name, MAX_NAME),
        to_addresses=tuple(_recipients(mail)),
        subject=_bounded(" ".join(_text(mail, "Subject").split()), MAX_SUBJECT),
        text=_said(mail),
        thread_references=_references(mail),
        sent_time=_sent_time(mail),
        automatic=is_automatic(mail, address),
        reply_to_address=_reply_to(mail, address),
        report=report_of(mail),
    )


def is_automatic(mail: Message, from_address: str) -> bool:
    """Whether a program wrote it: an answer of somebody who is away, a report, a mailing (RFC 3834, RFC 3464)."""
    submitted = raw_header(mail, "Auto-Submitted").partition(";")[0].strip().lower()
    suppressed = {each.strip() for each in raw_header(mail, "X-Auto-Response-Suppress").lower().split(",")}
    answered = (raw_header(mail, name).strip().lower() for name in ("X-Autoreply", "X-Autorespond"))
    return (
        submitted not in {"", "no"}
        or raw_header(mail, "Precedence").strip().lower() in BULK
        or not SUPPRESSED.isdisjoint(suppressed)
        or any(each not in {"", "no"} for each in answered)
        or raw_header(mail, "Return-Path").strip() == "<>"
        or raw_header(mail, "Content-Type").strip().lower().startswith("multipart/report")
        or from_address.partition("@")[0].lower() in DAEMONS
    )


# --- its header


def _text(mail: Message, name: str) -> str:
    """The first field of that name, its encoded words (RFC 2047) read."""
    return decoded(raw_header(mail, name))


def _sender(mail: Message) -> tuple[str, str]:
    """The name and the address of who wrote it; of a report without any, whom answers would reach."""
    for field in ("From", "Sender", "Reply-To", "Return-Path"):
        name, address = next(iter(_addresses(mail, field)), ("", ""))
        if address.strip():
            return decoded(name), address.strip()[:MAX_ADDRESS].strip()
    return _text(mail, "From"), NOBODY


def _reply_to(mail: Message, from_address: str) -> str | None:
    """Where answers are to go, if not to who wrote: to one address, whichever stands first."""
    address = next((each.strip() for _, each in _addresses(mail, "Reply-To") if each.strip()), "")
    is_known = 0 < len(address) <= MAX_ADDRESS and "@" in address
    return address if is_known and address.lower() != from_address.lower() else None


def _recipients(mail: Message) -> Iterator[str]:
    """To whom it was sent, those of copies too; each once."""
    found = [each for field in ("To", "Cc") for each in _addresses(mail, field)]
    addresses = dict.fromkeys(address.strip()[:MAX_ADDRESS] for _, address in found)
    yield from [address for address in addresses if address][:MAX_RECIPIENTS]


def _addresses(mail: Message, field: str) -> list[tuple[str, str]]:
    """Names and addresses that a field has; none where it is nested deeper than can be read."""
    try:
        return getaddresses([raw_header(mail, field)])
    except RecursionError:
        return []


def _own_id(mail: Message) -> str | None:
    """Its `Message-ID` in angle brackets, whether it was written so or not."""
    written = raw_header(mail, "Message-ID").strip()
    found = IDS.search(written) or IDS.fullmatch(f"<{written.strip('<>')}>")
    return found.group() if found and len(found.group()) <= MAX_ID else None


def _references(mail: Message) -> tuple[str, ...]:
    """What it answers, the latest last."""
    ids = [*IDS.findall(raw_header(mail, "References")), *IDS.findall(raw_header(mail, "In-Reply-To"))]
    latest_first = dict.fromkeys(each for each in reversed(ids) if len(each) <= MAX_ID)
    return tuple(reversed(list(latest_first)[:MAX_REFERENCES]))


def _sent_time(mail: Message) -> datetime | None:
    """When it was sent, if its date can be read."""
    try:
        sent = parsedate_to_datetime(raw_header(mail, "Date"))
        sent = sent.replace(tzinfo=UTC) if sent.tzinfo is None else sent.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return sent if sent >= EARLIEST else None


# --- what it says


def _said(mail: Message) -> str | None:
    """What it says, in its order; what a mail within it says that was forwarded, where it says nothing itself."""
    for forwarded in (False, True):
        # The first of very many.
        counted = iter(range(MAX_PARTS))
        if texts := [each for each in _texts(mail, counted, forwarded=forwarded) if _shows(each)]:
            return _bounded("\n\n".join(each.strip() for each in texts), MAX_TEXT, CUT)
    return None


def _texts(part: Message, counted: Iterator[int], *, forwarded: bool) -> Iterator[str]:
    """The texts of a part that are no files; of one that comes in several ways the plain one, or else its page."""
    if next(counted, None) is None:
        return
    kind = part.get_content_type()
    if not part.is_multipart():
        if part.get_content_maintype() == "text" and not part.get_filename() and not _is_file(part):
            text = _payload(part)
            yield text_of(text[:MAX_PAGE]) if kind == "text/html" else text if kind == "text/plain" else ""
        return
    parts = cast("list[Message]", part.get_payload())
    if kind == "multipart/alternative":
        ways = sorted(parts, key=lambda each: each.get_content_type() != "text/plain")
        found = ([*_texts(each, counted, forwarded=forwarded)] for each in ways)
        yield from next((texts for texts in found if any(map(_shows, texts))), [])
    elif forwarded or not kind.startswith("message/"):
        for each in parts:
            yield from _texts(each, counted, forwarded=forwarded)


def _is_file(part: Message) -> bool:
    return raw_header(part, "Content-Disposition").strip().lower().startswith("attachment")


def _payload(part: Message) -> str:
    try:
        data = part.get_payload(decode=True)
    except (MessageError, ValueError):
        return ""
    charset = part.get_param("charset")
    return as_text(data, charset if isinstance(charset, str) else None) if isinstance(data, bytes) else ""


def _shows(text: str) -> bool:
    return any(map(is_visible, text))


def _bounded(text: str, most: int, cut: str = "") -> str | None:
    """The text, cut where it is longer; None where it shows nothing."""
    if not _shows(text):
        return None
    return text if len(text) <= most else text[: most - len(cut)].rstrip() + cut

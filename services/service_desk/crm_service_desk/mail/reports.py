"""What a mail server reports on a mail of ours (RFC 3464): whom it did not reach, and which mail that was."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from enum import StrEnum

from crm_service_desk.mail.charsets import as_text, without_controls
from crm_service_desk.mail.headers import IDS, raw_header

MAX_RECIPIENTS, MAX_DETAIL, MAX_IDS = 40, 500, 20
# So much of what was returned has its header.
MAX_RETURNED = 64_000
RETURNED_ID = re.compile(rb"^message-id:\s*(<[^<>\s]{1,500}>)", re.IGNORECASE | re.MULTILINE)


class Action(StrEnum):
    """What became of a mail for a recipient; a server that only tells of a delay says nothing yet."""

    FAILED = "failed"
    DELIVERED = "delivered"


@dataclass(frozen=True, slots=True)
class Recipient:
    """One to whom the mail was to go: the address as it was given to the server, if it says so, and what it says."""

    address: str | None
    action: Action
    detail: str


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """Of which mail, by the ids that it may have, the likeliest first, and what became of it."""

    message_ids: tuple[str, ...]
    recipients: tuple[Recipient, ...]


def report_of(mail: Message) -> DeliveryReport | None:
    """What a mail reports; None for any other."""
    if mail.get_content_type() != "multipart/report" or not mail.is_multipart():
        return None
    parts = [each for each in mail.get_payload() if isinstance(each, Message)]
    statuses = [each for each in parts if each.get_content_type() == "message/delivery-status"]
    recipients = tuple(found for each in statuses for found in _recipients(each))[:MAX_RECIPIENTS]
    return DeliveryReport(_ids(mail, parts), recipients) if statuses else None


def _ids(mail: Message, parts: list[Message]) -> tuple[str, ...]:
    """That of the mail that is returned with the report, and those that the report answers."""
    returned = [each for part in parts if _is_returned(part) for each in _returned_ids(part)]
    answered = [*IDS.findall(raw_header(mail, "In-Reply-To")), *IDS.findall(raw_header(mail, "References"))]
    return tuple(dict.fromkeys((*returned, *answered)))[:MAX_IDS]


def _is_returned(part: Message) -> bool:
    return part.get_content_type() in {
        "message/rfc822",
        "text/rfc822-headers",
        "message/global",
        "message/global-headers",
    }


def _returned_ids(part: Message) -> Iterator[str]:
    payload = part.get_payload()
    if isinstance(payload, list):
        for each in payload:
            if isinstance(each, Message):
                yield from IDS.findall(raw_header(each, "Message-ID"))[:1]
        return
    data = part.get_payload(decode=True)
    if isinstance(data, bytes) and (found := RETURNED_ID.search(data[:MAX_RETURNED])):
        yield as_text(found[1])


def _recipients(status: Message) -> Iterator[Recipient]:
    """Those of the blocks of a status; the first block is about the mail."""
    payload = status.get_payload()
    for block in payload if isinstance(payload, list) else []:
        if not isinstance(block, Message):
            continue
        action = raw_header(block, "Action").strip().lower()
        if action not in set(Action):
            continue
        said = raw_header(block, "Diagnostic-Code") or raw_header(block, "Status")
        detail = " ".join(_value(said).split())[:MAX_DETAIL]
        address = _value(raw_header(block, "Original-Recipient")) or _value(raw_header(block, "Final-Recipient"))
        yield Recipient(address.strip().strip("<>").lower() or None, Action(action), detail)


def _value(field: str) -> str:
    """What stands behind the kind: `rfc822; chen@huaxin.example`."""
    kind, sign, value = field.partition(";")
    return without_controls(value if sign else kind).strip()

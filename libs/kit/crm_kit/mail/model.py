"""A mail: what it may be, when it is tried again, and when it is given up."""

import enum
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from crm_kit.errors import InvalidArgument, invalid_field

MAX_RECIPIENTS = 50
MAX_ADDRESS = 254
MAX_SUBJECT = 200
MAX_TEXT = 100_000
MAX_FILE_NAME = 200
# Of all attachments together: what sending them holds the event loop for grows with it.
MAX_ATTACHMENT_BYTES = 1_500_000
GIVE_UP_AFTER = timedelta(days=3)
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)

_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))+")
# What has parts of its own is no file.
_MEDIA_TYPE = re.compile(r"(?!message/|multipart/)[a-z]+/[a-z0-9][a-z0-9.+-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class State(enum.StrEnum):
    WAITING = "WAITING"
    # The server has taken it for all recipients.
    SENT = "SENT"
    # It did not reach those who are `refused`.
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a mail; `media_type` such as `text/csv`."""

    file_name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """What is to be sent: plain text, to everybody in one mail."""

    recipients: tuple[str, ...]
    subject: str
    text: str
    attachments: tuple[Attachment, ...] = ()

    def checked(self) -> "Mail":
        """With addresses as servers take them, each once. InvalidArgument that names what cannot be sent."""
        addresses = (address_of(each, field=f"recipients[{index}]") for index, each in enumerate(self.recipients))
        recipients = tuple(dict.fromkeys(addresses))
        if not 1 <= len(recipients) <= MAX_RECIPIENTS:
            detail = f"must have 1 to {MAX_RECIPIENTS} addresses, not {len(recipients)}"
            raise invalid_field("recipients", "repeated.max_items", detail, metadata={"max_items": str(MAX_RECIPIENTS)})
        _check_line("subject", self.subject, MAX_SUBJECT)
        if len(self.text) > MAX_TEXT:
            raise _too_long("text", MAX_TEXT)
        self._check_attachments()
        return replace(self, recipients=recipients)

    def _check_attachments(self) -> None:
        for index, each in enumerate(self.attachments):
            _check_line(f"attachments[{index}].file_name", each.file_name, MAX_FILE_NAME)
            if not _MEDIA_TYPE.fullmatch(each.media_type):
                raise invalid_field(f"attachments[{index}].media_type", "string.pattern", "is not a media type")
        size = sum(len(each.content) for each in self.attachments)
        if size > MAX_ATTACHMENT_BYTES:
            detail = f"have {size} bytes together, at most {MAX_ATTACHMENT_BYTES} are possible"
            values = {"max_len": str(MAX_ATTACHMENT_BYTES)}
            raise invalid_field("attachments", "bytes.max_len", detail, metadata=values)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the server said to an attempt: its replies by the addresses that it did not take."""

    later: Mapping[str, str] = field(default_factory=dict)
    never: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a mail has come: `recipients` are those to whom it is still to go, `refused` those it did not reach."""

    id: UUID
    recipients: tuple[str, ...]
    attempts: int
    gather_time: datetime
    next_attempt_time: datetime
    refused: tuple[str, ...] = ()
    state: State = State.WAITING
    reason: str | None = None

    def after(self, outcome: Outcome, *, now: datetime, jitter: float) -> "Progress":
        """As it stands after an attempt; `jitter`, from 0 to 1, spreads those that failed together."""
        later = tuple(each for each in self.recipients if each in outcome.later)
        refused = (*self.refused, *(each for each in self.recipients if each in outcome.never))
        reason = next(iter((*outcome.never.values(), *outcome.later.values())), self.reason)
        changed = replace(self, recipients=later, refused=refused, reason=reason)
        if later and not self.is_over(now):
            return replace(changed, next_attempt_time=now + self._wait(jitter))
        return changed.given_up() if later or refused else replace(changed, state=State.SENT)

    def put_back(self, now: datetime) -> "Progress":
        """As before an attempt that never came to it: the server was away, which says nothing about the mail."""
        return replace(self, attempts=self.attempts - 1, next_attempt_time=now)

    def given_up(self) -> "Progress":
        """Tried no more."""
        refused = (*self.refused, *self.recipients)
        return replace(self, state=State.FAILED, recipients=(), refused=refused)

    def is_over(self, now: datetime) -> bool:
        """Whether it has been tried for as long as anything is."""
        return now >= self.gather_time + GIVE_UP_AFTER

    def _wait(self, jitter: float) -> timedelta:
        doubled: timedelta = FIRST_WAIT * 2 ** min(self.attempts - 1, 10)
        return min(doubled, LONGEST_WAIT) * (0.75 + 0.5 * jitter)


def address_of(text: str, *, field: str) -> str:
    """An address as every server takes it, its domain in ASCII. InvalidArgument for what is none."""
    local_part, _, domain = text.rpartition("@")
    try:
        domain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        domain = ""
    address = f"{local_part}@{domain}"
    fits = len(local_part) <= 64 and len(address) <= MAX_ADDRESS
    # `=?` begins another encoding of a header, in which there might stand anything.
    if not (fits and "=?" not in local_part and _LOCAL_PART.fullmatch(local_part) and _DOMAIN.fullmatch(domain)):
        raise invalid_field(field, "string.email", "is not an e-mail address")
    return address


def is_final(code: int, *, of_sender: bool = False) -> bool:
    """Whether an SMTP reply is the server's last word.

    What it has against the sender is a matter of the installation, which may be set right meanwhile; all but the size.
    """
    if of_sender:
        return code == 552
    return 500 <= code < 600 and code not in _NEEDS_LOGIN


_NEEDS_LOGIN: Collection[int] = {530, 534, 535, 538}


def _check_line(field: str, text: str, longest: int) -> None:
    """InvalidArgument for what is no single line: it would go on in the headers."""
    if not text.strip():
        raise invalid_field(field, "string.min_len", "must not be empty", metadata={"min_len": "1"})
    if len(text) > longest:
        raise _too_long(field, longest)
    if _CONTROL.search(text):
        raise invalid_field(field, "string.pattern", "must be a single line without control characters")


def _too_long(field: str, longest: int) -> InvalidArgument:
    detail, values = f"must have at most {longest} characters", {"max_len": str(longest)}
    return invalid_field(field, "string.max_len", detail, metadata=values)

"""An inbound message: what somebody wrote to us, and what became of it."""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from crm_kit.blanks import is_visible
from crm_kit.errors import wrong_state

from crm_service_desk.addresses.model import is_withheld
from crm_service_desk.channels.model import Channel, ChannelKind

# So long before it came a message is believed to have been sent: clocks of cases go by it, and anybody writes any time.
BELIEVED = timedelta(days=1)
MAX_TITLE = 200
# What a case is told of a message that says nothing.
NO_TEXT = "(no text)"
NUMBER = re.compile(r"\bC-[0-9]{4}-[0-9]{6,9}\b", re.IGNORECASE)
# Where messages have no subject and answer none, whoever writes again goes on with what they wrote before.
CONVERSATIONS = frozenset({ChannelKind.SMS, ChannelKind.WECHAT, ChannelKind.WECOM, ChannelKind.CHAT})


class State(StrEnum):
    """What became of it."""

    MATCHED = "MATCHED"
    UNMATCHED = "UNMATCHED"
    IGNORED = "IGNORED"


class Reason(StrEnum):
    """Why that became of it."""

    THREAD = "THREAD"
    CASE_NUMBER = "CASE_NUMBER"
    NEW_CASE = "NEW_CASE"
    KNOWN_SENDER = "KNOWN_SENDER"
    UNKNOWN_SENDER = "UNKNOWN_SENDER"
    AMBIGUOUS_SENDER = "AMBIGUOUS_SENDER"
    FOREIGN_CASE_NUMBER = "FOREIGN_CASE_NUMBER"
    TOO_MANY = "TOO_MANY"
    AUTOMATIC = "AUTOMATIC"
    OWN_ADDRESS = "OWN_ADDRESS"
    BY_HAND = "BY_HAND"
    DELIVERY_REPORT = "DELIVERY_REPORT"


class Refusal(StrEnum):
    """Why a file was not taken."""

    RUNS = "RUNS"
    PROGRAM = "PROGRAM"
    MISMATCH = "MISMATCH"
    TOO_LARGE = "TOO_LARGE"
    NO_ROOM = "NO_ROOM"
    NO_STORE = "NO_STORE"
    EMPTY = "EMPTY"
    TOO_MANY = "TOO_MANY"
    CUT_OFF = "CUT_OFF"


@dataclass(frozen=True, slots=True)
class MessageFile:
    """A file that came with a message: the attachment that it became, or why it became none."""

    name: str
    size_bytes: int
    attachment_id: UUID | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """Fields as in the contract; text that is not known is None, and `from_address` is as all are compared.

    Methods return the changed one; a wrong state raises FailedPrecondition.
    """

    id: UUID
    channel_id: UUID
    source_id: str
    from_address: str
    create_time: datetime
    update_time: datetime
    state: State
    reason: Reason
    version: int = 1
    from_name: str | None = None
    to_addresses: tuple[str, ...] = ()
    subject: str | None = None
    text: str | None = None
    thread_references: tuple[str, ...] = ()
    sent_time: datetime | None = None
    automatic: bool = False
    contact_id: UUID | None = None
    account_id: UUID | None = None
    case_id: UUID | None = None
    files: tuple[MessageFile, ...] = ()
    reply_to_address: str | None = None

    @property
    def said(self) -> str:
        """What a case is told of it."""
        return next((each for each in (self.text, self.subject) if each and any(map(is_visible, each))), NO_TEXT)

    @property
    def named_case(self) -> str | None:
        """The number of a case that its subject has, the first of several."""
        found = NUMBER.search(self.subject or "")
        return found.group().upper() if found else None

    @property
    def believed_time(self) -> datetime:
        """When it was sent, as far as that is believed; else when it came."""
        came = self.create_time
        return self.sent_time if self.sent_time and came - BELIEVED <= self.sent_time <= came else came

    def title(self, channel: Channel) -> str:
        """What a case is called that it opens: its subject, else what it begins with, else its channel."""
        for text in (self.subject, self.text):
            title = " ".join((text or "").split())[:MAX_TITLE].rstrip()
            if any(map(is_visible, title)):
                return title
        return channel.display_name

    def answers(self, channel: Channel) -> tuple[str, ...]:
        """The references by which its conversation is found, the latest last."""
        if self.thread_references or channel.kind not in CONVERSATIONS or is_withheld(self.from_address):
            return self.thread_references
        return (self.from_address,)

    def references(self, channel: Channel) -> tuple[str, ...]:
        """All references that mean its case from now on, unless they mean another that goes on."""
        return tuple(dict.fromkeys((*self.answers(channel), self.source_id)))

    def own_references(self, channel: Channel) -> tuple[str, ...]:
        """Those of them that mean its case whatever they meant: its own. What a mail answers anybody can write."""
        return self.references(channel) if channel.kind in CONVERSATIONS else (self.source_id,)

    def assign(self, case_id: UUID) -> "InboundMessage":
        """It belongs to a case: somebody says so."""
        self.require_undecided("added to a case")
        return replace(self, state=State.MATCHED, reason=Reason.BY_HAND, case_id=case_id)

    def ignore(self) -> "InboundMessage":
        """Nothing is done about it: somebody says so."""
        if self.state is not State.UNMATCHED:
            raise wrong_state("inbound_message", self.state, "ignored", legal=[State.UNMATCHED])
        return replace(self, state=State.IGNORED, reason=Reason.BY_HAND)

    def require_undecided(self, done: str) -> None:
        """FailedPrecondition when it belongs to a case already, which was told."""
        if self.state is State.MATCHED:
            raise wrong_state("inbound_message", self.state, done, legal=[State.UNMATCHED, State.IGNORED])


def place_of(message_id: UUID, case_id: UUID | None) -> tuple[str, UUID]:
    """The record at which the files of a message are."""
    return ("cases", case_id) if case_id is not None else ("inbound_messages", message_id)

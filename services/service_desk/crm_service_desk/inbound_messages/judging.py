"""What becomes of a message: decided by what is known when it comes, and by nothing else."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from crm_service_desk.addresses.model import Sender
from crm_service_desk.channels.model import CaseOpening
from crm_service_desk.inbound_messages.model import Reason, State


class Deed(StrEnum):
    """What is done for a message."""

    NOTHING = "NOTHING"
    # The case is told what the customer said.
    RECORD = "RECORD"
    # The case gets a note, which moves no clock: a program wrote it.
    NOTE = "NOTE"
    OPEN_CASE = "OPEN_CASE"


@dataclass(frozen=True, slots=True)
class Meant:
    """A case that a message may mean: whose it is, and what it can be told."""

    id: UUID
    contact_id: UUID | None
    account_id: UUID | None
    takes_messages: bool
    takes_notes: bool

    def is_of(self, sender: Sender) -> bool:
        """Whether the sender is its contact, or of its account."""
        by_contact = sender.contact_id is not None and sender.contact_id == self.contact_id
        by_account = sender.account_id is not None and sender.account_id == self.account_id
        return by_contact or by_account


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known when a message comes.

    `answered`: the case of the messages that it answers; `named`: the case whose number its subject has. `earlier`: how
    many came of its sender within the hour. `reported`: the case of a message of ours on which it reports.
    """

    sender: Sender
    automatic: bool
    is_our_own: bool
    earlier: int
    hourly_limit: int
    opening: CaseOpening
    answered: Meant | None = None
    named: Meant | None = None
    reported: UUID | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a message, why, and what is to be done; `case_id` unless a case is to be opened."""

    state: State
    reason: Reason
    deed: Deed = Deed.NOTHING
    case_id: UUID | None = None


def judge(known: Circumstances) -> Verdict:
    """What becomes of a message.

    Nothing that may be part of a loop goes on by itself: what we sent ourselves and what a program wrote opens no case,
    and what is one too many waits for a person. A number in a subject counts only where the sender is the case's
    customer: anybody can guess one.
    """
    if known.is_our_own:
        return Verdict(State.IGNORED, Reason.OWN_ADDRESS)
    if known.reported is not None:
        # The message of ours knows it by now, and its case was told.
        return Verdict(State.MATCHED, Reason.DELIVERY_REPORT, case_id=known.reported)
    if known.earlier >= known.hourly_limit:
        return Verdict(State.UNMATCHED, Reason.TOO_MANY)
    for meant, reason in ((known.answered, Reason.THREAD), (_own(known), Reason.CASE_NUMBER)):
        if meant is not None and (deed := _told(meant, automatic=known.automatic)) is not None:
            return Verdict(State.MATCHED, reason, deed, meant.id)
    if known.automatic:
        return Verdict(State.IGNORED, Reason.AUTOMATIC)
    return _of_no_case(known)


def _own(known: Circumstances) -> Meant | None:
    return known.named if known.named is not None and known.named.is_of(known.sender) else None


def _told(meant: Meant, *, automatic: bool) -> Deed | None:
    if automatic:
        return Deed.NOTE if meant.takes_notes else None
    return Deed.RECORD if meant.takes_messages else None


def _of_no_case(known: Circumstances) -> Verdict:
    sender, opening = known.sender, known.opening
    if sender.ambiguous:
        return Verdict(State.UNMATCHED, Reason.AMBIGUOUS_SENDER)
    if known.named is not None and not known.named.is_of(sender):
        return Verdict(State.UNMATCHED, Reason.FOREIGN_CASE_NUMBER)
    if opening is CaseOpening.EVERYBODY or (opening is CaseOpening.KNOWN_SENDERS and sender.is_known):
        return Verdict(State.MATCHED, Reason.NEW_CASE, Deed.OPEN_CASE)
    return Verdict(State.UNMATCHED, Reason.KNOWN_SENDER if sender.is_known else Reason.UNKNOWN_SENDER)

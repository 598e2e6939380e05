"""A call: what was told of it, whose it is, and how long it took."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from crm_kit.errors import wrong_state

from crm_service_desk.addresses.model import Sender
from crm_service_desk.calls.facts import CallFact, Cause, Direction, State, told_by


class Outcome(StrEnum):
    """What came of a call."""

    ANSWERED = "ANSWERED"
    MISSED = "MISSED"
    NOT_REACHED = "NOT_REACHED"


class Match(StrEnum):
    """Whether it is known whose a call is."""

    KNOWN = "KNOWN"
    UNKNOWN = "UNKNOWN"
    AMBIGUOUS = "AMBIGUOUS"
    WITHHELD = "WITHHELD"
    INTERNAL = "INTERNAL"
    BY_HAND = "BY_HAND"
    IGNORED = "IGNORED"


# What nobody has been found for, so that a person can say whose it is.
OPEN_MATCHES = (Match.UNKNOWN, Match.AMBIGUOUS, Match.WITHHELD)
# Of which a person says whose it is, also where that was found otherwise: numbers are shared and handed on.
ASSIGNABLE = (*OPEN_MATCHES, Match.KNOWN, Match.BY_HAND, Match.IGNORED)
# Missed calls of a number within so much are told once.
TOLD_ONCE_WITHIN = timedelta(hours=1)
# What people have said stays.
DECIDED = (Match.BY_HAND, Match.IGNORED)


@dataclass(frozen=True, slots=True)
class Call:
    """Fields as in the contract. `user_team_id` is the agent's team when the call came to them.

    Methods return the changed one; a wrong state raises FailedPrecondition.
    """

    id: UUID
    channel_id: UUID
    source_id: str
    direction: Direction
    state: State
    match: Match
    begin_time: datetime
    create_time: datetime
    update_time: datetime
    version: int = 1
    cause: Cause | None = None
    from_number: str | None = None
    to_number: str | None = None
    contact_id: UUID | None = None
    account_id: UUID | None = None
    user_id: UUID | None = None
    user_team_id: UUID | None = None
    extension: str | None = None
    queue: str | None = None
    menu_choices: tuple[str, ...] = ()
    ring_time: datetime | None = None
    answer_time: datetime | None = None
    end_time: datetime | None = None
    recording_url: str | None = None
    ring_count: int = 0
    ring_user_ids: tuple[UUID, ...] = ()
    # Written beside it.
    called_back: bool = field(default=False, compare=False)

    @property
    def customer_number(self) -> str | None:
        """The number of the side that is not ours."""
        return self.from_number if self.direction is Direction.INBOUND else self.to_number

    @property
    def outcome(self) -> Outcome | None:
        """What came of it, once it has ended."""
        if self.state is not State.ENDED:
            return None
        if self.answer_time is not None:
            return Outcome.ANSWERED
        return Outcome.MISSED if self.direction is Direction.INBOUND else Outcome.NOT_REACHED

    @property
    def missed(self) -> bool:
        """Whether a customer called, and nobody answered."""
        return self.outcome is Outcome.MISSED and self.match not in (Match.INTERNAL, Match.IGNORED)

    @property
    def reached(self) -> bool:
        """Whether we called a number, and it was answered."""
        return self.direction is Direction.OUTBOUND and self.answer_time is not None

    @property
    def waiting_seconds(self) -> int | None:
        """From when it first rang, or began where it rang nowhere, to its answer or its end."""
        until = self.answer_time or self.end_time
        return None if until is None else seconds_between(self.ring_time or self.begin_time, until)

    @property
    def talk_seconds(self) -> int | None:
        """From its answer to its end."""
        if self.answer_time is None or self.end_time is None:
            return None
        return seconds_between(self.answer_time, self.end_time)

    def after(self, facts: Collection[CallFact], extensions: Mapping[str, UUID]) -> "Call":
        """The call as all facts of it tell; whose it is stays as it was."""
        told = told_by(facts, extensions)
        values = {name: getattr(told, name) for name in told.__slots__}
        # Whoever it has rung at stays one of them, also when their extension is somebody else's by now.
        rung = tuple(sorted({*self.ring_user_ids, *told.ring_user_ids}))
        return replace(self, **values | {"ring_user_ids": rung})

    def of(self, sender: Sender) -> "Call":
        """Of whom its customer's number means."""
        match = Match.KNOWN if sender.account_id else Match.AMBIGUOUS if sender.ambiguous else Match.UNKNOWN
        return replace(self, match=match, contact_id=sender.contact_id, account_id=sender.account_id)

    def of_nobody(self, match: Match) -> "Call":
        """Of no customer, for a reason."""
        return replace(self, match=match, contact_id=None, account_id=None)

    def assign(self, account_id: UUID, contact_id: UUID | None) -> "Call":
        """It was with this account: somebody says so."""
        self.require_assignable()
        return replace(self, match=Match.BY_HAND, account_id=account_id, contact_id=contact_id)

    def require_assignable(self) -> None:
        """FailedPrecondition when it is between our own telephones."""
        self._require(ASSIGNABLE, "added to an account")

    def ignore(self) -> "Call":
        """It is no customer's: somebody says so."""
        self._require(OPEN_MATCHES, "ignored")
        return self.of_nobody(Match.IGNORED)

    def _require(self, legal: Collection[Match], done: str) -> None:
        if self.match not in legal:
            raise wrong_state("call", self.match, done, legal=legal)


def seconds_between(begin: datetime, end: datetime) -> int:
    """Whole seconds, none where clocks say that the end was before."""
    return max(0, int((end - begin).total_seconds()))


def is_told(begin_time: datetime, others: Sequence[datetime]) -> bool:
    """Whether people are told of a missed call, where the number has called them in vain at other times, too.

    The first is told, and each that comes an hour or more after one that was told; none that is heard of late.
    """
    told: datetime | None = None
    for each in sorted(others):
        if each > begin_time:
            return False
        if told is None or each - told >= TOLD_ONCE_WITHIN:
            told = each
    return told is None or begin_time - told >= TOLD_ONCE_WITHIN

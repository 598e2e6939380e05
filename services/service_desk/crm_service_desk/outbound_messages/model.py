"""An outbound message: what we write to a customer, and how far it has come."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from crm_kit.errors import wrong_state

GIVE_UP_AFTER = timedelta(days=2)
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=4)
# Servers lock out who comes again and again with a wrong password.
WAIT_REFUSED = timedelta(minutes=30)
MAX_DETAIL = 500


class State(StrEnum):
    """How far it has come."""

    QUEUED = "QUEUED"
    SENDING = "SENDING"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    BOUNCED = "BOUNCED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Failure(StrEnum):
    """Why it was not sent, or not yet."""

    REFUSED = "REFUSED"
    PUT_OFF = "PUT_OFF"
    SERVER_AWAY = "SERVER_AWAY"
    NO_MAILBOX = "NO_MAILBOX"
    FILE_MISSING = "FILE_MISSING"
    TRIED_TOO_LONG = "TRIED_TOO_LONG"
    RETURNED = "RETURNED"
    EARLIER_WAITS = "EARLIER_WAITS"


# What is heard of a message moves it to a state that stands further right, and never back, in whatever order.
HEARD = (State.SENT, State.FAILED, State.BOUNCED, State.DELIVERED)
FILE_GONE = "a file that goes with it was deleted"
ON_ITS_WAY = (State.QUEUED, State.SENDING)


@dataclass(frozen=True, slots=True)
class Report:
    """What is heard of a message: one of `HEARD`, of which attempt where that matters, and of which addresses.

    Without addresses it is about all of them; with none it is not known of which.
    """

    state: State
    detail: str | None = None
    attempt: int | None = None
    addresses: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt came to: a server's replies by the addresses that it does not take, now or ever."""

    later: Mapping[str, str] = field(default_factory=dict)
    never: Mapping[str, str] = field(default_factory=dict)
    why: Failure = Failure.REFUSED


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """Fields as in the contract; addresses are as all are compared.

    To `pending_addresses` it is still to go; of `delivered_addresses` it was said that they have got it.

    Methods return the changed one; a wrong state raises FailedPrecondition.
    """

    id: UUID
    case_id: UUID
    channel_id: UUID
    to_addresses: tuple[str, ...]
    text: str
    source_id: str
    writer_id: UUID
    create_time: datetime
    update_time: datetime
    version: int = 1
    cc_addresses: tuple[str, ...] = ()
    subject: str | None = None
    attachment_ids: tuple[UUID, ...] = ()
    state: State = State.QUEUED
    from_address: str | None = None
    thread_references: tuple[str, ...] = ()
    pending_addresses: tuple[str, ...] = ()
    refused_addresses: tuple[str, ...] = ()
    delivered_addresses: tuple[str, ...] = ()
    failure: Failure | None = None
    failure_detail: str | None = None
    attempt_count: int = 0
    sent_time: datetime | None = None
    delivered_time: datetime | None = None
    automatic: bool = False

    @property
    def addresses(self) -> tuple[str, ...]:
        """All to whom it goes."""
        return tuple(dict.fromkeys((*self.to_addresses, *self.cc_addresses)))

    @property
    def is_to_go(self) -> bool:
        """Whether it is still to go to somebody."""
        return bool(self.pending_addresses) and self.state not in (State.FAILED, State.CANCELLED)

    # --- on its way

    def begin(self) -> "OutboundMessage":
        """Once more it is tried: nobody can cancel it meanwhile."""
        state = State.SENDING if self.state is State.QUEUED else self.state
        begun = replace(self, state=state, attempt_count=self.attempt_count + 1)
        return replace(begun, failure=None) if self.failure is Failure.EARLIER_WAITS else begun

    def put_back(self, failure: Failure, detail: str | None = None) -> "OutboundMessage":
        """It could not be tried, and waits; what was sent to some stays sent."""
        state = State.QUEUED if self.state is State.SENDING else self.state
        return replace(self, state=state, failure=failure, failure_detail=_bounded(detail))

    def moved_up(self) -> "OutboundMessage":
        """It waits for no earlier one any more."""
        return replace(self, failure=None)

    def after(self, outcome: Outcome, *, attempt: int, now: datetime) -> "OutboundMessage":
        """As it stands after an attempt; of one that another has overtaken counts only whom it reached."""
        is_latest = attempt == self.attempt_count
        never = [each for each in self.pending_addresses if is_latest and each in outcome.never]
        left = [each for each in self.pending_addresses if each in outcome.later or each in outcome.never]
        pending = tuple(each for each in left if each not in never)
        refused = _joined(self.refused_addresses, never)
        changed = replace(self, pending_addresses=pending, refused_addresses=refused)
        if len(left) < len(self.pending_addresses):
            changed = changed.heard(Report(State.SENT), now=now)
        if never:
            changed = changed._failing(outcome.why, outcome.never[never[0]])
        if pending:
            return changed.put_back(Failure.PUT_OFF, outcome.later[pending[0]]) if is_latest else changed
        return replace(changed, state=State.FAILED) if changed.state in ON_ITS_WAY else changed

    @property
    def file_gone(self) -> Outcome:
        """What comes of it where a file that goes with it was deleted: without that it would say something else."""
        return Outcome(never=dict.fromkeys(self.pending_addresses, FILE_GONE), why=Failure.FILE_MISSING)

    def without_file(self, *, now: datetime) -> "OutboundMessage":
        """As it stands where nobody has tried it, since a file that goes with it was deleted."""
        return self.after(self.file_gone, attempt=self.attempt_count, now=now)

    def given_up(self) -> "OutboundMessage":
        """Tried no more; those to whom it was still to go have not got it."""
        state = State.FAILED if self.state in ON_ITS_WAY else self.state
        refused = _joined(self.refused_addresses, self.pending_addresses)
        changed = replace(self, state=state, pending_addresses=(), refused_addresses=refused)
        return replace(changed, failure=Failure.TRIED_TOO_LONG)

    # --- what is heard of it

    def heard(self, report: Report, *, now: datetime) -> "OutboundMessage":
        """As it stands once something is heard of it, however late, often, and in whatever order.

        That an attempt failed counts only of the latest, and only while nobody has decided otherwise since.
        """
        failed = report.state is State.FAILED
        if failed and (
            report.attempt not in (None, self.attempt_count) or self.state in (State.QUEUED, State.CANCELLED)
        ):
            return self
        is_news = _rank(report.state) > _rank(self.state)
        changed = replace(self, state=report.state) if is_news else self
        found = self.addresses if report.addresses is None else report.addresses
        if report.state in (State.BOUNCED, State.DELIVERED):
            # To others it is still to go, whatever became of it for these.
            left = tuple(each for each in self.pending_addresses if each not in found)
            changed = replace(changed, pending_addresses=left)
        if report.state is State.DELIVERED:
            changed = changed._reaching(found)
            if not changed.refused_addresses and (is_news or self.refused_addresses):
                changed = changed._failing(None, None)
        elif report.state is State.SENT and is_news:
            changed = changed._failing(None, None)
        elif report.state in (State.FAILED, State.BOUNCED):
            # Who has got it has got it, whatever else is said of that before or after.
            missed = [each for each in found if each not in self.delivered_addresses]
            refused = _joined(self.refused_addresses, missed)
            if is_news or refused != self.refused_addresses:
                changed = changed._failing(Failure.REFUSED if failed else Failure.RETURNED, report.detail)
            changed = replace(changed, refused_addresses=refused)
        if failed:
            return changed
        delivered = now if report.state is State.DELIVERED else None
        return replace(changed, sent_time=self.sent_time or now, delivered_time=self.delivered_time or delivered)

    def reported(self, report: Report, *, now: datetime) -> "OutboundMessage":
        """The same, of whoever took it for all to whom it was to go."""
        changed = self.heard(report, now=now)
        return changed if changed.state in ON_ITS_WAY else replace(changed, pending_addresses=())

    # --- by people

    def cancel(self) -> "OutboundMessage":
        """It is not sent: somebody says so."""
        if self.state is not State.QUEUED:
            raise wrong_state("outbound_message", self.state, "cancelled", legal=[State.QUEUED])
        return replace(self, state=State.CANCELLED, pending_addresses=())

    def retry(self) -> "OutboundMessage":
        """Once more to all, as if it had not been tried; one that waits for its next attempt is tried at once."""
        if self.state is State.QUEUED and self.failure is Failure.EARLIER_WAITS:
            # The earlier one is not tried sooner by that.
            return self
        if self.state is State.QUEUED:
            return replace(self, failure=None, failure_detail=None)
        if self.state is not State.FAILED:
            raise wrong_state("outbound_message", self.state, "sent again", legal=[State.FAILED, State.QUEUED])
        begun = replace(self, state=State.QUEUED, pending_addresses=self.addresses, refused_addresses=())
        return replace(begun, failure=None, failure_detail=None)

    def _reaching(self, addresses: Collection[str]) -> "OutboundMessage":
        """The same, these having got it."""
        refused = tuple(each for each in self.refused_addresses if each not in addresses)
        delivered = _joined(self.delivered_addresses, addresses)
        return replace(self, delivered_addresses=delivered, refused_addresses=refused)

    def _failing(self, failure: Failure | None, detail: str | None) -> "OutboundMessage":
        return replace(self, failure=failure, failure_detail=_bounded(detail))


def wait_after(attempt: int, jitter: float) -> timedelta:
    """How long until it is tried again; `jitter`, from 0 to 1, spreads those that failed together."""
    doubled: timedelta = FIRST_WAIT * 2 ** min(max(attempt, 1) - 1, 10)
    return min(doubled, LONGEST_WAIT) * (0.75 + 0.5 * jitter)


def _rank(state: State) -> int:
    return HEARD.index(state) if state in HEARD else -1


def _joined(before: Iterable[str], more: Collection[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*before, *more)))


def _bounded(detail: str | None) -> str | None:
    return detail[:MAX_DETAIL] if detail else None

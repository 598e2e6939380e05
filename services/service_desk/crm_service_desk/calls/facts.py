"""What a telephone system tells of a call, and what it adds up to: whatever the order, and however often each is told.

All is read from the set of what was told. So two processes that heard the same know the same call, and nothing is to be
mended when an event comes late.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from crm_kit.errors import invalid_field

# All that is told of one call lies within so much; more means that the telephone system uses a name again.
CALL_LASTS = timedelta(days=1)
# How old an event may be when it comes, and how far the telephone system's clock may be ahead.
EVENT_LASTS, AHEAD = timedelta(days=30), timedelta(days=1)
# So often something of one kind may have happened to a call.
MAX_FACTS = 50


class Direction(StrEnum):
    """Who called whom."""

    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"


class State(StrEnum):
    """How far a call has come."""

    REQUESTED = "REQUESTED"
    RINGING = "RINGING"
    ANSWERED = "ANSWERED"
    ENDED = "ENDED"


class Cause(StrEnum):
    """Why it ended."""

    COMPLETED = "COMPLETED"
    ABANDONED = "ABANDONED"
    NO_ANSWER = "NO_ANSWER"
    BUSY = "BUSY"
    REJECTED = "REJECTED"
    FAILED = "FAILED"
    VOICEMAIL = "VOICEMAIL"
    EXPIRED = "EXPIRED"


class FactKind(StrEnum):
    """What happened to a call: in this order where it happened at the same instant."""

    REQUESTED = "REQUESTED"
    IVR = "IVR"
    RINGING = "RINGING"
    ANSWERED = "ANSWERED"
    ENDED = "ENDED"
    RECORDING = "RECORDING"
    # Nobody told its end, and we wait for that no longer.
    EXPIRED = "EXPIRED"


RANKS: Mapping[FactKind, int] = {kind: rank for rank, kind in enumerate(FactKind)}
# Between the first and the last of these a call lasts.
WITHIN_CALL = frozenset(FactKind) - {FactKind.RECORDING, FactKind.EXPIRED}


@dataclass(frozen=True, slots=True)
class CallFact:
    """One thing that happened, with what was known of the call then. Numbers are as all are compared."""

    kind: FactKind
    happen_time: datetime
    direction: Direction
    from_number: str | None = None
    to_number: str | None = None
    user_id: UUID | None = None
    extension: str | None = None
    queue: str | None = None
    menu_choice: str | None = None
    cause: Cause | None = None
    recording_url: str | None = None

    @property
    def order(self) -> tuple[Any, ...]:
        """By when it happened, and then by what it is and says, so that the same facts have one order."""
        said = tuple("" if each is None else str(each) for each in astuple(self)[2:])
        return (self.happen_time, RANKS[self.kind], said)


@dataclass(frozen=True, slots=True)
class Told:
    """What facts add up to; `ring_count` is at how many telephones it rang, or in how many queues it came.

    `ring_user_ids` are whose telephones these were, in the order of ids.
    """

    direction: Direction
    state: State
    begin_time: datetime
    from_number: str | None = None
    to_number: str | None = None
    user_id: UUID | None = None
    extension: str | None = None
    queue: str | None = None
    menu_choices: tuple[str, ...] = ()
    ring_time: datetime | None = None
    answer_time: datetime | None = None
    end_time: datetime | None = None
    cause: Cause | None = None
    recording_url: str | None = None
    ring_count: int = 0
    ring_user_ids: tuple[UUID, ...] = ()


def told_by(facts: Collection[CallFact], extensions: Mapping[str, UUID]) -> Told:
    """What at least one fact adds up to. `extensions` says whose telephones are.

    A call ends with the first end that no answer follows: after a transfer an earlier end was that of a part. Where all
    ends come before the last answer a clock was wrong, and it ended when it was answered. Nothing is before it began.
    """
    told = sorted(set(facts), key=lambda fact: fact.order)
    rings, answers = of_kind(told, FactKind.RINGING), of_kind(told, FactKind.ANSWERED)
    end_time, cause = end_of(told, answers)
    phone = telephone_of(rings, answers, is_over=end_time is not None) or first(told, FactKind.REQUESTED)
    rung = {fact.user_id or extensions.get(fact.extension or "") for fact in rings}
    begin = min((fact.happen_time for fact in told if fact.kind in WITHIN_CALL), default=told[0].happen_time)
    return Told(
        direction=told[0].direction,
        state=state_of(told, answers, is_over=end_time is not None),
        begin_time=begin,
        from_number=next((fact.from_number for fact in told if fact.from_number), None),
        to_number=next((fact.to_number for fact in told if fact.to_number), None),
        user_id=(phone.user_id or extensions.get(phone.extension or "")) if phone else None,
        extension=phone.extension if phone else None,
        queue=next((fact.queue for fact in reversed(told) if fact.queue), None),
        menu_choices=tuple(fact.menu_choice for fact in told if fact.menu_choice),
        ring_time=rings[0].happen_time if rings else None,
        answer_time=answers[0].happen_time if answers else None,
        end_time=None if end_time is None else max(end_time, begin),
        cause=cause,
        recording_url=next((fact.recording_url for fact in reversed(told) if fact.recording_url), None),
        ring_count=len(rings),
        ring_user_ids=tuple(sorted(each for each in rung if each)),
    )


def state_of(told: Sequence[CallFact], answers: Sequence[CallFact], *, is_over: bool) -> State:
    """How far it has come: never back, since facts are only added."""
    if is_over:
        return State.ENDED
    if answers:
        return State.ANSWERED
    is_begun = any(fact.kind is not FactKind.REQUESTED for fact in told)
    return State.RINGING if is_begun else State.REQUESTED


def end_of(told: Sequence[CallFact], answers: Sequence[CallFact]) -> tuple[datetime | None, Cause | None]:
    """When and why it ended. What we ended ourselves counts only as long as nobody tells its end."""
    ends = of_kind(told, FactKind.ENDED) or of_kind(told, FactKind.EXPIRED)
    if not ends:
        return None, None
    answered = answers[-1].happen_time if answers else None
    end = next((each for each in ends if answered is None or each.happen_time >= answered), ends[-1])
    time = end.happen_time if answered is None else max(end.happen_time, answered)
    return time, Cause.EXPIRED if end.kind is FactKind.EXPIRED else end.cause


def telephone_of(rings: Sequence[CallFact], answers: Sequence[CallFact], *, is_over: bool) -> CallFact | None:
    """The last telephone that it rang at or was answered by; of a call that is over one that answered before others."""
    rung, answered = [[each for each in facts if each.user_id or each.extension] for facts in (rings, answers)]
    if is_over and answered:
        return answered[-1]
    return max((*rung[-1:], *answered[-1:]), key=lambda fact: fact.order, default=None)


def of_kind(told: Iterable[CallFact], kind: FactKind) -> list[CallFact]:
    """Those of a kind, in their order."""
    return [fact for fact in told if fact.kind is kind]


def first(told: Iterable[CallFact], kind: FactKind) -> CallFact | None:
    """The first of a kind."""
    return next((fact for fact in told if fact.kind is kind), None)


def check_fits(
    fact: CallFact, others: Collection[CallFact], *, now: datetime, begin_time: datetime | None = None
) -> None:
    """InvalidArgument for what can be no part of a call of which the others are told.

    `begin_time` is when the call began, which is known also when what was told of it is kept no longer.
    """
    if not now - EVENT_LASTS <= fact.happen_time <= now + AHEAD:
        days = EVENT_LASTS.days
        raise invalid_field(
            "event.happen_time", "call_time", f"lies more than {days} days back, or more than a day ahead"
        )
    times = [each.happen_time for each in others] + ([begin_time] if begin_time else [])
    if any(abs(fact.happen_time - each) > CALL_LASTS for each in times):
        detail = "lies more than a day from what was told of this source_id: is it used again for another call?"
        raise invalid_field("event.happen_time", "call_lasts", detail)
    if sum(each.kind is fact.kind for each in others) >= MAX_FACTS:
        detail = f"happened {MAX_FACTS} times to this call already"
        raise invalid_field("event.type", "call_facts", detail, metadata={"most": str(MAX_FACTS)})

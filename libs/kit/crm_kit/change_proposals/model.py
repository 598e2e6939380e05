"""A change proposal, and what becomes of it: field by field, each decided once."""

import enum
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from uuid import UUID

from crm_kit.errors import FailedPrecondition, denied, illegal_state, invalid_field, wrong_state
from crm_kit.proposed import Proposed
from crm_kit.working_time.model import WorkingCalendar
from crm_kit.working_time.timeline import timeline_of, to_instant, to_micros

MAX_PENDING = 20
"""Of one record."""


class State(enum.StrEnum):
    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    PARTLY_ACCEPTED = "PARTLY_ACCEPTED"
    DECLINED = "DECLINED"
    WITHDRAWN = "WITHDRAWN"
    SUPERSEDED = "SUPERSEDED"


class Outcome(enum.StrEnum):
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    WITHDRAWN = "WITHDRAWN"
    SUPERSEDED = "SUPERSEDED"


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of one field, by whom."""

    field: str
    outcome: Outcome
    user_id: UUID
    decision_time: datetime
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class ChangeProposal:
    """Fields as in the contract. Methods return the changed one."""

    id: UUID
    collection: str
    record_id: UUID
    values: Mapping[str, object]
    reason: str
    proposer_id: UUID
    create_time: datetime
    update_time: datetime
    version: int = 1
    old_values: Mapping[str, object] = field(default_factory=dict)
    evidence: str | None = None
    link: str | None = None
    attachment_ids: tuple[UUID, ...] = ()
    owner_id: UUID | None = None
    state: State = State.PENDING
    decisions: tuple[Decision, ...] = ()
    escalated_to_ids: tuple[UUID, ...] = ()
    escalate_time: datetime | None = None
    end_time: datetime | None = None
    # Of who reads it, and of nobody where it is stored or told of.
    awaits_me: bool = False

    @property
    def waiting(self) -> list[str]:
        """The fields that nobody has decided."""
        decided = {each.field for each in self.decisions}
        return [name for name in self.values if name not in decided]

    def as_proposed(self) -> Proposed:
        """What the record that gets its values may keep of how they are known."""
        proof = "; ".join(each for each in (self.evidence, self.link) if each)
        return Proposed(self.id, self.proposer_id, self.reason, proof, is_evident=bool(proof or self.attachment_ids))

    def chosen(self, fields: Sequence[str], *, hidden: Collection[str], done: str) -> list[str]:
        """The fields that somebody decides who does not see `hidden` ones: those named, or all that wait.

        InvalidArgument for a field that is not proposed, ILLEGAL_STATE for one that is decided, or where nothing waits.
        """
        known = [name for name in self.values if name not in hidden]
        for at, name in enumerate(fields):
            if name not in known:
                choices = ", ".join(known)
                detail = f"must be one of {choices}"
                raise invalid_field(f"fields[{at}]", "string.in", detail, metadata={"choices": choices})
        waiting = [name for name in self.waiting if name in known]
        if not waiting and self.state is State.PENDING:
            raise illegal_state("shown_decided", "all of it that you see is decided already")
        if not waiting:
            raise wrong_state("change_proposal", self.state, done, legal=[State.PENDING])
        for name in fields:
            if name not in waiting:
                raise illegal_state("field_decided", f"{name} is decided already", field=name)
        return list(fields) or waiting

    def decide(
        self, fields: Iterable[str], outcome: Outcome, by: UUID, *, comment: str | None, now: datetime
    ) -> "ChangeProposal":
        """With these fields decided. Once none waits it has ended."""
        made = tuple(Decision(name, outcome, by, now, comment) for name in fields)
        after = replace(self, decisions=(*self.decisions, *made))
        if after.waiting:
            return after
        state = state_of([each.outcome for each in after.decisions])
        return replace(after, state=state, end_time=now, escalate_time=None)

    def withdraw(self, by: UUID, *, comment: str | None, now: datetime) -> "ChangeProposal":
        """Without what nobody has decided, by who proposed it."""
        if by != self.proposer_id:
            raise denied("not_proposer", "only who proposed a change withdraws it")
        fields = self.chosen((), hidden=(), done="withdrawn")
        return self.decide(fields, Outcome.WITHDRAWN, by, comment=comment, now=now)

    def supersede(self, fields: Iterable[str], *, now: datetime) -> "ChangeProposal":
        """Without those that wait of these fields, since the proposer says something else of them."""
        waiting = [name for name in self.waiting if name in set(fields)]
        if not waiting:
            return self
        return self.decide(waiting, Outcome.SUPERSEDED, self.proposer_id, comment=None, now=now)

    def next_above(self, leaders: Iterable[UUID], *, owner_id: UUID | None) -> UUID | None:
        """To whom of the leaders above the owner, the nearest first, it goes up next."""
        asked = {owner_id, self.proposer_id, *self.escalated_to_ids}
        return next((id for id in leaders if id not in asked), None)

    def escalate(self, to: UUID, *, until: datetime) -> "ChangeProposal":
        """Gone up to a leader, and up again unless it is decided `until` then."""
        return replace(self, escalated_to_ids=(*self.escalated_to_ids, to), escalate_time=until)

    def is_due(self, now: datetime) -> bool:
        """Whether it is to go up."""
        return self.escalate_time is not None and now >= self.escalate_time


def answered_by(now: datetime, days: int, calendar: WorkingCalendar | None) -> datetime:
    """The same time of day so many working days later; plain days where no calendar has working days."""
    hours = calendar.business_hours if calendar is not None else None
    if hours is None or not hours.opens_weekly:
        return now + timedelta(days=days)
    timeline = timeline_of(hours)
    local = timeline.local(to_micros(now))
    passed = local.replace(tzinfo=None) - datetime.combine(local.date(), time())
    day = timeline.working_day_after(local.date(), days)
    return to_instant(timeline.instant_of(day, passed // timedelta(minutes=1))) + passed % timedelta(minutes=1)


def state_of(outcomes: Collection[Outcome]) -> State:
    """Where a proposal stands of whose fields this became."""
    different = set(outcomes)
    if len(different) == 1:
        return State(different.pop())
    if Outcome.ACCEPTED in different:
        return State.PARTLY_ACCEPTED
    return next(State(each) for each in (Outcome.DECLINED, Outcome.WITHDRAWN) if each in different)


def check_conflicts(conflicting: Sequence[str], overwritten: Collection[str]) -> None:
    """FailedPrecondition for fields with other values than when a change was proposed, but for those overwritten."""
    fields = [name for name in conflicting if name not in overwritten]
    if fields:
        told = ", ".join(fields)
        detail = f"nothing was changed: the record has other values by now than when this was proposed: {told}"
        raise FailedPrecondition(detail, reason="CHANGE_PROPOSAL_CONFLICT", metadata={"fields": told})


def check_room(pending: int) -> None:
    """FailedPrecondition while a record has as many proposals as it may that nobody has decided."""
    if pending >= MAX_PENDING:
        detail = f"{pending} proposals of this record wait to be decided; it can have no more"
        values = {"most": str(MAX_PENDING)}
        raise FailedPrecondition(detail, reason="CHANGE_PROPOSAL_LIMIT_REACHED", metadata=values)

"""An approval, and the rules by which it is decided: who may, in which order, and when it has taken effect."""

import contextlib
import enum
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from crm_kit.approvals.policies.model import Mode, Party, Step, all_asked
from crm_kit.errors import CrmError, FailedPrecondition, denied, invalid_field, wrong_state
from crm_kit.money import Money
from crm_kit.working_time.model import WorkingCalendar

OWN_APPROVAL = "neither who submitted it nor the owner of the record approves it or hands it on"


class State(enum.StrEnum):
    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    OUTDATED = "OUTDATED"


class Decision(enum.StrEnum):
    APPROVE = "APPROVE"
    REJECT = "REJECT"


@dataclass(frozen=True, slots=True)
class Person:
    """An active user with their roles, and those whose deputy they are today."""

    id: UUID
    role_ids: tuple[UUID, ...] = ()
    deputy_of: "tuple[Person, ...]" = ()

    @property
    def ids(self) -> frozenset[UUID]:
        """By which a step may ask them."""
        return frozenset({self.id, *self.role_ids})


@dataclass(frozen=True, slots=True)
class Opinion:
    """What somebody said who was asked, or whose deputy they are, and as which user or roles."""

    step: int
    user_id: UUID
    decision: Decision
    opinion_time: datetime
    comment: str | None = None
    as_ids: tuple[UUID, ...] = ()
    for_user_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Reassignment:
    """That somebody else was asked in place of users and roles."""

    step: int
    from_ids: tuple[UUID, ...]
    to_user_id: UUID
    user_id: UUID
    comment: str
    reassign_time: datetime
    # Those of them that are users, and those that are roles.
    from_user_ids: tuple[UUID, ...] = ()
    from_role_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """That somebody took it back, and why."""

    user_id: UUID
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """Fields as in the contract. Methods return the changed one; once it has ended it changes no more."""

    id: UUID
    collection: str
    record_id: UUID
    record_etag: str
    verb: str
    submitter_id: UUID
    policy_id: UUID
    policy_etag: str
    steps: tuple[Step, ...]
    create_time: datetime
    update_time: datetime
    version: int = 1
    request: Mapping[str, object] = field(default_factory=dict)
    amount: Money | None = None
    comment: str | None = None
    owner_id: UUID | None = None
    current_step: int = 1
    opinions: tuple[Opinion, ...] = ()
    reassignments: tuple[Reassignment, ...] = ()
    withdrawal: Withdrawal | None = None
    state: State = State.PENDING
    end_time: datetime | None = None
    approvers_missing: bool = False
    due_time: datetime | None = None
    overdue: bool = False
    # Of who reads it, and of nobody where it is stored or told of.
    your_decisions: tuple[Decision, ...] = ()

    @property
    def timer_time(self) -> datetime | None:
        """When it is to be found overdue; None when that is not to come."""
        return self.due_time if self.state is State.PENDING and not self.overdue else None

    @property
    def asked_ids(self) -> list[UUID]:
        """Users and roles that are asked in any step, or were, and deputies who have been heard."""
        before = (id for each in self.reassignments for id in each.from_ids)
        heard = (each.user_id for each in self.opinions)
        return list(dict.fromkeys((*all_asked(self.steps), *before, *heard)))

    @property
    def waiting_ids(self) -> list[UUID]:
        """Users and roles that are asked now and have not been heard."""
        if self.state is not State.PENDING:
            return []
        step = self._step
        heard = {id for each in self._heard for id in each.as_ids}
        return [id for id in step.asked_ids if id not in heard]

    @property
    def goes_by_calendar(self) -> bool:
        """Whether working hours decide when the current step is due."""
        return self._step.goes_by_calendar

    @property
    def next_goes_by_calendar(self) -> bool:
        """Whether there is a step after the current one and working hours decide when that is due."""
        return any(step.goes_by_calendar for step in self.steps[self.current_step : self.current_step + 1])

    def approve(
        self,
        by: Person,
        *,
        asked: Iterable[Person],
        comment: str | None,
        now: datetime,
        calendar: WorkingCalendar | None = None,
    ) -> "Approval":
        """With an approval more: in the next step, or APPROVED, once nobody else is needed.

        `asked` are the active people whom the current step asks; where all of them have to approve, users and roles
        that nobody stands for any more are passed over. Submitter and owner are not: they are waited for, in vain.
        The calendar says which hours count; it takes one where `next_goes_by_calendar`.
        """
        heard = self._with(Decision.APPROVE, by, comment, now)
        spent = {each.user_id for each in heard._heard if each.for_user_id}
        waited_for = {id for each in asked if each.id not in spent for id in each.ids}
        if self._step.mode is Mode.ALL and waited_for.intersection(heard.waiting_ids):
            return heard
        if self.current_step < len(self.steps):
            return replace(heard, current_step=self.current_step + 1).begun(now=now, calendar=calendar)
        return heard._ended(State.APPROVED, now)

    def begun(self, *, now: datetime, calendar: WorkingCalendar | None = None) -> "Approval":
        """With the time that the current step, which begins now, has; the calendar says which hours count."""
        return replace(self, due_time=self._step.due_time(now, calendar), overdue=False)

    def rescheduled(self, calendar: WorkingCalendar) -> "Approval":
        """With the time that the current step has by this calendar, from when it began.

        As it was where it does not go by working hours, or is not to fall due any more.
        """
        if self.timer_time is None or not self.goes_by_calendar:
            return self
        return replace(self, due_time=self._step.due_time(self._step_begin_time, calendar))

    def reminder_time(self, calendar: WorkingCalendar | None = None) -> datetime | None:
        """When those who are asked in the current step are reminded; None where nobody is, or it is over.

        The calendar says which hours count; it takes one where it `goes_by_calendar`.
        """
        return None if self.timer_time is None else self._step.reminder_time(self._step_begin_time, calendar)

    def found_overdue(self, *, now: datetime) -> "Approval":
        """Overdue where its time has passed and it is pending; as it was where not."""
        is_late = self.timer_time is not None and self.timer_time <= now
        return replace(self, overdue=self.overdue or is_late)

    def reject(self, by: Person, *, comment: str, now: datetime) -> "Approval":
        """REJECTED, whoever was for it."""
        return self._with(Decision.REJECT, by, comment, now)._ended(State.REJECTED, now)

    def decisions_of(self, by: Person, *, now: datetime) -> tuple[Decision, ...]:
        """How somebody can decide on it now; empty where it does not wait for them."""
        found = []
        for decision in Decision:
            with contextlib.suppress(CrmError):
                self._with(decision, by, None, now)
                found.append(decision)
        return tuple(found)

    def withdraw(self, by: UUID, *, administers: bool, comment: str | None, now: datetime) -> "Approval":
        """WITHDRAWN, by who submitted it, or by somebody who `administers` approvals and says why."""
        self._require_pending("withdrawn")
        if by != self.submitter_id and not administers:
            raise denied("not_submitter", "only who submitted it or administers approvals withdraws it")
        if by != self.submitter_id and comment is None:
            raise invalid_field("comment", "required", "is required of whoever has not submitted it")
        return replace(self._ended(State.WITHDRAWN, now), withdrawal=Withdrawal(by, comment))

    def is_about(self, etag: str, owner_id: UUID | None) -> bool:
        """Whether the record, as it is now, is what was shown to those who are asked."""
        return (etag, owner_id) == (self.record_etag, self.owner_id)

    def outdate(self, *, now: datetime) -> "Approval":
        """OUTDATED, since the record has changed."""
        self._require_pending("outdated")
        return self._ended(State.OUTDATED, now)

    def reassign(
        self,
        by: Person,
        to_user_id: UUID,
        *,
        from_id: UUID | None,
        administers: bool,
        comment: str,
        now: datetime,
    ) -> "Approval":
        """With another user in place of those that are asked now, of whom `from_id` names one.

        Who is asked hands on what they are asked as; who `administers` approvals, and is not asked, what anybody is.
        """
        self._require_pending("reassigned")
        if self._is_barred(by.id):
            raise denied("own_approval", OWN_APPROVAL)
        from_ids = tuple(id for id in self.waiting_ids if id in by.ids) or (self.waiting_ids if administers else ())
        if not from_ids:
            raise denied("not_asked", "it does not wait for you")
        if from_id is not None and from_id not in from_ids:
            raise invalid_field("from_id", "asked", "is nobody in whose place you may have somebody else decide")
        self._check_new_approver(to_user_id)
        given = from_ids if from_id is None else (from_id,)
        step = self._step.asking_instead(given, to_user_id)
        steps = (*self.steps[: self.current_step - 1], step, *self.steps[self.current_step :])
        users, roles = (tuple(id for id in given if id in ids) for ids in (self._step.user_ids, self._step.role_ids))
        handed = Reassignment(self.current_step, tuple(given), to_user_id, by.id, comment, now, users, roles)
        return replace(self, steps=steps, reassignments=(*self.reassignments, handed))

    def with_leaders(self, leaders: Mapping[Party, Sequence[UUID]]) -> "Approval":
        """Asking, where a policy wants a team's leader, the nearest who may decide.

        `leaders` has those of the team and of all above it, from the nearest on. FailedPrecondition APPROVERS_MISSING
        where all have to approve and there is none.
        """
        steps = []
        for number, step in enumerate(self.steps, 1):
            able = [[id for id in leaders.get(each, ()) if not self._is_barred(id)] for each in step.team_leaders_of]
            if step.mode is Mode.ALL and not all(able):
                raise approvers_missing(number)
            steps.append(step.asking_also(ids[0] for ids in able if ids))
        return replace(self, steps=tuple(steps))

    def seen_to_have_approvers(self, people: Iterable[Person]) -> "Approval":
        """Saying whether these people, who are active, cannot bring the current step to an end."""
        missing = self.state is State.PENDING and not self._have_approvers(self._step.mode, self.waiting_ids, people)
        return replace(self, approvers_missing=missing)

    def require_approvers(self, people: Collection[Person]) -> None:
        """FailedPrecondition APPROVERS_MISSING for a step that these people, who are active, cannot bring to an end."""
        for number, step in enumerate(self.steps, 1):
            if not self._have_approvers(step.mode, step.asked_ids, people):
                raise approvers_missing(number)

    def _have_approvers(self, mode: Mode, asked_ids: Iterable[UUID], people: Iterable[Person]) -> bool:
        """Whether one of those asked may approve and, where all have to, somebody for each that anybody stands for."""
        standing = [(each.ids.intersection(asked_ids), self._is_barred(each.id)) for each in people]
        able = {id for ids, is_barred in standing if not is_barred for id in ids}
        return bool(able) and (mode is Mode.ANY or all(ids <= able for ids, _ in standing))

    def _with(self, decision: Decision, by: Person, comment: str | None, now: datetime) -> "Approval":
        self._require_pending("approved" if decision is Decision.APPROVE else "rejected")
        # Owning the record stops a yes and never a no: else an approver who objects is made the owner.
        barred = {self.submitter_id, self.owner_id} if decision is Decision.APPROVE else {self.submitter_id}
        if by.id in barred:
            raise denied("own_approval", OWN_APPROVAL)
        for_user_id, as_ids = self._standing(by, barred)
        opinion = Opinion(self.current_step, by.id, decision, now, comment, as_ids, for_user_id)
        return replace(self, opinions=(*self.opinions, opinion))

    def _standing(self, by: Person, barred: Collection[UUID | None]) -> tuple[UUID | None, tuple[UUID, ...]]:
        """For whom somebody speaks, None for themselves, and as which of the users and roles that it waits for.

        Who speaks for another, which is none of those `barred`, speaks once in a step; who has a say of their own uses
        that one.
        """
        waiting, said = self.waiting_ids, [each for each in self._heard if each.user_id == by.id]
        own = tuple(id for id in waiting if id in by.ids)
        if own and not any(each.for_user_id for each in said):
            return None, own
        absent = [] if said else [each for each in by.deputy_of if each.id not in barred]
        for each in absent:
            if theirs := tuple(id for id in waiting if id in each.ids):
                return each.id, theirs
        raise denied("not_asked", "it does not wait for you")

    @property
    def _step(self) -> Step:
        return self.steps[self.current_step - 1]

    @property
    def _step_begin_time(self) -> datetime:
        """When the current step began: with the last opinion of the one before."""
        return max(
            (each.opinion_time for each in self.opinions if each.step < self.current_step), default=self.create_time
        )

    @property
    def _heard(self) -> list[Opinion]:
        return [each for each in self.opinions if each.step == self.current_step]

    def _check_new_approver(self, user_id: UUID) -> None:
        if self._is_barred(user_id):
            raise invalid_field("to_user_id", "own_approval", OWN_APPROVAL)
        heard = {id for each in self._heard for id in (each.user_id, each.for_user_id)}
        if user_id in heard or user_id in self._step.asked_ids:
            raise invalid_field("to_user_id", "asked_once", "is asked in this step already")

    def _is_barred(self, user_id: UUID) -> bool:
        """Whether somebody may not approve, nor have others do so."""
        return user_id in (self.submitter_id, self.owner_id)

    def _ended(self, state: State, now: datetime) -> "Approval":
        return replace(self, state=state, end_time=now, approvers_missing=False)

    def _require_pending(self, done: str) -> None:
        if self.state is not State.PENDING:
            raise wrong_state("approval", self.state, done, legal=[State.PENDING])


def approvers_missing(step: int) -> FailedPrecondition:
    """The error that says which step, from 1 on, nobody could bring to an end."""
    detail = f"step {step} cannot be decided: who it asks is inactive, may not read it, submits it or owns the record"
    return FailedPrecondition(detail, reason="APPROVERS_MISSING", metadata={"step": str(step)})

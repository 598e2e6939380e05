"""Opportunities: possible deals that move through the stages of a pipeline under its exit criteria."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from crm_kit.custom_fields.values import CustomValues
from crm_kit.errors import InvalidArgument, illegal_state, invalid_field, wrong_state
from crm_kit.money import Money, check_minor_unit

from crm_sales.pipelines.model import Pipeline, Stage

WHOLE = Decimal(100)
FIRST_CLOSE_DATE = date(1970, 1, 1)
# Nearly fifty years: longer than any project that somebody waits for.
FARTHEST_CLOSE = timedelta(days=18_000)
NOTHING = Money(Decimal(0), "CNY")


class OpportunityState(StrEnum):
    """Where an opportunity stands."""

    OPEN = "OPEN"
    WON = "WON"
    LOST = "LOST"


@dataclass(frozen=True, slots=True)
class TeamShare:
    """A user's share of an opportunity, in percent."""

    user_id: UUID
    percent: Decimal


@dataclass(frozen=True, slots=True)
class Opportunity:
    """A possible deal. Methods return the changed one.

    `probability_percent` is that of its stage while it is OPEN, 100 when WON, 0 when LOST. `fields` are what
    exit criteria can require, by key. Wrong states raise FailedPrecondition ILLEGAL_STATE.
    """

    id: UUID
    account_id: UUID
    display_name: str
    pipeline_id: UUID
    stage_id: UUID
    stage_time: datetime
    probability_percent: int
    owner_id: UUID
    create_time: datetime
    update_time: datetime
    amount: Money = NOTHING
    version: int = 1
    state: OpportunityState = OpportunityState.OPEN
    expected_close_date: date | None = None
    next_step: str | None = None
    source: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    checked: tuple[str, ...] = ()
    team: tuple[TeamShare, ...] = ()
    owner_team_id: UUID | None = None
    lead_id: UUID | None = None
    close_reason: str | None = None
    close_time: datetime | None = None
    # The tenant's own fields by key.
    custom: CustomValues = field(default_factory=dict)
    # How often it was moved, won, lost and reopened.
    move_count: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        check_amount(self.amount, field="opportunity.amount")
        check_team(self.team)

    def update(self, values: Mapping[str, Any]) -> "Opportunity":
        """With new values of some fields; only while it is OPEN."""
        self.require_open("changed")
        return replace(self, **values)

    def enter(self, pipeline: Pipeline, stage_id: UUID) -> "Opportunity":
        """A new one in the stage that it begins in: the exit criteria of every stage before that must hold.

        Errors: STAGE_NOT_IN_PIPELINE; ILLEGAL_STATE naming what is missing.
        """
        self._require_exit(self.stages_to(pipeline, stage_id))
        return replace(self, stage_id=stage_id, probability_percent=pipeline.stage(stage_id).probability_percent)

    def move(self, pipeline: Pipeline, stage_id: UUID, *, now: datetime, override: bool = False) -> "Opportunity":
        """Move to another stage; to the stage it is in changes nothing.

        Forward, the exit criteria of every stage left or passed must hold unless `override`; backward is free.
        Errors: STAGE_NOT_IN_PIPELINE; ILLEGAL_STATE when it is not OPEN, or naming what is missing.
        """
        self.require_open("moved")
        if stage_id == self.stage_id:
            return self
        if not override:
            self._require_exit(self.stages_to(pipeline, stage_id))
        probability = pipeline.stage(stage_id).probability_percent
        moved = replace(self, stage_id=stage_id, stage_time=now, probability_percent=probability)
        return moved._counted()

    def win(self, pipeline: Pipeline, reason: str, *, now: datetime, override: bool = False) -> "Opportunity":
        """The deal is made; the exit criteria of its stage and of all after it must hold unless `override`."""
        self.require_open("won")
        if not override:
            self._require_exit(self.stages_left(pipeline))
        return self._closed(OpportunityState.WON, 100, reason, now)

    def lose(self, reason: str, *, now: datetime) -> "Opportunity":
        """The deal will not be made."""
        self.require_open("lost")
        return self._closed(OpportunityState.LOST, 0, reason, now)

    def reopen(self, pipeline: Pipeline) -> "Opportunity":
        """Take a WON or LOST opportunity up again, in the stage it was in."""
        self.require_closed()
        probability = pipeline.stage(self.stage_id).probability_percent
        opened = replace(self, state=OpportunityState.OPEN, probability_percent=probability)
        return replace(opened, close_reason=None, close_time=None)._counted()

    def follow(self, pipeline: Pipeline) -> "Opportunity":
        """With the probability that the pipeline gives its stage now; a closed one keeps its own."""
        if self.state is not OpportunityState.OPEN:
            return self
        return replace(self, probability_percent=pipeline.stage(self.stage_id).probability_percent)

    def stages_to(self, pipeline: Pipeline, stage_id: UUID) -> tuple[Stage, ...]:
        """The stages that a move forward leaves and passes; none backward. STAGE_NOT_IN_PIPELINE."""
        target, current = pipeline.position(stage_id), pipeline.position(self.stage_id)
        return pipeline.stages[current:target]

    def stages_left(self, pipeline: Pipeline) -> tuple[Stage, ...]:
        """The stages that winning leaves and passes: its own and all after it."""
        return pipeline.stages[pipeline.position(self.stage_id) :]

    def missing(self, stages: tuple[Stage, ...]) -> tuple[str, ...]:
        """The required fields without a value and the items not checked, of these stages, each once."""
        names = [name for stage in stages for name in stage.required_fields if not self._value(name)]
        items = [item for stage in stages for item in stage.checklist if item not in self.checked]
        return tuple(dict.fromkeys((*names, *items)))

    def _value(self, name: str) -> str:
        match name:
            case "amount":
                return str(self.amount) if self.amount else ""
            case "expected_close_date":
                return str(self.expected_close_date or "")
            case "owner_id":
                return str(self.owner_id)
            case "next_step":
                return (self.next_step or "").strip()
            case _:
                return self.fields.get(name, "").strip()

    def require_closed(self) -> None:
        """Only a WON or LOST opportunity is reopened."""
        if self.state is OpportunityState.OPEN:
            raise wrong_state("opportunity", self.state, "reopened", legal=["WON", "LOST"])

    def require_open(self, done: str) -> None:
        """Most of what can be `done` needs an OPEN one."""
        if self.state is not OpportunityState.OPEN:
            raise wrong_state("opportunity", self.state, done, legal=["OPEN"])

    def _require_exit(self, stages: tuple[Stage, ...]) -> None:
        missing = self.missing(stages)
        if missing:
            named = ", ".join(missing)
            detail = f"the stage cannot be left yet; missing: {named}"
            raise illegal_state("stage_incomplete", detail, noun="opportunity", missing=named)

    def _closed(self, state: OpportunityState, percent: int, reason: str, now: datetime) -> "Opportunity":
        closed = replace(self, state=state, probability_percent=percent, close_reason=reason, close_time=now)
        return closed._counted()

    def _counted(self) -> "Opportunity":
        return replace(self, move_count=self.move_count + 1)


@dataclass(frozen=True, slots=True)
class StageChange:
    """One move of an opportunity: from and to which stage and state, when, by whom, its amount then, and why."""

    number: int
    change_time: datetime
    actor_id: UUID
    from_stage_id: UUID
    to_stage_id: UUID
    from_state: OpportunityState
    to_state: OpportunityState
    amount: Money
    reason: str | None = None


def stage_change(
    before: Opportunity, after: Opportunity, *, now: datetime, actor_id: UUID, reason: str | None
) -> StageChange:
    """The move that made `after` of `before`."""
    return StageChange(
        number=after.move_count,
        change_time=now,
        actor_id=actor_id,
        from_stage_id=before.stage_id,
        to_stage_id=after.stage_id,
        from_state=before.state,
        to_state=after.state,
        amount=before.amount,
        reason=reason,
    )


def check_amount(amount: Money, *, field: str) -> None:
    """InvalidArgument naming `field` when an amount is below zero or finer than the currency's smallest unit."""
    if amount.amount < 0:
        raise invalid_field(field, "not_negative", f"{amount} is below zero")
    check_minor_unit(amount, field=field)


def check_close_date(day: date | None, today: date) -> None:
    """InvalidArgument for a day that no deal closes on: a year that was mistyped, as 0226 or 2206.

    A day that is over is none of them: deals are late, and imported with the days that they had.
    """
    if day is None or (day >= FIRST_CLOSE_DATE and day - today <= FARTHEST_CLOSE):
        return
    values = {"first": FIRST_CLOSE_DATE.isoformat(), "last": (today + FARTHEST_CLOSE).isoformat()}
    detail = f"{day} is not from {values['first']} to {values['last']}"
    raise invalid_field("opportunity.expected_close_date", "date_range", detail, metadata=values)


def check_team(team: tuple[TeamShare, ...]) -> None:
    """Shares are above zero, one a user, and sum to exactly 100 %, or there are none. InvalidArgument."""
    if not team:
        return
    users = [share.user_id for share in team]
    if len(set(users)) < len(users):
        raise _invalid_team("unique", "a user has two shares")
    if any(share.percent <= 0 for share in team):
        raise _invalid_team("positive", "a share must be above zero")
    together = sum((share.percent for share in team), Decimal(0))
    if together != WHOLE:
        raise _invalid_team("sum", f"the shares sum to {together} %, not to 100 %")


def _invalid_team(rule: str, detail: str) -> InvalidArgument:
    return invalid_field("opportunity.team", rule, detail)

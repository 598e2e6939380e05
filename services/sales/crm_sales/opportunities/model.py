"""Possible deals: pipelines of stages, and opportunities that move through them under their exit criteria."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from crm_kit.errors import FailedPrecondition, InvalidArgument, invalid_field
from crm_kit.etags import check_etag
from crm_kit.money import Money

WHOLE = Decimal(100)


class ForecastCategory(StrEnum):
    """How a deal enters the forecast."""

    PIPELINE = "PIPELINE"
    BEST_CASE = "BEST_CASE"
    COMMIT = "COMMIT"
    CLOSED = "CLOSED"


class OpportunityState(StrEnum):
    """Where a deal stands."""

    OPEN = "OPEN"
    WON = "WON"
    LOST = "LOST"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage; `probability` in percent. It is left forwards only with its fields filled and its list checked."""

    id: str
    name: str
    probability: Decimal
    forecast_category: ForecastCategory = ForecastCategory.PIPELINE
    required_fields: tuple[str, ...] = ()
    checklist: tuple[str, ...] = ()
    most_days: int | None = None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Stages in their order. Raises InvalidArgument for none, a doubled id or name, or a number out of range."""

    id: str
    name: str
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        if not self.stages:
            raise invalid_field("pipeline.stages", "required", "a pipeline has at least one stage")
        for number, stage in enumerate(self.stages):
            where = f"pipeline.stages[{number}]"
            earlier = self.stages[:number]
            if stage.id in {other.id for other in earlier} or stage.name in {other.name for other in earlier}:
                raise invalid_field(where, "unique", f"{stage.name!r} is there twice")
            if not 0 <= stage.probability <= WHOLE:
                raise invalid_field(f"{where}.probability", "percent", f"{stage.probability} is not 0 to 100")
            if stage.most_days is not None and stage.most_days < 1:
                raise invalid_field(f"{where}.most_days", "positive", f"{stage.most_days} is not at least 1")

    def position(self, stage_id: str) -> int:
        """The index of a stage. FailedPrecondition STAGE_NOT_IN_PIPELINE."""
        for number, stage in enumerate(self.stages):
            if stage.id == stage_id:
                return number
        raise FailedPrecondition(
            f"stage {stage_id!r} is not one of pipeline {self.name!r}", reason="STAGE_NOT_IN_PIPELINE"
        )

    def stage(self, stage_id: str) -> Stage:
        return self.stages[self.position(stage_id)]


@dataclass(frozen=True, slots=True)
class TeamShare:
    """A user's share of a deal, in percent."""

    user_id: str
    percent: Decimal


@dataclass(frozen=True, slots=True)
class StageChange:
    """One move: from and to which stage and state, when, by whom, what the deal was worth then, and why."""

    at: datetime
    actor_id: str
    from_stage_id: str
    to_stage_id: str
    from_state: OpportunityState
    to_state: OpportunityState
    amount: Money
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Opportunity:
    """A possible deal. Methods return the changed one, its history one line longer.

    `fields` are those an exit criterion can require, by name, with text that is empty when unset.
    """

    id: str
    account_id: str
    display_name: str
    pipeline_id: str
    stage_id: str
    amount: Money
    create_time: datetime
    state: OpportunityState = OpportunityState.OPEN
    expected_close_date: date | None = None
    owner_id: str = ""
    fields: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    checked: frozenset[str] = frozenset()
    team: tuple[TeamShare, ...] = ()
    close_reason: str = ""
    close_time: datetime | None = None
    # The moves since it was read; the earlier ones are counted only.
    history: tuple[StageChange, ...] = ()
    earlier_moves: int = 0
    # Since when it was in its stage when it was read.
    stage_entered: datetime | None = None
    version: int = 1
    update_time: datetime | None = None
    next_step: str = ""
    source: str = ""
    owner_team_id: str = ""
    lead_id: str = ""

    def __post_init__(self) -> None:
        if self.amount.amount < 0:
            raise invalid_field("opportunity.amount", "not_negative", f"{self.amount} is below zero")
        check_team(self.team)

    @property
    def stage_time(self) -> datetime:
        """Since when it is in its stage."""
        entered = (change.at for change in reversed(self.history) if change.from_stage_id != change.to_stage_id)
        return next(entered, self.stage_entered or self.create_time)

    def update(self, values: dict[str, Any], *, now: datetime, etag: str = "") -> "Opportunity":
        """With new values of some fields. FailedPrecondition unless it is open."""
        check_etag(etag, self.version)
        self._require(OpportunityState.OPEN, "changed")
        after = replace(self, **values)
        return self if after == self else after.changed(now)

    def changed(self, now: datetime) -> "Opportunity":
        """The next version."""
        return replace(self, version=self.version + 1, update_time=max(now, self.update_time or now))

    def move(
        self, pipeline: Pipeline, stage_id: str, *, now: datetime, actor_id: str, override_reason: str = ""
    ) -> "Opportunity":
        """Moves to another stage.

        Forwards, the exit criteria of every stage left or passed must hold, unless `override_reason` says why
        not; the caller has checked that the user may say so. Backwards is free. Moving to the stage it is in
        changes nothing. Errors: STAGE_NOT_IN_PIPELINE; ILLEGAL_STATE when won or lost, or naming what is missing.
        """
        self._require(OpportunityState.OPEN, "moved")
        target = pipeline.position(stage_id)
        current = pipeline.position(self.stage_id)
        if target == current:
            return self
        if not override_reason.strip():
            self._require_exit(pipeline.stages[current:target])
        return replace(
            self,
            stage_id=stage_id,
            history=(*self.history, self._change(now, actor_id, override_reason, stage_id=stage_id)),
        )

    def win(self, pipeline: Pipeline, reason: str, *, now: datetime, actor_id: str) -> "Opportunity":
        """The deal is made; the exit criteria of its stage must hold."""
        self._require(OpportunityState.OPEN, "won")
        self._require_exit((pipeline.stage(self.stage_id),))
        return self._closed(OpportunityState.WON, reason, now, actor_id)

    def lose(self, reason: str, *, now: datetime, actor_id: str) -> "Opportunity":
        """The deal went elsewhere or away."""
        self._require(OpportunityState.OPEN, "lost")
        return self._closed(OpportunityState.LOST, reason, now, actor_id)

    def reopen(self, reason: str, *, now: datetime, actor_id: str) -> "Opportunity":
        """Takes a won or lost deal up again in the stage it was in; the history stays."""
        if self.state is OpportunityState.OPEN:
            raise FailedPrecondition("an opportunity that is OPEN cannot be reopened; WON and LOST can")
        change = self._change(now, actor_id, _said(reason), state=OpportunityState.OPEN)
        return replace(
            self,
            state=OpportunityState.OPEN,
            close_reason="",
            close_time=None,
            history=(*self.history, change),
        )

    def missing(self, stages: tuple[Stage, ...]) -> tuple[str, ...]:
        """The required fields without value and the items not checked, of these stages, each once."""
        fields = [name for stage in stages for name in stage.required_fields if not self._value(name)]
        items = [item for stage in stages for item in stage.checklist if item not in self.checked]
        return tuple(dict.fromkeys((*fields, *items)))

    def weighted_amount(self, pipeline: Pipeline) -> Money:
        """Amount times probability (WON 100 %, LOST 0 %), rounded half up to the minor unit."""
        return self.amount.portion(self.probability(pipeline), WHOLE)

    def probability(self, pipeline: Pipeline) -> Decimal:
        """In percent."""
        match self.state:
            case OpportunityState.WON:
                return WHOLE
            case OpportunityState.LOST:
                return Decimal(0)
            case OpportunityState.OPEN:
                return pipeline.stage(self.stage_id).probability

    def is_rotting(self, pipeline: Pipeline, now: datetime, last_activity: datetime | None, idle: timedelta) -> bool:
        """Open, and longer in its stage than the stage allows, or without activity for `idle`."""
        if self.state is not OpportunityState.OPEN:
            return False
        most = pipeline.stage(self.stage_id).most_days
        too_long = most is not None and now - self.stage_time > timedelta(days=most)
        return too_long or now - (last_activity or self.create_time) > idle

    def _value(self, name: str) -> str:
        match name:
            case "amount":
                return str(self.amount) if self.amount else ""
            case "expected_close_date":
                return str(self.expected_close_date or "")
            case "owner_id":
                return self.owner_id
            case "next_step":
                return self.next_step.strip()
            case _:
                return self.fields.get(name, "").strip()

    def _require(self, state: OpportunityState, done: str) -> None:
        if self.state is not state:
            raise FailedPrecondition(f"an opportunity that is {self.state} cannot be {done}; it must be {state}")

    def _require_exit(self, stages: tuple[Stage, ...]) -> None:
        missing = self.missing(stages)
        if missing:
            raise FailedPrecondition(f"the stage cannot be left yet; missing: {', '.join(missing)}")

    def _closed(self, state: OpportunityState, reason: str, now: datetime, actor_id: str) -> "Opportunity":
        change = self._change(now, actor_id, _said(reason), state=state)
        return replace(self, state=state, close_reason=reason, close_time=now, history=(*self.history, change))

    def _change(
        self,
        now: datetime,
        actor_id: str,
        reason: str,
        *,
        stage_id: str = "",
        state: OpportunityState | None = None,
    ) -> StageChange:
        return StageChange(
            at=now,
            actor_id=actor_id,
            from_stage_id=self.stage_id,
            to_stage_id=stage_id or self.stage_id,
            from_state=self.state,
            to_state=state or self.state,
            amount=self.amount,
            reason=reason,
        )


def check_team(team: tuple[TeamShare, ...]) -> None:
    """Shares are above zero, one a user, and sum to exactly 100 %, or there are none. InvalidArgument."""
    if not team:
        return
    users = [share.user_id for share in team]
    if len(set(users)) < len(users):
        raise _invalid_team("unique", "a user has two shares")
    if any(share.percent <= 0 for share in team):
        raise _invalid_team("positive", "a share is above zero")
    together = sum((share.percent for share in team), Decimal(0))
    if together != WHOLE:
        raise _invalid_team("sum", f"the shares sum to {together} %, not to 100 %")


def _invalid_team(rule: str, detail: str) -> InvalidArgument:
    return invalid_field("opportunity.team", rule, detail)


def _said(reason: str) -> str:
    if not reason.strip():
        raise invalid_field("reason", "required", "say why")
    return reason

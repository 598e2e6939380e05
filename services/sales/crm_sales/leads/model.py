"""Leads: people and companies that may become customers, owned by a user or in the public pool."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from crm_kit.custom_fields.values import CustomValues
from crm_kit.errors import FailedPrecondition, InvalidArgument, illegal_state, wrong_move, wrong_state
from crm_kit.phone_numbers import normal
from crm_kit.regions import region_violations

from crm_sales.pools.protection import ATTEMPT_LASTS

MAX_FOLLOW_UPS = 1000
"""Of a lead, whoever owned it then."""


class LeadState(StrEnum):
    """Where a lead stands."""

    NEW = "NEW"
    CONTACTED = "CONTACTED"
    QUALIFIED = "QUALIFIED"
    CONVERTED = "CONVERTED"
    DISQUALIFIED = "DISQUALIFIED"


MOVES: dict[LeadState, frozenset[LeadState]] = {
    LeadState.NEW: frozenset({LeadState.CONTACTED, LeadState.DISQUALIFIED}),
    LeadState.CONTACTED: frozenset({LeadState.QUALIFIED, LeadState.DISQUALIFIED}),
    LeadState.QUALIFIED: frozenset({LeadState.CONVERTED, LeadState.DISQUALIFIED}),
    LeadState.CONVERTED: frozenset(),
    LeadState.DISQUALIFIED: frozenset(),
}


class ConversionStep(StrEnum):
    """What a conversion finds or creates, in this order."""

    ACCOUNT = "ACCOUNT"
    CONTACT = "CONTACT"
    OPPORTUNITY = "OPPORTUNITY"

    @property
    def field(self) -> str:
        """The lead's field that keeps its id."""
        return f"{self.lower()}_id"


@dataclass(frozen=True, slots=True)
class Told:
    """What a conversion that was broken off may have told the customer service of the lead, and since when."""

    since: datetime
    display_name: str
    company_name: str | None
    job_title: str | None
    phone_number: str | None
    email: str | None
    region_code: str | None
    source: str | None


TOLD = tuple(each.name for each in fields(Told) if each.name != "since")
MAX_TOLD = 5
"""Of more conversions that were broken off only the last ones are remembered."""


@dataclass(frozen=True, slots=True)
class Lead:
    """A lead. Methods return the changed one.

    Owned: `owner_id` and `take_time` are set, and `owned_since_time`, when its first owner since the pool took it.
    In the pool: `owner_id` is None, `pool_time` says since when, and `former_owner_id` who owned it. A wrong move
    raises FailedPrecondition ILLEGAL_STATE.
    """

    id: UUID
    display_name: str
    create_time: datetime
    update_time: datetime
    version: int = 1
    company_name: str | None = None
    job_title: str | None = None
    phone_number: str | None = None
    email: str | None = None
    region_code: str | None = None
    source: str | None = None
    campaign: str | None = None
    description: str | None = None
    state: LeadState = LeadState.NEW
    owner_id: UUID | None = None
    owner_team_id: UUID | None = None
    take_time: datetime | None = None
    owned_since_time: datetime | None = None
    pool_time: datetime | None = None
    former_owner_id: UUID | None = None
    return_reason: str | None = None
    last_follow_up_time: datetime | None = None
    disqualify_reason: str | None = None
    account_id: UUID | None = None
    contact_id: UUID | None = None
    opportunity_id: UUID | None = None
    # The tenant's own fields by key.
    custom: CustomValues = field(default_factory=dict)
    # By the pool's rules of `rules_version`; None without a limit and in the pool.
    safe_until_time: datetime | None = field(default=None, compare=False)
    rules_version: int = field(default=0, compare=False)
    # It has been in the pool, so everybody may know of it.
    was_pooled: bool = False
    # Whose attempt at a conversion is under way, and since when.
    conversion_user_id: UUID | None = None
    conversion_attempt_time: datetime | None = None
    # By attempts that have ended: what they created is corrected by the next one.
    told: tuple[Told, ...] = field(default=(), compare=False)

    @property
    def in_pool(self) -> bool:
        return self.owner_id is None

    @property
    def is_open(self) -> bool:
        """Something may still come of it."""
        return self.state not in (LeadState.CONVERTED, LeadState.DISQUALIFIED)

    @property
    def holder_id(self) -> UUID | None:
        """Against whose capacity it counts."""
        return self.owner_id if self.is_open else None

    @property
    def attempt(self) -> tuple[UUID | None, datetime | None]:
        """Which attempt at a conversion is under way: whose, and since when."""
        return self.conversion_user_id, self.conversion_attempt_time

    @property
    def is_converting(self) -> bool:
        """A conversion was started and has not ended."""
        return self.conversion_attempt_time is not None

    def update(self, values: Mapping[str, Any], *, now: datetime, region: str) -> "Lead":
        """With new values of some fields."""
        self._require_open("changed")
        return replace(self._without_stopped_attempt("changed", now), **values).checked(region=region)

    def checked(self, *, region: str) -> "Lead":
        """The lead with its number in E.164. InvalidArgument for one that is no telephone number, or for no region.

        `region` says where a number without country code is when the lead has none of its own.
        """
        if violations := list(region_violations(self.region_code, field="lead.region_code")):
            raise InvalidArgument(f"lead.region_code: {violations[0].detail}", violations=violations)
        if self.phone_number is None:
            return self
        number = normal(self.phone_number, region=self.region_code or region, field="lead.phone_number")
        return replace(self, phone_number=number)

    def claim(self, user_id: UUID, team_id: UUID | None, *, now: datetime) -> "Lead":
        """Take it from the pool. LEAD_ALREADY_CLAIMED when somebody else was first.

        Claiming what one owns already changes nothing, so a repeated claim is answered like the first.
        """
        if self.owner_id == user_id:
            return self
        self.require_claimable()
        return self._given_to(user_id, team_id, now)

    def require_claimable(self) -> None:
        """Only what is in the pool and still open is claimed."""
        if self.owner_id is not None:
            raise FailedPrecondition("it is not in the pool: it has an owner", reason="LEAD_ALREADY_CLAIMED")
        self._require_open("claimed")

    def assign(self, owner_id: UUID, team_id: UUID | None, *, now: datetime) -> "Lead":
        """Give it to a user, whoever owned it; its protection counts from now, but for the hard maximum.

        Also from who is converting it, or they would keep others off it: an attempt ends by that.
        """
        self.require_assignable()
        free = self._without_findings() if self.is_converting else self
        return free if owner_id == self.owner_id else free._given_to(owner_id, team_id, now)

    def require_assignable(self) -> None:
        """Only an open lead is assigned."""
        self._require_open("assigned")

    def return_to_pool(self, reason: str, *, now: datetime) -> "Lead":
        """Put it back into the pool, also from who is converting it: an attempt ends by that."""
        self._require_owner("returned")
        self._require_open("returned")
        return replace(
            self._without_findings() if self.is_converting else self,
            owner_id=None,
            owner_team_id=None,
            take_time=None,
            owned_since_time=None,
            safe_until_time=None,
            pool_time=now,
            was_pooled=True,
            former_owner_id=self.owner_id,
            return_reason=reason,
        )

    def follow_up(self, *, now: datetime) -> "Lead":
        """It was followed up; the first time makes a NEW lead CONTACTED."""
        self._require_open("followed up")
        state = LeadState.CONTACTED if self.state is LeadState.NEW else self.state
        return replace(self, state=state, last_follow_up_time=now)

    def qualify(self) -> "Lead":
        """It is worth selling to."""
        self._require_move(LeadState.QUALIFIED)
        self._require_owner("qualified")
        return replace(self, state=LeadState.QUALIFIED)

    def disqualify(self, reason: str, *, now: datetime) -> "Lead":
        """It will not buy. Not while it is being converted."""
        self._require_move(LeadState.DISQUALIFIED)
        free = self._without_stopped_attempt("disqualified", now)
        return replace(free, state=LeadState.DISQUALIFIED, disqualify_reason=reason, safe_until_time=None)

    def start_conversion(self, *, now: datetime, user_id: UUID, account_id: UUID | None = None) -> "Lead":
        """Start converting it, or go on where an earlier attempt stopped; a converted lead stays as it is.

        The caller then does `next_step` under `step_key` until none is left, recording each id. Who goes on with their
        own attempt gets no more time by that: neither the pool nor those who would change the lead wait longer.
        An `account_id` that is named takes the place of another one that an earlier attempt found or created.
        CONVERSION_UNDER_WAY while somebody else's attempt may still run.
        """
        if self.state is LeadState.CONVERTED:
            return self
        self.require_convertible()
        started = self if account_id in (None, self.account_id) else replace(self, account_id=None, contact_id=None)
        if self.conversion_user_id == user_id:
            return started
        self._require_no_attempt(now)
        return replace(started, conversion_user_id=user_id, conversion_attempt_time=now)

    def require_convertible(self) -> None:
        """A conversion is started with an owned QUALIFIED lead, or gone on with."""
        if not self.is_converting:
            self._require_move(LeadState.CONVERTED)
            self._require_owner("converted")

    def _require_no_attempt(self, now: datetime) -> None:
        remaining = self._attempt_remaining(now)
        if remaining > timedelta():
            raise FailedPrecondition(
                "somebody else is converting it right now",
                reason="CONVERSION_UNDER_WAY",
                retry_after_seconds=remaining.total_seconds(),
            )

    def _attempt_remaining(self, now: datetime) -> timedelta:
        """How long an attempt at a conversion may still run."""
        attempt = self.conversion_attempt_time
        return timedelta() if attempt is None else max(attempt + ATTEMPT_LASTS - now, timedelta())

    def abandon_conversion(self) -> "Lead":
        """End an attempt that cannot succeed as it stands; what it created is found again by the next one."""
        self._require_converting()
        return self._without_findings()

    def record_step(self, step: ConversionStep, id: UUID) -> "Lead":
        """Note what a step found or created; after the last one the lead is CONVERTED.

        Repeating a step with the same id changes nothing. Another id, or a step before its turn, is refused.
        """
        known = self.id_of(step)
        if known == id:
            return self
        if known is not None:
            raise illegal_state("step_done", f"the {step} of this conversion is {known} already", step=step, id=known)
        self._require_converting()
        if step is not self.next_step:
            detail = f"{self.next_step} comes before {step}"
            raise illegal_state("step_too_early", detail, step=step, next_step=self.next_step)
        found: dict[str, Any] = {step.field: id}
        lead = replace(self, **found)
        return lead if lead.next_step else replace(lead._without_attempt(), state=LeadState.CONVERTED, told=())

    @property
    def told_since(self) -> datetime | None:
        """When the first conversion was begun of those that were broken off; None when there was none."""
        return min((each.since for each in self.told), default=None)

    def as_told(self) -> list["Lead"]:
        """As it was when conversions were begun that were broken off."""
        return [replace(self, **{name: getattr(each, name) for name in TOLD}) for each in self.told]

    @property
    def next_step(self) -> ConversionStep | None:
        """The first step of a conversion without an id; None when all are done."""
        return next((step for step in ConversionStep if self.id_of(step) is None), None)

    def id_of(self, step: ConversionStep) -> UUID | None:
        """What a step found or created."""
        id: UUID | None = getattr(self, step.field)
        return id

    def step_key(self, step: ConversionStep) -> UUID:
        """The idempotency key of a step: the same at every attempt, so that repeating creates nothing twice."""
        return uuid5(self.id, step)

    def _given_to(self, owner_id: UUID, team_id: UUID | None, now: datetime) -> "Lead":
        former = self.owner_id or self.former_owner_id
        owned = replace(self, owner_id=owner_id, owner_team_id=team_id, former_owner_id=former)
        # Passed on from hand to hand it is safe no longer than in one.
        return replace(owned, take_time=now, owned_since_time=self.owned_since_time or now, pool_time=None)

    def _without_stopped_attempt(self, done: str, now: datetime) -> "Lead":
        """The lead without an attempt at a conversion that has stopped; refused while it may still run."""
        if not self.is_converting:
            return self
        if self._attempt_remaining(now):
            raise illegal_state("lead_converting", f"a lead that is being converted cannot be {done}", done=done)
        return self._without_findings()

    def _without_findings(self) -> "Lead":
        """The lead without an attempt and what it has found; the next one finds it again, by what this one told."""
        assert self.conversion_attempt_time is not None, "an attempt is under way"
        now = Told(self.conversion_attempt_time, **{name: getattr(self, name) for name in TOLD})
        told = (*self.told, now)[-MAX_TOLD:]
        return replace(self._without_attempt(), account_id=None, contact_id=None, told=told)

    def _without_attempt(self) -> "Lead":
        return replace(self, conversion_user_id=None, conversion_attempt_time=None)

    def _require_move(self, state: LeadState) -> None:
        if state not in MOVES[self.state]:
            raise wrong_move("lead", self.state, state, legal=MOVES[self.state])

    def _require_open(self, done: str) -> None:
        if not self.is_open:
            raise wrong_state("lead", self.state, done)

    def _require_owner(self, done: str) -> None:
        if self.owner_id is None:
            raise illegal_state("lead_in_pool", f"a lead in the pool cannot be {done}; claim it first", done=done)

    def _require_converting(self) -> None:
        if not self.is_converting:
            raise illegal_state("no_conversion", "no conversion is under way")

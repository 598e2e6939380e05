"""A lead: somebody who may become a customer, in somebody's hands or in a pool."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from crm_kit.errors import FailedPrecondition, invalid_field

from crm_sales.pools.model import FollowUp


class LeadState(StrEnum):
    """Where a lead stands."""

    NEW = "NEW"
    CONTACTED = "CONTACTED"
    QUALIFIED = "QUALIFIED"
    CONVERTED = "CONVERTED"
    DISQUALIFIED = "DISQUALIFIED"


# No attempt at a conversion takes longer: its calls have deadlines.
ATTEMPT_LASTS = timedelta(minutes=2)

MOVES: dict[LeadState, frozenset[LeadState]] = {
    LeadState.NEW: frozenset({LeadState.CONTACTED, LeadState.DISQUALIFIED}),
    LeadState.CONTACTED: frozenset({LeadState.QUALIFIED, LeadState.DISQUALIFIED}),
    LeadState.QUALIFIED: frozenset({LeadState.CONVERTED, LeadState.DISQUALIFIED}),
    LeadState.CONVERTED: frozenset(),
    LeadState.DISQUALIFIED: frozenset({LeadState.NEW}),
}


class ConversionStep(StrEnum):
    """What a conversion finds or creates, in this order."""

    ACCOUNT = "ACCOUNT"
    CONTACT = "CONTACT"
    OPPORTUNITY = "OPPORTUNITY"


@dataclass(frozen=True, slots=True)
class Conversion:
    """How far a conversion has come; what has an id is done and is never done again."""

    start_time: datetime
    account_id: str = ""
    contact_id: str = ""
    opportunity_id: str = ""
    # Whose attempt is under way, and since when.
    actor_id: str = ""
    attempt_time: datetime | None = None

    @property
    def next_step(self) -> ConversionStep | None:
        """The first step without an id; None when all are done."""
        return next((step for step in ConversionStep if not self.id_of(step)), None)

    def id_of(self, step: ConversionStep) -> str:
        match step:
            case ConversionStep.ACCOUNT:
                return self.account_id
            case ConversionStep.CONTACT:
                return self.contact_id
            case ConversionStep.OPPORTUNITY:
                return self.opportunity_id


class LeadEventKind(StrEnum):
    """What happened to a lead."""

    CLAIMED = "CLAIMED"
    ASSIGNED = "ASSIGNED"
    RETURNED = "RETURNED"
    RECLAIMED = "RECLAIMED"
    FOLLOWED_UP = "FOLLOWED_UP"
    CONTACTED = "CONTACTED"
    QUALIFIED = "QUALIFIED"
    DISQUALIFIED = "DISQUALIFIED"
    REVIVED = "REVIVED"
    CONVERSION_BEGUN = "CONVERSION_BEGUN"
    CONVERSION_ADVANCED = "CONVERSION_ADVANCED"
    CONVERSION_ABANDONED = "CONVERSION_ABANDONED"
    CONVERTED = "CONVERTED"


@dataclass(frozen=True, slots=True)
class LeadEvent:
    """One line of a lead's history."""

    at: datetime
    kind: LeadEventKind
    actor_id: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Lead:
    """A lead. Every method that changes it returns a LeadMove and leaves this one as it was.

    In hands: `owner_id` and `take_time` are set. In the pool: `owner_id` is empty, `pool_time` says since when
    and `former_owner_id` who let it go. A wrong move raises FailedPrecondition ILLEGAL_STATE.
    """

    id: UUID
    state: LeadState
    create_time: datetime
    owner_id: str = ""
    take_time: datetime | None = None
    pool_id: str = ""
    pool_time: datetime | None = None
    former_owner_id: str = ""
    last_follow_up_time: datetime | None = None
    disqualify_reason: str = ""
    conversion: Conversion | None = None
    version: int = 1
    update_time: datetime | None = None
    display_name: str = ""
    company_name: str = ""
    job_title: str = ""
    phone_number: str = ""
    email: str = ""
    region_code: str = ""
    source: str = ""
    campaign: str = ""
    description: str = ""
    owner_team_id: str = ""
    return_reason: str = ""
    # It has lain in the pool, so everybody may know of it.
    was_pooled: bool = False
    # By the pool's rules of `rules_version`; None without a limit, and while nobody holds it.
    safe_until_time: datetime | None = None
    rules_version: int = 0

    @property
    def is_open(self) -> bool:
        """Something may still come of it."""
        return self.state not in (LeadState.CONVERTED, LeadState.DISQUALIFIED)

    @property
    def holder_id(self) -> str:
        """Against whose capacity it counts; empty when against nobody's."""
        return self.owner_id if self.is_open else ""

    @property
    def is_converting(self) -> bool:
        """A conversion has begun and is not done."""
        return self.conversion is not None and self.state is not LeadState.CONVERTED

    def claim(self, *, now: datetime, actor_id: str) -> "LeadMove":
        """Takes it from the pool. LEAD_ALREADY_CLAIMED when somebody else was first.

        Claiming what one holds already changes nothing, so a repeated claim is answered like the first.
        """
        if self.owner_id == actor_id:
            return LeadMove(self, ())
        if self.owner_id:
            raise FailedPrecondition("somebody else has claimed it", reason="LEAD_ALREADY_CLAIMED")
        self._require_open("claimed")
        return self._give_to(actor_id, LeadEvent(now, LeadEventKind.CLAIMED, actor_id))

    def assign(self, owner_id: str, *, now: datetime, actor_id: str) -> "LeadMove":
        """Puts it into somebody's hands, whoever had it; its protection counts from now."""
        if not owner_id:
            raise invalid_field("owner_id", "required", "say who takes it")
        self._require_open("assigned")
        if owner_id == self.owner_id:
            return LeadMove(self, ())
        return self._give_to(owner_id, LeadEvent(now, LeadEventKind.ASSIGNED, actor_id, owner_id))

    def give_back(self, reason: str, *, now: datetime, actor_id: str) -> "LeadMove":
        """Returns it to its pool; says why."""
        if not reason.strip():
            raise invalid_field("reason", "required", "say why it is given back")
        return self._to_pool(LeadEvent(now, LeadEventKind.RETURNED, actor_id, reason))

    def reclaim(self, explanation: str, *, now: datetime) -> "LeadMove":
        """The pool takes it back because its protection has lapsed."""
        return self._to_pool(LeadEvent(now, LeadEventKind.RECLAIMED, "", explanation))

    def follow_up(self, follow_up: FollowUp, *, actor_id: str) -> "LeadMove":
        """A follow-up; the first one of a NEW lead makes it CONTACTED."""
        self._require_open("followed up")
        events = [LeadEvent(follow_up.recorded, LeadEventKind.FOLLOWED_UP, actor_id, follow_up.kind)]
        latest = max(self.last_follow_up_time or follow_up.recorded, follow_up.recorded)
        lead = replace(self, last_follow_up_time=latest)
        if self.state is LeadState.NEW:
            lead = replace(lead, state=LeadState.CONTACTED)
            events.append(LeadEvent(follow_up.recorded, LeadEventKind.CONTACTED, actor_id))
        return LeadMove(lead, tuple(events))

    def qualify(self, *, now: datetime, actor_id: str) -> "LeadMove":
        """There is something in it."""
        self._require_move(LeadState.QUALIFIED)
        self._require_owner("qualified")
        return LeadMove(replace(self, state=LeadState.QUALIFIED), (LeadEvent(now, LeadEventKind.QUALIFIED, actor_id),))

    def disqualify(self, reason: str, *, now: datetime, actor_id: str) -> "LeadMove":
        """There is nothing in it; says why. Not while it is being converted."""
        if not reason.strip():
            raise invalid_field("reason", "required", "say why it is disqualified")
        self._require_move(LeadState.DISQUALIFIED)
        self._require_not_converting("disqualified")
        lead = replace(self, state=LeadState.DISQUALIFIED, disqualify_reason=reason)
        return LeadMove(lead, (LeadEvent(now, LeadEventKind.DISQUALIFIED, actor_id, reason),))

    def revive(self, *, now: datetime, actor_id: str) -> "LeadMove":
        """A disqualified lead shows life again."""
        self._require_move(LeadState.NEW)
        lead = replace(self, state=LeadState.NEW, disqualify_reason="")
        return LeadMove(lead, (LeadEvent(now, LeadEventKind.REVIVED, actor_id),))

    def begin_conversion(self, *, now: datetime, actor_id: str) -> "LeadMove":
        """Starts converting, or goes on where an earlier attempt stopped; a converted lead stays as it is.

        The caller then does `conversion.next_step` under `step_key` until none is left, recording each id.
        """
        if self.conversion is not None:
            return LeadMove(self, ())
        self._require_move(LeadState.CONVERTED)
        self._require_owner("converted")
        return LeadMove(
            replace(self, conversion=Conversion(now, actor_id=actor_id, attempt_time=now)),
            (LeadEvent(now, LeadEventKind.CONVERSION_BEGUN, actor_id),),
        )

    def take_over_conversion(self, *, now: datetime, actor_id: str) -> "LeadMove":
        """Goes on with a conversion as this user. CONVERSION_UNDER_WAY while somebody else's attempt may still run."""
        conversion = self.conversion
        if conversion is None or not self.is_converting:
            raise FailedPrecondition("no conversion is under way")
        end = (conversion.attempt_time or conversion.start_time) + ATTEMPT_LASTS
        if conversion.actor_id != actor_id and now < end:
            raise FailedPrecondition(
                "somebody else is converting it right now",
                reason="CONVERSION_UNDER_WAY",
                retry_after_seconds=(end - now).total_seconds(),
            )
        lead = replace(self, conversion=replace(conversion, actor_id=actor_id, attempt_time=now))
        return LeadMove(lead, (LeadEvent(now, LeadEventKind.CONVERSION_ADVANCED, actor_id, "attempt"),))

    def abandon_conversion(self, explanation: str, *, now: datetime, actor_id: str) -> "LeadMove":
        """Ends an attempt that cannot succeed as it stands; what it created is found again by the next one."""
        if not self.is_converting:
            raise FailedPrecondition("no conversion is under way")
        event = LeadEvent(now, LeadEventKind.CONVERSION_ABANDONED, actor_id, explanation)
        return LeadMove(replace(self, conversion=None), (event,))

    def record_step(self, step: ConversionStep, id: str, *, now: datetime, actor_id: str) -> "LeadMove":
        """Notes what a step found or created; after the last one the lead is CONVERTED.

        Repeating a step with the same id changes nothing. Another id, or a step before its turn, is refused.
        """
        if not id:
            raise invalid_field("id", "required", f"say which {step} it is")
        conversion = self.conversion
        if conversion is None:
            raise FailedPrecondition("no conversion has begun")
        known = conversion.id_of(step)
        if known == id:
            return LeadMove(self, ())
        if known:
            raise FailedPrecondition(f"the {step} of this conversion is {known} already")
        if step is not conversion.next_step:
            raise FailedPrecondition(f"{conversion.next_step} comes before {step}")
        conversion = _with_id(conversion, step, id)
        events = [LeadEvent(now, LeadEventKind.CONVERSION_ADVANCED, actor_id, f"{step} {id}")]
        state = self.state
        if conversion.next_step is None:
            state = LeadState.CONVERTED
            events.append(LeadEvent(now, LeadEventKind.CONVERTED, actor_id))
        return LeadMove(replace(self, state=state, conversion=conversion), tuple(events))

    def step_key(self, step: ConversionStep) -> UUID:
        """The idempotency key of a step: the same at every attempt, so that repeating creates nothing twice."""
        return uuid5(self.id, step)

    def _give_to(self, owner_id: str, event: LeadEvent) -> "LeadMove":
        self._require_not_converting("given to somebody else")
        former = self.owner_id or self.former_owner_id
        lead = replace(self, owner_id=owner_id, take_time=event.at, pool_time=None, former_owner_id=former)
        return LeadMove(lead, (event,))

    def _to_pool(self, event: LeadEvent) -> "LeadMove":
        self._require_owner("put into the pool")
        self._require_open("put into the pool")
        self._require_not_converting("put into the pool")
        if not self.pool_id:
            raise FailedPrecondition("it belongs to no pool")
        lead = replace(
            self,
            owner_id="",
            owner_team_id="",
            take_time=None,
            safe_until_time=None,
            pool_time=event.at,
            was_pooled=True,
            former_owner_id=self.owner_id,
            return_reason=event.detail,
        )
        return LeadMove(lead, (event,))

    def _require_move(self, state: LeadState) -> None:
        if state not in MOVES[self.state]:
            named = ", ".join(sorted(MOVES[self.state])) or "none"
            raise FailedPrecondition(f"a lead that is {self.state} cannot become {state}; it can become: {named}")

    def _require_open(self, done: str) -> None:
        if not self.is_open:
            raise FailedPrecondition(f"a lead that is {self.state} cannot be {done}")

    def _require_owner(self, done: str) -> None:
        if not self.owner_id:
            raise FailedPrecondition(f"a lead in the pool cannot be {done}; claim it first")

    def _require_not_converting(self, done: str) -> None:
        if self.is_converting:
            raise FailedPrecondition(f"a lead that is being converted cannot be {done}")


@dataclass(frozen=True, slots=True)
class LeadMove:
    """The lead after a move and what happened; no events when nothing changed."""

    lead: Lead
    events: tuple[LeadEvent, ...]


def _with_id(conversion: Conversion, step: ConversionStep, id: str) -> Conversion:
    match step:
        case ConversionStep.ACCOUNT:
            return replace(conversion, account_id=id)
        case ConversionStep.CONTACT:
            return replace(conversion, contact_id=id)
        case ConversionStep.OPPORTUNITY:
            return replace(conversion, opportunity_id=id)

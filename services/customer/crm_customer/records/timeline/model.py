"""A timeline: what happened with an account, in one order, whichever service it happened in."""

import enum
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


class Kind(enum.StrEnum):
    INTERACTION = "INTERACTION"
    ACCOUNT_CREATED = "ACCOUNT_CREATED"
    ACCOUNT_STATUS_CHANGED = "ACCOUNT_STATUS_CHANGED"
    ACCOUNT_ARCHIVED = "ACCOUNT_ARCHIVED"
    ACCOUNT_RESTORED = "ACCOUNT_RESTORED"
    LEAD_CONVERTED = "LEAD_CONVERTED"
    OPPORTUNITY_CREATED = "OPPORTUNITY_CREATED"
    OPPORTUNITY_WON = "OPPORTUNITY_WON"
    OPPORTUNITY_LOST = "OPPORTUNITY_LOST"
    ORDER_PLACED = "ORDER_PLACED"
    ORDER_CANCELLED = "ORDER_CANCELLED"
    PAYMENT_RECEIVED = "PAYMENT_RECEIVED"
    CASE_CREATED = "CASE_CREATED"
    CASE_RESOLVED = "CASE_RESOLVED"
    CASE_REOPENED = "CASE_REOPENED"
    CASE_CLOSED = "CASE_CLOSED"
    MILESTONE_BREACHED = "MILESTONE_BREACHED"
    VALUE_TIER_CHANGED = "VALUE_TIER_CHANGED"
    FOLLOW_UP_CONVERTED = "FOLLOW_UP_CONVERTED"
    PAYMENT_REVERSED = "PAYMENT_REVERSED"


def permission_of(kind: Kind) -> str:
    """What reading the records needs that entries of a kind tell of."""
    match kind:
        case Kind.INTERACTION:
            return "interactions.read"
        case (
            Kind.ACCOUNT_CREATED
            | Kind.ACCOUNT_STATUS_CHANGED
            | Kind.ACCOUNT_ARCHIVED
            | Kind.ACCOUNT_RESTORED
            | Kind.VALUE_TIER_CHANGED
        ):
            # The tier is a field of the account; what it was computed from is read with the scores.
            return "accounts.read"
        case Kind.LEAD_CONVERTED | Kind.FOLLOW_UP_CONVERTED:
            return "leads.read"
        case Kind.OPPORTUNITY_CREATED | Kind.OPPORTUNITY_WON | Kind.OPPORTUNITY_LOST:
            return "opportunities.read"
        case Kind.ORDER_PLACED | Kind.ORDER_CANCELLED:
            return "orders.read"
        case Kind.PAYMENT_RECEIVED | Kind.PAYMENT_REVERSED:
            return "payments.read"
        case Kind.CASE_CREATED | Kind.CASE_RESOLVED | Kind.CASE_REOPENED | Kind.CASE_CLOSED | Kind.MILESTONE_BREACHED:
            return "cases.read"


@dataclass(frozen=True, slots=True)
class Detail:
    """Something to show at a glance."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `id` is that of the event or of the interaction, so that it is there once.

    `owner_ids` and `owner_team_id` are those who had the record then: they see it whoever has the account.
    """

    id: UUID
    account_id: UUID
    kind: Kind
    entry_time: datetime
    title: str
    details: tuple[Detail, ...]
    service: str
    reference_type: str
    reference_id: UUID
    actor_id: UUID
    owner_ids: tuple[UUID, ...] = ()
    owner_team_id: UUID | None = None

"""A timeline: what happened with an account, in one order, whichever service it happened in."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
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


# What reading of the account shows of its own, and whose entries take a permission besides.
OF_ACCOUNT = frozenset({"account", "lead"})
PERMISSIONS: Mapping[str, str] = MappingProxyType(
    {
        "account_scores": "scores.read",
        "case": "cases.read",
        # Of a lead that became the account: its conversation with the customer, as interactions are.
        "follow_up": "interactions.read",
        "interaction": "interactions.read",
        "opportunity": "opportunities.read",
        "order": "orders.read",
        "payment": "payments.read",
    }
)


@dataclass(frozen=True, slots=True)
class Detail:
    """Something to show at a glance."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `id` is that of the event or of the interaction, so that it is there once."""

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

"""What the customer service does on events: its own and those of the other services."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as customer
from crm.sales.v1 import events_pb2 as sales
from crm.scoring.v1 import events_pb2 as scoring
from crm.scoring.v1 import scores_pb2
from crm.service_desk.v1 import events_pb2 as service_desk
from crm_kit.database.work import UnitOfWork
from crm_kit.events.consumers import Consumers, Event
from google.protobuf.message import Message

from crm_customer.records.accounts.model import ValueTier
from crm_customer.records.accounts.projections import project_value_tier
from crm_customer.records.timeline.commands import put_entry
from crm_customer.records.timeline.wire import EventKind, text_at

Tier = scores_pb2.ValueTierScore
Effect = Callable[[UnitOfWork, Event, Any], None]

DEAL = ("opportunity.amount", "opportunity.close_reason")
CASE = ("case.number", "case.kind", "case.priority")
# What timelines show: a line for each kind of event, with the paths of the account, the title and the details.
TIMELINE: Sequence[EventKind] = (
    EventKind(customer.AccountCreated, "account.id", "account.display_name", ("account.status",)),
    EventKind(customer.AccountStatusChanged, "account.id", "account.display_name", ("old_status", "account.status")),
    EventKind(customer.AccountArchived, "account.id", "account.display_name"),
    EventKind(customer.AccountRestored, "account.id", "account.display_name", ("account.status",)),
    EventKind(sales.LeadConverted, "lead.account_id", "lead.display_name", ("lead.source", "lead.campaign")),
    EventKind(
        sales.FollowUpConverted,
        "account_id",
        "lead_name",
        ("follow_up.kind", "follow_up.note", "lead_id"),
        time="follow_up.happen_time",
        actor="follow_up.user_id",
    ),
    EventKind(sales.OpportunityCreated, "opportunity.account_id", "opportunity.display_name", DEAL),
    EventKind(sales.OpportunityWon, "opportunity.account_id", "opportunity.display_name", DEAL),
    EventKind(sales.OpportunityLost, "opportunity.account_id", "opportunity.display_name", DEAL),
    EventKind(sales.OrderPlaced, "order.account_id", "", ("order.gross_amount", "order.due_date")),
    EventKind(sales.OrderCancelled, "order.account_id", "", ("order.gross_amount", "order.cancel_reason")),
    EventKind(sales.PaymentReceived, "payment.account_id", "payment.reference", ("payment.amount",)),
    EventKind(
        sales.PaymentReversed, "payment.account_id", "payment.reference", ("payment.amount", "payment.reverse_reason")
    ),
    EventKind(service_desk.CaseCreated, "case.account_id", "case.title", (*CASE, "case.channel")),
    EventKind(service_desk.CaseResolved, "case.account_id", "case.title", CASE),
    EventKind(service_desk.CaseReopened, "case.account_id", "case.title", CASE),
    EventKind(service_desk.CaseClosed, "case.account_id", "case.title", CASE),
    EventKind(service_desk.MilestoneBreached, "case.account_id", "case.title", (*CASE, "promise=milestone.kind")),
    EventKind(
        scoring.ValueTierChanged,
        "account_scores.account_id",
        "",
        ("old_tier", "new_tier=account_scores.value_tier.band"),
    ),
)


def keep_value_tier(work: UnitOfWork, event: Event, payload: scoring.ValueTierChanged) -> None:
    """Accounts show their tier, and can be filtered by it."""
    scores = payload.account_scores
    is_unknown = scores.value_tier.band <= Tier.TIER_UNKNOWN
    tier = None if is_unknown else ValueTier(text_at(payload, "account_scores.value_tier.band"))
    project_value_tier(work, UUID(scores.account_id), tier, version=event.aggregate_version)


# What else happens on an event.
EFFECTS: Mapping[type[Message], Sequence[Effect]] = {scoring.ValueTierChanged: (keep_value_tier,)}


def follow_events(consumers: Consumers) -> None:
    """Subscribe to every event that has an entry or an effect here."""
    kinds = {kind.payload: kind for kind in TIMELINE}
    for payload in dict.fromkeys((*kinds, *EFFECTS)):
        effects = list(EFFECTS.get(payload, ()))
        if payload in kinds:
            effects.append(show(kinds[payload]))
        consumers.project(payload, together(effects))


def show(kind: EventKind) -> Effect:
    """Put the event on the timeline of its account."""

    def put(work: UnitOfWork, event: Event, payload: Message) -> None:
        entry = kind.entry(event, payload)
        if entry is not None:
            put_entry(work, entry)

    return put


def together(effects: Sequence[Effect]) -> Effect:
    """All effects of one event, in one transaction. They only gather writes."""

    def apply(work: UnitOfWork, event: Event, payload: Message) -> None:
        for effect in effects:
            effect(work, event, payload)

    return apply

"""What the customer service does on events: its own and those of the other services."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as customer
from crm.resource.v1 import approval_policies_pb2
from crm.resource.v1 import events_pb2 as resource
from crm.sales.v1 import events_pb2 as sales
from crm.scoring.v1 import events_pb2 as scoring
from crm.scoring.v1 import scores_pb2
from crm.service_desk.v1 import calls_pb2
from crm.service_desk.v1 import events_pb2 as service_desk
from crm_kit.database.work import UnitOfWork
from crm_kit.events.consumers import Consumers, Event
from crm_kit.events.payloads import events_carrying
from google.protobuf.message import Message

from crm_customer.directory.policy_references.projections import project_policy
from crm_customer.records.account_kinds import ValueTier
from crm_customer.records.accounts.projections import project_value_tier
from crm_customer.records.interactions.commands import keep_call
from crm_customer.records.timeline.commands import put_entry
from crm_customer.records.timeline.wire import EventKind, text_at
from crm_customer.workspace.notifications.commands import tell
from crm_customer.workspace.notifications.mails import Mails

Policy = approval_policies_pb2.ApprovalPolicy
Tier = scores_pb2.ValueTierScore
Effect = Callable[[UnitOfWork, Event, Any], None]
TierEvent = scoring.AccountScoresCreated | scoring.ValueTierChanged

DEAL = ("opportunity.amount", "opportunity.close_reason")
CASE = ("case.number", "case.kind", "case.priority")


def owned(noun: str, payload: type[Message], title: str, details: tuple[str, ...]) -> EventKind:
    """Of a record at an account that has an owner."""
    owners, team = (f"{noun}.owner_id",), f"{noun}.owner_team_id"
    return EventKind(payload, f"{noun}.account_id", title, details, owners=owners, owner_team=team)


def of_case(payload: type[Message], *details: str) -> EventKind:
    """Of a case, which is seen by who works on it and by who opened it."""
    owners, team = ("case.assignee_id", "case.creator_id"), "case.assignee_team_id"
    return EventKind(payload, "case.account_id", "case.title", (*CASE, *details), owners=owners, owner_team=team)


# What timelines show: a line for each kind of event, with the paths of the account, the title and the details.
TIMELINE: Sequence[EventKind] = (
    EventKind(customer.AccountCreated, "account.id", "account.display_name", ("account.status",)),
    EventKind(customer.AccountStatusChanged, "account.id", "account.display_name", ("old_status", "account.status")),
    EventKind(customer.AccountArchived, "account.id", "account.display_name"),
    EventKind(customer.AccountRestored, "account.id", "account.display_name", ("account.status",)),
    owned("lead", sales.LeadConverted, "lead.display_name", ("lead.source", "lead.campaign")),
    EventKind(
        sales.FollowUpConverted,
        "account_id",
        "lead_name",
        ("follow_up.kind", "follow_up.note", "lead_id"),
        time="follow_up.happen_time",
        actor="follow_up.user_id",
        owners=("lead_owner_id",),
        owner_team="lead_owner_team_id",
    ),
    owned("opportunity", sales.OpportunityCreated, "opportunity.display_name", DEAL),
    owned("opportunity", sales.OpportunityWon, "opportunity.display_name", DEAL),
    owned("opportunity", sales.OpportunityLost, "opportunity.display_name", DEAL),
    owned("order", sales.OrderPlaced, "", ("order.gross_amount", "order.due_date")),
    owned("order", sales.OrderCancelled, "", ("order.gross_amount", "order.cancel_reason")),
    owned("payment", sales.PaymentReceived, "payment.reference", ("payment.amount",)),
    owned("payment", sales.PaymentReversed, "payment.reference", ("payment.amount", "payment.reverse_reason")),
    of_case(service_desk.CaseCreated, "case.channel"),
    of_case(service_desk.CaseResolved),
    of_case(service_desk.CaseReopened),
    of_case(service_desk.CaseClosed),
    of_case(service_desk.MilestoneBreached, "promise=milestone.kind"),
    EventKind(
        scoring.ValueTierChanged,
        "account_scores.account_id",
        "",
        ("old_tier", "new_tier=account_scores.value_tier.band"),
    ),
)


def keep_value_tier(work: UnitOfWork, event: Event, payload: TierEvent) -> None:
    """Accounts show their tier, and can be filtered by it."""
    scores = payload.account_scores
    is_unknown = scores.value_tier.band <= Tier.TIER_UNKNOWN
    tier = None if is_unknown else ValueTier(text_at(payload, "account_scores.value_tier.band"))
    project_value_tier(work, UUID(scores.account_id), tier, version=event.aggregate_version)


def keep_policy_references(work: UnitOfWork, event: Event, payload: Any) -> None:
    """Who gives the roles that approval policies name, is decided here."""
    policy: Policy = payload.approval_policy
    rows = policy.rows if policy.state == Policy.STATE_ACTIVE else ()
    steps = [step for row in rows for step in row.steps]
    role_ids = (UUID(id) for each in (*rows, *steps) for id in each.role_ids)
    user_ids = (UUID(id) for step in steps for id in step.user_ids)
    project_policy(
        work,
        id=UUID(policy.id),
        role_ids=role_ids,
        user_ids=user_ids,
        asks_leaders=any(step.team_leaders_of for step in steps),
        version=event.aggregate_version,
    )


# What else happens on an event.
EFFECTS: Mapping[type[Message], Sequence[Effect]] = {
    scoring.AccountScoresCreated: (keep_value_tier,),
    scoring.ValueTierChanged: (keep_value_tier,),
    **dict.fromkeys(events_carrying(resource, Policy), (keep_policy_references,)),
}


def follow_events(consumers: Consumers, mails: Mails) -> None:
    """Subscribe to every event that has an entry or an effect here."""
    kinds = {kind.payload: kind for kind in TIMELINE}
    for payload in dict.fromkeys((*kinds, *EFFECTS)):
        effects = list(EFFECTS.get(payload, ()))
        if payload in kinds:
            effects.append(show(kinds[payload]))
        consumers.project(payload, together(effects))

    async def tell_people(work: UnitOfWork, _event: Event, notice: resource.NoticeRaised) -> None:
        await tell(work, notice, mails)

    consumers.on(resource.NoticeRaised, tell_people)
    for payload in events_carrying(service_desk, calls_pb2.Call):
        consumers.on(payload, keep_call)


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

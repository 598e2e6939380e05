"""Every SELECT on cases. What the reader may not see is not found."""

from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from crm_kit.filtering.schema import FilterField, FilterSchema, enum_field, team_field, user_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope, visible
from crm_kit.listing import Listing
from crm_kit.paging import OrderColumn
from sqlalchemy import ColumnElement, Select, any_, bindparam, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_service_desk.accounts.tables import accounts
from crm_service_desk.cases.log import CaseEvent, CaseEventKind
from crm_service_desk.cases.model import Case, CaseState
from crm_service_desk.cases.tables import case_events, cases, milestone_timers
from crm_service_desk.classification import CaseKind, Channel, Level, Priority
from crm_service_desk.service_levels.milestones import Milestone, MilestoneState
from crm_service_desk.service_levels.model import MilestoneKind, PauseReason
from crm_service_desk.service_levels.queries import policy_from

COLUMNS = [column for column in cases.c if column.name != "tenant_id"]
EVENT_COLUMNS = [column for column in case_events.c if column.name not in {"tenant_id", "case_id"}]


def reached(scope: Scope) -> ColumnElement[bool]:
    """Which cases the actor may see: those they work on, those they created, and those of their accounts."""
    if scope is Scope.ALL:
        return true()
    of_accounts = select(accounts.c.id).where(accounts.c.tenant_id == bindparam("tenant_id"), visible(accounts, scope))
    own = [
        cases.c.assignee_id == bindparam("me"),
        cases.c.creator_id == bindparam("me"),
        cases.c.account_id.in_(of_accounts),
    ]
    if scope is Scope.TEAM:
        own.append(cases.c.assignee_team_id == any_(bindparam("team_ids", type_=ARRAY(Uuid))))
    return or_(*own)


@statement
def case_by_id(scope: Scope) -> Select[Any]:
    return select(*COLUMNS).where(
        cases.c.tenant_id == bindparam("tenant_id"), cases.c.id == bindparam("id"), reached(scope)
    )


@statement
def log_of_case() -> Select[Any]:
    return (
        select(*EVENT_COLUMNS)
        .where(case_events.c.tenant_id == bindparam("tenant_id"), case_events.c.case_id == bindparam("case_id"))
        .order_by(case_events.c.position)
    )


@statement
def pending_timer() -> Select[Any]:
    timers = milestone_timers
    return select(timers.c.due_time).where(
        timers.c.tenant_id == bindparam("tenant_id"),
        timers.c.case_id == bindparam("case_id"),
        timers.c.kind == bindparam("kind"),
        timers.c.level == bindparam("level"),
        timers.c.fire_time.is_(None),
        timers.c.due_time <= bindparam("now"),
    )


def _listed(scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    return select(*COLUMNS).where(cases.c.tenant_id == bindparam("tenant_id"), reached(scope))


LISTING = Listing(
    name="cases",
    rows=_listed,
    fields=FilterSchema(
        {
            "id": FilterField(FieldType.UUID, cases.c.id),
            "number": FilterField(FieldType.TEXT, cases.c.number),
            "kind": enum_field(cases.c.kind, list(CaseKind), prefix="KIND_"),
            "title": FilterField(FieldType.TEXT, cases.c.title),
            "state": enum_field(cases.c.state, list(CaseState), prefix="STATE_"),
            "account_id": FilterField(FieldType.UUID, cases.c.account_id),
            "contact_id": FilterField(FieldType.UUID, cases.c.contact_id),
            "channel": enum_field(cases.c.channel, list(Channel), prefix="CHANNEL_"),
            "category": FilterField(FieldType.TEXT, cases.c.category),
            "impact": enum_field(cases.c.impact, list(Level), prefix="LEVEL_"),
            "urgency": enum_field(cases.c.urgency, list(Level), prefix="LEVEL_"),
            "priority": enum_field(cases.c.priority, list(Priority), prefix="PRIORITY_"),
            "tags": FilterField(FieldType.TEXT_LIST, cases.c.tags),
            "assignee_id": user_field(cases.c.assignee_id),
            "assignee_team_id": team_field(cases.c.assignee_team_id),
            "creator_id": user_field(cases.c.creator_id),
            "service_level_id": FilterField(FieldType.UUID, cases.c.service_level_id),
            "reopenings": FilterField(FieldType.INTEGER, cases.c.reopenings),
            "first_response_due_time": FilterField(FieldType.INSTANT, cases.c.first_response_due_time),
            "resolution_due_time": FilterField(FieldType.INSTANT, cases.c.resolution_due_time),
            "breached": FilterField(FieldType.BOOL, cases.c.breached),
            "resolve_time": FilterField(FieldType.INSTANT, cases.c.resolve_time),
            "close_time": FilterField(FieldType.INSTANT, cases.c.close_time),
            "create_time": FilterField(FieldType.INSTANT, cases.c.create_time),
            "update_time": FilterField(FieldType.INSTANT, cases.c.update_time),
        }
    ),
    orders={
        "id": OrderColumn(cases.c.id),
        "create_time": OrderColumn(cases.c.create_time),
        "update_time": OrderColumn(cases.c.update_time),
        "number": OrderColumn(cases.c.number),
        "first_response_due_time": OrderColumn(cases.c.first_response_due_time, nullable=True),
        "resolution_due_time": OrderColumn(cases.c.resolution_due_time, nullable=True),
    },
)


def _events_of_case(_scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    """Of one case, which the caller has been found to see."""
    return select(*EVENT_COLUMNS, case_events.c.position.label("id")).where(
        case_events.c.tenant_id == bindparam("tenant_id"), case_events.c.case_id == bindparam("case_id")
    )


EVENT_LISTING = Listing(
    name="case_events",
    rows=_events_of_case,
    fields=FilterSchema({}),
    orders={"id": OrderColumn(case_events.c.position)},
    default_order="id",
)


async def get_case(reader: Reader, id: UUID) -> Case:
    """The case; NotFound when there is none or the reader may not see it."""
    row = await reader.one(case_by_id(reader.scope), id=id)
    if row is None:
        raise NotFound("the case does not exist", reason="CASE_NOT_FOUND")
    return case_from(row)


async def get_log(reader: Reader, id: UUID) -> list[CaseEvent]:
    """All that happened on a case, in the order it was recorded."""
    return [event_from(row) for row in await reader.all(log_of_case(), case_id=id)]


async def is_due(reader: Reader, id: UUID, kind: str, level: str) -> bool:
    """Whether a timer is due and has not fired."""
    return await reader.one(pending_timer(), case_id=id, kind=kind, level=level, now=reader.now) is not None


def case_from(row: Record) -> Case:
    """The entity that a row of `COLUMNS` holds."""
    channel = row["channel"]
    return Case(
        **dict(row)
        | {
            "kind": CaseKind(row["kind"]),
            "state": CaseState(row["state"]),
            "channel": Channel(channel) if channel else None,
            "impact": Level(row["impact"]),
            "urgency": Level(row["urgency"]),
            "priority": Priority(row["priority"]),
            "tags": tuple(row["tags"]),
            "milestones": tuple(map(milestone_from, row["milestones"])),
            "first_policy": policy_from(row["first_policy"]),
        }
    )


def milestone_from(stored: dict[str, Any]) -> Milestone:
    """A milestone as JSON keeps it: its instants as text."""
    times = {name: time_or_none(value) for name, value in stored.items() if name.endswith("_time")}
    names = {"kind": MilestoneKind(stored["kind"]), "state": MilestoneState(stored["state"])}
    return Milestone(**stored | times | names | {"calendar_id": UUID(stored["calendar_id"])})


def time_or_none(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def event_from(row: Record) -> CaseEvent:
    """The event that a row of `EVENT_COLUMNS` holds."""
    reason, policy = row["pause_reason"], row["policy"]
    return CaseEvent(
        position=row["position"],
        kind=CaseEventKind(row["kind"]),
        occur_time=row["occur_time"],
        record_time=row["record_time"],
        actor_id=row["actor_id"],
        text=row["text"],
        pause_reason=PauseReason(reason) if reason else None,
        policy=policy_from(policy) if policy else None,
    )

"""Every SELECT on cases that their declaration does not make: their logs and timers."""

from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.filtering.schema import FilterSchema
from crm_kit.identity.access import Scope
from crm_kit.listing import Listing
from crm_kit.paging import OrderColumn
from crm_kit.resource.codecs import json_reader
from sqlalchemy import Select, bindparam, select

from crm_service_desk.cases.log import CaseEvent, CaseEventKind
from crm_service_desk.cases.tables import case_events, milestone_timers
from crm_service_desk.service_levels.facts import Fact, FactKind
from crm_service_desk.service_levels.model import PauseReason, ServiceLevelPolicy

EVENT_COLUMNS = [column for column in case_events.c if column.name not in {"tenant_id", "case_id"}]
policy_from = json_reader(ServiceLevelPolicy, "policy")


def _events(*more: Any) -> Select[Any]:
    """Of one case, which the caller has been found to see."""
    return select(*EVENT_COLUMNS, *more).where(
        case_events.c.tenant_id == bindparam("tenant_id"), case_events.c.case_id == bindparam("case_id")
    )


@statement
def facts_of_case() -> Select[Any]:
    """What moves clocks, without what was said: texts may be long, and notes many."""
    event = case_events.c
    return (
        select(event.occur_time, event.kind, event.pause_reason, event.policy)
        .where(
            event.tenant_id == bindparam("tenant_id"),
            event.case_id == bindparam("case_id"),
            event.kind.in_(list(FactKind)),
        )
        .order_by(event.position)
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


def _listed_events(_scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    return _events(case_events.c.position.label("id"))


EVENT_LISTING = Listing(
    name="case_events",
    rows=_listed_events,
    fields=FilterSchema({}),
    orders={"id": OrderColumn(case_events.c.position)},
    default_order="id",
)


async def get_facts(reader: Reader, id: UUID) -> list[Fact]:
    """All that has moved the clocks of a case, in the order it was recorded."""
    return [fact_from(row) for row in await reader.all(facts_of_case(), case_id=id)]


async def is_due(reader: Reader, id: UUID, kind: str, level: str) -> bool:
    """Whether a timer is due and has not fired."""
    return await reader.one(pending_timer(), case_id=id, kind=kind, level=level, now=reader.now) is not None


def fact_from(row: Record) -> Fact:
    """The fact that a line of the log tells."""
    reason, policy = row["pause_reason"], row["policy"]
    return Fact(
        row["occur_time"],
        FactKind(row["kind"]),
        PauseReason(reason) if reason else None,
        policy_from(policy) if policy else None,
    )


def event_from(row: Record) -> CaseEvent:
    """The event that a row of `EVENT_COLUMNS` holds."""
    reason, policy = row["pause_reason"], row["policy"]
    return CaseEvent(
        position=row["position"],
        kind=CaseEventKind(row["kind"]),
        occur_time=row["occur_time"],
        record_time=row["record_time"],
        actor_id=row["actor_id"],
        contact_id=row["contact_id"],
        text=row["text"],
        pause_reason=PauseReason(reason) if reason else None,
        policy=policy_from(policy) if policy else None,
    )

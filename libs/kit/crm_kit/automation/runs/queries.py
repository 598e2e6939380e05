"""Which runs there are already."""

from typing import Any

from sqlalchemy import Select, bindparam, exists, func, literal, select

from crm_kit.automation.rules.model import State as RuleState
from crm_kit.automation.runs.model import State
from crm_kit.database.statements import statement
from crm_kit.plumbing import automation_rules, automation_runs


@statement
def standing_of_rule() -> Select[Any]:
    """A rule's version, whether it is active, and whether it has run on an event."""
    rules, runs = automation_rules.c, automation_runs.c
    has_run = exists().where(
        runs.tenant_id == rules.tenant_id, runs.event_id == bindparam("event_id"), runs.rule_id == rules.id
    )
    return select(rules.version, (rules.state == RuleState.ACTIVE).label("active"), has_run.label("has_run")).where(
        rules.tenant_id == bindparam("tenant_id"), rules.id == bindparam("id")
    )


@statement
def count_following(most: int) -> Select[Any]:
    """How many runs an event has brought about through other runs, counted up to `most`."""
    runs = automation_runs.c
    found = (
        select(literal(1))
        .where(
            runs.tenant_id == bindparam("tenant_id"),
            runs.root_event_id == bindparam("root_event_id"),
            runs.event_id != bindparam("root_event_id"),
        )
        .limit(most)
        .subquery()
    )
    return select(func.count()).select_from(found)


@statement
def count_stopped(state: State, most: int) -> Select[Any]:
    """How many runs of a rule have ended so since an instant, counted up to `most`."""
    runs = automation_runs.c
    found = (
        select(literal(1))
        .where(
            runs.tenant_id == bindparam("tenant_id"),
            runs.rule_id == bindparam("rule_id"),
            runs.state == state,
            # Spelled as the index has it.
            runs.state != "SUCCEEDED",
            runs.create_time > bindparam("since"),
        )
        .limit(most)
        .subquery()
    )
    return select(func.count()).select_from(found)

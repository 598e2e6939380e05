"""Which runs there are already."""

from typing import Any

from sqlalchemy import Select, Text, bindparam, exists, func, literal, or_, select

from crm_kit.automation.rules.model import State as RuleState
from crm_kit.automation.runs.model import BLAMELESS, State
from crm_kit.automation.watched import TASK_OVERDUE
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
def run_that_led_to() -> Select[Any]:
    """The run since an instant by which a record came to an etag: its rule, and what had set that off."""
    runs, rules = automation_runs.c, automation_rules.c
    etag = bindparam("etag", type_=Text)
    changed = func.jsonb_build_object("record_etag", etag, "target", "")
    told = func.jsonb_build_object("left_etag", etag)
    return (
        select(runs.rule_id, runs.collection, runs.causes, rules.display_name)
        .join(automation_rules, (rules.tenant_id == runs.tenant_id) & (rules.id == runs.rule_id))
        .where(
            runs.tenant_id == bindparam("tenant_id"),
            runs.record_id == bindparam("record_id"),
            runs.create_time > bindparam("since", type_=runs.create_time.type),
            # One that told of the record and did not change it came to no other etag.
            runs.record_etag != bindparam("etag"),
            or_(*(runs.effects.contains(func.jsonb_build_array(effect)) for effect in (changed, told))),
        )
        .order_by(runs.create_time.desc())
        .limit(1)
    )


@statement
def run_that_created() -> Select[Any]:
    """The run on a record by which something was created at it: its rule, and what had set that off."""
    runs, rules = automation_runs.c, automation_rules.c
    created = func.jsonb_build_object("created_id", bindparam("created_id", type_=Text))
    return (
        select(runs.rule_id, runs.collection, runs.causes, rules.display_name)
        .join(automation_rules, (rules.tenant_id == runs.tenant_id) & (rules.id == runs.rule_id))
        .where(
            runs.tenant_id == bindparam("tenant_id"),
            runs.record_id == bindparam("record_id"),
            runs.effects.contains(func.jsonb_build_array(created)),
        )
        .limit(1)
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
    """How many runs of a rule have ended so since an instant, counted up to `most`; not what no rule stops for."""
    runs = automation_runs.c
    found = (
        select(literal(1))
        .where(
            runs.tenant_id == bindparam("tenant_id"),
            runs.rule_id == bindparam("rule_id"),
            runs.state == state,
            # Spelled as the index has it.
            runs.state != "SUCCEEDED",
            func.coalesce(runs.reason, "").not_in(BLAMELESS),
            *([runs.event != TASK_OVERDUE] if state is State.STOPPED_LOOP else []),
            runs.create_time > bindparam("since"),
        )
        .limit(most)
        .subquery()
    )
    return select(func.count()).select_from(found)

"""Every write on timers of rules. They go with the rule: who activates it sets one, whatever stops it takes it away."""

import dataclasses
import random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, update

from crm_kit.automation.rules.model import AutomationRule, State
from crm_kit.automation.timing.model import Timer, first_timer
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import Conflict
from crm_kit.plumbing import automation_timers

# Where the turns of a timer begin, at most: a column has room for as many after it.
MOST_TURNS = 2**30


def set_timer(work: UnitOfWork, before: AutomationRule, after: AutomationRule) -> None:
    """Gather what becomes of the timer of a rule that was activated by the caller, or stopped."""
    if before.state is after.state:
        return
    if before.state is State.ACTIVE and before.trigger.timed is not None:
        remove_timer(work, before.id)
    if after.state is State.ACTIVE and after.trigger.timed is not None:
        zone = ZoneInfo(work.actor.access.time_zone)
        timer = first_timer(after.id, after.trigger.timed, now=work.now, zone=zone)
        # Whoever has read the timer of before, which the rule had until now, does not move this one.
        work.insert(automation_timers, dataclasses.asdict(timer) | {"turn": random.randrange(MOST_TURNS)})


def remove_timer(work: UnitOfWork, rule_id: UUID) -> None:
    """Gather that a rule is not looked at any more."""
    work.delete(automation_timers, rule_id=rule_id)


def move_timer(work: UnitOfWork, before: Timer, after: Timer) -> None:
    """Gather how far a rule has come; the unit fails as Conflict where somebody else has moved it."""
    work.execute(
        replace_timer(),
        unmet=lambda: Conflict("another process was at the same rule"),
        expected_turn=before.turn,
        **dataclasses.asdict(after),
    )


@statement
def replace_timer() -> Any:
    table = automation_timers
    names = [each.name for each in dataclasses.fields(Timer) if each.name != "rule_id"]
    changed: dict[str, Any] = {name: bindparam(name) for name in names}
    return (
        update(table)
        .where(
            table.c.tenant_id == bindparam("tenant_id"),
            table.c.rule_id == bindparam("rule_id"),
            table.c.turn == bindparam("expected_turn"),
        )
        .values(changed)
        .returning(table.c.rule_id)
    )

"""The states of a rule: what moves it, and what it is not moved by."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from crm_kit.automation.rules.model import Action, AutomationRule, State, StopReason, Trigger
from crm_kit.automation.spoken import spoken_of
from crm_kit.errors import FailedPrecondition
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 19, 8, 30, tzinfo=UTC)
BOSS = UUID(int=1)
# What may be done with a rule in each state, and where it comes to.
MOVES = {
    State.DRAFT: {"activate": State.ACTIVE, "archive": State.ARCHIVED, "change": State.DRAFT, "rename": State.DRAFT},
    State.ACTIVE: {
        "deactivate": State.INACTIVE,
        "archive": State.ARCHIVED,
        "change": State.INACTIVE,
        "rename": State.ACTIVE,
    },
    State.INACTIVE: {
        "activate": State.ACTIVE,
        "archive": State.ARCHIVED,
        "change": State.INACTIVE,
        "rename": State.INACTIVE,
    },
    State.ARCHIVED: {"restore": State.INACTIVE},
}
STEPS = ("activate", "deactivate", "archive", "restore", "change", "rename")


def rule() -> AutomationRule:
    return AutomationRule(
        id=UUID(int=9),
        collection="leads",
        display_name="a rule",
        trigger=Trigger(("CREATED",)),
        actions=(Action("update", {"source": "x"}),),
        create_time=NOW,
        update_time=NOW,
    )


def moved(before: AutomationRule, step: str, number: int) -> AutomationRule:
    match step:
        case "activate":
            return before.activate(BOSS, now=NOW)
        case "change":
            return before.update({"filter": f"source = s{number}"})
        case "rename":
            return before.update({"display_name": f"name {number}"})
    after: Any = getattr(before, step)()
    return after if isinstance(after, AutomationRule) else before


@given(st.lists(st.sampled_from(STEPS), max_size=12))
def test_a_rule_moves_as_its_states_say_and_is_active_only_with_who_answers_for_it(steps: list[str]) -> None:
    now, was_active = rule(), False
    for number, step in enumerate(steps):
        target = MOVES[now.state].get(step)
        if target is None:
            with pytest.raises(FailedPrecondition):
                moved(now, step, number)
            continue
        if step == "restore" and not was_active:
            target = State.DRAFT
        now = moved(now, step, number)
        was_active = was_active or now.state is State.ACTIVE
        assert now.state is target
        assert (now.activator_id is not None) == was_active
        assert now.state is not State.ACTIVE or now.stop_reason is None
        assert now.state is not State.INACTIVE or now.stop_reason is not None


@pytest.mark.parametrize("reason", list(StopReason))
def test_a_rule_that_stops_says_why(reason: StopReason) -> None:
    stopped = rule().activate(BOSS, now=NOW).stop(reason)
    assert (stopped.state, stopped.stop_reason) == (State.INACTIVE, reason)


def test_what_is_the_same_is_no_change_of_what_a_rule_does() -> None:
    active = rule().activate(BOSS, now=NOW)
    same = {"trigger": Trigger(("CREATED",)), "actions": (Action("update", {"source": "x"}),), "filter": ""}
    assert active.update(same) == active


def test_a_rule_goes_by_what_names_the_record_that_it_calls() -> None:
    calling = replace(rule(), actions=(Action("update", {"name": "{{record.source}}"}, target="account_id"),))
    assert spoken_of(calling) == {"account_id", "source"}

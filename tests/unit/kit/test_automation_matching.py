"""Which rules an event sets off, held against a plain reading of what the contract says."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from crm_kit.automation.matching import CompiledRule, Condition, Happening, by_event, matches
from crm_kit.automation.rules.model import Action, AutomationRule, State, Trigger
from crm_kit.automation.runs.model import MAX_CHAIN, Cause, is_too_deep, loop_of
from crm_kit.errors import InvalidArgument
from crm_kit.filtering.evaluation import Values
from crm_kit.filtering.parsing import parse_filter
from crm_kit.filtering.schema import FilterField, FilterSchema
from crm_kit.filtering.tree import FieldType
from crm_kit.filtering.words import FilterContext
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 19, 8, 30, tzinfo=UTC)
SCHEMA = FilterSchema({"size": FilterField(FieldType.INTEGER), "name": FilterField(FieldType.TEXT)})
EVENTS = st.sampled_from(["CREATED", "UPDATED", "ASSIGNED"])
COLLECTIONS = st.sampled_from(["leads", "orders"])
FIELDS = st.frozensets(st.sampled_from(["size", "name", "custom.fleet"]))
TIMES = st.integers(-2, 2).map(lambda minutes: NOW + timedelta(minutes=minutes))
SIZES = st.integers(0, 3)
NAMES = st.sampled_from(["x", "y", ""])


@st.composite
def rules(draw: Any) -> tuple[AutomationRule, tuple[int | None, str | None]]:
    """A rule, and the size and the name that its filter asks for."""
    size, name = draw(st.none() | SIZES), draw(st.none() | NAMES)
    parts = [*([] if size is None else [f"size = {size}"]), *([] if name is None else [f'name = "{name}"'])]
    rule = AutomationRule(
        id=UUID(int=draw(st.integers(1, 1000))),
        collection=draw(COLLECTIONS),
        display_name="a rule",
        trigger=Trigger(tuple(draw(st.frozensets(EVENTS, min_size=1))), tuple(draw(FIELDS))),
        actions=(Action("update"),),
        filter=" AND ".join(draw(st.permutations(parts))),
        state=State.ACTIVE,
        activator_id=UUID(int=7),
        activate_time=draw(TIMES),
        create_time=NOW,
        update_time=NOW,
    )
    return rule, (size, name)


def context_of(id: UUID) -> FilterContext:
    return FilterContext(NOW, me=id)


@given(
    several=st.lists(rules(), max_size=12, unique_by=lambda each: each[0].id),
    collection=COLLECTIONS,
    event=EVENTS,
    time=TIMES,
    changed=FIELDS,
    size=SIZES,
    name=st.none() | NAMES,
)
def test_those_rules_run_whose_trigger_and_filter_take_the_event(
    several: list[tuple[AutomationRule, tuple[int | None, str | None]]],
    collection: str,
    event: str,
    time: datetime,
    changed: frozenset[str],
    size: int,
    name: str | None,
) -> None:
    found = by_event(CompiledRule(rule, Condition.of(parse_filter(rule.filter, SCHEMA))) for rule, _ in several)
    happening = Happening(collection, event, time, changed)
    taken = matches(found.get((collection, event), ()), happening, Values({"size": size, "name": name}), context_of)
    expected = []
    for rule, (wanted_size, wanted_name) in sorted(several, key=lambda each: each[0].id):
        if rule.collection != collection or event not in rule.trigger.events:
            continue
        if rule.activate_time is None or time < rule.activate_time:
            continue
        if wanted_size not in (None, size) or wanted_name not in (None, name):
            continue
        wanted_fields = rule.trigger.changed_fields if event == "UPDATED" else ()
        if not wanted_fields or any(each in wanted_fields for each in changed):
            expected.append(rule.id)
    assert [each.rule.id for each in taken] == expected


@given(rules())
def test_a_rule_that_cannot_be_read_is_taken_so_that_its_run_says_why(
    made: tuple[AutomationRule, tuple[int | None, str | None]],
) -> None:
    rule, _ = made
    broken = CompiledRule(rule, broken=InvalidArgument("no such field"))
    happening = Happening(
        rule.collection, rule.trigger.events[0], NOW + timedelta(hours=1), rule.trigger.changed_fields
    )
    found = by_event([broken])[rule.collection, rule.trigger.events[0]]
    assert matches(found, happening, Values({}), context_of) == [broken]


CAUSES = st.lists(st.integers(0, 4), max_size=8).map(lambda ids: [Cause(UUID(int=id), str(id), "leads") for id in ids])


@given(causes=CAUSES, id=st.integers(0, 4))
def test_a_loop_begins_and_ends_with_the_rule_and_is_there_when_the_rule_is_among_the_causes(
    causes: list[Cause], id: int
) -> None:
    rule = Cause(UUID(int=id), "now", "leads")
    loop = list(loop_of(causes, rule))
    assert bool(loop) == (str(id) in "".join(each.display_name for each in causes))
    if loop:
        assert loop[-1] is rule
        assert loop[0].rule_id == rule.rule_id
        assert loop[:-1] == causes[len(causes) - len(loop) + 1 :]
    assert is_too_deep(causes) == (len(causes) >= MAX_CHAIN)

"""What sources say, and whether records agree: properties, beside an oracle that compares by other means."""

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID

import pytest
from crm_customer.records.source_values.model import (
    MAX_KEPT,
    MAX_OF_FIELD,
    MAX_OF_RECORD,
    SourceValue,
    agrees,
    conflicting,
    observed,
    sourced,
    taken,
)
from crm_kit.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from crm_kit.ids import new_id
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 5, 6, 7, 8, tzinfo=UTC)
ME, OTHER = UUID(int=1), UUID(int=2)
FIELDS, SOURCES = ("industry", "phone_numbers", "custom.floor"), ("sap", "register", "call")
WORDS = st.sampled_from(
    ("Power", "power", " POWER ", "ｐｏｗｅｒ", "Pöwer", "steel", "电力", "電力", "Zoë  Ltd", "zoe ltd")
)
SCALARS = st.one_of(WORDS, st.integers(-3, 3), st.booleans(), st.sampled_from((0.5, 1.5)))
ADDRESSES = st.fixed_dictionaries(
    {"kind": st.sampled_from(("OFFICE", "HOME"))}, optional={"city": WORDS, "line": st.sampled_from(("", "1 Road"))}
)
VALUES = st.one_of(SCALARS, st.lists(WORDS, max_size=4), st.lists(ADDRESSES, max_size=3))


def same(one: object, other: object) -> bool:
    """Whether two values are one to people, found pair by pair and not by keys."""
    if isinstance(one, str) and isinstance(other, str):
        return letters(one) == letters(other)
    if isinstance(one, dict) and isinstance(other, dict):
        names = {name for each in (one, other) for name, value in each.items() if value not in ("", None)}
        return all(same(one.get(name) or "", other.get(name) or "") for name in names)
    return type(one) is type(other) and one == other


def letters(text: str) -> list[str]:
    """A text as words of bare letters."""
    plain = unicodedata.normalize("NFKD", text).upper()
    return "".join(each for each in plain if not unicodedata.combining(each)).split()


def has_all(has: object, said: object) -> bool:
    of_said = said if isinstance(said, list) else [said]
    of_has = has if isinstance(has, list) else [has]
    return all(any(same(one, other) for other in of_has) for one in of_said)


def value(field: str = "industry", source: str = "sap", said: object = "power", minutes: int = 0) -> SourceValue:
    return SourceValue(new_id(), field, source, said, NOW + timedelta(minutes=minutes), ME, NOW)


STATED = st.builds(
    value, st.sampled_from(FIELDS), st.sampled_from(SOURCES), st.sampled_from(("power", "steel")), st.integers(0, 5)
)


@given(VALUES, VALUES)
def test_a_record_agrees_with_a_source_when_it_has_all_that_the_source_says(said: object, has: object) -> None:
    assert agrees(said, has) == has_all(has, said)


@given(VALUES)
def test_a_record_agrees_with_what_it_has_itself_and_a_record_without_a_value_with_nothing(has: object) -> None:
    assert agrees(has, has)
    assert agrees(has, None) == agrees(has, "") == agrees(has, []) == (has == [])


@given(st.lists(STATED, max_size=12))
def test_of_each_source_the_newest_stands_whatever_came_when(stated: list[SourceValue]) -> None:
    standing: dict[UUID, SourceValue] = {}
    for each in stated:
        standing |= {made.id: made for made in taken(standing.values(), [each])}
    newest: dict[tuple[str, str], SourceValue] = {}
    for each in stated:
        # Python's sort is stable: of one instant the one that was told last is the last.
        of_source = sorted(
            (other for other in stated if (other.field, other.source) == (each.field, each.source)),
            key=lambda other: other.observed_time,
        )
        newest[each.field, each.source] = of_source[-1]
    found = {(each.field, each.source): (each.value, each.observed_time) for each in standing.values()}
    assert found == {key: (each.value, each.observed_time) for key, each in newest.items()}
    assert sourced(standing.values()) == tuple(sorted({field for field, _ in newest}))


def test_what_arrives_in_any_order_comes_to_the_same() -> None:
    several = [value(said=f"value {minutes}", minutes=minutes) for minutes in range(4)]
    for order in permutations(several):
        standing: dict[UUID, SourceValue] = {}
        for each in order:
            standing |= {made.id: made for made in taken(standing.values(), [each])}
        assert [each.value for each in standing.values()] == ["value 3"]


@given(st.lists(STATED, max_size=12), st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(("power", "oil"))))
def test_the_fields_in_conflict_are_those_of_which_a_source_says_something_else(
    stated: list[SourceValue], has: dict[str, str]
) -> None:
    expected = {each.field for each in stated if has.get(each.field) != each.value}
    assert conflicting(stated, lambda field: has.get(field)) == tuple(sorted(expected))


@given(st.integers(0, 5), st.integers(0, 5))
def test_what_was_withdrawn_comes_back_only_with_something_newer(first: int, second: int) -> None:
    gone = value(minutes=first).withdraw(ME, may_change_record=False, now=NOW)
    assert not gone.stands
    assert sourced([gone]) == conflicting([gone], lambda _: None) == ()
    assert [each.id for each in taken([gone], [value(minutes=second)])] == ([gone.id] if second > first else [])


def test_who_told_us_or_may_change_the_record_withdraws_and_nobody_else() -> None:
    assert value().withdraw(OTHER, may_change_record=True, now=NOW).withdraw_time == NOW
    assert value().withdraw(ME, may_change_record=False, now=NOW).withdraw_time == NOW
    with pytest.raises(PermissionDenied):
        value().withdraw(OTHER, may_change_record=False, now=NOW)


def test_so_many_sources_say_something_of_a_field_and_of_a_record_and_no_more() -> None:
    full = [value(source=f"source {number}") for number in range(MAX_OF_FIELD)]
    assert taken(full, [value(source="source 0", said="steel", minutes=1)])
    assert taken(full, [value(field="website", source="another")])
    with pytest.raises(FailedPrecondition) as refused:
        taken(full, [value(source="another")])
    assert (refused.value.reason, refused.value.metadata) == ("SOURCE_VALUE_LIMIT_REACHED", {"most": "20"})
    gone = full[0].withdraw(ME, may_change_record=False, now=NOW)
    assert taken([gone, *full[1:]], [value(source="another")])
    fields = [value(field=f"custom.f{number}") for number in range(MAX_OF_RECORD)]
    with pytest.raises(FailedPrecondition):
        taken(fields, [value(field="website")])
    withdrawn = [replace(each, withdraw_time=NOW) for each in map(value, map(str, range(MAX_KEPT)))]
    assert taken(withdrawn, [value(field="0", minutes=1)])
    with pytest.raises(FailedPrecondition) as refusal:
        taken(withdrawn, [value(field="website")])
    # There is nothing to withdraw.
    assert refusal.value.metadata["rule"] == "source_values_kept"


def test_nothing_is_observed_in_the_future_but_for_clocks_that_differ() -> None:
    assert observed(None, now=NOW) == NOW
    assert observed(NOW + timedelta(minutes=5), now=NOW) == NOW + timedelta(minutes=5)
    with pytest.raises(InvalidArgument):
        observed(NOW + timedelta(minutes=6), now=NOW)
    with pytest.raises(InvalidArgument):
        observed(NOW.replace(year=26), now=NOW)

"""How complete a record is and when it is stale, beside an oracle that asks field by field and moment by moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from crm_customer.records.account_kinds import Kind, ValueTier
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.contacts.resource import CONTACTS
from crm_customer.records.quality_rules.defaults import DEFAULT_RULES
from crm_customer.records.quality_rules.keeping import fillable
from crm_customer.records.quality_rules.model import ExpectedField, QualityRule
from crm_customer.records.quality_rules.quality import (
    FieldCheck,
    FieldTime,
    Quality,
    Rules,
    Standing,
    changed_times,
    checks_left,
    confirmed,
    field_qualities,
    known_time,
    quality_of,
)
from crm_kit.errors import InvalidArgument
from hypothesis import given
from hypothesis import strategies as st

CREATED = datetime(2027, 3, 19, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
NAMES = ("phone_numbers", "industry", "employee_count", "custom.contract_no", "custom.is_listed")
VALUES: Mapping[str, tuple[Any, ...]] = {
    "phone_numbers": ((), ("+8613800138000",)),
    "industry": (None, "", "power"),
    "employee_count": (None, 0, 12),
    "custom.contract_no": (None, "A-1"),
    "custom.is_listed": (None, False, True),
}
UNKNOWN: tuple[Any, ...] = (None, "", ())


@dataclass(frozen=True)
class Company:
    """Something with fields; of what was never changed it is known since its creation."""

    phone_numbers: tuple[str, ...] = ()
    industry: str | None = None
    employee_count: int | None = None
    custom: Mapping[str, Any] = field(default_factory=dict)
    create_time: datetime = CREATED
    field_checks: tuple[FieldCheck, ...] = ()
    field_times: tuple[FieldTime, ...] = ()
    conflicting_fields: tuple[str, ...] = ()
    kind: Kind | None = None
    value_tier: ValueTier | None = None


def rule(*expected: ExpectedField, **values: Any) -> QualityRule:
    fields: dict[str, Any] = {"id": UUID(int=1), "display_name": "all", "collection": "accounts"}
    fields |= {"expected_fields": expected, "create_time": CREATED, "update_time": CREATED}
    return QualityRule(**fields | values)


days = st.integers(0, 900).map(lambda number: CREATED + timedelta(days=number))
expectations = st.lists(
    st.builds(ExpectedField, st.sampled_from(NAMES), st.integers(1, 100), st.sampled_from((0, 1, 30, 365))),
    min_size=1,
    max_size=5,
    unique_by=lambda each: each.field,
)


@st.composite
def companies(draw: st.DrawFn) -> Company:
    values = {name: draw(st.sampled_from(VALUES[name])) for name in NAMES}
    checks = [FieldCheck(name, draw(days), UUID(int=2)) for name in NAMES if draw(st.booleans())]
    times = [FieldTime(name, draw(days)) for name in NAMES if draw(st.booleans())]
    custom = {name.removeprefix("custom."): value for name, value in values.items() if "." in name}
    own = {name: value for name, value in values.items() if "." not in name}
    disputed = tuple(name for name in NAMES if draw(st.booleans()))
    return Company(
        **own, custom=custom, field_checks=tuple(checks), field_times=tuple(times), conflicting_fields=disputed
    )


def is_known(company: Company, name: str) -> bool:
    """The oracle's own look at a value."""
    value = company.custom[name[7:]] if name.startswith("custom.") else vars(company)[name]
    return all(value is not each and value != each for each in UNKNOWN)


def is_stale(company: Company, expected: ExpectedField, at: datetime) -> bool:
    """The oracle: nobody has changed or confirmed it within its days."""
    heard = [CREATED]
    heard += [each.time for each in company.field_times if each.field == expected.field]
    heard += [each.check_time for each in company.field_checks if each.field == expected.field]
    limit = timedelta(days=expected.max_age_days)
    return bool(limit) and is_known(company, expected.field) and all(at - each >= limit for each in heard)


@given(companies(), expectations)
def test_a_record_is_as_complete_as_the_weights_of_what_is_known(
    company: Company, expected: list[ExpectedField]
) -> None:
    found = quality_of(company, rule(*expected))
    known = sum((Fraction(each.weight) for each in expected if is_known(company, each.field)), Fraction())
    share = known / sum(each.weight for each in expected)
    assert found.completeness is not None
    assert Fraction(found.completeness, 100) <= share < Fraction(found.completeness + 1, 100)
    assert (found.completeness == 100) == (not found.missing_fields)
    assert set(found.missing_fields) == {each.field for each in expected if not is_known(company, each.field)}
    weights = {each.field: each.weight for each in expected}
    assert [weights[name] for name in found.missing_fields] == sorted(
        (weights[name] for name in found.missing_fields), reverse=True
    )


@given(companies(), expectations)
def test_nothing_is_stale_before_the_time_that_is_told_and_something_from_then_on(
    company: Company, expected: list[ExpectedField]
) -> None:
    found = quality_of(company, rule(*expected)).next_stale_time
    if found is None:
        assert not any(is_stale(company, each, CREATED + timedelta(days=100_000)) for each in expected)
    else:
        assert any(is_stale(company, each, found) for each in expected)
        assert not any(is_stale(company, each, found - TICK) for each in expected)


@given(companies(), expectations, days)
def test_each_field_stands_as_it_does_by_itself(company: Company, expected: list[ExpectedField], now: datetime) -> None:
    told = {each.field: each for each in field_qualities(company, rule(*expected), now=now)}
    besides = {each.field for each in company.field_checks} | set(company.conflicting_fields)
    assert set(told) == {each.field for each in expected} | besides
    for each in expected:
        stands = {
            Standing.MISSING: not is_known(company, each.field),
            Standing.DISAGREES: each.field in company.conflicting_fields,
            Standing.STALE: is_stale(company, each, now),
            Standing.CURRENT: True,
        }
        assert told[each.field].standing is next(standing for standing, holds in stands.items() if holds)


@given(companies(), st.sets(st.sampled_from(NAMES)), days)
def test_what_is_changed_is_known_anew_and_its_check_was_of_another_value(
    company: Company, changed: set[str], now: datetime
) -> None:
    after = replace(
        company,
        field_times=changed_times(company, changed, now=now),
        field_checks=checks_left(company, changed),
    )
    for name in NAMES:
        assert known_time(after, name) == (now if name in changed else known_time(company, name))
    assert changed.isdisjoint(each.field for each in after.field_checks)


def test_only_what_is_known_can_be_confirmed_and_only_its_last_check_counts() -> None:
    company = Company(industry="power", custom={"contract_no": None, "is_listed": False})
    first, second = (FieldCheck("industry", CREATED + timedelta(days=day), UUID(int=2)) for day in (1, 2))
    checks = confirmed(company, [first], NAMES)
    assert confirmed(replace(company, field_checks=checks), [second], NAMES) == (second,)
    assert confirmed(company, [replace(first, field="custom.is_listed")], NAMES)
    for name, broken in {"phone_numbers": "filled", "custom.contract_no": "filled", "status": "expectable"}.items():
        with pytest.raises(InvalidArgument) as refusal:
            confirmed(company, [first, replace(first, field=name)], NAMES)
        assert [(each.field, each.rule) for each in refusal.value.violations] == [("fields[1]", broken)]


def test_the_first_rule_that_fits_speaks_of_a_record() -> None:
    key = rule(ExpectedField("industry", 1), value_tiers=(ValueTier.KEY,), kinds=(Kind.ORGANIZATION,))
    people, everybody = rule(ExpectedField("industry", 2), kinds=(Kind.PERSON,)), rule(ExpectedField("industry", 3))
    rules = Rules("", (key, people, everybody))
    assert rules.fitting(Company(kind=Kind.ORGANIZATION, value_tier=ValueTier.KEY)) is key
    assert rules.fitting(Company(kind=Kind.PERSON, value_tier=ValueTier.KEY)) is people
    assert rules.fitting(Company(kind=Kind.ORGANIZATION)) is everybody
    assert Rules("", (key, people)).fitting(Company(kind=Kind.ORGANIZATION)) is None
    assert quality_of(Company(), None) == Quality(None, (), None)


def test_the_rules_that_tenants_begin_with_expect_fields_that_there_are() -> None:
    known = {each.collection: fillable(each) for each in (ACCOUNTS, CONTACTS)}
    for values in DEFAULT_RULES:
        QualityRule(id=UUID(int=1), create_time=CREATED, update_time=CREATED, **values).checked(
            known[values["collection"]]
        )

"""Values of the record in the texts of a request."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from crm_kit.automation.templates import Cause, Reckoned, filled, tokens_in, value_at
from hypothesis import given
from hypothesis import strategies as st

RECORD: dict[str, Any] = {
    "name": "华信",
    "amount": {"amount": "10.50", "currency_code": "CNY"},
    "size": 12.0,
    "hot": True,
    "custom": {"fleet": 3.0, "tags": ["a", "b"]},
}
PLAIN = st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def fill(value: Any) -> Any:
    return filled(value, lambda named: value_at(RECORD, named) if isinstance(named, str) else named)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{record.amount}}", {"amount": "10.50", "currency_code": "CNY"}),
        ("{{ record.size }}", 12.0),
        ("{{record.missing}}", None),
        ("{{record.custom.fleet}}", 3.0),
        ("{{record.custom.none}}", None),
        ("{{record.name.x}}", None),
        ("{{record.name}}: {{record.amount}}", "华信: 10.50 CNY"),
        ("{{record.size}} of {{record.missing}}", "12 of "),
        ("{{record.hot}}, {{record.custom.tags}}", "true, a, b"),
        ("{{record.amount.amount}}!", "10.50!"),
        ("{record.name}", "{record.name}"),
    ],
)
def test_a_text_that_is_a_value_becomes_it_and_in_a_longer_one_it_is_written_out(text: str, value: Any) -> None:
    assert fill(text) == value
    assert fill({"a": [text], "b": {"c": text}}) == {"a": [value], "b": {"c": value}}


@given(JSON)
def test_what_names_no_value_stays_as_it_is(value: Any) -> None:
    assert fill(value) == value
    assert list(tokens_in(value, "at")) == []


@given(before=PLAIN, between=PLAIN)
def test_each_value_is_found_where_it_stands(before: str, between: str) -> None:
    text = f"{before}{{{{record.name}}}}{between}{{{{ record.custom.fleet }}}}"
    assert list(tokens_in({"a": [{"b": text}]}, "")) == [("a[0].b", "name"), ("a[0].b", "custom.fleet")]
    assert list(tokens_in({"a": text + "{{x}}"}, "at"))[-1] == ("at.a", None)
    assert fill(text) == f"{before}华信{between}3"


@given(
    seconds=st.integers(631_152_000, 3_786_912_000),
    zone=st.sampled_from(["Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Pacific/Kiritimati"]),
    amount=st.integers(-9999, 9999),
)
def test_days_after_a_cause_are_those_of_the_calendar_and_hours_pass_as_they_do(
    seconds: int, zone: str, amount: int
) -> None:
    """Of any instant from 1990 to 2090."""
    cause = Cause(datetime.fromtimestamp(seconds, UTC), ZoneInfo(zone))
    day = cause.time.astimezone(cause.zone).date()
    assert cause.reckon(Reckoned(True, f"{amount:+}d")) == (day + timedelta(days=amount)).isoformat()
    later = datetime.fromisoformat(cause.reckon(Reckoned(False, f"{amount:+}h")))
    assert later == cause.time + timedelta(hours=amount)
    assert cause.reckon(Reckoned(True)) == day.isoformat()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{{cause.date}}", Reckoned(True)),
        ("{{ cause.date+3d }}", Reckoned(True, "+3d")),
        ("{{cause.date-2w}}", Reckoned(True, "-2w")),
        ("{{cause.time}}", Reckoned(False)),
        ("{{cause.time+90m}}", Reckoned(False, "+90m")),
        ("{{record.cause}}", "cause"),
        ("{{cause.date+3h}}", None),
        ("{{cause.date+12345d}}", None),
        ("{{cause.day}}", None),
        ("{{cause}}", None),
    ],
)
def test_a_time_reckoned_from_the_cause_is_told_from_what_only_begins_like_one(
    text: str, named: Reckoned | str | None
) -> None:
    assert [each for _, each in tokens_in(text, "")] == [named]

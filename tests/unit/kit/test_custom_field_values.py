"""Values of custom fields: kept exactly, in one form; an independent oracle says which they are."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from crm_kit.blanks import is_visible
from crm_kit.custom_fields.model import CustomField, FieldType, Label, Option, with_retired
from crm_kit.custom_fields.texts import headings_of, value_from_text
from crm_kit.custom_fields.values import (
    MAX_CHARACTERS,
    Misfit,
    canonical,
    carried,
    checked_values,
    converted,
    tokens_of,
    unique_token,
)
from crm_kit.errors import InvalidArgument
from crm_kit.filtering.tokens import end_of, first_of, number_text, token_of
from hypothesis import example, given
from hypothesis import strategies as st

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OPTIONS = ("a", "b", "c")
RETIRED = "old"


def field(type: FieldType, key: str = "one", **more: Any) -> CustomField:
    options = tuple(Option(each, Label(en=each.upper(), zh=f"选项{each}")) for each in OPTIONS)
    offered = (*options, Option(RETIRED, Label(en="Old"), retired=True)) if "SELECT" in type else ()
    values: dict[str, Any] = {"label": Label(en=key), "options": offered, **more}
    return CustomField(UUID(int=1), "accounts", key, type, position=1, create_time=NOW, update_time=NOW, **values)


def refused(type: FieldType, value: object, **more: Any) -> str:
    with pytest.raises(Misfit) as told:
        canonical(field(type), value, **more)
    return told.value.rule


# --- numbers


def oracle(text: str) -> bool:
    """A decimal without exponent, sign, spaces or other signs, of at most 20 and 10 digits."""
    whole, point, fraction = text.removeprefix("-").partition(".")
    digits = "0123456789"
    sound = bool(whole) and all(each in digits for each in whole + fraction) and bool(point) == bool(fraction)
    return sound and len(whole) <= 20 and len(fraction) <= 10


NUMBERS = st.from_regex(r"-?[0-9]{1,22}(\.[0-9]{1,12})?", fullmatch=True)


@given(NUMBERS | st.text("-+.0123456789eE １٣ _", max_size=8))
def test_a_number_is_a_plain_decimal_and_keeps_its_value_exactly(text: str) -> None:
    if not oracle(text):
        assert refused(FieldType.NUMBER, text) == "number"
        return
    kept = canonical(field(FieldType.NUMBER), text)
    assert isinstance(kept, str)
    assert Decimal(kept) == Decimal(text)


@given(NUMBERS.filter(oracle), NUMBERS.filter(oracle))
def test_two_numbers_are_written_alike_when_they_are_equal(one: str, other: str) -> None:
    kept = [canonical(field(FieldType.NUMBER), text) for text in (one, other)]
    assert (kept[0] == kept[1]) == (Decimal(one) == Decimal(other))
    again = canonical(field(FieldType.NUMBER), kept[0])
    assert again == kept[0]


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9) + 1, max_value=10**9 - 1))
def test_a_json_number_of_up_to_fifteen_digits_is_kept_as_it_was_written(number: Decimal) -> None:
    kept = canonical(field(FieldType.NUMBER), float(number))
    assert isinstance(kept, str)
    assert Decimal(kept) == number


@pytest.mark.parametrize("number", [1e300, 1e-20, 12345678901234567.0, 0.1234567890123456, float("nan"), float("inf")])
def test_a_json_number_that_floats_cannot_tell_is_refused(number: float) -> None:
    assert refused(FieldType.NUMBER, number) == "number"


# --- other types


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=MAX_CHARACTERS))
def test_text_is_kept_as_it_is(text: str) -> None:
    if "\0" in text or not any(map(is_visible, text)):
        assert refused(FieldType.TEXT, text) == ("text" if "\0" in text else "blank")
    else:
        assert canonical(field(FieldType.TEXT), text) == text


@given(st.dates())
def test_a_date_is_kept_as_it_is(day: date) -> None:
    assert canonical(field(FieldType.DATE), day.isoformat()) == day.isoformat()


@pytest.mark.parametrize(
    "text", ["2026-02-30", "2026-1-31", "20260131", "2026-01-31T00:00", "", "２０２６-01-31", 20260131]
)
def test_what_is_no_date_is_refused(text: object) -> None:
    assert refused(FieldType.DATE, text) == "date"


@given(st.lists(st.sampled_from([*OPTIONS, RETIRED, "x"]), max_size=5))
def test_options_are_offered_ones_each_once_in_the_order_of_the_field(keys: list[str]) -> None:
    if set(keys) <= set(OPTIONS) and len(set(keys)) == len(keys):
        assert canonical(field(FieldType.MULTI_SELECT), keys) == sorted(keys)
    else:
        assert refused(FieldType.MULTI_SELECT, keys) in {"option", "unique"}


def test_a_retired_option_is_kept_by_who_has_it() -> None:
    assert refused(FieldType.SINGLE_SELECT, RETIRED) == "option"
    assert canonical(field(FieldType.SINGLE_SELECT), RETIRED, before=RETIRED) == RETIRED
    assert canonical(field(FieldType.MULTI_SELECT), [RETIRED, "a"], before=[RETIRED]) == ["a", RETIRED]
    assert refused(FieldType.MULTI_SELECT, [RETIRED], before=["a"]) == "option"


# --- several at once

FIELDS = {
    "text": field(FieldType.TEXT, "text"),
    "number": field(FieldType.NUMBER, "number", required=True),
    "tags": field(FieldType.MULTI_SELECT, "tags"),
}
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "text": st.sampled_from(["x", "y"]),
        "number": st.sampled_from(["1", "2.5"]),
        "tags": st.sampled_from([["a"], ["a", "b"]]),
    },
)
SENT: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(list(FIELDS)), st.sampled_from([None, "", [], "1"])
)


@given(VALUES, SENT)
def test_what_is_sent_changes_and_all_else_stays(before: dict[str, Any], sent: dict[str, Any]) -> None:
    wrong = {"tags"} if sent.get("tags") == "1" else set()
    cleared = {key for key, value in sent.items() if value in (None, "", [])}
    if "number" in cleared & before.keys():
        wrong.add("number")
    if wrong:
        with pytest.raises(InvalidArgument) as told:
            checked_values(FIELDS, sent, before, path="account.custom")
        assert {each.field for each in told.value.violations} == {f"account.custom.{key}" for key in wrong}
        return
    after = checked_values(FIELDS, sent, before, path="account.custom")
    expected = {key: value for key, value in {**before, **sent}.items() if key not in cleared}
    assert after == expected


def test_a_value_of_an_archived_or_unknown_field_is_taken_as_it_was_only() -> None:
    archived = {"text": field(FieldType.TEXT, "text").archive()}
    assert checked_values(archived, {"text": "x"}, {"text": "x"}, path="p") == {"text": "x"}
    for sent in ({"text": "y"}, {"text": None}, {"other": "y"}):
        with pytest.raises(InvalidArgument):
            checked_values(archived, sent, {"text": "x"}, path="p")


# --- other types and other records


@given(st.sampled_from(list(FieldType)), st.sampled_from(list(FieldType)), st.data())
def test_a_value_converted_there_and_back_is_what_it_was(one: FieldType, other: FieldType, data: st.DataObject) -> None:
    samples: dict[FieldType, list[Any]] = {
        FieldType.TEXT: ["a", "12", "12.50", "2026-01-31", "true", "x y"],
        FieldType.NUMBER: ["12", "-0.5"],
        FieldType.DATE: ["2026-01-31"],
        FieldType.BOOL: [True, False],
        FieldType.SINGLE_SELECT: ["a", "b"],
        FieldType.MULTI_SELECT: [["a"], ["a", "c"]],
        FieldType.REFERENCE: ["0197c0de-0000-7000-8000-000000000000"],
    }
    value = data.draw(st.sampled_from(samples[one]))
    try:
        there = converted(field(other), value)
    except Misfit:
        return
    assert canonical(field(other), there) == there
    back = converted(field(one), there)
    # A text that is a number may be written with zeros that a number has no use for.
    assert back == value or (one is FieldType.TEXT and Decimal(str(back)) == Decimal(value))


def test_several_options_become_one_only_where_there_is_one() -> None:
    assert converted(field(FieldType.SINGLE_SELECT), ["b"]) == "b"
    with pytest.raises(Misfit):
        converted(field(FieldType.SINGLE_SELECT), ["a", "b"])


def test_values_are_carried_to_fields_that_mean_the_same() -> None:
    own = {
        "text": field(FieldType.TEXT, "text"),
        "size": field(FieldType.TEXT, "size"),
        "grade": field(FieldType.SINGLE_SELECT, "grade"),
        "marks": field(FieldType.MULTI_SELECT, "marks"),
        "buyer": field(FieldType.REFERENCE, "buyer", reference_collection="users"),
        "gone": field(FieldType.TEXT, "gone"),
    }
    few = (Option("a", Label(en="a")),)
    others = {
        "text": own["text"],
        "size": field(FieldType.NUMBER, "size"),
        "grade": field(FieldType.SINGLE_SELECT, "grade", options=few),
        "marks": field(FieldType.MULTI_SELECT, "marks", options=few),
        "buyer": field(FieldType.REFERENCE, "buyer", reference_collection="contacts"),
        "gone": own["gone"].archive(),
    }
    values: dict[str, Any] = {
        "text": "x",
        "size": "1",
        "grade": "a",
        "marks": ["a", "b"],
        "buyer": str(UUID(int=2)),
        "gone": "x",
    }
    assert carried(values, own, others) == {"text": "x", "grade": "a"}
    assert carried({"marks": ["a"]}, own, others) == {"marks": ["a"]}


@given(st.lists(st.sampled_from("abc"), unique=True), st.lists(st.sampled_from("abcd"), unique=True))
def test_options_that_are_left_out_are_kept_retired(given_keys: list[str], before_keys: list[str]) -> None:
    new = [Option(key, Label(en=key)) for key in given_keys]
    kept = with_retired(new, [Option(key, Label(en=key)) for key in before_keys])
    assert [each.key for each in kept if not each.retired] == given_keys
    assert {each.key for each in kept} == {*given_keys, *before_keys}
    assert len({each.key for each in kept}) == len(kept)


def test_a_value_has_a_token_and_several_options_have_one_each() -> None:
    assert tokens_of(field(FieldType.TEXT), "Süd") == ["one=sud"]
    assert tokens_of(field(FieldType.TEXT, unique=True), "A-1") == ["one=A-1"]
    assert tokens_of(field(FieldType.BOOL), value=True) == ["one=true"]
    assert tokens_of(field(FieldType.MULTI_SELECT), ["a", "c"]) == ["one=a", "one=c"]
    assert unique_token(field(FieldType.DATE, unique=True), "2026-01-31") == "one=2026-01-31"
    assert unique_token(field(FieldType.DATE), "2026-01-31") is None


NUMBER = st.decimals(allow_nan=False, allow_infinity=False, places=20, min_value=-(10**20), max_value=10**20)


@example(Decimal("12345678901234567890.0000000001"), Decimal("12345678901234567890.0000000002"))
@given(NUMBER | st.sampled_from([Decimal(0), Decimal("-0"), Decimal("1e25")]), NUMBER)
def test_tokens_of_numbers_sort_as_the_numbers_do(one: Decimal, other: Decimal) -> None:
    texts = [number_text(number) for number in (one, other)]
    assert (texts[0] < texts[1], texts[0] == texts[1]) == (one < other, one == other)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), st.sampled_from(["size", "siz", "size_2", "a"]))
def test_tokens_of_a_field_lie_between_its_ends_and_those_of_no_other_do(text: str, key: str) -> None:
    token = token_of(key, text)
    assert (first_of("size") <= token < end_of("size")) == (key == "size")


# --- as people write them


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [
        (FieldType.BOOL, "是", True),
        (FieldType.BOOL, "No", False),
        (FieldType.BOOL, "maybe", "maybe"),
        (FieldType.SINGLE_SELECT, "选项a", "a"),
        (FieldType.SINGLE_SELECT, "B", "b"),
        (FieldType.SINGLE_SELECT, "x", "x"),
        (FieldType.MULTI_SELECT, "A；选项b、c", ["a", "b", "c"]),
        (FieldType.TEXT, "1,234", "1,234"),
    ],
)
def test_a_cell_is_read_as_people_write_it(type: FieldType, text: str, value: object) -> None:
    assert value_from_text(field(type), text) == value


def test_labels_of_a_selection_may_have_separators() -> None:
    labels = {"a": "Sales, marketing", "b": "Marketing", "c": "Sales", "d": "R&D; tests, audits"}
    options = tuple(Option(key, Label(en=each)) for key, each in labels.items())
    several = replace(field(FieldType.MULTI_SELECT), options=options)
    assert value_from_text(several, "Sales, marketing, Sales") == ["a", "c"]
    assert value_from_text(several, "sales; R&D; tests, audits, marketing") == ["c", "d", "b"]
    assert value_from_text(several, "Sales, nothing") == ["c", "nothing"]


def test_columns_are_known_by_key_and_labels_of_fields_in_use() -> None:
    named = field(FieldType.TEXT, "contract_no", label=Label(zh="合同编号", en="Contract number"))
    gone = field(FieldType.TEXT, "gone").archive()
    assert headings_of({"contract_no": named, "gone": gone}) == dict.fromkeys(
        ("contract_no", "custom.contract_no", "合同编号", "Contract number"), "contract_no"
    )


def test_a_label_of_two_fields_is_neithers_and_a_key_is_its_own_fields() -> None:
    one = field(FieldType.TEXT, "one", label=Label(en="Size", zh="三"))
    two = field(FieldType.TEXT, "two", label=Label(en="size ", zh="one"))
    found = headings_of({"one": one, "two": two})
    assert found == {"三": "one", "one": "one", "custom.one": "one", "two": "two", "custom.two": "two"}

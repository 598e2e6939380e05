from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from crm_kit.filtering.evaluation import evaluate
from crm_kit.filtering.folding import fold
from crm_kit.filtering.parsing import parse_filter
from crm_kit.filtering.schema import FilterField, FilterSchema, money_fields
from crm_kit.filtering.tree import (
    LISTS,
    And,
    Comparison,
    Field,
    FieldType,
    Filter,
    Has,
    IsNull,
    Not,
    OneOf,
    Operator,
    Or,
    Present,
    Term,
)
from crm_kit.money import Money
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.kit.filtering_examples import RECORDS, SCHEMA, TREES, record_of

COMPARED: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUAL: lambda have, want: not have < want and not have > want,
    Operator.NOT_EQUAL: lambda have, want: have < want or have > want,
    Operator.LESS: lambda have, want: have < want,
    Operator.AT_MOST: lambda have, want: not have > want,
    Operator.GREATER: lambda have, want: have > want,
    Operator.AT_LEAST: lambda have, want: not have < want,
}


def truth(tree: Filter, record: dict[str, Any]) -> int:
    """The oracle: logic as numbers, false 0 and true 1, AND the least, OR the greatest. A null is only unequal."""
    match tree:
        case And(terms):
            return min([truth(term, record) for term in terms], default=1)
        case Or(terms):
            return max(truth(term, record) for term in terms)
        case Not(term):
            return 1 - truth(term, record)
    have = value_of(tree.field, record)
    if have is None:
        return int(isinstance(tree, IsNull) or getattr(tree, "operator", None) is Operator.NOT_EQUAL)
    return int(leaf_holds(tree, have))


def value_of(field: Field, record: dict[str, Any]) -> Any:
    if not field.path.startswith("custom."):
        return record[field.path]
    value = record["custom"].get(field.path.removeprefix("custom."))
    if value is None:
        return None
    match field.type:
        case FieldType.DATE:
            return date(*map(int, value.split("-")))
        case FieldType.NUMBER:
            return Decimal(value)
        case FieldType.UUID:
            return UUID(value)
    return value


def leaf_holds(leaf: Term, have: Any) -> bool:
    match leaf:
        case IsNull(field):
            return field.type in LISTS and list(have) == []
        case Present(field):
            can_be_empty = field.type in LISTS or field.type is FieldType.TEXT
            return len(have) > 0 if can_be_empty else True
        case OneOf(field, wants):
            return any(COMPARED[Operator.EQUAL](*as_compared(field, have, want)) for want in wants)
        case Comparison(field, operator, want):
            return COMPARED[operator](*as_compared(field, have, want))
        case Has(field, want):
            if field.type in LISTS:
                return any(plain(each) == plain(str(want)) if field.collated else each == want for each in have)
            if field.collated:
                return plain(have).find(plain(str(want))) >= 0
            return any(
                all(same_letter(one, other) for one, other in zip(have[start:], str(want), strict=False))
                for start in range(len(have) - len(str(want)) + 1)
            )


def as_compared(field: Field, have: Any, want: Any) -> tuple[Any, Any]:
    if field.collated:
        return plain(have), plain(want)
    return have, float(want) if isinstance(have, float) else want


# What the letters of `TEXTS` are to people, written by hand; 户 (hu) comes before 客 (ke).
PLAIN = dict(zip("ABẞΣςİıéÉｅøЯ", ["a", "b", "ss", "σ", "σ", "i", "i", "e", "e", "e", "o", "я"], strict=True))
PLAIN |= {"ß": "ss", "户": "\U0010fff0", "客": "\U0010fff1"}


def plain(text: str) -> str:
    bare = text.replace("\u0301", "")
    return "".join(PLAIN.get(letter, letter) for letter in bare or text)


def same_letter(one: str, other: str) -> bool:
    return one == other or one.lower() == other.lower() or {one, other} <= {"İ", "i", "I"}


@given(TREES, RECORDS)
def test_evaluation_agrees_with_plain_logic(tree: Filter, row: dict[str, Any]) -> None:
    record = record_of(row)
    assert evaluate(tree, record) == (truth(tree, record) == 1)


@given(TREES, RECORDS)
def test_either_a_filter_or_its_negation_takes_a_record(tree: Filter, row: dict[str, Any]) -> None:
    record = record_of(row)
    assert evaluate(tree, record) != evaluate(Not(tree), record)


def takes(text: str, **record: Any) -> bool:
    return evaluate(parse_filter(text, SCHEMA), record)


def test_the_empty_filter_takes_everything() -> None:
    assert takes("")


@pytest.mark.parametrize("text", ["size = 1", "size < 1", "size >= 1", "size IN (1, 2)", "name:a", "tags:vip"])
def test_a_null_is_equal_to_nothing_beyond_nothing_and_has_nothing(text: str) -> None:
    assert not takes(text, size=None, name=None, tags=None)
    assert takes(f"NOT {text}", size=None, name=None, tags=None)


def test_whoever_has_no_industry_is_not_in_steel() -> None:
    schema = FilterSchema({"industry": FilterField(FieldType.TEXT)})
    for text in ("industry != steel", "NOT industry = steel", "NOT industry IN (steel, power)"):
        assert evaluate(parse_filter(text, schema), {"industry": None})
        assert not evaluate(parse_filter(text, schema), {"industry": "steel"})
    assert not evaluate(parse_filter("NOT industry != steel", schema), {"industry": None})


def test_null_itself_can_be_asked_for() -> None:
    assert takes("owner_id = null", owner_id=None)
    assert not takes("owner_id != null", owner_id=None)
    assert takes("NOT owner_id = null", owner_id=UUID(int=1))


def test_text_is_present_when_it_is_not_empty_and_numbers_when_they_are_not_null() -> None:
    assert not takes("name:*", name="")
    assert not takes("tags:*", tags=[])
    assert not takes("name:*", name=None)
    assert takes("size:*", size=0)
    assert takes("urgent:*", urgent=False)


def test_contains_ignores_case_and_takes_percent_and_underscore_as_they_are() -> None:
    assert takes("name:HUA", name="Wang huaxin")
    assert takes('name:"50%"', name="up to 50% off")
    assert not takes('name:"5_%"', name="up to 50% off")
    assert takes("name:华信", name="深圳华信电力")


def test_case_is_folded_letter_by_letter() -> None:
    assert fold("ΟΔΟΣ") == "οδοσ"
    assert fold("İstanbul") == "istanbul"
    assert fold("STRAẞE") == "straße"


def test_equality_of_text_minds_case_and_accents_unless_its_field_is_collated() -> None:
    assert not takes("name = huaxin OR name IN (huaxin)", name="Huaxin")
    assert takes("brand = huaxin AND brand IN (HUAXIN) AND brand < HUAXINA", brand="Huaxin")
    assert not takes("brand != huaxin", brand="Huaxin")
    assert takes("brand = MULLER AND brand:üll AND makers:muller", brand="Müller", makers=["Zuse", "Müller"])
    assert not takes("brand != muller OR NOT makers:ZUSE", brand="Müller", makers=["Zuse", "Müller"])
    assert takes('brand < 王 AND brand > 阿 AND brand:"丽"', brand="李丽")


def test_instants_of_different_zones_are_compared_as_instants() -> None:
    shanghai = datetime(2026, 1, 31, 16, tzinfo=timezone(timedelta(hours=8)))
    assert takes("create_time = 2026-01-31T08:00:00Z", create_time=shanghai)
    assert takes("create_time = 2026-01-31T08:00:00Z", create_time="2026-01-31T16:00:00+08:00")
    assert takes("create_time < 2026-01-31T08:00:00.000001Z", create_time=datetime(2026, 1, 31, 8, tzinfo=UTC))


def test_dates_and_ids_may_be_given_as_text() -> None:
    assert takes("due_date > 2026-01-30", due_date="2026-01-31")
    assert takes("owner_id = 0197c0de-0000-7000-8000-000000000000", owner_id="0197C0DE-0000-7000-8000-000000000000")


def test_money_is_compared_by_amount_and_asked_for_its_currency() -> None:
    total = Money(Decimal("1000.50"), "CNY")
    assert takes("total > 1000 AND total.amount = 1000.5 AND total.currency_code = CNY", total=total)
    assert not takes("total.currency_code = USD", total=total)
    assert not takes("total > 1 OR total <= 1 OR total.amount > 1", total=None)


def test_a_path_leads_through_mappings_and_objects() -> None:
    @dataclass
    class Score:
        tier: str | None

    schema = FilterSchema({"score.tier": FilterField(FieldType.TEXT), **money_fields("plan.price", None, None)})
    tier = parse_filter("score.tier = KEY", schema)
    assert evaluate(tier, {"score": Score("KEY")})
    assert evaluate(tier, {"score": {"tier": "KEY"}})
    assert evaluate(tier, {"score.tier": "KEY"})
    assert not evaluate(tier, {"score": Score(None)})
    assert evaluate(parse_filter("plan.price >= 5", schema), {"plan": {"price": Money(Decimal(5), "CNY")}})


def test_a_custom_field_that_is_missing_or_of_another_type_is_null() -> None:
    assert takes("custom.fleet = null", custom={})
    assert takes("custom.fleet = null", custom=None)
    for strange in ("wide", True, [12], {"a": 1}):
        assert takes("custom.fleet = null", custom={"fleet": strange})
        assert not takes("custom.fleet < 100 OR custom.fleet >= 100", custom={"fleet": strange})
    assert takes("custom.note = null", custom={"note": 12})
    assert takes("custom.marks = null", custom={"marks": "small"})


def test_a_record_without_a_field_of_the_filter_is_a_mistake_and_not_a_null() -> None:
    with pytest.raises(KeyError, match="size"):
        takes("size = null", name="a")


@given(st.text(max_size=30))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)

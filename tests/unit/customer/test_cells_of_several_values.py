"""Cells of several values: what an export writes into one is read back from it."""

import pytest
from crm_customer.imports.spreadsheets.fields import CellError, external_ids, phone_numbers, roles, tags, website
from crm_gateway.exports.columns import keys_of, text_of
from crm_kit.keys import tidied_code
from hypothesis import given
from hypothesis import strategies as st

tag = st.text(st.sampled_from('ab ,;，；、|/"\n'), min_size=1, max_size=6).map(lambda text: " ".join(text.split()))


@given(st.lists(tag.filter(bool), unique=True, max_size=5))
def test_tags_are_read_back_whatever_signs_they_have(wanted: list[str]) -> None:
    assert tags(text_of(wanted)) == wanted


key = st.text(st.sampled_from('ab17E+. :,;；|/"=\n'), min_size=1, max_size=9).map(tidied_code).filter(bool)
keys = st.dictionaries(st.from_regex(r"[a-z][a-z0-9_.-]{0,9}", fullmatch=True), key, min_size=1, max_size=5)


@given(keys)
def test_keys_of_other_systems_are_read_back_whatever_signs_they_have(wanted: dict[str, str]) -> None:
    record = {"external_ids": [{"source": source, "value": value} for source, value in wanted.items()]}
    assert external_ids(keys_of(record), "spreadsheet") == list(wanted.items())


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        ("a, b;c", ["a", "b", "c"]),
        ('"a, b"; c', ["a, b", "c"]),
        ('a "b", c', ['a "b"', "c"]),
        ('"a" b, c', ['"a" b', "c"]),
        ('"a, b', ['"a', "b"]),
        ('"a ""b"""', ['a "b"']),
        ("", []),
    ],
)
def test_only_what_is_quoted_as_a_whole_stays_together(cell: str, read: list[str]) -> None:
    assert tags(cell) == read


@pytest.mark.parametrize(
    ("cell", "numbers"),
    [
        ("0211/8765432", ["+492118765432"]),
        ("0171/1234567", ["+491711234567"]),
        ("+49 (0)89 / 123456-0", ["+49891234560"]),
        ("0211/8765432 / 0171/1234567", ["+492118765432", "+491711234567"]),
        ("0211 8765432 / 0171 1234567", ["+492118765432", "+491711234567"]),
        ("0211/8765432; 0171/1234567", ["+492118765432", "+491711234567"]),
        ("0211/8765432 oder 0171/1234567", ["+492118765432", "+491711234567"]),
        ("0211 8765432 Durchwahl 12", ["+492118765432;ext=12"]),
        ("+492118765432;ext=12; 0171 1234567", ["+492118765432;ext=12", "+491711234567"]),
    ],
)
def test_a_slash_parts_phone_numbers_only_where_each_side_is_one(cell: str, numbers: list[str]) -> None:
    assert phone_numbers(cell, "DE") == numbers


def test_chinese_numbers_may_stand_between_slashes_and_words() -> None:
    assert phone_numbers("010-58761234/13800138000或13900139000", "CN") == [
        *("+861058761234", "+8613800138000", "+8613900139000"),
    ]


def test_of_numbers_between_slashes_the_wrong_one_is_named() -> None:
    with pytest.raises(CellError) as refused:
        phone_numbers("13800138000/1380013", "CN")
    assert refused.value.value == "1380013"


@pytest.mark.parametrize("cell", ["Channel Partner / Reseller", "Technology Partner"])
def test_a_role_may_have_a_slash_in_its_name(cell: str) -> None:
    assert roles(cell) == ["PARTNER"]
    assert roles(f"供应商/{cell.partition(' / ')[2] or cell}") == ["SUPPLIER", "PARTNER"]


@pytest.mark.parametrize("cell", ["http://a.com; http://b.com", "a.com, b.com", "a.com\nb.com"])
def test_several_addresses_of_a_website_are_refused_and_not_run_together(cell: str) -> None:
    with pytest.raises(CellError, match="2 addresses") as refused:
        website(cell)
    assert refused.value.metadata == {"rule": "several", "count": "2"}
    assert website(" www.a.com ") == "https://www.a.com"

"""Cells of several values: what an export writes into one is read back from it."""

import pytest
from crm_customer.imports.spreadsheets.fields import external_ids, tags
from crm_gateway.exports.columns import keys_of, text_of
from hypothesis import given
from hypothesis import strategies as st

tag = st.text(st.sampled_from('ab ,;，；、|/"\n'), min_size=1, max_size=6).map(lambda text: " ".join(text.split()))


@given(st.lists(tag.filter(bool), unique=True, max_size=5))
def test_tags_are_read_back_whatever_signs_they_have(wanted: list[str]) -> None:
    assert tags(text_of(wanted)) == wanted


key = st.text(st.sampled_from('ab17E+. :,;；|/"=\n'), min_size=1, max_size=9)
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

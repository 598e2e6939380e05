"""Keys as they are kept: what cannot be seen, blanks around and the width of letters are no part of them."""

import unicodedata

import pytest
from crm_kit.keys import tidied_code, tidied_name
from hypothesis import given
from hypothesis import strategies as st

# Letters of several widths and compositions, blanks, and what shows nothing.
TEXTS = st.text(
    st.sampled_from("aKé\u0301eｋＫ１ 　\u00a0\t\u200b\u200d\ufeff\u00ad\ufe0fｶﾞ漢が\u3164\u0000"), max_size=8
)


@pytest.mark.parametrize(
    "typed",
    ["K1", "K1 ", " K1", "K1\u200b", "\ufeffK1", "Ｋ１", "K1\u3000", "K\u00ad1", "\tK1\r\n", "K1\ufe0f"],
)
def test_one_key_is_one_however_it_is_typed_and_copied(typed: str) -> None:
    assert tidied_code(typed) == "K1"


def test_case_and_what_stands_between_are_part_of_a_key() -> None:
    assert len({tidied_code(each) for each in ("k1", "K1", "K 1", "K-1")}) == 4
    assert tidied_code("K \u3000 1") == "K 1"
    assert tidied_code("cafe\u0301") == "café"


def test_a_name_keeps_the_width_of_its_letters() -> None:
    assert tidied_name(" Ｋ１\u200b ") == "Ｋ１"


@given(TEXTS)
def test_what_is_tidy_stays_so(text: str) -> None:
    for tidied in (tidied_code, tidied_name):
        kept = tidied(text)
        assert tidied(kept) == kept == unicodedata.normalize("NFC", kept) == kept.strip()
        assert not set(kept) & set("\u200b\u200d\ufeff\u00ad\t\u0000\u3164\u00a0")


@given(TEXTS, TEXTS)
def test_what_cannot_be_seen_tells_no_keys_apart(before: str, after: str) -> None:
    assert tidied_code(f"{before}\u200b{after}") == tidied_code(f"{before}\u2060{after}")

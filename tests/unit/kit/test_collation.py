"""Collation keys: what is equal to people has one, and comparing them is the order that people expect."""

import unicodedata

import pytest
from crm_kit.collation.keys import MAX_CHARACTERS, collation_key
from hypothesis import given
from hypothesis import strategies as st
from pypinyin import Style, lazy_pinyin

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
COMMON = st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5)


@pytest.mark.parametrize(
    "spellings",
    [
        ["Müller", "MÜLLER", "muller", "Mu\u0308ller", "ｍüｌｌｅｒ"],
        ["Straße", "STRASSE", "STRAẞE"],
        ["Łódź", "lodz"],
        ["Sørensen", "SORENSEN"],
        ["Œuvre", "oeuvre"],
        ["İstanbul", "ISTANBUL", "ıstanbul"],
        ["Nguyễn Đức", "nguyen duc"],
        ["Ёлкин", "елкин"],
        ["ΟΔΟΣ", "οδός"],
        ["华信（深圳）", "华信(深圳)"],
        ["ﾊﾟﾝ", "パン"],
    ],
)
def test_spellings_of_one_text_have_one_key(spellings: list[str]) -> None:
    assert len(set(map(collation_key, spellings))) == 1


@pytest.mark.parametrize(
    "words", [["กิน", "กุน"], ["かく", "がく"], ["Ой", "Ои"], ["각", "가"], ["李", "里"], ["a b", "ab"]]
)
def test_what_tells_words_apart_stays(words: list[str]) -> None:
    assert len(set(map(collation_key, words))) == len(words)


@pytest.mark.parametrize(
    "names",
    [
        ["apple", "Émile", "Etienne", "Müller", "mundt", "Zebra"],
        ["阿里", "陈", "李", "刘", "欧阳", "王", "张"],
        ["妈", "麻", "马", "骂"],
        ["炉", "鲁", "路", "驴", "吕", "绿", "乱"],
        ["Zebra", "Ёлка", "かな", "가나", "阿里", "左"],
        ["龍一", "龙二"],
        ["李1", "李2", "李华", "李伟", "礼"],
    ],
)
def test_names_are_ordered_as_people_order_them(names: list[str]) -> None:
    keys = list(map(collation_key, names))
    assert keys == sorted(set(keys))


@given(st.lists(COMMON, min_size=2, max_size=30))
def test_characters_are_ordered_by_pinyin(characters: list[str]) -> None:
    """The oracle: the library's own reading of a character, with the tone as a number behind the letters."""

    def reading(character: str) -> tuple[str, str]:
        (text,) = lazy_pinyin(character, style=Style.TONE3, neutral_tone_with_five=True, v_to_u=False)
        letters, tone = (text[:-1], text[-1]) if text[-1].isdigit() else (text, "9")
        return letters.replace("v", "u~"), tone

    known = [each for each in characters if lazy_pinyin(each, style=Style.TONE3)[0] != each]
    # The library writes ê, m and n with accents otherwise than letters and a digit.
    usual = [each for each in known if reading(each)[0].replace("~", "").isascii() and reading(each)[0].isprintable()]
    found = sorted(usual, key=collation_key)
    syllables = [reading(each) for each in found]
    assert syllables == sorted(syllables, key=lambda each: (each[0].replace("~", ""), "~" in each[0], each[1]))


@given(TEXTS)
def test_only_empty_text_has_an_empty_key(text: str) -> None:
    assert bool(collation_key(text)) == bool(text)


@given(TEXTS)
def test_case_width_and_accents_are_no_part_of_a_key(text: str) -> None:
    assert collation_key(unicodedata.normalize("NFD", text)) == collation_key(unicodedata.normalize("NFC", text))
    assert collation_key(unicodedata.normalize("NFKC", text)) == collation_key(text)


@given(
    st.text(COMMON | st.sampled_from("aÉ 1（"), max_size=10), st.text(COMMON | st.sampled_from("bø2）"), max_size=10)
)
def test_the_key_of_a_part_is_a_part_of_the_key(one: str, other: str) -> None:
    assert collation_key(one + other) == collation_key(one) + collation_key(other)


@given(st.text(COMMON, max_size=6), st.text(COMMON, max_size=6))
def test_chinese_texts_that_differ_have_keys_that_differ(one: str, other: str) -> None:
    assert (collation_key(one) == collation_key(other)) == (one == other)


@pytest.mark.parametrize("text", ["\ufdfa" * 600, "\U00020000" * 600, "a" * 600, "ﷺ" * 200])
def test_a_key_fits_an_index_entry(text: str) -> None:
    assert len(collation_key(text)) <= MAX_CHARACTERS
    assert len(collation_key(text).encode()) < 2600

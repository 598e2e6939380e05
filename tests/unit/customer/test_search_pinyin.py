from functools import cache

import pytest
from crm_customer.records.search.build_readings import deviating_phrases, first_readings
from crm_customer.records.search.pinyin import certain_boundaries, could_be_initials, readings_of, runs, syllables
from hypothesis import given, settings
from hypothesis import strategies as st
from pypinyin import lazy_pinyin

CITIES = (
    *("北京", "上海", "重庆", "成都", "长沙", "长春", "厦门", "西安", "六安", "蚌埠", "台州", "泊头", "番禺"),
    *("乐山", "亳州", "呼和浩特", "乌鲁木齐", "佛山", "东莞"),
)


@pytest.mark.parametrize("city", CITIES)
def test_cities_are_read_as_the_library_reads_them_or_the_other_way(city: str) -> None:
    assert tuple(lazy_pinyin(city)) in readings_of(city)


def test_phrases_are_read_as_in_the_library() -> None:
    phrases = deviating_phrases(first_readings())
    assert len(phrases) > 3000
    different = [phrase for phrase, reading in phrases.items() if list(readings_of(phrase)[0]) != reading]
    # A shorter phrase may begin earlier; four in a thousand are read differently for that.
    assert len(different) < len(phrases) / 250


@pytest.mark.parametrize(
    ("name", "readings"),
    [
        ("重庆", {"chong qing"}),
        ("重信", {"zhong xin", "chong xin"}),
        ("单伟", {"dan wei", "shan wei"}),
        ("吕", {"lv", "lu"}),
        ("华", {"hua"}),
    ],
)
def test_characters_with_two_readings_in_names_are_read_both_ways(name: str, readings: set[str]) -> None:
    assert {" ".join(reading) for reading in readings_of(name)} == readings


@given(st.text(alphabet="重长行乐朝调都会厦传盛曾单绿华信", min_size=1, max_size=12))
def test_a_name_has_at_most_three_readings_of_its_length(name: str) -> None:
    readings = readings_of(name)
    assert 1 <= len(readings) <= 3
    assert len(set(readings)) == len(readings)
    assert all(len(reading) == len(name) and set(reading) <= syllables() for reading in readings)


def test_runs_are_what_lies_between_other_characters() -> None:
    assert runs("3m中国华信abcの电力") == ("中国华信", "电力")
    assert runs("abc") == ()


def every_start(letters: str) -> set[frozenset[int]]:
    """All ways to cut letters into syllables, the last one perhaps unfinished, as sets of starts: by trying."""

    @cache
    def cut(start: int) -> tuple[tuple[int, ...], ...]:
        if start == len(letters):
            return ((),)
        found = []
        for end in range(start + 1, len(letters) + 1):
            piece = letters[start:end]
            unfinished = end == len(letters) and any(syllable.startswith(piece) for syllable in syllables())
            if piece in syllables() or unfinished:
                found += [(start, *rest) for rest in cut(end)]
        return tuple(found)

    return {frozenset(way) for way in cut(0)}


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(sorted(syllables())), min_size=1, max_size=5).map("".join),
    st.integers(0, 3),
)
def test_a_boundary_is_certain_when_every_way_to_cut_has_it(letters: str, dropped: int) -> None:
    typed = letters[: max(1, len(letters) - dropped)]
    ways = every_start(typed)
    assert certain_boundaries(typed) == tuple(sorted(frozenset.intersection(*ways) if ways else ()))


@given(st.text(alphabet="abcdeghinouxz", min_size=1, max_size=7))
def test_letters_without_any_way_to_cut_them_have_no_boundaries(letters: str) -> None:
    assert bool(certain_boundaries(letters)) == bool(every_start(letters))


def test_no_syllable_starts_with_i_u_or_v() -> None:
    assert could_be_initials("hxdl")
    assert not any(could_be_initials(letter) for letter in "iuv1")

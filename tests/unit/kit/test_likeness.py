"""Names that are the same to people."""

import unicodedata

from crm_kit.likeness import Likeness, Person, likeness, name_key
from hypothesis import given
from hypothesis import strategies as st

# Letters of scripts that people write names in; case folding of exotic ones does not come back from upper case.
LETTERS = st.text(st.sampled_from("abcxyzéüñçøđ王伟华信电力1207&.,"), min_size=1, max_size=20)
FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


@given(LETTERS)
def test_a_name_is_the_same_in_any_case_width_composition_and_with_any_blanks(name: str) -> None:
    key = name_key(name)
    for typed in (
        name.upper(),
        name.translate(FULL_WIDTH),
        unicodedata.normalize("NFD", name),
        unicodedata.normalize("NFC", name),
        f"\u3000{' '.join(name)}\u200b ",
        key,
    ):
        assert name_key(typed) == key


@given(LETTERS, LETTERS)
def test_names_of_other_letters_stay_apart(name: str, other: str) -> None:
    def spelled(text: str) -> str:
        return unicodedata.normalize("NFC", text)

    assert (name_key(name) == name_key(other)) is (spelled(name) == spelled(other))


def test_quotes_dashes_and_brackets_of_typographers_are_those_of_typewriters() -> None:
    assert name_key("“Xi’an” – 【Optics】") == name_key('"Xi\'an" - (Optics)')
    assert name_key("Optics (Xi'an)") != name_key("Optics Xi'an")


# --- persons

NUMBERS = st.sets(st.sampled_from(["+8613800138000", "+8613900139000", "+8613700137000"]), max_size=2)
ADDRESSES = st.sets(st.sampled_from(["a@hx.example", "A@HX.example", "b@hx.example"]), max_size=2)


def known(numbers: set[str], addresses: set[str]) -> set[str]:
    return numbers | {each.lower() for each in addresses}


@given(NUMBERS, ADDRESSES, NUMBERS, ADDRESSES)
def test_one_of_the_same_name_is_the_same_by_what_is_shared_and_another_by_what_contradicts(
    numbers: set[str], addresses: set[str], other_numbers: set[str], other_addresses: set[str]
) -> None:
    """Oracle: one set of all that is known, in which a shared number or address is a shared element."""
    one, other = Person("Anna Schmidt", numbers, addresses), Person("ANNA  SCHMIDT", other_numbers, other_addresses)
    if known(numbers, addresses) & known(other_numbers, other_addresses):
        expected = Likeness.SAME
    elif (numbers and other_numbers) or (addresses and other_addresses):
        expected = Likeness.ANOTHER
    else:
        expected = Likeness.NAMESAKE
    assert likeness(one, other) is likeness(other, one) is expected
    assert likeness(one, Person("Anna Schmitt", numbers, addresses)) is Likeness.ANOTHER

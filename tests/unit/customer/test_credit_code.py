import pytest
from crm_customer.records.accounts.credit_code import (
    ALPHABET,
    check_character,
    is_credit_code,
    parse_credit_code,
)
from crm_kit.errors import InvalidArgument
from hypothesis import given
from hypothesis import strategies as st

bodies = st.text(alphabet=ALPHABET, min_size=17, max_size=17)
# The weights as the standard prints them in its table 3, not computed.
PRINTED_WEIGHTS = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28]


@pytest.mark.parametrize(
    "code",
    ["91440300708461136T", "914403001922038216", "91110000802100433B", "91100000100003962T", "9144030071526726XG"],
)
def test_codes_of_real_companies_are_valid(code: str) -> None:
    assert is_credit_code(code)


@given(bodies)
def test_the_check_character_makes_the_weighted_sum_divisible_by_31(body: str) -> None:
    code = body + check_character(body)
    total = sum(ALPHABET.index(c) * w for c, w in zip(code, [*PRINTED_WEIGHTS, 1], strict=True))
    assert total % 31 == 0
    assert is_credit_code(code)


@given(bodies, st.integers(0, 17), st.sampled_from(ALPHABET))
def test_one_changed_character_is_always_detected(body: str, position: int, other: str) -> None:
    code = body + check_character(body)
    changed = code[:position] + other + code[position + 1 :]
    assert is_credit_code(changed) == (changed == code)


@given(bodies, st.integers(0, 16))
def test_two_swapped_adjacent_different_characters_are_always_detected(body: str, position: int) -> None:
    code = body + check_character(body)
    swapped = code[:position] + code[position + 1] + code[position] + code[position + 2 :]
    assert is_credit_code(swapped) == (swapped == code)


@given(bodies)
def test_a_code_is_read_in_lower_case_full_width_and_with_spaces(body: str) -> None:
    code = body + check_character(body)
    wide = "".join(chr(ord(c) + 0xFEE0) for c in code)
    typed = f" {code[:8].lower()} {code[8:]}"
    assert parse_credit_code(wide) == code
    assert parse_credit_code(typed) == code


@pytest.mark.parametrize(
    ("text", "rule", "words"),
    [
        ("9144030070846113", "credit_code.length", "this has 16"),
        ("91440300708461136O", "credit_code.alphabet", "character 18 is 'O'"),
        ("91440300708461136A", "credit_code.check_character", "mistyped or two are swapped"),
        ("", "credit_code.length", "this has 0"),
    ],
)
def test_a_refusal_says_which_rule_is_broken(text: str, rule: str, words: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        parse_credit_code(text, field="account.credit_code")
    [violation] = refusal.value.violations
    assert (violation.field, violation.rule) == ("account.credit_code", rule)
    assert words in violation.detail


@pytest.mark.parametrize("body", ["", "1" * 16, "1" * 18, "I" + "1" * 16])
def test_no_check_character_exists_for_what_is_not_a_body(body: str) -> None:
    with pytest.raises(ValueError, match="17 characters"):
        check_character(body)

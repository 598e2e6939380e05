import phonenumbers
import pytest
from crm_kit.errors import InvalidArgument
from crm_kit.phone_numbers import parse_phone_number
from hypothesis import given
from hypothesis import strategies as st

mobile_numbers = st.builds(
    lambda head, tail: f"{head}{tail:08d}",
    st.sampled_from(["130", "138", "139", "150", "177", "186", "188", "199"]),
    st.integers(0, 99_999_999),
)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("138 0013 8000", "+8613800138000"),
        ("(0755) 8666-1234", "+8675586661234"),
        ("（0755）8666－1234", "+8675586661234"),
        ("+86 138-0013-8000", "+8613800138000"),
        ("008613800138000", "+8613800138000"),
        ("１３８００１３８０００", "+8613800138000"),
        ("＋86 13800138000", "+8613800138000"),
        ("010-62345678", "+861062345678"),
        ("+49 30 901820", "+4930901820"),
        ("+1 (650) 253-0000", "+16502530000"),
        ("400-810-8888", "+864008108888"),
        ("0755-86661234 ext. 801", "+8675586661234;ext=801"),
        ("0755-86661234转801", "+8675586661234;ext=801"),
        ("0755-86661234 轉 801", "+8675586661234;ext=801"),
        ("（0755）86661234，分机号：801", "+8675586661234;ext=801"),
        ("+1 650 253 0000 x12", "+16502530000;ext=12"),
        ("+8675586661234;ext=801", "+8675586661234;ext=801"),
    ],
)
def test_what_people_type_becomes_e164(typed: str, expected: str) -> None:
    assert parse_phone_number(typed) == expected


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("0211/8765432", "+492118765432"),
        ("+49 (0)89 / 123456-0", "+49891234560"),
        ("0211 8765432 Durchwahl 12", "+492118765432;ext=12"),
        ("0211/8765432, DW: 12", "+492118765432;ext=12"),
        ("0211 8765432 Nst. 12", "+492118765432;ext=12"),
    ],
)
def test_numbers_are_read_as_germans_write_them(typed: str, number: str) -> None:
    assert parse_phone_number(typed, default_region="DE") == number


def test_the_default_region_decides_about_numbers_without_country_code() -> None:
    assert parse_phone_number("030 901820", default_region="DE") == "+4930901820"
    assert parse_phone_number("2345 6789", default_region="HK") == "+85223456789"


@given(mobile_numbers, st.lists(st.sampled_from([" ", "-", ".", "", "　"]), min_size=11, max_size=11))
def test_separators_and_width_never_change_a_mobile_number(digits: str, separators: list[str]) -> None:
    typed = digits[0] + "".join(s + d for s, d in zip(separators, digits[1:], strict=False))
    wide = "".join(chr(ord(d) + 0xFEE0) for d in digits)
    assert parse_phone_number(typed) == parse_phone_number(wide) == f"+86{digits}"


@given(mobile_numbers)
def test_e164_is_read_back_as_itself(digits: str) -> None:
    assert parse_phone_number(f"+86{digits}", default_region="DE") == f"+86{digits}"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        ("call me", "not a phone number"),
        ("12", "too few digits"),
        ("8666 1234", "no such numbers in CN"),
        ("138001380001", "no such numbers in CN"),
        ("1380013800", "no such numbers in CN"),
        ("+86 1380013800013800", "too many digits"),
        ("+999 12345678", "country code does not exist"),
        ("1" * 61, "at most 60"),
    ],
)
def test_a_refusal_says_what_is_wrong(typed: str, words: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        parse_phone_number(typed, field="account.phone_numbers[1]")
    [violation] = refusal.value.violations
    assert violation.field == "account.phone_numbers[1]"
    assert words in violation.detail


@given(st.text(max_size=80))
def test_any_text_gives_a_valid_number_or_a_refusal(typed: str) -> None:
    try:
        number = parse_phone_number(typed)
    except InvalidArgument as refusal:
        assert refusal.violations
    else:
        assert phonenumbers.is_valid_number(phonenumbers.parse(number, None))


def test_every_range_of_chinese_mobile_numbers_is_read_as_the_library_reads_it() -> None:
    for start in range(10_000, 20_000):
        digits = f"{start}123456"
        number = phonenumbers.parse(digits, "CN")
        if phonenumbers.is_valid_number(number):
            assert parse_phone_number(digits) == phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        else:
            with pytest.raises(InvalidArgument):
                parse_phone_number(digits)

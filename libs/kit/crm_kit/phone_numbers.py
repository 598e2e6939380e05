"""Phone numbers as people type them, to E.164: `+`, country code, at most 15 digits; an extension as in RFC 3966."""

import re
import unicodedata
from collections.abc import Iterable

import phonenumbers

from crm_kit.errors import InvalidArgument, invalid_field
from crm_kit.regions import DEFAULT_REGION

_REASONS = {
    phonenumbers.NumberParseException.INVALID_COUNTRY_CODE: "its country code does not exist",
    phonenumbers.NumberParseException.NOT_A_NUMBER: "it is not a phone number",
    phonenumbers.NumberParseException.TOO_SHORT_AFTER_IDD: "digits are missing after the country code",
    phonenumbers.NumberParseException.TOO_SHORT_NSN: "it has too few digits",
    phonenumbers.NumberParseException.TOO_LONG: "it has too many digits",
}
_LENGTHS = {
    phonenumbers.ValidationResult.TOO_SHORT: "it has too few digits",
    phonenumbers.ValidationResult.TOO_LONG: "it has too many digits",
    phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "its area code is missing",
    phonenumbers.ValidationResult.INVALID_LENGTH: "no number there has so many digits",
}
_MAX_CHARACTERS = 60
_NORMAL = re.compile(r"\+[1-9][0-9]{6,14}(;ext=[0-9]{1,7})?")
# Subdivisions of China that have telephone numbers of their own.
_OWN_NUMBERS = {"CN-HK": "HK", "CN-MO": "MO", "CN-TW": "TW"}
_EXTENSION = re.compile(
    r"\s*[,，]?\s*(?:(?:转分机|转|轉|分机|分機)(?:号|號)?|\b(?:durchwahl|dw|nebenstelle|nst|poste|ramal|interno)\b)"
    r"\s*[:.]?\s*",
    re.IGNORECASE,
)


def _mobile_numbers(region: str) -> re.Pattern[str]:
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    assert metadata is not None
    assert metadata.mobile is not None
    return re.compile(metadata.mobile.national_number_pattern or "")


# Most numbers that people type: what the library makes of these is known without asking it.
_CHINESE_MOBILE = _mobile_numbers("CN")


def parse_phone_number(text: str, *, default_region: str = DEFAULT_REGION, field: str = "phone_number") -> str:
    """What people type to E.164: `138 0013 8000`, `(0755) 8666-1234`, `+86...`, `0086...`, full width.

    `default_region` (ISO 3166-1 alpha-2) says where a number without a country code is. An extension stays behind the
    number: `8666 1234 转801` and `ext. 801` become `;ext=801`. Raises InvalidArgument that says what is wrong.
    """
    typed = unicodedata.normalize("NFKC", text).strip()
    if default_region == "CN" and typed.isascii() and _CHINESE_MOBILE.fullmatch(typed):
        return f"+86{typed}"
    if not typed:
        raise _refused(field, "the phone number is empty")
    if len(typed) > _MAX_CHARACTERS:
        raise _refused(field, f"a phone number has at most {_MAX_CHARACTERS} characters")
    try:
        number = phonenumbers.parse(_EXTENSION.sub(" ext. ", typed), default_region)
    except phonenumbers.NumberParseException as error:
        raise _refused(field, f"{typed!r}: {_REASONS[error.error_type]}") from error
    length = phonenumbers.is_possible_number_with_reason(number)
    if length in _LENGTHS:
        raise _refused(field, f"{typed!r}: {_LENGTHS[length]}")
    if not phonenumbers.is_valid_number(number):
        country = phonenumbers.region_code_for_country_code(number.country_code or 0)
        raise _refused(field, f"{typed!r}: there are no such numbers in {country}")
    plain = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{plain};ext={number.extension}" if number.extension else plain


def normalized(numbers: Iterable[str], *, region: str, field: str) -> tuple[str, ...]:
    """Each number once, as `normal` writes it; `field` is the list that they are in."""
    found = (normal(number, region=region, field=f"{field}[{at}]") for at, number in enumerate(numbers))
    return tuple(dict.fromkeys(found))


def normal(number: str, *, region: str, field: str) -> str:
    """A number as `parse_phone_number` writes it; one that is written so already is left as it is.

    `region` (ISO 3166) says where one without a country code is.
    """
    if _NORMAL.fullmatch(number):
        return number
    return parse_phone_number(number, default_region=phone_country(region), field=field)


def has_phone_numbers(country: str) -> bool:
    """Whether that is a country with telephone numbers, as ISO 3166-1 alpha-2."""
    return country in phonenumbers.SUPPORTED_REGIONS


def check_phone_country(country: str, *, field: str) -> None:
    """InvalidArgument unless it is a country with telephone numbers, as ISO 3166-1 alpha-2."""
    if not has_phone_numbers(country):
        raise invalid_field(field, "country", "it is no country's code", metadata={"value": country})


def as_kept(text: str, *, region: str) -> str:
    """A number as it is kept, wherever it is looked for; a text that is none, such as a part of one, as it is."""
    try:
        return normal(text, region=region, field="")
    except InvalidArgument:
        return text


def phone_country(region: str) -> str:
    """The country whose telephone numbers a region has, as ISO 3166-1 alpha-2; `region` is ISO 3166-1 or 3166-2."""
    return _OWN_NUMBERS.get(region, region[:2])


def _refused(field: str, detail: str) -> InvalidArgument:
    return invalid_field(field, "phone_number", detail)

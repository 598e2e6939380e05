"""Phone numbers as people type them, to E.164 (ITU-T E.164: `+`, country code, at most 15 digits)."""

import unicodedata

import phonenumbers
from crm_kit.errors import InvalidArgument, invalid_field

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


def parse_phone_number(text: str, *, default_region: str = "CN", field: str = "phone_number") -> str:
    """What people type to E.164: `138 0013 8000`, `(0755) 8666-1234`, `+86...`, `0086...`, full width.

    `default_region` (ISO 3166-1 alpha-2) says where a number without a country code is.
    Raises InvalidArgument that says what is wrong; a number with an extension is refused, since E.164 has none.
    """
    typed = unicodedata.normalize("NFKC", text).strip()
    if not typed:
        raise _refused(field, "the phone number is empty")
    if len(typed) > _MAX_CHARACTERS:
        raise _refused(field, f"a phone number has at most {_MAX_CHARACTERS} characters")
    try:
        number = phonenumbers.parse(typed, default_region)
    except phonenumbers.NumberParseException as error:
        raise _refused(field, f"{typed!r}: {_REASONS[error.error_type]}") from error
    if number.extension:
        raise _refused(field, f"{typed!r}: the extension {number.extension} cannot be kept; put it elsewhere")
    length = phonenumbers.is_possible_number_with_reason(number)
    if length in _LENGTHS:
        raise _refused(field, f"{typed!r}: {_LENGTHS[length]}")
    if not phonenumbers.is_valid_number(number):
        country = phonenumbers.region_code_for_country_code(number.country_code or 0)
        raise _refused(field, f"{typed!r}: there are no such numbers in {country}")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _refused(field: str, detail: str) -> InvalidArgument:
    return invalid_field(field, "phone_number", detail)

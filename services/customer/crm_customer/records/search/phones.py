"""Phone numbers in queries: what was typed, however, beside numbers that are kept in E.164."""

import re
from functools import lru_cache

import phonenumbers

SHORTEST_END = 4
"""Digits of the shortest end that a number is found by."""

# What people write between digits, or before them; a text is in compatibility form here.
_BETWEEN = str.maketrans(dict.fromkeys("+-()./\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u00b7"))
_SCHEME = re.compile(r"(?:tel|sms|callto):", re.IGNORECASE)
_EXTENSION = re.compile(
    r"(?<=[0-9)])\s*(?:;ext=|[,，]?\s*(?:转分机|转|轉|分机|分機)(?:号|號)?|ext\.?|extn\.?|x)\s*[:.]?\s*[0-9]{1,7}\s*$"
)
# From here on two numbers of one country are alike only if somebody typed another prefix.
_SHORTEST_WITH_PREFIX = 7


def without_extension(text: str) -> str:
    """A text without the extension behind it, and without `tel:` before it, if it is a phone number."""
    number = _EXTENSION.sub("", _SCHEME.sub("", text.strip(), count=1))
    return number if len(digits_of("".join(number.split()))) >= SHORTEST_END else text


def digits_of(chunk: str) -> str:
    """The digits of a chunk that has nothing but digits and a phone number's punctuation, else nothing."""
    rest = chunk.translate(_BETWEEN)
    return rest if rest.isascii() and rest.isdigit() else ""


def is_between(chunk: str) -> bool:
    """Whether a chunk is nothing but what stands between the digits of a number; a comma ends it."""
    return not chunk.translate(_BETWEEN)


def main_digits(number: str) -> str:
    """The digits of a number in E.164, without those of its extension."""
    return number.partition(";")[0].removeprefix("+")


@lru_cache(maxsize=4096)
def forms_of(chunk: str) -> tuple[str, ...]:
    """The digits that a number may end with: as typed, without zeros before, and as it is called in China."""
    digits = digits_of(chunk)
    if not digits:
        return ()
    return tuple(dict.fromkeys(form for form in (digits, digits.lstrip("0"), _international(chunk)) if form))


@lru_cache(maxsize=4096)
def is_same_number(chunk: str, number: str) -> bool:
    """Whether what was typed calls a number of E.164 from its own country, with that country's prefix for calls."""
    digits = digits_of(chunk)
    last = digits[-_SHORTEST_WITH_PREFIX:]
    if len(last) < _SHORTEST_WITH_PREFIX or not main_digits(number).endswith(last):
        return False
    alike = phonenumbers.is_number_match(number.partition(";")[0], chunk)
    return bool(alike in (phonenumbers.MatchType.NSN_MATCH, phonenumbers.MatchType.EXACT_MATCH))


def _international(chunk: str) -> str:
    try:
        number = phonenumbers.parse(chunk, "CN")
    except phonenumbers.NumberParseException:
        return ""
    return main_digits(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))

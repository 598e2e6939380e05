"""Numbers of people as they are written in spreadsheets."""

import re
import unicodedata
from decimal import Decimal

# Of a range with words around it; a longer text is none.
MAX_CHARACTERS = 60
_UNITS = {"": 1, "百": 100, "千": 1000, "k": 1000, "万": 10_000, "萬": 10_000}
_NUMBER = r"[0-9][0-9.,' ]*"
_WORDS_BEFORE = (
    r"(?:约|大约|少于|小于|不足|多于|大于|超过|至少|[<>≤≥~]|"
    r"approx\.?|about|ca\.?|over|under|more than|less than|at least|up to)"
)
_WORDS_AFTER = r"(?:人|名|位|员工|employees|people|staff|以上|以下|以内|左右|及以上|多|余|\+|or more)"
_QUANTITY = re.compile(
    rf"(?:{_WORDS_BEFORE}\s*)*({_NUMBER})\s*([百千万萬k]?)(?:\s*{_WORDS_AFTER})*"
    rf"(?:\s*(?:-|–|—|~|to|至|到)\s*({_NUMBER})\s*([百千万萬k]?)(?:\s*{_WORDS_AFTER})*)?"
)
_GROUPED = re.compile(r"[0-9]{1,3}(?:([,.' ])[0-9]{3})(?:\1[0-9]{3})*")
_NO_DECIMALS = re.compile(r"[.,]0{1,2}$")
_DECIMAL = re.compile(r"[0-9]+[.,][0-9]{1,2}")


def people_of(text: str) -> int | None:
    """A number of people: `1,200`, `1.200`, `1 200人`, `1.2万`; of a range the first: `51-200`, `500+`, `50人以下`.

    None when it is not one; half a person is none: `12,5`.
    """
    typed = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    match = _QUANTITY.fullmatch(typed) if len(typed) <= MAX_CHARACTERS else None
    if not match:
        return None
    low = _amount(match[1], match[2] or match[4] or "")
    high = _amount(match[3], match[4] or "") if match[3] else low
    if low is None or high is None or high < low:
        return None
    return low if low < 10**9 else None


def _amount(digits: str, unit: str) -> int | None:
    digits = digits.strip()
    whole = _NO_DECIMALS.sub("", digits)
    is_one_mark = digits[len(whole) : len(whole) + 1] in whole
    if whole.isdecimal() or (_GROUPED.fullmatch(whole) and (whole == digits or not is_one_mark)):
        return int(re.sub(r"[^0-9]", "", whole)) * _UNITS[unit]
    if unit and _DECIMAL.fullmatch(digits):
        return int(Decimal(digits.replace(",", ".")) * _UNITS[unit])
    return None

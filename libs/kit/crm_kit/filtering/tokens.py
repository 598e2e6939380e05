"""Values as text that sorts as they do, with the key before them: `size=`, `contract_no=A-1`. Pure.

One kind of text for all types has one index, and the planner, which counts how often which text occurs, learns of each
field by itself. Comparisons of text are among those that PostgreSQL trusts to look at rows before it has checked whose
they are (leakproof); those of numeric are not, and no index would serve them behind row-level security.
"""

from datetime import date
from decimal import Decimal
from uuid import UUID

# As many digits as a filter may write; values have fewer.
_WHOLE, _FRACTION = 30, 20
_COMPLEMENT = str.maketrans("0123456789", "9876543210")


def first_of(key: str) -> str:
    """What every token of the field is at least."""
    return f"{key}="


def end_of(key: str) -> str:
    """What every token of the field is less than: `>` comes after `=`."""
    return f"{key}>"


def token_of(key: str, value: object) -> str:
    """The token of a value: text (or its collation key) as it is, numbers and truth as text that sorts as they do."""
    return first_of(key) + sorted_text(value)


def sorted_text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case Decimal() | int():
            return number_text(Decimal(value))
        case date():
            return value.isoformat()
        case UUID():
            return str(value)
    return str(value)


def number_text(number: Decimal) -> str:
    """A number as 51 digits that sort as numbers do; of a negative one each digit is what is missing to nine."""
    whole, _, fraction = f"{number.copy_abs():f}".partition(".")
    digits = whole.lstrip("0").rjust(_WHOLE, "0") + fraction.rstrip("0").ljust(_FRACTION, "0")
    return "0" + digits.translate(_COMPLEMENT) if number < 0 else "1" + digits

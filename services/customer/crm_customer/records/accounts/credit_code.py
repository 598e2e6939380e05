"""The unified social credit code of Chinese organizations (统一社会信用代码), GB 32100-2015.

Eighteen characters: department, kind, six digits of region, nine of organization code, one check character.
The check character is section 4.5 of the standard: with W(i) = 3**(i-1) mod 31 and C(i) the value of the i-th
character, C(18) = (31 - sum(C(i) * W(i), i = 1..17)) mod 31.
"""

import unicodedata

from crm_kit.errors import InvalidArgument, invalid_field

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""The 31 characters of the standard: I, O, S, V and Z are left out."""

LENGTH = 18

_VALUES = {character: value for value, character in enumerate(ALPHABET)}
_WEIGHTS = tuple(pow(3, position, 31) for position in range(LENGTH - 1))


def check_character(body: str) -> str:
    """The 18th character for the first 17, which must be of `ALPHABET`. ValueError when they are not."""
    if len(body) != LENGTH - 1 or any(character not in _VALUES for character in body):
        msg = f"a credit code's body is {LENGTH - 1} characters of {ALPHABET}"
        raise ValueError(msg)
    total = sum(_VALUES[character] * weight for character, weight in zip(body, _WEIGHTS, strict=True))
    return ALPHABET[-total % 31]


def is_credit_code(code: str) -> bool:
    """Whether these are 18 characters of the alphabet of which the last one checks the others.

    Any one changed character and any swap of two adjacent different characters makes it False: 31 is prime,
    and neighbouring weights (the check character's is 1) always differ.
    """
    return (
        len(code) == LENGTH
        and all(character in _VALUES for character in code)
        and check_character(code[:-1]) == code[-1]
    )


def parse_credit_code(text: str, *, field: str = "credit_code") -> str:
    """What people type (spaces, hyphens, lower case, full width) to the 18 characters.

    Raises InvalidArgument that says whether length, alphabet or check character is wrong.
    """
    code = "".join(unicodedata.normalize("NFKC", text).upper().replace("-", "").split())
    if len(code) != LENGTH:
        raise _refused(field, "length", f"a credit code has {LENGTH} characters, this has {len(code)}")
    for position, character in enumerate(code, start=1):
        if character not in _VALUES:
            detail = (
                f"character {position} is {character!r}; a credit code has digits and capital letters "
                "without I, O, S, V and Z"
            )
            raise _refused(field, "alphabet", detail)
    if not is_credit_code(code):
        detail = "the check character does not fit the others: a character is mistyped or two are swapped"
        raise _refused(field, "check_character", detail)
    return code


def _refused(field: str, rule: str, detail: str) -> InvalidArgument:
    return invalid_field(field, f"credit_code.{rule}", detail)

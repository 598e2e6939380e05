"""When two records are about the same: names however they were typed, persons by what else is known of them."""

import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import IntEnum

# What NFKC leaves apart: quotes, dashes and brackets of typographers for those of typewriters.
_ALIKE = str.maketrans(
    dict.fromkeys("‘’‚‛′´`", "'")
    | dict.fromkeys("“”„‟″«»「」『』", '"')
    | dict.fromkeys("‐‑‒–—―−", "-")
    | dict.fromkeys("〔【〖", "(")
    | dict.fromkeys("〕】〗", ")")
)


def name_key(name: str) -> str:
    """What names have in common that differ in width, case, blanks, signs or the composition of letters only."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).translate(_ALIKE)
    return "".join(each for each in folded if not each.isspace() and unicodedata.category(each) != "Cf")


class Likeness(IntEnum):
    """Whether two persons of one account are the same: ANOTHER, a NAMESAKE of whom no more is known, or the SAME."""

    ANOTHER = 0
    NAMESAKE = 1
    SAME = 2


@dataclass(frozen=True, slots=True)
class Person:
    """What persons are told apart by. Phone numbers are E.164."""

    display_name: str
    phone_numbers: Collection[str] = ()
    emails: Collection[str] = ()


def likeness(one: Person, other: Person) -> Likeness:
    """How much alike two persons of one account are: of one name, with a phone number or e-mail address in common.

    Where one has phone numbers and the other does too, none of them shared, they are not the same; so with e-mails.
    """
    if name_key(one.display_name) != name_key(other.display_name):
        return Likeness.ANOTHER
    told = [
        shared(one.phone_numbers, other.phone_numbers),
        shared(map(str.casefold, one.emails), map(str.casefold, other.emails)),
    ]
    if True in told:
        return Likeness.SAME
    return Likeness.ANOTHER if False in told else Likeness.NAMESAKE


def shared(some: Iterable[str], others: Iterable[str]) -> bool | None:
    """Whether they have one in common; None when one of them has none at all."""
    first, second = set(some), set(others)
    return bool(first & second) if first and second else None

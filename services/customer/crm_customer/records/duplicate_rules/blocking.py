"""Keys that accounts which may be the same have in common: an account is compared with those that share one.

| key | meets |
|---|---|
| `code`, `phone`, `mail`, `domain`, `street` | whoever has the same |
| `name`: how the name is read, without place and legal form | other forms, traditional characters, pinyin |
| `brand`: of what only it is called, with the place | names that leave trades out |
| `less`: the name with one character left out, and the name itself | typing errors |

Keys are numbers of 64 bits. That two keys are one by chance only makes a candidate that is told apart at once.
"""

from collections.abc import Iterator
from hashlib import blake2b

from crm_customer.records.duplicate_rules.facts import Facts
from crm_customer.records.duplicate_rules.names import Name

MAX_KEYS = 48
"""Of one account: beyond that are those of its last names, numbers and addresses."""

_LONGEST_BRAND = 3
_NAMES = 3


def keys_of(facts: Facts) -> frozenset[int]:
    """The keys of an account, at most `MAX_KEYS`."""
    found: dict[str, None] = {}
    for key in _texts(facts):
        found[key] = None
        if len(found) == MAX_KEYS:
            break
    return frozenset(map(_number, found))


def keys_of_names(facts: Facts) -> frozenset[int]:
    """Those of its keys that whoever is called the same has, too, whatever else there is to know of either."""
    return frozenset(_number(f"name {name.reading}") for name in facts.all_names[:_NAMES])


def _texts(facts: Facts) -> Iterator[str]:
    if facts.credit_code:
        yield f"code {facts.credit_code}"
    for name in facts.all_names[:_NAMES]:
        yield from _of_name(name, facts)
    for label, values in (
        ("phone", facts.phones),
        ("mail", facts.mailboxes),
        ("domain", facts.domains),
        ("street", facts.streets),
    ):
        for value in sorted(values):
            yield f"{label} {value}"


def _of_name(name: Name, facts: Facts) -> Iterator[str]:
    if facts.is_person:
        for person in sorted(facts.persons):
            yield f"name {person}"
        return
    yield f"name {name.reading}"
    places = sorted(facts.places)[:2] or [""]
    for place in places:
        yield f"brand {name.brand_reading} {place}".rstrip()
    if places != [""]:
        yield f"brand {name.brand_reading}"
    for less in _with_one_less(name):
        yield f"less {less}"


def _with_one_less(name: Name) -> Iterator[str]:
    """The core with each character of the brand left out in turn; of a long brand, its halves."""
    rest = "".join(name.trades)
    if len(name.brand) <= _LONGEST_BRAND:
        yield f"{name.brand}{rest}"
        for at in range(len(name.brand)):
            yield f"{name.brand[:at]}{name.brand[at + 1 :]}{rest}"
    else:
        half = len(name.brand) // 2
        yield f"{name.brand[:half]}-"
        yield f"-{name.brand[half:]}{rest}"


def _number(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), signed=True)

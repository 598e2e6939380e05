"""Places that names of Chinese companies begin with, and what lies in which province."""

import re
from functools import cache
from importlib.resources import files

from crm_customer.records.search.pinyin import readings_of

# What may stand behind a place: 深圳市, 广东省, 广西壮族自治区.
_KINDS = "(?:省|市|地区|州|特别行政区|壮族自治区|回族自治区|维吾尔自治区|自治区)?"
# A town that the list does not have: two or three characters and what it is.
_OTHER_TOWN = re.compile("^([\u4e00-\u9fff]{2,3})(?:市|县|区)(?=[\u4e00-\u9fff]{2})")


@cache
def province_of() -> dict[str, str]:
    """The ISO 3166-2 code of each place, provinces among them."""
    found: dict[str, str] = {}
    for line in files(__package__).joinpath("places.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            code, *names = line.split()
            found.update(dict.fromkeys(names, f"CN-{code}"))
    return found


@cache
def provinces() -> dict[str, str]:
    """What provinces are called; those that are a city, such as 北京, are told as places of their own, too."""
    lines = files(__package__).joinpath("places.txt").read_text(encoding="utf-8").splitlines()
    entries = (line.split() for line in lines if line and not line.startswith("#"))
    return {names[0]: f"CN-{code}" for code, *names in entries if len(names) > 1}


@cache
def by_reading() -> dict[str, str]:
    """Places by their reading without tones: `shenzhen` is 深圳. Readings of several places tell none."""
    found: dict[str, str] = {}
    several: set[str] = set()
    for place in province_of():
        reading = "".join(readings_of(place)[0])
        if reading in found:
            several.add(reading)
        found[reading] = place
    return {reading: place for reading, place in found.items() if reading not in several} | _LATIN


# Written otherwise than read.
_LATIN = {"hongkong": "香港", "macau": "澳门", "macao": "澳门", "taiwan": "台湾", "suzhou": "苏州", "taizhou": "台州"}


@cache
def _at_front() -> re.Pattern[str]:
    names = "|".join(sorted(province_of(), key=len, reverse=True))
    return re.compile(f"^({names}){_KINDS}")


def leading_places(text: str) -> tuple[tuple[str, ...], str]:
    """The places that a squashed name begins with, at most three, and the rest: at least two characters of it."""
    found: list[str] = []
    while len(found) < _MOST and (place := _at_front().match(text) or _OTHER_TOWN.match(text)):
        rest = text[place.end() :]
        if len(rest) < _SHORTEST:
            break
        found.append(place[1])
        text = rest
    return tuple(found), text


_MOST = 3
_SHORTEST = 2


def place_named(text: str) -> str | None:
    """The place that a whole text names, such as `深圳市`; None when it names none."""
    place = _at_front().match(text)
    return place[1] if place and place.end() == len(text) else None


def are_apart(some: frozenset[str], others: frozenset[str]) -> bool:
    """Whether two records are in different places: both say where, and neither place is or contains the other."""
    return bool(some and others) and not any(_agree(one, other) for one in some for other in others)


def _agree(one: str, other: str) -> bool:
    if one == other:
        return True
    wide, known = provinces(), province_of()
    is_within = one in wide or other in wide
    return is_within and known.get(one, one) == known.get(other, other)

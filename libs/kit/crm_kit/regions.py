"""Codes of countries and of their subdivisions: ISO 3166, from Debian's iso-codes by way of pycountry."""

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from crm_kit.errors import FieldViolation

# Where telephone numbers without a country code are, unless a tenant says otherwise.
DEFAULT_REGION = "CN"
# Kosovo, which ISO 3166 leaves to its users and telephone numbers have.
_USER_ASSIGNED = frozenset({"XK"})


def is_region(code: str) -> bool:
    """Whether it is the code of a country or of a subdivision: `DE`, `CN-GD`."""
    return code in region_codes()


def region_violations(code: str | None, *, field: str) -> Iterator[FieldViolation]:
    """What is wrong with a code that was given; nothing without one."""
    if code is not None and not is_region(code):
        yield FieldViolation(field, "region", f"{code} is no country or subdivision of ISO 3166, such as CN-GD or DE")


@cache
def region_codes() -> frozenset[str]:
    """All there are. Read from the files: pycountry itself would keep the names too, in memory."""
    countries = {each["alpha_2"] for each in _entries("iso3166-1.json", "3166-1")}
    return frozenset(countries | _USER_ASSIGNED | {each["code"] for each in _entries("iso3166-2.json", "3166-2")})


def _entries(name: str, key: str) -> list[dict[str, str]]:
    text = (files("pycountry") / "databases" / name).read_text(encoding="utf-8")
    found: list[dict[str, str]] = json.loads(text)[key]
    return found

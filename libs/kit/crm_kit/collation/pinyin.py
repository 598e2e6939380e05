"""Chinese characters in the order of pinyin: by syllable and tone, as dictionaries have them, ü behind u."""

from array import array
from bisect import bisect_left
from functools import cache
from importlib.resources import files

# Private use: behind all that people write, and nobody's text has them.
_FIRST = 0xF0000


def place_of(character: str) -> str | None:
    """A character that stands among those of all others as this one does in the order; None of what has no reading."""
    if character < "\u3007":
        return None
    code_points, places = _places()
    index = bisect_left(code_points, ord(character))
    is_known = index < len(places) and code_points[index] == ord(character)
    return chr(_FIRST + places[index]) if is_known else None


@cache
def _places() -> tuple["array[int]", "array[int]"]:
    """All characters that have a reading, by code point, and the place of each: a quarter of a megabyte."""
    text = files(__package__).joinpath("pinyin.txt").read_text(encoding="utf-8")
    in_order = array("I", (ord(each) for line in text.splitlines() for each in line.partition(" ")[2]))
    places = array("H", sorted(range(len(in_order)), key=in_order.__getitem__))
    return array("I", map(in_order.__getitem__, places)), places

"""Writes `pinyin.txt`: a line for each reading with its characters, in their order, from the data of pypinyin (MIT).

Run as `python -m crm_kit.collation.build_pinyin` when pypinyin has news; then stored keys have to be made anew.
"""

import unicodedata
from collections import defaultdict
from pathlib import Path

from pypinyin.constants import PINYIN_DICT

_TONES = {"\u0304": 1, "\u0301": 2, "\u030c": 3, "\u0300": 4}
_NEUTRAL = 5
_UMLAUT = "\u0308"


def place_of_reading(reading: str) -> tuple[str, bool, int]:
    """Where a reading stands among others: letters, u before ü, tone."""
    decomposed = unicodedata.normalize("NFD", reading)
    letters = "".join(each for each in decomposed if not unicodedata.combining(each))
    tone = next((_TONES[each] for each in decomposed if each in _TONES), _NEUTRAL)
    return letters, _UMLAUT in decomposed, tone


def main() -> None:
    characters_of: dict[str, list[str]] = defaultdict(list)
    for code_point, readings in sorted(PINYIN_DICT.items()):
        # pypinyin also knows what fonts once had in places for private use.
        if unicodedata.category(chr(code_point)) != "Co":
            characters_of[unicodedata.normalize("NFC", readings.split(",")[0])].append(chr(code_point))
    in_order = sorted(characters_of, key=lambda reading: (place_of_reading(reading), reading))
    lines = [f"{reading} {''.join(characters_of[reading])}\n" for reading in in_order]
    Path(__file__).with_name("pinyin.txt").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()

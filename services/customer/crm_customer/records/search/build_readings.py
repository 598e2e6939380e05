"""Writes `readings.txt` and `phrases.txt`: Mandarin readings without tones, from the data of pypinyin (MIT).

Run as `python -m crm_customer.records.search.build_readings` when pypinyin has news. The service reads the two
files instead of the library: the same readings in a twentieth of its memory and time.
"""

import unicodedata
from collections import defaultdict
from pathlib import Path

from pypinyin.constants import PHRASES_DICT, PINYIN_DICT

_FOLDER = Path(__file__).parent
_LONGEST_PHRASE = 4


def _without_tones(reading: str) -> str:
    decomposed = unicodedata.normalize("NFD", reading).replace("u\u0308", "v")
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def first_readings() -> dict[str, str]:
    """The usual reading of each character."""
    return {
        chr(code_point): _without_tones(readings.split(",")[0])
        for code_point, readings in PINYIN_DICT.items()
        if code_point <= 0xFFFF
    }


def deviating_phrases(first: dict[str, str]) -> dict[str, list[str]]:
    """Phrases of up to four characters that are not read as their characters usually are."""
    found = {}
    for phrase, readings in PHRASES_DICT.items():
        syllables = [_without_tones(choices[0]) for choices in readings]
        if len(phrase) > _LONGEST_PHRASE or len(syllables) != len(phrase):
            continue
        if all(character in first for character in phrase) and syllables != [first[c] for c in phrase]:
            found[phrase] = syllables
    return found


def main() -> None:
    first = first_readings()
    characters_of: dict[str, list[str]] = defaultdict(list)
    for character, syllable in first.items():
        characters_of[syllable].append(character)
    lines = [f"{syllable} {''.join(sorted(characters_of[syllable]))}\n" for syllable in sorted(characters_of)]
    (_FOLDER / "readings.txt").write_text("".join(lines), encoding="utf-8")
    phrases = sorted(deviating_phrases(first).items())
    lines = [f"{phrase} {' '.join(syllables)}\n" for phrase, syllables in phrases]
    (_FOLDER / "phrases.txt").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()

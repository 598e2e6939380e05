"""Collation keys: texts that are equal to people have one key, and plain comparison of keys is the order of the texts.

What PostgreSQL does with a key is compare its code points, as Python does, so both take and order the same. Keys are
stored: another key for a text that is there already needs a migration that makes them anew.
"""

import unicodedata

from crm_kit.collation.pinyin import place_of

# An index entry has room for 2,700 bytes, a character takes up to four. Few compatibility forms are longer than they
# look; behind this many characters two texts are not told apart.
MAX_CHARACTERS = 500
# So many characters' keys are kept in memory: more than all people write, a few MB at most.
_MAX_REMEMBERED = 20_000
# Letters that Unicode does not take apart: the stroke is part of them, as people without such keys write them.
_ALIKE = str.maketrans(
    {"đ": "d", "ð": "d", "ø": "o", "ł": "l", "ħ": "h", "ŧ": "t", "ƀ": "b", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
# й is no и with an accent to who reads it, but ё is written е as often as not.
_CYRILLIC = range(0x0400, 0x0530)
_CYRILLIC_ALIKE = str.maketrans({"ё": "е"})


def collation_key(text: str) -> str:
    """The key of a text: `Müller`, `MULLER` and full-width `ｍｕｌｌｅｒ` have one, and 李 comes before 王.

    Only empty text has an empty key. It is made character by character: the key of a part is a part of the key.
    """
    if text.isascii():
        return text[:MAX_CHARACTERS].lower()
    plain = text if unicodedata.is_normalized("NFKC", text) else unicodedata.normalize("NFKC", text)
    return (plain.translate(_KEYS) or plain)[:MAX_CHARACTERS]


class _Keys(dict[int, str]):
    """The keys of single characters by code point, made when they are first met."""

    def __missing__(self, code: int) -> str:
        key = _key_of(chr(code))
        if len(self) < _MAX_REMEMBERED:
            self[code] = key
        return key


_KEYS = _Keys()


def _key_of(character: str) -> str:
    place = place_of(character)
    if place is not None:
        return place
    if ord(character) in _CYRILLIC:
        return character.casefold().translate(_CYRILLIC_ALIKE)
    bare = "".join(each for each in unicodedata.normalize("NFD", character) if not _is_accent(each))
    return unicodedata.normalize("NFC", bare).casefold().translate(_ALIKE)


def _is_accent(character: str) -> bool:
    """Whether it is a mark on letters of Europe; those of other scripts tell words apart."""
    return "\u0300" <= character <= "\u036f"

"""One written form for texts that people write in many: width, case, accents, strokes, script, punctuation.

`squash` is what substrings are looked for in; `words` are the alphabetic words that prefixes and typos belong to.
"""

import re
import unicodedata
from functools import cache, lru_cache
from importlib.resources import files

LEGAL_FORMS = (
    "有限责任公司",
    "股份有限公司",
    "集团有限公司",
    "集团公司",
    "有限公司",
    "总公司",
    "分公司",
    "公司",
    "集团",
)
"""Chinese legal forms at the end of a name, the longer before the shorter that ends like it."""

LEGAL_WORDS = frozenset(
    [
        *("ag", "bv", "co", "company", "corp", "corporation", "gmbh", "group", "holdings", "inc"),
        *("incorporated", "kg", "limited", "llc", "llp", "ltd", "nv", "plc", "pte", "pty", "sa", "sarl", "spa"),
    ]
)
"""Words of legal forms in other languages."""

SHORTEST_WITH_TYPO = 4
"""Letters of the shortest word that is found with one typo."""

# Of these characters nothing changes in folding, and only the digits and letters make words: nearly all texts.
_PLAIN = re.compile(r"[0-9a-z\u4e00-\u9fff]*")
_CHINESE = re.compile(r"[\u4e00-\u9fff]*")
_PLAIN_WORDS = re.compile(r"[0-9a-z]+")
# `i.b.m.`: letters with points between them are one word.
_INITIALS = re.compile(r"(?<![^\W_])[^\W\d_](?:\.[^\W\d_])+(?![^\W_])\.?")
# Letters that Unicode does not take apart: the stroke is part of them, as people without such keys write them.
_STROKES = str.maketrans(
    {"đ": "d", "ð": "d", "ø": "o", "ł": "l", "ħ": "h", "ŧ": "t", "ƀ": "b", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
# A Japanese keyboard gives hiragana first. The two syllabaries stand in the same order.
_HIRAGANA = {katakana: katakana - 0x60 for katakana in range(ord("ァ"), ord("ヶ") + 1)}
_LETTERS = _STROKES | _HIRAGANA


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Compatibility form (NFKC), case folded, accents and strokes off, simplified characters, hiragana. Idempotent."""
    if _PLAIN.fullmatch(text):
        return text if text.isascii() else text.translate(_simplified())
    folded = unicodedata.normalize("NFKC", text).casefold()
    if folded.isascii():
        return folded
    while True:
        bare = "".join(c for c in unicodedata.normalize("NFKD", folded) if unicodedata.category(c) != "Mn")
        again = unicodedata.normalize("NFKC", bare).casefold().translate(_LETTERS).translate(_simplified())
        if again == folded:
            return folded
        folded = again


@cache
def _simplified() -> dict[int, str]:
    """The simplified character of each traditional one."""
    lines = files(__package__).joinpath("simplified.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split(" ", 1) for line in lines if not line.startswith("#"))
    return {ord(traditional): simplified for simplified, written in pairs for traditional in written}


@lru_cache(maxsize=4096)
def squash(text: str) -> str:
    """The letters and digits of `fold(text)`, without anything between them."""
    folded = fold(text)
    return folded if folded.isalnum() else "".join(filter(str.isalnum, folded))


def is_all_chinese(text: str) -> bool:
    """Whether it has nothing but Chinese characters, as most names that are squashed."""
    return _CHINESE.fullmatch(text) is not None


def is_ideographic(character: str) -> bool:
    """Whether it belongs to a script without word boundaries or cases (Han, kana, Hangul, Thai, ...)."""
    return "\u4e00" <= character <= "\u9fff" or (character > "\u02ff" and unicodedata.category(character) == "Lo")


@lru_cache(maxsize=4096)
def words(text: str) -> tuple[str, ...]:
    """Maximal runs of letters and digits of alphabetic scripts: `3M中国 Co., Ltd` -> 3m, co, ltd; `I.B.M.` -> ibm."""
    folded = fold(text)
    if "." in folded:
        folded = _INITIALS.sub(lambda found: found[0].replace(".", ""), folded)
    if folded.isascii() or _PLAIN.fullmatch(folded):
        return tuple(_PLAIN_WORDS.findall(folded))
    found = [""]
    for character in folded:
        if character.isalnum() and not is_ideographic(character):
            found[-1] += character
        elif found[-1]:
            found.append("")
    return tuple(word for word in found if word)


def may_have_typo(word: str) -> bool:
    """Whether a word is also found with one typo: four letters or more, and not a legal form's."""
    return len(word) >= SHORTEST_WITH_TYPO and word.isalpha() and word not in LEGAL_WORDS


@lru_cache(maxsize=4096)
def core(squashed: str) -> str:
    """A squashed Chinese name without its legal form; the whole when nothing else would be left."""
    for form in LEGAL_FORMS:
        if squashed.endswith(form):
            rest = squashed.removesuffix(form)
            return rest if len(rest) > 1 else squashed
    return squashed

"""One written form for texts that people write in many: width, case, accents, punctuation.

`squash` is what substrings are looked for in; `words` are the alphabetic words that prefixes and typos belong to.
"""

import re
import unicodedata
from functools import lru_cache

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
_PLAIN_WORDS = re.compile(r"[0-9a-z]+")


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Compatibility form (NFKC), case folded, accents off. Idempotent."""
    if _PLAIN.fullmatch(text):
        return text
    folded = unicodedata.normalize("NFKC", text).casefold()
    if folded.isascii():
        return folded
    while True:
        bare = "".join(c for c in unicodedata.normalize("NFKD", folded) if unicodedata.category(c) != "Mn")
        again = unicodedata.normalize("NFKC", bare).casefold()
        if again == folded:
            return folded
        folded = again


@lru_cache(maxsize=4096)
def squash(text: str) -> str:
    """The letters and digits of `fold(text)`, without anything between them."""
    folded = fold(text)
    return folded if folded.isalnum() else "".join(filter(str.isalnum, folded))


def is_ideographic(character: str) -> bool:
    """Whether it belongs to a script without word boundaries or cases (Han, kana, Hangul, Thai, ...)."""
    return "\u4e00" <= character <= "\u9fff" or (character > "\u02ff" and unicodedata.category(character) == "Lo")


@lru_cache(maxsize=4096)
def words(text: str) -> tuple[str, ...]:
    """Maximal runs of letters and digits of alphabetic scripts: `3M中国 Co., Ltd` -> 3m, co, ltd."""
    folded = fold(text)
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

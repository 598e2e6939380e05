"""Text in encodings of one byte a character: how well the letters that it has there are those of one language.

Nearly any bytes are text in each of them: `Fűtőház` of windows-1250 is `Fûtõház` in windows-1252. No language has
both û and õ, though, and Hungarian has ű and ő.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping

from crm_customer.imports.spreadsheets.languages import EDGE, LANGUAGES, Letter

_DEFAULT = "windows-1252"
_WESTERN = ("de", "fr", "es", "pt", "it", "ca", "nl", "da", "sv", "fi", "is")
CODE_PAGES: Mapping[str, tuple[str, ...]] = {
    "windows-1252": _WESTERN,
    "ibm850": _WESTERN,
    "macintosh": _WESTERN,
    "windows-1250": ("pl", "cs", "sk", "hu", "ro", "hr", "sl"),
    "windows-1251": ("ru", "uk"),
    "windows-1253": ("el",),
    "windows-1254": ("tr",),
    "windows-1257": ("lt", "lv", "et"),
    "ibm852": ("pl", "cs", "sk", "hu", "hr", "sl"),
}
"""Encoding to the languages that are written in it."""

# Marks that word processors set, and where they stand: before a word, behind one, between words, or anywhere.
_OPENING, _CLOSING, _APART, _WITHIN = "„“‘«‹©€£§•", "”“’»›™®ªº°…€", "–—…·•\u00a0", "’\u00ad"
# A dash without blanks around it is rare, and so is a mark where it does not belong.
_JOINING = "–—·"
_CURRENCIES = "€£"
_HARDLY = 0.0001
_APOSTROPHE, _USUAL_MARK, _RARE, _NEVER = (math.log(each) for each in (0.4, 0.2, 0.1, _HARDLY))
_OF_ANOTHER_LANGUAGE = 0.15
# Beside a letter stands one that hardly ever does.
_RARELY = 0.05
# Less likely than that for each character, a text makes no sense.
_SENSE = math.log(0.0003)
# By so much the likeliest reading has to be ahead of another one, in all and in what differs.
_MARGIN, _MARGIN_OF_DIFFERING = math.log(18), math.log(4)
_FIRST_GREEK, _FIRST_INDIC = "\u0370", "\u0900"

# Shorter words stand in no list of names alone.
_SHORTEST = 3
_WORD = re.compile(r"[^\x00-\x40\x5b-\x60\x7b-\x7f]+")

_LETTERS = frozenset().union(*LANGUAGES.values())

Language = Mapping[str, Letter]
Place = tuple[str, str]
"""The characters before and after another one."""


def likelihood(text: str, encoding: str, places: Collection[int] = ()) -> float:
    """How likely the characters beyond ASCII are in that encoding, as a logarithm: in the language that fits best.

    Each counts once, and less than that if it is rare beside others: a list has names of other languages, too. With
    `places` only those there count.
    """
    found: dict[str, Counter[Place]] = defaultdict(Counter)
    for index, (before, each, after) in enumerate(_around(text)):
        if not each.isascii() and (not places or index in places):
            found[each][before, after] += 1
    most = max((counts.total() for counts in found.values()), default=1)
    weights = {each: (1 + math.log(counts.total())) / (1 + math.log(most)) for each, counts in found.items()}
    languages = [LANGUAGES[each] for each in CODE_PAGES[encoding]]
    letters = set(map(_lower, found))
    return max(
        (
            sum(weights[each] * _fit(each, counts, own, languages) for each, counts in found.items())
            for own in languages
            if _speaks(own, encoding, letters)
        ),
        default=-math.inf,
    )


def is_clear(text: str, encoding: str, other: str, other_encoding: str) -> bool:
    """Whether one reading of the same bytes is so much likelier than another that there is no doubt.

    It has to be likelier by what differs, too: an é that both have tells little of a letter that they do not share.
    """
    differing = {index for index, pair in enumerate(zip(text, other, strict=True)) if pair[0] != pair[1]}
    return all(
        likelihood(text, encoding, places) - likelihood(other, other_encoding, places) >= margin
        for places, margin in (((), _MARGIN), (differing, _MARGIN_OF_DIFFERING))
    )


def _speaks(language: Language, encoding: str, found: Collection[str]) -> bool:
    """Whether the text has a letter of the language that would be another one in windows-1252."""
    return encoding == _DEFAULT or any(
        each.encode(encoding, "ignore").decode(_DEFAULT, "replace") != each for each in language if each in found
    )


def is_likely(text: str, encoding: str) -> bool:
    """Whether the text makes sense in that encoding, be it not the only one."""
    kinds = {each for _, each, _ in neighbours(text)}
    return likelihood(text, encoding) >= _SENSE * len(kinds)


def has_known_words(text: str) -> bool:
    """Whether each word with letters beyond ASCII is written in those of languages that are known here."""
    return all(_is_known_word(word) for word in _WORD.findall(text) if not word.isascii())


def _is_known_word(word: str) -> bool:
    letters = [_lower(each) for each in word if each.isalpha()]
    is_other = [is_other_alphabet(each) for each in letters]
    is_known = all(each.isascii() or each in _LETTERS for each in letters)
    return is_known and (not any(is_other) or (all(is_other) and len(word) >= _SHORTEST))


def is_other_alphabet(letter: str) -> bool:
    """Whether it is a Greek, Cyrillic, Hebrew or Arabic letter: no word has Latin ones, too."""
    return _FIRST_GREEK <= letter < _FIRST_INDIC


def is_of_words(text: str, shortest: int) -> bool:
    """Whether all that is beyond ASCII is in words of so many letters, none of them with a capital within."""
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    is_letters = all(each.isascii() or each.isalpha() for each in text)
    return is_letters and all(len(word) >= shortest and (word.istitle() or word.islower()) for word in words)


def is_usual_mark(before: str, mark: str, after: str) -> bool:
    """Whether the mark may stand there: quotes and signs are around words, and not within them."""
    return _mark_fit(before, mark, after) > _NEVER


def neighbours(text: str) -> list[tuple[str, str, str]]:
    """Each character beyond ASCII between its neighbours."""
    return [each for each in _around(text) if not each[1].isascii()]


def _around(text: str) -> Iterable[tuple[str, str, str]]:
    return zip(f" {text[:-1]}", text, f"{text[1:]} ", strict=True)


def _lower(letter: str) -> str:
    return letter if letter == "İ" else letter.lower()


def _fit(each: str, places: Counter[Place], own: Language, languages: Collection[Language]) -> float:
    """Of a character how likely it is in all its places, as the logarithm of a mean."""
    fits = (
        count * (_letter_fit(before, each, after, own, languages) if each.isalpha() else _mark_fit(before, each, after))
        for (before, after), count in places.items()
    )
    return sum(fits) / places.total()


def _letter_fit(before: str, each: str, after: str, own: Language, languages: Collection[Language]) -> float:
    if not _may_stand(before, each, after):
        return _NEVER
    around = _lower(each), _beside(before), _beside(after)
    # One of another language is as likely as any other of those.
    foreign = max((_spelled(*around, each) for each in languages), default=0.0) / len(set().union(*languages))
    share = _share_of(around[0], own) * _spelled(*around, own)
    return math.log((1 - _OF_ANOTHER_LANGUAGE) * share + _OF_ANOTHER_LANGUAGE * foreign or _HARDLY)


def _share_of(letter: str, language: Language) -> float:
    """Of the letters of a language the second has half the share of the first, the third a third of it."""
    of_all = sum(1 / each.rank for each in language.values())
    return 1 / language[letter].rank / of_all if letter in language else 0.0


def _spelled(letter: str, before: str, after: str, language: Language) -> float:
    """1 for a letter that stands between such others in the language, next to nothing for one beside others."""
    known = language.get(letter)
    if known is None:
        return 0.0
    is_usual = (not beside or near in beside for near, beside in ((before, known.before), (after, known.after)))
    return math.prod(1.0 if each else _RARELY for each in is_usual)


def _may_stand(before: str, letter: str, after: str) -> bool:
    """Whether the case of a letter is that of those around it, and its script, too."""
    is_within = before.isalpha() or after.isalpha()
    is_cased = (is_within and not after.isupper()) if letter.islower() else not before.islower()
    is_capital_within = letter.isupper() and before.isupper() and after.islower()
    of_another_script = is_other_alphabet(letter) and any(near.isascii() and near.isalpha() for near in (before, after))
    return is_cased and not is_capital_within and not of_another_script


def _beside(character: str) -> str:
    return _lower(character) if character.isalpha() else EDGE


def _mark_fit(before: str, mark: str, after: str) -> float:
    is_behind, is_before = before.isalnum(), after.isalnum()
    if is_behind and is_before:
        return _APOSTROPHE if mark in _WITHIN else _RARE if mark in _JOINING else _NEVER
    if (mark == "°" and before.isalpha()) or (mark in _CURRENCIES and after.isalpha()):
        return _NEVER
    usual = _CLOSING if is_behind else _OPENING if is_before else _OPENING + _CLOSING + _APART
    return _USUAL_MARK if mark in usual or mark == "\u00a0" else _NEVER

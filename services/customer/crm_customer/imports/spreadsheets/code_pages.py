"""Text in encodings of one byte a character: how well the letters that it has there are those of one language.

Nearly any bytes are text in each of them: `Fűtőház` of windows-1250 is `Fûtõház` in windows-1252. No language has
both û and õ, though, and Hungarian has ű and ő.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

_DEFAULT = "windows-1252"
_WESTERN = {
    "de": "üäöß",
    "fr": "éàèêçâîôùûëïœüöæ",
    "es": "íáóéñúü",
    "pt": "ãçáéóêíúâõôàü",
    "it": "àèùìòé",
    "ca": "àéóèíçúòïü",
    "nl": "éëïóöè",
    "da": "øåæ",
    "sv": "äöåé",
    "fi": "äöåšž",
    "is": "ðáíþóæöéúý",
    "en": "éèêëïöüñç",
}
CODE_PAGES: Mapping[str, Mapping[str, str]] = {
    "windows-1252": _WESTERN,
    "ibm850": _WESTERN,
    "macintosh": _WESTERN,
    "windows-1250": {
        "pl": "łóżęśąćńźéöü",
        "cs": "íáéěýšžřčůúóňďť",
        "sk": "íáéýčžšúľťôňäóďĺŕ",
        "hu": "áéöőóüíúű",
        "ro": "ăîâşţéçü",
        "hr": "čšžćđ",
    },
    "windows-1251": {"ru": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё", "uk": "оанивіертсклмдупязьбгчхйжїшюцщєфґ"},
    "windows-1253": {"el": "αοιετσνηυρπκμλςωγδχθφβξζψάέήίόύώ"},
    "windows-1254": {"tr": "ıüşçöğİâîé"},
    "windows-1257": {"lt": "ėšųžįčūąęéü", "lv": "āīšēņūžļģķčéü", "et": "üäöõšž"},
    "ibm852": {"pl": "łóżęśąćńźéöü", "cs": "íáéěýšžřčůúóňďť", "hu": "áéöőóüíúű", "hr": "čšžćđ"},
}
"""Encoding to languages that are written in it, each with its letters beyond ASCII, the most frequent first."""

# Marks that word processors set, and where they stand: before a word, behind one, between words, or anywhere.
_OPENING, _CLOSING, _APART, _WITHIN = "„“‘«‹©€£§•", "”“’»›™®ªº°…€", "–—…·•\u00a0", "’\u00ad"
# A dash without blanks around it is rare, and so is a mark where it does not belong.
_JOINING = "–—·"
_USUAL_MARK, _RARE, _NEVER = math.log(0.2), math.log(0.1), math.log(0.001)
_OF_ANOTHER_LANGUAGE = 0.15
_VOWELS = frozenset("aeiouyáéíóúàèìòùâêîôûäöüåæø")
_AFTER_VOWELS, _BEFORE_VOWELS = frozenset("ëï"), frozenset("ñ")
_NEVER_FIRST, _ALWAYS_LAST = frozenset("ðãõß"), frozenset("ù")
_AFTER_CONSONANTS, _BEFORE_CONSONANTS = frozenset("ė"), frozenset("ń")
# No word has Latin letters and those of the scripts from here on.
_FIRST_GREEK = "\u0370"
_SHOWN_WORDS = 3


def likelihood(text: str, encoding: str) -> float:
    """How likely the characters beyond ASCII are in that encoding, as a logarithm.

    Each counts once, and less than that if it is rare beside others: a list has names of other languages, too.
    """
    places: dict[str, Counter[float]] = defaultdict(Counter)
    for before, each, after in neighbours(text):
        places[each][_fit(before, each, after)] += 1
    most = max((counts.total() for counts in places.values()), default=1)
    found = [
        (_lower(each), counts.most_common(1)[0][0], (1 + math.log(counts.total())) / (1 + math.log(most)))
        for each, counts in places.items()
    ]
    languages = CODE_PAGES[encoding].values()
    known = {letter for letters in languages for letter in letters}
    return max(
        (
            sum(weight * _share(each, fit, letters, known) for each, fit, weight in found)
            for letters in languages
            if _speaks(letters, encoding, set(map(_lower, places)))
        ),
        default=-math.inf,
    )


def _speaks(letters: str, encoding: str, found: Collection[str]) -> bool:
    """Whether the text has a letter of the language that would be another one in windows-1252."""
    return encoding == _DEFAULT or any(
        each.encode(encoding, "ignore").decode(_DEFAULT, "replace") != each for each in letters if each in found
    )


def is_likely(text: str, encoding: str) -> bool:
    """Whether the text makes sense in that encoding, be it not the only one."""
    kinds = {each for _, each, _ in neighbours(text)}
    return likelihood(text, encoding) >= math.log(0.005) * len(kinds)


def is_usual_mark(before: str, mark: str, after: str) -> bool:
    """Whether the mark may stand there: quotes and signs are around words, and not within them."""
    return _mark_fit(before, mark, after) > _NEVER


def sample(text: str) -> str:
    """Some words that have more than ASCII in them."""
    words = dict.fromkeys(each for line in text.splitlines() for each in re.split(r"[\s,;|]+", line))
    return " ".join([each for each in words if not each.isascii()][:_SHOWN_WORDS])


def neighbours(text: str) -> list[tuple[str, str, str]]:
    """Each character beyond ASCII between its neighbours."""
    around = zip(f" {text[:-1]}", text, f"{text[1:]} ", strict=True)
    return [each for each in around if not each[1].isascii()]


def _lower(letter: str) -> str:
    return letter if letter == "İ" else letter.lower()


def _share(each: str, fit: float, letters: str, known: set[str]) -> float:
    if not each.isalpha() or fit == _NEVER:
        return fit
    # Of the letters of a language the second has half the share of the first, the third a third of it.
    of_all = sum(1 / rank for rank in range(1, len(letters) + 1))
    own = 1 / (letters.index(each) + 1) / of_all if each in letters else 0.0
    foreign = 1 / len(known) if each in known else 0.0
    share = (1 - _OF_ANOTHER_LANGUAGE) * own + _OF_ANOTHER_LANGUAGE * foreign
    return math.log(share) if share else _NEVER


def _fit(before: str, each: str, after: str) -> float:
    """Of a letter whether it may stand there: nothing or never; of a mark how likely it is."""
    return _letter_fit(before, each, after) if each.isalpha() else _mark_fit(before, each, after)


def _letter_fit(before: str, each: str, after: str) -> float:
    is_after_vowel, is_before_vowel = before.lower() in _VOWELS, after.lower() in _VOWELS
    letter = each.lower()
    is_other_script = each >= _FIRST_GREEK and any(near.isascii() and near.isalpha() for near in (before, after))
    never = (
        is_other_script
        or (each < _FIRST_GREEK and all(not near.isascii() and near.isalpha() for near in (before, after)))
        or (each.isupper() and before.islower())
        or (each.islower() and not before.isalpha() and not after.isalpha())
        or (each.islower() and after.isupper())
        or (letter in _NEVER_FIRST and not before.isalpha())
        or (letter in _ALWAYS_LAST and after.isalpha())
        or (letter == "ă" and after.lower() in set("aeo"))
        or (letter == "ã" and after.lower() not in set("eio"))
        or (letter in _AFTER_VOWELS and not is_after_vowel)
        or (letter in _BEFORE_VOWELS and not is_before_vowel)
        or (letter in _AFTER_CONSONANTS and is_after_vowel)
        or (letter in _BEFORE_CONSONANTS and is_before_vowel)
    )
    return _NEVER if never else 0.0


def _mark_fit(before: str, mark: str, after: str) -> float:
    is_behind, is_before = before.isalnum(), after.isalnum()
    if is_behind and is_before:
        return 0.0 if mark in _WITHIN else _RARE if mark in _JOINING else _NEVER
    if mark == "°" and before.isalpha():
        return _NEVER
    usual = _CLOSING if is_behind else _OPENING if is_before else _OPENING + _CLOSING + _APART
    return _USUAL_MARK if mark in usual or mark == "\u00a0" else _NEVER

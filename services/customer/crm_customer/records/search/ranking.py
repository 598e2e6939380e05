"""How well a record fits a query: exact before beginning before substring before pinyin before typo."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from crm_customer.records.search.normalize import core, fold, is_ideographic, may_have_typo, squash, words
from crm_customer.records.search.phones import SHORTEST_END, digits_of, forms_of, is_same_number, main_digits
from crm_customer.records.search.pinyin import readings_of, runs
from crm_customer.records.search.terms import RecordTexts, SearchQuery

_EXACT, _EXACT_CORE, _BEGINNING, _SUBSTRING = 1.0, 0.95, 0.85, 0.75
_PINYIN_EXACT, _PINYIN_BEGINNING, _PINYIN_INSIDE = 0.7, 0.66, 0.62
_INITIALS_EXACT, _INITIALS_BEGINNING, _INITIALS_INSIDE = 0.58, 0.54, 0.5
_EMAIL_DOMAIN = 0.45
_TYPO = 0.3
# Of two equal matches the one that covers more of its text is better; less than any step above.
_COVERAGE = 0.03
_CONTACT = 0.99
_SHORTEST_READING = 2


def rank(query: SearchQuery, texts: RecordTexts) -> float:
    """From 0 (does not match) to 1 (is named exactly so). Depends on nothing but its arguments.

    Each chunk counts by its best text; the rank is the chunks' mean, or 0 if one of them is nowhere.
    """
    if not query.chunks or (query.anchor and not _some_begins(query.anchor, texts)):
        return 0.0
    whole = squash("".join(query.chunks))
    if any(squash(name) == whole for name in texts.names):
        return _EXACT
    total = 0.0
    for chunk, times in Counter(query.chunks).items():
        best = max(_chunk_scores(chunk, texts), default=0.0)
        if not best:
            return 0.0
        total += best * times
    return min(total / len(query.chunks), _EXACT)


def matches(query: SearchQuery, texts: RecordTexts) -> bool:
    """Whether each chunk of the query is in the record: what tokens cannot decide alone."""
    return rank(query, texts) > 0


def is_one_edit_apart(one: str, other: str) -> bool:
    """Whether one inserted, left out, changed or swapped adjacent letter makes them equal (or they are)."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    rest_one, rest_other = one[start:], other[start:]
    return (
        rest_one[1:] == rest_other[1:]
        or rest_one[1:] == rest_other
        or rest_one == rest_other[1:]
        or (rest_one[1::-1] == rest_other[:2] and rest_one[2:] == rest_other[2:])
    )


def _some_begins(anchor: str, texts: RecordTexts) -> bool:
    named = (*texts.names, *texts.contact_names, *texts.external_ids)
    return any(squash(text).startswith(anchor) for text in named)


def _chunk_scores(chunk: str, texts: RecordTexts) -> Iterator[float]:
    if "@" in chunk:
        yield from (_email(chunk, fold(email)) for email in texts.emails)
        return
    squashed = squash(chunk)
    ideographic = any(map(is_ideographic, squashed))
    score, wanted = (_written, ()) if ideographic else (_alphabetic, words(chunk))
    for name in texts.names:
        yield score(squashed, wanted, name)
    for name in texts.contact_names:
        yield _CONTACT * score(squashed, wanted, name)
    for external_id in texts.external_ids:
        yield _external_id(squashed, squash(external_id), ideographic=ideographic)
    if ideographic:
        return
    for number in texts.phone_numbers if len(digits_of(chunk)) >= SHORTEST_END else ():
        yield _phone(chunk, number)
    for email in texts.emails:
        yield _email_part(chunk, squashed, fold(email))


@dataclass(frozen=True, slots=True)
class _Name:
    """A name in the forms it is compared in."""

    squashed: str
    core: str
    words: tuple[str, ...]
    # The same as one text, each behind a blank: one look finds which of them begins so.
    spaced: str
    readings: tuple["_Reading", ...]


@dataclass(frozen=True, slots=True)
class _Reading:
    """One reading of one run of a name: all letters, where syllables start in them, the initials."""

    letters: str
    starts: tuple[int, ...]
    initials: str
    opens: bool
    core_letters: str
    core_initials: str


@lru_cache(maxsize=4096)
def _forms(name: str) -> _Name:
    squashed = squash(name)
    bare = core(squashed)
    readings = []
    for run in runs(squashed):
        for syllables in readings_of(run):
            starts = tuple(accumulate(map(len, syllables), initial=0))
            letters, initials = "".join(syllables), "".join(syllable[0] for syllable in syllables)
            size = min(len(bare), len(syllables))
            opens = squashed.startswith(run)
            readings.append(_Reading(letters, starts, initials, opens, letters[: starts[size]], initials[:size]))
    found = words(name)
    return _Name(squashed, bare, found, "".join(f" {word}" for word in found), tuple(readings))


def _written(squashed: str, _wanted: tuple[str, ...], name: str) -> float:
    text = _forms(name)
    if squashed not in text.squashed:
        return 0.0
    coverage = _COVERAGE * len(squashed) / len(text.squashed)
    if squashed in (text.squashed, text.core):
        return _EXACT_CORE + coverage
    return (_BEGINNING if text.squashed.startswith(squashed) else _SUBSTRING) + coverage


def _alphabetic(squashed: str, wanted: tuple[str, ...], name: str) -> float:
    text = _forms(name)
    written = _by_words(squashed, wanted, text) if text.words else 0.0
    if written > _PINYIN_EXACT or not text.readings or not (squashed.isalpha() and squashed.isascii()):
        return written
    return max(written, _by_reading(squashed, text))


def _by_words(squashed: str, wanted: tuple[str, ...], text: _Name) -> float:
    coverage = _COVERAGE * len(squashed) / max(len(text.squashed), len(squashed))
    if squashed == text.squashed:
        return _EXACT_CORE + coverage
    if all(f" {beginning}" in text.spaced for beginning in wanted):
        return (_BEGINNING if text.squashed.startswith(wanted[0]) else _SUBSTRING) + coverage
    return _TYPO + coverage if all(_nearly(word, text.words) for word in wanted) else 0.0


def _nearly(word: str, texts: Iterable[str]) -> bool:
    return any(text.startswith(word) or (may_have_typo(text) and is_one_edit_apart(word, text)) for text in texts)


def _by_reading(letters: str, text: _Name) -> float:
    if len(letters) < _SHORTEST_READING:
        return 0.0
    best = 0.0
    for reading in text.readings:
        score = _as_pinyin(letters, reading) or _as_initials(letters, reading)
        if score:
            best = max(best, score + _COVERAGE * len(letters) / (len(reading.letters) + len(letters)))
    return best


def _as_pinyin(letters: str, reading: _Reading) -> float:
    at = reading.letters.find(letters)
    if at == 0 and reading.opens:
        return _PINYIN_EXACT if letters in (reading.letters, reading.core_letters) else _PINYIN_BEGINNING
    while at >= 0:
        if at in reading.starts:
            return _PINYIN_INSIDE
        at = reading.letters.find(letters, at + 1)
    return 0.0


def _as_initials(letters: str, reading: _Reading) -> float:
    at = reading.initials.find(letters)
    if at == 0 and reading.opens:
        return _INITIALS_EXACT if letters in (reading.initials, reading.core_initials) else _INITIALS_BEGINNING
    return _INITIALS_INSIDE if at >= 0 else 0.0


def _phone(chunk: str, number: str) -> float:
    digits = main_digits(number)
    for form in forms_of(chunk):
        if len(form) >= SHORTEST_END and digits.endswith(form):
            return _BEGINNING + 0.1 * len(form) / len(digits)
    return _BEGINNING if is_same_number(chunk, number) else 0.0


def _email(chunk: str, email: str) -> float:
    if chunk == email:
        return _EXACT_CORE
    local, _, domain = email.partition("@")
    wanted_local, _, wanted_domain = chunk.partition("@")
    if wanted_local:
        return _BEGINNING if local == wanted_local and domain.startswith(wanted_domain) else 0.0
    return _EMAIL_DOMAIN if wanted_domain in (domain, domain.partition(".")[0]) else 0.0


def _email_part(chunk: str, squashed: str, email: str) -> float:
    local, _, domain = email.partition("@")
    if len(squashed) > 1 and squash(local).startswith(squashed):
        return _BEGINNING if squash(local) == squashed else _SUBSTRING
    return _EMAIL_DOMAIN if chunk in (domain, domain.partition(".")[0]) else 0.0


def _external_id(squashed: str, external_id: str, *, ideographic: bool) -> float:
    if squashed == external_id:
        return _EXACT_CORE
    if external_id.startswith(squashed) and len(squashed) > 1:
        return _BEGINNING
    return _SUBSTRING if ideographic and squashed in external_id else 0.0

"""What an account or a contact is found by, as index tokens, and what a query asks of them.

A token is a letter for its kind and a text. A record matches a query only if it has all `required` tokens and
at least one of each set in `any_of`; tokens are necessary, not sufficient: `ranking.rank` decides.

| kind | of a record | token |
|---|---|---|
| `=` | each name, contact, external id, e-mail; pinyin and initials of names | the whole, squashed |
| `f`, `^` | the same | its first one, first two characters |
| `c` | names, contacts, external ids | every two neighbours of which one is ideographic |
| `p`, `i` | each syllable of names and contacts | the pinyin, the initials from there on |
| `l`, `d` | each alphabetic word | its beginnings; itself with one letter left out |
| `t` | each phone number | its last digits |
| `e`, `x` | each e-mail, each external id | its parts; its beginnings |

Beginnings are kept at a few lengths only; a query uses the longest that is not longer than itself.
One letter left out on both sides finds any one typo: W. Garbe, SymSpell (symmetric delete), prefix length 7.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from crm_customer.records.search.normalize import (
    LEGAL_WORDS,
    SHORTEST_WITH_TYPO,
    core,
    fold,
    is_all_chinese,
    is_ideographic,
    may_have_typo,
    squash,
    words,
)
from crm_customer.records.search.phones import digits_of, forms_of, is_between, main_digits, without_extension
from crm_customer.records.search.pinyin import certain_boundaries, could_be_initials, readings_of, runs

_WORD_LENGTHS = (2, 3, 4, 5, 6, 7, 8, 11)
_PINYIN_LENGTHS = (2, 4, 6)
_INITIALS_LENGTHS = (2, 4)
_EXTERNAL_ID_LENGTHS = tuple(range(2, 13))
_PHONE_LENGTHS = (4, 5, 6, 7, 8)
_TYPO_PREFIX = 7
_MAX_GROUPS = 3
# In nine of ten names; the last ones are the rarest.
_GENERIC_BIGRAMS = ("公司", "有限", "限公", "责任", "限责", "任公", "股份", "份有")
# `Anna Weber <anna.weber@example.com>`, as mail programs copy it.
_ADDRESSED = re.compile(r"<\s*([^<>@\s]+@[^<>@\s]+)\s*>")
_AROUND_EMAILS = "<>()[]{}\"',;:，；："


@dataclass(frozen=True, slots=True)
class RecordTexts:
    """Everything a record is found by. Phone numbers are E.164; the credit code goes with the external ids."""

    names: tuple[str, ...]
    contact_names: tuple[str, ...] = ()
    phone_numbers: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    external_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A query as read. `chunks` are its folded words; each must be found in a record.

    `exact` is the token of a record named like that, `beginning` of one whose name begins like that: looked up
    first, so that a limit on candidates never cuts the best. `anchor` is set when all chunks are single
    characters: then a name must begin with it.
    """

    chunks: tuple[str, ...]
    exact: str
    beginning: str
    required: frozenset[str]
    any_of: tuple[frozenset[str], ...]
    anchor: str = ""


def index_tokens(texts: RecordTexts) -> set[str]:
    """All tokens of a record: about 150 of a company with two contacts, 40 of a contact."""
    tokens: set[str] = set()
    for name in (*texts.names, *texts.contact_names):
        tokens.update(_name_tokens(name))
    for external_id in texts.external_ids:
        squashed = squash(external_id)
        tokens.update(_ideographic_tokens(squashed), _beginnings("x", squashed, _EXTERNAL_ID_LENGTHS))
        tokens.update(_start_tokens(squashed))
    for number in texts.phone_numbers:
        digits = main_digits(number)
        tokens.update(f"t{digits[-length:]}" for length in _PHONE_LENGTHS if length <= len(digits))
    for email in texts.emails:
        tokens.update(_email_tokens(email))
        tokens.add(f"={squash(email)}")
    return tokens


def query_terms(text: str) -> SearchQuery:
    """Reads a query. A text without a letter or digit gives a query without chunks, which finds nothing."""
    chunks = tuple(_chunks(text))
    whole = squash("".join(chunks))
    required: set[str] = set()
    groups: list[tuple[bool, int, frozenset[str]]] = []
    for chunk in chunks:
        if "@" in chunk:
            groups.append((False, -len(chunk), frozenset(_email_query_tokens(chunk))))
        elif any(map(is_ideographic, chunk)):
            required.update(_ideographic_tokens(squash(chunk)))
        else:
            groups.extend(_word_groups(chunk))
    required = _without_generic(required, alone=not groups)
    anchor = "" if required or groups or not whole else whole[0]
    if anchor:
        required.add(f"f{anchor}")
    ordered = sorted(groups, key=lambda group: group[:2])
    return SearchQuery(
        chunks=chunks,
        exact=f"={whole}",
        beginning=f"^{whole[:2]}" if len(whole) > 1 else f"f{whole}",
        required=frozenset(required),
        any_of=tuple(dict.fromkeys(tokens for _, _, tokens in ordered))[:_MAX_GROUPS],
        anchor=anchor,
    )


def _chunks(text: str) -> Iterator[str]:
    addressed = _ADDRESSED.search(text)
    if addressed:
        yield fold(addressed[1])
        return
    number = ""
    for chunk in without_extension(fold(text)).split():
        if digits_of(chunk):
            number += chunk
            continue
        if number and is_between(chunk):
            continue
        if number:
            yield number
            number = ""
        if squash(chunk):
            yield _email_alone(chunk) if "@" in chunk else chunk
    if number:
        yield number


def _email_alone(chunk: str) -> str:
    return chunk.strip(_AROUND_EMAILS).removeprefix("mailto:")


@lru_cache(maxsize=16)
def _name_tokens(name: str) -> tuple[str, ...]:
    # Remembered for what comes at once: an account is found by its contact's name, as the contact is.
    squashed = squash(name)
    tokens = [*_start_tokens(squashed), *_ideographic_tokens(squashed), f"={core(squashed)}"]
    for run in runs(squashed):
        for syllables in readings_of(run):
            tokens += _reading_tokens(syllables)
    for run in runs(core(squashed))[:1]:
        for syllables in readings_of(run):
            tokens += _start_tokens("".join(syllables))
            tokens.append("=" + "".join([syllable[0] for syllable in syllables]))
    for word in words(name):
        tokens += _beginnings("l", word, _WORD_LENGTHS)
        if may_have_typo(word):
            tokens += _typo_tokens(word)
    return tuple(tokens)


# Lists and no generators from here on: an account has more than a hundred tokens, and imports have many accounts.


def _start_tokens(squashed: str) -> list[str]:
    if len(squashed) > 1:
        return [f"={squashed}", f"f{squashed[0]}", f"^{squashed[:2]}"]
    return [f"={squashed}", f"f{squashed}"] if squashed else []


def _ideographic_tokens(squashed: str) -> list[str]:
    if squashed.isascii():
        return []
    pairs = ["c" + squashed[start : start + 2] for start in range(len(squashed) - 1)]
    if is_all_chinese(squashed):
        return pairs
    return [pair for pair in pairs if is_ideographic(pair[1]) or is_ideographic(pair[2])]


def _reading_tokens(syllables: Sequence[str]) -> list[str]:
    letters = "".join(syllables)
    initials = "".join([syllable[0] for syllable in syllables])
    starts = [0, *accumulate(map(len, syllables))][:-1]
    size = len(letters)
    tokens: list[str] = []
    for length in _PINYIN_LENGTHS:
        tokens += ["p" + letters[start : start + length] for start in starts if start + length <= size]
    for length in _INITIALS_LENGTHS:
        tokens += ["i" + initials[start : start + length] for start in range(len(initials) - length + 1)]
    return tokens


def _beginnings(kind: str, text: str, lengths: Iterable[int]) -> list[str]:
    return [kind + text[:length] for length in lengths if length <= len(text)]


def _longest_beginning(kind: str, text: str, lengths: Sequence[int]) -> list[str]:
    return _beginnings(kind, text, lengths)[-1:]


def _typo_tokens(word: str) -> list[str]:
    start = word[:_TYPO_PREFIX]
    return [f"d{start}", *(f"d{start[:position]}{start[position + 1 :]}" for position in range(len(start)))]


def _email_tokens(email: str) -> Iterator[str]:
    local, _, domain = fold(email).partition("@")
    yield f"e{local}@"
    yield f"e@{domain}"
    yield f"e@{domain.partition('.')[0]}"
    yield from _beginnings("e", squash(local), _WORD_LENGTHS)


def _email_query_tokens(chunk: str) -> Iterator[str]:
    local, _, domain = chunk.partition("@")
    yield f"e{local}@" if local else f"e@{domain}"


def _word_groups(chunk: str) -> Iterator[tuple[bool, int, frozenset[str]]]:
    """Per word of the chunk the sets of which an account has a token each: (is generic, -length, tokens)."""
    whole = frozenset(_whole_chunk_tokens(chunk))
    for word in words(chunk):
        if len(word) < _WORD_LENGTHS[0]:
            continue
        alternatives = {*whole, *_longest_beginning("l", word, _WORD_LENGTHS)}
        if word.isdigit():
            pass
        elif len(word) >= SHORTEST_WITH_TYPO:
            alternatives.update(_typo_tokens(word))
        elif len(word) == SHORTEST_WITH_TYPO - 1:
            alternatives.add(f"d{word}")
        pinyin, initials = _pinyin_query_tokens(word), _initials_query_tokens(word)
        # (a or (p1 and p2) or (i1 and i2)) as (a or p1 or i1) and (a or p2 or i2): what an index can look up.
        for position in range(max(len(pinyin), len(initials), 1)):
            tokens = {*alternatives, *pinyin[: position + 1][-1:], *initials[: position + 1][-1:]}
            yield word in LEGAL_WORDS, -len(word), frozenset(tokens)


def _whole_chunk_tokens(chunk: str) -> Iterator[str]:
    squashed = squash(chunk)
    yield from _longest_beginning("x", squashed, _EXTERNAL_ID_LENGTHS)
    yield from _longest_beginning("e", squashed, _WORD_LENGTHS)
    yield f"e@{chunk}"
    for number in forms_of(chunk):
        yield from [f"t{number[-length:]}" for length in _PHONE_LENGTHS if length <= len(number)][-1:]


def _pinyin_query_tokens(word: str) -> list[str]:
    if not (word.isascii() and word.isalpha()):
        return []
    found = [
        token
        for boundary in certain_boundaries(word)
        for token in _longest_beginning("p", word[boundary:], _PINYIN_LENGTHS)
    ]
    # Shorter ones next to longer ones are in most accounts and choose nothing.
    longest = max(map(len, found), default=0)
    return [token for token in dict.fromkeys(found) if len(token) == longest][:_MAX_GROUPS]


def _initials_query_tokens(word: str) -> list[str]:
    if not (word.isascii() and word.isalpha() and could_be_initials(word)):
        return []
    length = max(length for length in _INITIALS_LENGTHS if length <= len(word))
    windows = [f"i{word[start : start + length]}" for start in range(len(word) - length + 1)]
    return list(dict.fromkeys([windows[0], windows[-1], windows[len(windows) // 2]]))


def _without_generic(required: set[str], *, alone: bool) -> set[str]:
    """Leaves out the bigrams of legal forms, which choose nothing; if there are no others, the rarest one stays."""
    generic = [f"c{bigram}" for bigram in _GENERIC_BIGRAMS if f"c{bigram}" in required]
    rest = required.difference(generic)
    if rest or not alone or not generic:
        return rest
    return {generic[-1]}

"""How much two accounts are alike, from 0 to 1, and why: pure functions of what is known of both."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from operator import eq

from crm_kit.likeness import shared
from rapidfuzz.distance import OSA

from crm_customer.records.duplicate_rules.facts import Facts
from crm_customer.records.duplicate_rules.names import Name
from crm_customer.records.duplicate_rules.places import are_apart
from crm_customer.records.search.normalize import is_all_chinese

DUPLICATE = 70
"""Points from which on two accounts are told to be duplicates."""

RELATED = 50
"""The most that two accounts have which something tells apart, such as a branch and its head office."""

SAME, MOST = 100, 100


class Reason(enum.StrEnum):
    """Why two accounts are alike, or are not."""

    SAME_CREDIT_CODE = "SAME_CREDIT_CODE"
    OTHER_CREDIT_CODE = "OTHER_CREDIT_CODE"
    SAME_NAME = "SAME_NAME"
    SAME_NAME_OTHER_FORM = "SAME_NAME_OTHER_FORM"
    SAME_READING = "SAME_READING"
    SIMILAR_NAME = "SIMILAR_NAME"
    SHORTER_NAME = "SHORTER_NAME"
    SAME_PHONE = "SAME_PHONE"
    OTHER_PHONE = "OTHER_PHONE"
    SAME_EMAIL = "SAME_EMAIL"
    SAME_DOMAIN = "SAME_DOMAIN"
    OTHER_DOMAIN = "OTHER_DOMAIN"
    SAME_ADDRESS = "SAME_ADDRESS"
    SAME_PLACE = "SAME_PLACE"
    OTHER_PLACE = "OTHER_PLACE"
    OTHER_NUMBER = "OTHER_NUMBER"
    OTHER_BRANCH = "OTHER_BRANCH"
    OTHER_TRADE = "OTHER_TRADE"
    GROUP_AND_MEMBER = "GROUP_AND_MEMBER"
    OTHER_KIND = "OTHER_KIND"


# What tells two accounts apart, whatever else they have in common.
APART = frozenset(
    {
        *(Reason.OTHER_PLACE, Reason.OTHER_NUMBER, Reason.OTHER_BRANCH, Reason.OTHER_TRADE),
        Reason.GROUP_AND_MEMBER,
    }
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that speaks for or against, in points."""

    reason: Reason
    points: int


@dataclass(frozen=True, slots=True)
class Match:
    """What two accounts have in common; the evidence adds up to the points, but for what is below 0 or above 100."""

    evidence: tuple[Evidence, ...]

    @property
    def points(self) -> int:
        return max(0, min(MOST, sum(each.points for each in self.evidence)))

    @property
    def score(self) -> float:
        return self.points / MOST

    @property
    def told(self) -> tuple[Evidence, ...]:
        """The evidence, what counts most first."""
        return tuple(sorted(self.evidence, key=lambda each: (-each.points, each.reason)))

    @property
    def is_duplicate(self) -> bool:
        return self.points >= DUPLICATE


def match(one: Facts, other: Facts) -> Match:
    """How much two accounts are alike. The same whichever is named first."""
    if one.credit_code and one.credit_code == other.credit_code:
        return Match((Evidence(Reason.SAME_CREDIT_CODE, SAME),))
    is_person = one.is_person and other.is_person
    found = [*(_of_persons(one, other) if is_person else _of_organizations(one, other))]
    if one.is_person is not other.is_person:
        found.append(Evidence(Reason.OTHER_KIND, -20))
    if one.credit_code and other.credit_code:
        return Match(_at_most(found, _CODES_DIFFER, Reason.OTHER_CREDIT_CODE))
    against = next((each.reason for each in found if each.reason in APART), None)
    return Match(_at_most(found, RELATED, against) if against else tuple(found))


_CODES_DIFFER = 30


def may_be_duplicates(one: Facts, other: Facts) -> bool:
    """Whether `match` can find so much at all. What is quickest to tell is asked first: most pairs end there.

    True says nothing; of organizations whose names do not agree it is those that something else speaks for, too.
    """
    if one.credit_code and other.credit_code:
        return one.credit_code == other.credit_code
    if one.is_person or other.is_person:
        return True
    besides = sum(each.points for each in (*_of_contact(one, other, **_ORGANIZATIONS), *_of_places(one, other)))
    return _SIMILAR + besides >= DUPLICATE or any(_agree(*pair) for pair in product(one.all_names, other.all_names))


def _agree(one: Name, other: Name) -> bool:
    """Whether more may speak for two names being one than that they are similar."""
    some, others = [(each.brand_reading, each.reading, each.core, each.whole) for each in (one, other)]
    return any(map(eq, some, others))


def _at_most(found: list[Evidence], most: int, reason: Reason) -> tuple[Evidence, ...]:
    """The evidence with what tells the two apart taking off whatever is above the most that they may have."""
    others = [each for each in found if each.reason is not reason]
    known = sum(each.points for each in found) - sum(each.points for each in others)
    taken = min(known, most - sum(each.points for each in others), 0)
    return (*others, Evidence(reason, taken))


def _of_persons(one: Facts, other: Facts) -> Iterator[Evidence]:
    """A name alone is never enough: thousands are called the same."""
    if shared(one.all_wholes, other.all_wholes):
        yield Evidence(Reason.SAME_NAME, 45)
    elif shared(one.persons, other.persons):
        yield Evidence(Reason.SAME_READING, 40)
    yield from _of_contact(one, other, phone=35, email=35)
    yield from _of_places(one, other)


_ORGANIZATIONS = {"phone": 25, "email": 30}
_SIMILAR = 64


def _of_organizations(one: Facts, other: Facts) -> Iterator[Evidence]:
    named = max(
        (compared(*pair) for pair in product(one.all_names, other.all_names)), key=lambda each: _rank(each), default=()
    )
    yield from named
    yield from _of_contact(one, other, **_ORGANIZATIONS)
    if not any(each.reason is Reason.OTHER_PLACE for each in named):
        yield from _of_places(one, other)


def _rank(evidence: tuple[Evidence, ...]) -> tuple[int, bool, int, list[str]]:
    """By what is alike first: a name that agrees says more than another one that does not contradict."""
    apart = any(each.reason in APART for each in evidence)
    points = sum(each.points for each in evidence)
    return (min(points, RELATED) if apart else points, not apart, points, sorted(each.reason for each in evidence))


def _of_contact(one: Facts, other: Facts, *, phone: int, email: int) -> Iterator[Evidence]:
    has_phone, has_mail = shared(one.phones, other.phones), shared(one.mailboxes, other.mailboxes)
    if has_phone is not None:
        yield Evidence(Reason.SAME_PHONE, phone) if has_phone else Evidence(Reason.OTHER_PHONE, -3)
    if has_mail:
        yield Evidence(Reason.SAME_EMAIL, email)
    elif (has_domain := shared(one.domains, other.domains)) is not None:
        yield Evidence(Reason.SAME_DOMAIN, 20) if has_domain else Evidence(Reason.OTHER_DOMAIN, -6)


def _of_places(one: Facts, other: Facts) -> Iterator[Evidence]:
    if shared(one.streets, other.streets):
        yield Evidence(Reason.SAME_ADDRESS, 20)
    elif are_apart(one.places, other.places):
        yield Evidence(Reason.OTHER_PLACE, -20)
        return
    if one.places & other.places:
        yield Evidence(Reason.SAME_PLACE, 8)


def compared(one: Name, other: Name) -> tuple[Evidence, ...]:
    """What two names of organizations say of each other."""
    alike = _alike(one, other)
    if alike is None:
        return ()
    return (alike, *_apart(one, other))


def _alike(one: Name, other: Name) -> Evidence | None:
    if one.whole == other.whole:
        return Evidence(Reason.SAME_NAME, 72)
    if one.core == other.core:
        # Of 华信 alone there are many; of 华信电力设备 there is one, mostly.
        return Evidence(Reason.SAME_NAME_OTHER_FORM, 70 if len(one.core) >= _TELLING else 60)
    if one.reading == other.reading:
        return Evidence(Reason.SAME_READING, 68 if len(one.syllables) >= _TELLING else 55)
    if one.brand_reading == other.brand_reading:
        return _of_one_brand(one, other)
    if are_similar(one, other):
        return Evidence(Reason.SIMILAR_NAME, _SIMILAR if min(len(one.core), len(other.core)) > _TELLING else 52)
    if is_short_for(one.core, other.core) or is_short_for(other.core, one.core):
        return Evidence(Reason.SHORTER_NAME, 30)
    return None


_TELLING = 4


def _of_one_brand(one: Name, other: Name) -> Evidence:
    """Names of the same brand: one leaves some of its trades out, or they are sisters in different trades."""
    some, others = set(one.trades), set(other.trades)
    if not some or not others:
        return Evidence(Reason.SHORTER_NAME, 55)
    if some <= others or others <= some:
        return Evidence(Reason.SHORTER_NAME, 60)
    return Evidence(Reason.OTHER_TRADE, 20)


def _apart(one: Name, other: Name) -> Iterator[Evidence]:
    if one.numerals != other.numerals:
        yield Evidence(Reason.OTHER_NUMBER, -20)
    if one.branch != other.branch:
        yield Evidence(Reason.OTHER_BRANCH, -20)
    if are_apart(one.places, other.places):
        yield Evidence(Reason.OTHER_PLACE, -20)
    if one.is_group is not other.is_group and one.has_form and other.has_form:
        yield Evidence(Reason.GROUP_AND_MEMBER, -20)


def are_similar(one: Name, other: Name) -> bool:
    """Whether one may be the other with a typing error: not where both are right, and in other trades."""
    first, second = one.core, other.core
    if min(len(first), len(second)) < _SHORTEST_WITH_ERROR or is_all_chinese(first) is not is_all_chinese(second):
        return False
    if set(one.trades) - set(other.trades) and set(other.trades) - set(one.trades):
        return False
    errors = 1 if is_all_chinese(first) else max(1, min(len(first), len(second)) // _LETTERS_AN_ERROR)
    errors = min(errors, _MOST_ERRORS)
    return OSA.distance(first, second, score_cutoff=errors) <= errors


_SHORTEST_WITH_ERROR = 4
_LETTERS_AN_ERROR = 6
_MOST_ERRORS = 8


def is_short_for(short: str, long: str) -> bool:
    """Whether a Chinese name is a longer one with characters left out: 华电 of 华信电力. Both begin alike."""
    if not _FEWEST <= len(short) < len(long) or short[0] != long[0] or not is_all_chinese(short):
        return False
    rest = iter(long)
    return all(character in rest for character in short)


_FEWEST = 2

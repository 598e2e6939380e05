"""Names in their normal form: what a company is called, apart from where it is, what it does and its legal form.

深圳市华信电力设备有限公司        place 深圳, brand 华信, trades 电力 设备
華信電力設備（深圳）股份有限公司   the same
Shenzhen Huaxin Electric Power Equipment Co., Ltd   the same but for characters: the reading is huaxin
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from crm_customer.records.duplicate_rules.places import by_reading, leading_places, place_named
from crm_customer.records.duplicate_rules.trades import brand_and_trades, brand_and_trades_of_words, trades_of_names
from crm_customer.records.search.normalize import LEGAL_WORDS, fold, squash, words
from crm_customer.records.search.pinyin import readings_of, runs

# The longer before the shorter that ends like it.
_FORMS = (
    *("集团股份有限公司", "集团有限责任公司", "股份有限责任公司", "集团有限公司", "有限责任公司", "股份有限公司"),
    *("特殊普通合伙", "普通合伙", "有限合伙", "集团公司", "股份公司", "有限公司", "有限责任", "总公司", "公司", "集团"),
    *("股份", "有限"),
)
_FORMS_READ = ("jituanyouxiangongsi", "gufenyouxiangongsi", "youxianzerengongsi", "youxiangongsi", "gongsi")
_GROUP = ("集团", "控股集团")
_GROUP_WORDS = frozenset({"group", "holdings", "jituan"})
_MORE_LEGAL_WORDS = frozenset({"branch", "office", "and", "the", "of", "stock", "shares", "china", "prc"})
# 有限公司 and behind it what is a part of the company: 北京分公司, 第三营业部.
_BRANCH = re.compile(
    "(?P<head>.*(?:公司|集团|合伙|银行|医院|大学|酒店|超市|店))"
    "(?P<branch>.{0,24}?(?:分公司|支公司|子公司|分行|支行|分店|分部|分厂|分院|办事处|营业部|营业厅|门店|经营部|项目部|服务部))$"
)
_BRANCH_ALONE = re.compile(
    "(?P<head>.{4,}?)(?P<branch>(?:[\u4e00-\u9fff]{2,3}|[0-9]+|第.{1,3}))?(?:分公司|支公司|分行|支行|分店|分院|办事处|营业部)$"
)
_ENDS_OF_BRANCHES = frozenset("司行店部厂院处厅")
_FORMER = re.compile(r"[(\[【〔]\s*(?:原名?|曾用名?|又名|别名|formerly)\s*[::]?\s*([^)\]】〕]+)[)\]】〕]")
_BRACKETS = re.compile(r"[(\[【〔]([^()\[\]【】〔〕]*)[)\]】〕]")
_MARKS = re.compile(r"^[\s*#★☆●◆·.、\-_]+|[\s*#★☆]+$")
_DEPARTMENT = re.compile(r"\s*[-—–_/]\s*[^-—–_/]{0,8}[部处科室组]$")
_NUMERALS = re.compile(
    "第([一二三四五六七八九十百零〇]+|[0-9]+)|([一二三四五六七八九十]+)(?=[号期分厂院建局公冶航棉])|([0-9]+)"
)
_CHINESE_DIGITS = {c: i for i, c in enumerate("〇一二三四五六七八九")} | {"零": 0}
_CITY = "shi"
_LONGEST = 120
_FEW = 3


@dataclass(frozen=True, slots=True)
class Name:
    """`whole` is all of it in one written form, `core` brand and trades; readings are without tones and blanks."""

    whole: str
    core: str
    brand: str
    trades: tuple[str, ...]
    places: frozenset[str]
    branch: str
    numerals: frozenset[str]
    is_group: bool
    has_form: bool
    syllables: tuple[str, ...]
    brand_reading: str

    @property
    def reading(self) -> str:
        return "".join(self.syllables)

    @property
    def trade_reading(self) -> str:
        return "".join(map(reading_of, self.trades))


def names_in(text: str) -> Iterator[Name]:
    """The name, and the one that stands in brackets behind 原 or 曾用; none without a letter or digit."""
    # One character may be written out as eighteen.
    folded = fold(text[:_LONGEST])[:_LONGEST]
    former = _FORMER.search(folded)
    parts = [_FORMER.sub("", folded), former[1]] if former else [folded]
    for part in parts:
        if name := _parsed(part):
            yield name


@lru_cache(maxsize=8192)
def _parsed(folded: str) -> Name | None:
    bare = _DEPARTMENT.sub("", _MARKS.sub("", folded))
    bracketed = [squash(each) for each in _BRACKETS.findall(bare)]
    places = [place for each in bracketed if (place := place_named(each))]
    whole = squash(bare)
    if not whole:
        return None
    # What is in brackets and no place belongs to the name: 华信(第二)电力.
    kept = _BRACKETS.sub(lambda found: "" if place_named(squash(found[1])) else found[1], bare)
    if any("\u4e00" <= each <= "\u9fff" for each in kept):
        return _chinese(whole, squash(kept), places)
    return _latin(whole, words(kept), places)


def _chinese(whole: str, squashed: str, places: list[str]) -> Name:
    head, branch = _without_branch(squashed)
    found, rest = leading_places(head)
    rest, is_group, has_form = _without_form(rest)
    if not found and len(rest) > _FEW:
        # 华信深圳有限公司 is written for 华信(深圳)有限公司.
        rest, behind = _place_behind(rest)
        found = (*found, *behind)
    brand, trades = brand_and_trades(rest)
    syllables = syllables_of(rest)
    # A syllable for each character, but in names that are not Chinese throughout.
    brand_reading = "".join(syllables[: len(brand)] if len(syllables) == len(rest) else syllables_of(brand))
    at = frozenset((*found, *places))
    numerals = frozenset((*_numerals(rest), *_numerals(branch)))
    return Name(whole, rest, brand, trades, at, branch, numerals, is_group, has_form, syllables, brand_reading)


def _latin(whole: str, told: tuple[str, ...], places: list[str]) -> Name:
    legal = LEGAL_WORDS | _MORE_LEGAL_WORDS
    is_group = not _GROUP_WORDS.isdisjoint(told)
    bare = tuple(word for word in told if word not in legal and word not in _GROUP_WORDS) or told
    known = by_reading()
    at = [known[word] for each in bare if (word := each.removesuffix(_CITY)) in known]
    called = tuple(word for word in bare if word.removesuffix(_CITY) not in known) or bare
    words_of_brand, trades = brand_and_trades_of_words(called)
    joined, brand = "".join(called), "".join(words_of_brand)
    form = next((each for each in _FORMS_READ if joined.endswith(each) and len(joined) > len(each) + 1), "")
    if form or not trades:
        joined, is_group = joined.removesuffix(form), is_group or form.startswith("jituan")
        brand, trades = brand_and_trades_read(joined)
    branch = "branch" if {"branch", "office"} & set(told) else ""
    return Name(
        whole=whole,
        core=joined,
        brand=brand,
        trades=trades,
        places=frozenset((*at, *places)),
        branch=branch,
        numerals=frozenset(each for each in re.findall(r"\d+", " ".join(called))),
        is_group=is_group,
        has_form=len(bare) < len(told),
        syllables=(brand, *map(reading_of, trades)),
        brand_reading=brand,
    )


def brand_and_trades_read(joined: str) -> tuple[str, tuple[str, ...]]:
    """The same of a Chinese name in pinyin, as `huaxindianli`: three letters at least are what it is called."""
    found: list[str] = []
    while True:
        read = next(
            (each for each in _trades_read() if joined.endswith(each) and len(joined) - len(each) >= _FEW), None
        )
        if read is None:
            return joined, tuple(found)
        found.insert(0, _trades_read()[read])
        joined = joined.removesuffix(read)


@cache
def _trades_read() -> dict[str, str]:
    """Trades of two characters or more by their readings, the longest first."""
    read = {reading_of(word): word for word in trades_of_names().values() if len(word) > 1}
    return dict(sorted(read.items(), key=lambda each: (-len(each[0]), each[0])))


def _without_branch(squashed: str) -> tuple[str, str]:
    if squashed[-1:] not in _ENDS_OF_BRANCHES:
        return squashed, ""
    for pattern in (_BRANCH, _BRANCH_ALONE):
        if (found := pattern.match(squashed)) and len(found["head"]) > 1:
            return found["head"], squashed[len(found["head"]) :]
    return squashed, ""


def _without_form(text: str) -> tuple[str, bool, bool]:
    """What is left without legal forms, whether one of them says group, and whether there was one."""
    is_group = has_form = False
    while True:
        ends = text.endswith(_FORMS)
        form = (
            next((each for each in _FORMS if text.endswith(each) and len(text) - len(each) > 1), None) if ends else None
        )
        if form is None:
            return text, is_group, has_form
        text = text.removesuffix(form)
        is_group, has_form = is_group or "集团" in form, True


def _place_behind(text: str) -> tuple[str, tuple[str, ...]]:
    for size in (2, 3):
        if len(text) - size > 1 and (place := place_named(text[-size:])):
            return text[:-size], (place,)
    return text, ()


def _numerals(text: str) -> Iterator[str]:
    for found in _NUMERALS.finditer(text):
        yield number_of(next(each for each in found.groups() if each))


def number_of(text: str) -> str:
    """Digits of a numeral up to 999: 二十三 is 23."""
    if text.isdigit() and text.isascii():
        return text.lstrip("0") or "0"
    total = digit = 0
    for each in text:
        if each in _CHINESE_DIGITS:
            digit = _CHINESE_DIGITS[each]
        else:
            total, digit = total + (digit or 1) * (100 if each == "百" else 10), 0
    return str(total + digit)


@lru_cache(maxsize=16384)
def syllables_of(squashed: str) -> tuple[str, ...]:
    """How it is read, a syllable for each character of Chinese; what has no reading stays as it is."""
    found: list[str] = []
    rest = squashed
    for run in runs(squashed):
        before, _, rest = rest.partition(run)
        found.extend((*((before,) if before else ()), *readings_of(run)[0]))
    return (*found, rest) if rest else tuple(found)


def reading_of(squashed: str) -> str:
    """The syllables in one."""
    return "".join(syllables_of(squashed))

"""The rules by which accounts are found to be the same: names in normal form, keys, points and what they are for."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from crm_customer.records.accounts.credit_code import check_character
from crm_customer.records.duplicate_rules.blocking import MAX_KEYS, keys_of
from crm_customer.records.duplicate_rules.facts import Facts
from crm_customer.records.duplicate_rules.matching import APART, MOST, RELATED, Reason, match, may_be_duplicates
from crm_customer.records.duplicate_rules.names import names_in
from hypothesis import given
from hypothesis import strategies as st

from tests.factories.companies import UNSEEN, Writer
from tests.load.duplicates_quality import candidates, matches, quality

PIECES = st.sampled_from(
    [
        *(
            "深圳市",
            "华信",
            "華信",
            "电力",
            "设备",
            "有限公司",
            "股份",
            "集团",
            "北京分公司",
            "第二",
            "3号",
            "(原华兴)",
        ),
        *("Huaxin", " Electric ", "Co., Ltd", "*", "-采购部", "(", "）", "王", "芳", "厂", "﹏", "é"),
    ]
)
NAMES = st.one_of(st.lists(PIECES, min_size=1, max_size=6).map("".join), st.text(max_size=30))
CODES = st.sampled_from([None, *(f"9144030{n:010}" for n in range(3))]).map(
    lambda body: body and body + check_character(body)
)
FACTS = st.builds(
    Facts,
    is_person=st.booleans(),
    names=st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    credit_code=CODES,
    phone_numbers=st.lists(st.sampled_from(["+8613800138000", "+8675586661234;ext=8", "+8675586661234"])).map(tuple),
    emails=st.lists(st.sampled_from(["a@hx.example", "A@HX.example", "b@qq.com", "b@hx.example"])).map(tuple),
    website=st.sampled_from([None, "https://www.hx.example/", "http://[", ""]),
    region_code=st.sampled_from([None, "CN-GD", "CN-BJ", "DE-BE"]),
    cities=st.lists(st.sampled_from(["深圳市", "Berlin", "广东省", ""]), max_size=2).map(tuple),
    lines=st.lists(st.sampled_from(["科技园路 18 号", "1"]), max_size=2).map(tuple),
)


def company(name: str, **known: Any) -> Facts:
    return replace(Facts(is_person=False, names=(name,)), **known)


def reasons(one: Facts, other: Facts) -> set[Reason]:
    return {each.reason for each in match(one, other).evidence}


@given(FACTS, FACTS)
def test_two_records_are_alike_whichever_is_named_first(one: Facts, other: Facts) -> None:
    there, back = match(one, other), match(other, one)
    assert there.points == back.points
    assert sorted(there.evidence, key=str) == sorted(back.evidence, key=str)


@given(FACTS, FACTS)
def test_points_are_the_sum_of_the_evidence_within_their_bounds(one: Facts, other: Facts) -> None:
    found = match(one, other)
    assert found.points == min(MOST, max(0, sum(each.points for each in found.evidence)))
    assert 0 <= found.score <= 1
    assert len({each.reason for each in found.evidence}) == len(found.evidence)


@given(FACTS, FACTS)
def test_what_tells_two_records_apart_keeps_them_from_being_duplicates(one: Facts, other: Facts) -> None:
    found = match(one, other)
    told = {each.reason for each in found.evidence}
    if told & APART:
        assert found.points <= RELATED
    if Reason.OTHER_CREDIT_CODE in told:
        assert found.points < RELATED


@given(FACTS, FACTS)
def test_a_shared_number_mailbox_or_code_never_makes_two_records_less_alike(one: Facts, other: Facts) -> None:
    before = match(one, other).points
    phones = [replace(each, phone_numbers=(*each.phone_numbers, "+8613911112222")) for each in (one, other)]
    assert match(*phones).points >= before
    mails = [replace(each, emails=(*each.emails, "new@hx-new.example")) for each in (one, other)]
    assert match(*mails).points >= before
    code = f"91440300MA5EX{0:04}"
    both = [replace(each, credit_code=code + check_character(code)) for each in (one, other)]
    assert match(*both).points == MOST


@given(NAMES)
def test_a_name_that_is_normal_already_stays_as_it_is(text: str) -> None:
    for name in names_in(text):
        for again in names_in(name.whole):
            assert again.whole == name.whole


@given(FACTS)
def test_a_record_is_found_by_its_own_keys_and_has_not_too_many(facts: Facts) -> None:
    keys = keys_of(facts)
    assert keys == keys_of(facts)
    assert len(keys) <= MAX_KEYS
    assert all(-(2**63) <= key < 2**63 for key in keys)
    assert match(facts, facts).points >= match(facts, replace(facts, names=("又一家",))).points


@given(FACTS, FACTS)
def test_what_is_told_apart_at_once_is_no_duplicate(one: Facts, other: Facts) -> None:
    assert may_be_duplicates(one, other) == may_be_duplicates(other, one)
    assert may_be_duplicates(one, other) or not match(one, other).is_duplicate


def test_what_is_told_apart_at_once_is_no_duplicate_among_written_companies() -> None:
    records = list(Writer(UNSEEN, 2).records(300))
    pairs = [(records[one].facts, records[other].facts) for one, other in candidates(records)]
    told = [(may_be_duplicates(*pair), match(*pair).is_duplicate) for pair in pairs]
    assert (False, True) not in told
    assert {*told} == {(False, False), (True, False), (True, True)}


def test_the_longest_names_are_compared_at_once() -> None:
    one, other = [Facts(False, tuple(f"{letters * 49}{at}" for at in range(3))) for letters in ("abba", "cdcc")]
    begun = time.process_time()
    assert not match(one, other).is_duplicate
    assert time.process_time() - begun < 1
    # One character of these is written out as eighteen.
    written_out = next(names_in("\ufdfa" * 200))
    assert len(written_out.whole) <= 120


def test_a_name_with_its_place_meets_the_one_without_that_leaves_trades_out() -> None:
    one, other = [Facts(False, (name,)) for name in ("深圳华信", "华信电力设备有限公司")]
    assert keys_of(one) & keys_of(other)


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ("深圳市华信电力设备有限公司", "華信電力設備(深圳)股份有限公司", Reason.SAME_NAME_OTHER_FORM),
        ("深圳市华信电力设备有限公司", "Shenzhen Huaxin Electric Power Equipment Co., Ltd", Reason.SAME_READING),
        ("深圳市华信电力设备有限公司", "huaxin dianli shebei youxian gongsi", Reason.SAME_READING),
        ("深圳市华信电力设备有限公司", "＊深圳市华信电力设备有限公司-采购部", Reason.SAME_NAME),
        ("深圳市华信电力设备有限公司", "华兴电力(原华信电力设备)", Reason.SAME_NAME_OTHER_FORM),
        ("深圳市华信电力设备有限公司", "深圳华鑫电力设备有限公司", Reason.SAME_READING),
        ("深圳市华信电力设备有限公司", "深圳华立电力设备有限公司", Reason.SIMILAR_NAME),
        ("深圳市华信电力设备有限公司", "深圳华信", Reason.SHORTER_NAME),
        ("Siemens Energy GmbH", "SIEMENS ENERGY", Reason.SAME_NAME_OTHER_FORM),
    ],
)
def test_names_are_alike_however_they_are_written(one: str, other: str, reason: Reason) -> None:
    assert reason in reasons(company(one), company(other))
    known = {"phone_numbers": ("+8675586661234",)}
    assert match(company(one, **known), company(other, **known)).is_duplicate


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ("华信电力有限公司", "华信电力有限公司北京分公司", Reason.OTHER_BRANCH),
        ("华信电力有限公司上海分公司", "华信电力有限公司北京分公司", Reason.OTHER_BRANCH),
        ("深圳市华信电力有限公司", "成都市华信电力有限公司", Reason.OTHER_PLACE),
        ("中铁第二建设有限公司", "中铁第三建设有限公司", Reason.OTHER_NUMBER),
        ("华信电力3号店", "华信电力5号店", Reason.OTHER_NUMBER),
        ("华信电力有限公司", "华信电力集团有限公司", Reason.GROUP_AND_MEMBER),
        ("华信电力有限公司", "华信物流有限公司", Reason.OTHER_TRADE),
    ],
)
def test_look_alikes_are_no_duplicates_whatever_they_share(one: str, other: str, reason: Reason) -> None:
    shared = {"phone_numbers": ("+8675586661234",), "emails": ("info@hx.example",), "lines": ("科技园路18号大厦",)}
    found = match(company(one, **shared), company(other, **shared))
    assert reason in {each.reason for each in found.evidence}
    assert not found.is_duplicate


def test_the_same_credit_code_is_the_same_company_and_another_one_is_not() -> None:
    one, other = (f"9144030{n:010}" for n in range(2))
    one, other = one + check_character(one), other + check_character(other)
    assert match(company("华信", credit_code=one), company("其他名称", credit_code=one)).score == 1.0
    against = match(company("华信电力有限公司", credit_code=one), company("华信电力有限公司", credit_code=other))
    assert against.score <= 0.3


def test_a_person_is_known_by_name_only_with_something_beside_it() -> None:
    wang, phone = Facts(is_person=True, names=("王芳",)), ("+8613800138000",)
    assert not match(wang, wang).is_duplicate
    assert match(replace(wang, phone_numbers=phone), replace(wang, phone_numbers=phone)).is_duplicate
    pinyin = Facts(is_person=True, names=("Fang Wang",), phone_numbers=phone)
    assert match(replace(wang, names=("Wang Fang",), phone_numbers=phone), pinyin).is_duplicate
    assert not match(replace(wang, phone_numbers=phone), Facts(True, ("李强",), phone_numbers=phone)).is_duplicate


def test_a_mailbox_provider_is_nothing_in_common() -> None:
    one, other = company("华信电力", emails=("a@qq.com",)), company("天泰电力", emails=("b@qq.com",))
    assert Reason.SAME_DOMAIN not in reasons(one, other)
    assert not keys_of(one) & keys_of(other)


WORST: list[Callable[[int], str]] = [
    lambda n: "（" * n,
    lambda n: "(原" * (n // 2),
    lambda n: "公司" * (n // 2),
    lambda n: "深圳" * (n // 2),
    lambda n: "电力" * (n // 2),
    lambda n: "第一" * (n // 2),
    lambda n: "a " * (n // 2),
    lambda n: "-" * n,
    lambda n: "分公司" * (n // 3),
    lambda n: "dianli" * (n // 6),
    lambda n: "ﷺ" * n,
    lambda n: "华重行乐" * (n // 4),
]


@pytest.mark.parametrize("worst", WORST)
def test_the_worst_of_names_is_read_and_compared_within_milliseconds(worst: Callable[[int], str]) -> None:
    def once() -> float:
        began = time.thread_time()
        one, other = company(worst(200)), company(worst(198))
        keys_of(one)
        match(one, other)
        return time.thread_time() - began

    # The first try reads the tables.
    assert min(once() for _ in range(4)) < 0.02


def test_companies_of_words_that_were_never_seen_are_told_apart() -> None:
    records = list(Writer(UNSEEN, 3).records(800))
    assert len(candidates(records)) < 20 * len(records)
    found = quality(records, matches(records))
    assert found.precision >= 0.93
    assert found.f1 >= 0.90

import random
import unicodedata

import pytest
from crm_customer.records.accounts.search import MAX_CONTACT_NAMES
from crm_customer.records.search.normalize import LEGAL_WORDS, words
from crm_customer.records.search.ranking import matches, rank
from crm_customer.records.search.terms import RecordTexts, index_tokens, query_terms
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pypinyin import lazy_pinyin

from tests.steps import MAX_SECONDS, quickest
from tests.unit.customer.search_examples import (
    HUAXIN,
    SMITH,
    company_names,
    latin_words,
    may_be_found,
    mixed_names,
)


def found(text: str, texts: RecordTexts) -> bool:
    query = query_terms(text)
    return may_be_found(query, texts) and matches(query, texts)


def plain(text: str) -> str:
    """An oracle of the written form for these alphabets, made without the code under test."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum())


@pytest.mark.parametrize(
    "text",
    [
        *("华信", "信电", "华信电力", "电力设备", "设备有限", "有限公司", "公司", "深圳市华信电力设备有限公司"),
        *("huaxin", "huax", "HuaXin", "huaxindianli", "dianli", "shenzhenshihuaxin", "shebeiyouxiangongsi"),
        *("hxdl", "hx", "xdl", "HXDL", "szshxdlsb", "sbyxgs"),
        *("138 0013 8000", "13800138000", "+86 138-0013-8000", "8000", "38000", "（0755）8666-1234", "0755 86661234"),
        *("zhang.wei@huaxin-power.com.cn", "zhang.wei", "zhangw", "@huaxin-power.com.cn", "huaxin-power"),
        *("ZHANG.WEI@", "zhang.wei@huaxin"),
        *("SAP-0010023", "sap0010023", "sap-001", "91440300708461136t", "9144"),
        *("曾伟", "zengwei", "cengwei", "zw", "anna", "müller", "muller", "mulle", "mülker", "nana", "ana"),
        *("华信 电力", "华 信", "深圳 曾伟", "huaxin dianli", "华信 13800138000", "muller 1234", "深"),
        *("ｈｕａｘｉｎ", "华信（电力）", "「华信」"),
    ],
)
def test_an_account_is_found_by_what_people_type(text: str) -> None:
    assert found(text, HUAXIN)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("I.B.M. Deutschland GmbH", "IBM"),
        ("IBM Deutschland GmbH", "I.B.M."),
        ("IBM Deutschland GmbH", "i.b.m. deutschland"),
        ("U.S. Steel", "US Steel"),
        ("Đại Đức", "dai duc"),
        ("Dai Duc", "Đại Đức"),
        ("Sør-Norge Aluminium", "sor norge"),
        ("Sor Norge", "Sør"),
        ("Łódź Trading", "lodz"),
        ("Ærø Færge", "aero"),
        ("Þór", "thor"),
        ("臺灣電力股份有限公司", "台湾电力"),
        ("台湾电力股份有限公司", "臺灣電力"),
        ("臺灣電力股份有限公司", "taiwandianli"),
        ("東莞華為", "华为"),
    ],
)
def test_a_name_is_found_however_its_letters_are_written(name: str, text: str) -> None:
    assert found(text, RecordTexts(names=(name,)))


CALLERS = ("+8613800138000", "+8675586661234;ext=801", "+442079460958", "+74951234567", "+14155550123")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *((text, CALLERS[0]) for text in ("13800138000", "138-0013-8000", "138.0013.8000", "+86 138 0013 8000")),
        *((text, CALLERS[0]) for text in ("0086 138 0013 8000", "（+86）１３８ ００１３ ８０００", "8613800138000")),
        *((text, CALLERS[0]) for text in ("tel:+86-138-0013-8000", "0138 0013 8000", "0138000", "138‑0013‑8000")),
        *((text, CALLERS[1]) for text in ("0755-8666 1234", "(0755) 86661234", "+86 755 8666 1234", "86661234")),
        *((text, CALLERS[1]) for text in ("0755 8666 1234 转801", "0755-86661234 ext. 801", "+8675586661234;ext=801")),
        *((text, CALLERS[1]) for text in ("6661234", "0755/8666/1234", "86661234 轉 801")),
        *((text, CALLERS[2]) for text in ("+44 (0)20 7946 0958", "020 7946 0958", "0044 20 7946 0958", "79460958")),
        *((text, CALLERS[3]) for text in ("8 (495) 123-45-67", "+7 495 123 45 67", "495 123-45-67")),
        *((text, CALLERS[4]) for text in ("(415) 555-0123", "1-415-555-0123", "5550123")),
    ],
)
def test_a_caller_is_found_in_whatever_way_the_number_is_written(text: str, number: str) -> None:
    assert found(text, RecordTexts(names=("李娜",), phone_numbers=(number,)))


@pytest.mark.parametrize(
    "text", ["010 8666 1234", "0756-8666 1234", "8666 1235", "+852 8666 1234", "755866612", "86675586661234", "801"]
)
def test_a_caller_is_not_taken_for_somebody_else(text: str) -> None:
    assert not matches(query_terms(text), RecordTexts(names=("李娜",), phone_numbers=(CALLERS[1],)))


def test_what_looks_like_an_extension_behind_a_name_is_part_of_the_query() -> None:
    assert not matches(query_terms("3m x 12"), RecordTexts(names=("3M",)))
    assert matches(query_terms("3m x 12"), RecordTexts(names=("3M X 12",)))


# As many words as a query has room for, no two alike.
PAIRS = [f"{one}{other}" for one in "abcdefgh" for other in "ijklmnopq"][:66]


@pytest.mark.parametrize(
    "text",
    [
        " ".join(PAIRS),
        *((word * 200)[:200] for word in ("ab ", "abcd ", "1 ", "ext.", "i.b.m. ", "ﷺ", "华 ", "a@b ", "(1")),
    ],
)
def test_the_heaviest_query_does_not_hold_a_process(text: str) -> None:
    """Beside an account with as many texts as one is found by, each as long as may be, that has all of its words."""
    names = (" ".join(PAIRS), "abcd " * 40, "1 ibm ext")
    heaviest = RecordTexts(
        names=names,
        contact_names=tuple(f"{names[number % 2]} {number}" for number in range(MAX_CONTACT_NAMES)),
        phone_numbers=tuple(f"+86138{number:08}" for number in range(20)),
        emails=tuple(f"{'a' * 60}@{number}{'b' * 180}.example" for number in range(20)),
        external_ids=("x1" * 100,) * 20,
    )
    assert quickest(lambda: rank(query_terms(text), heaviest)) < MAX_SECONDS


@given(st.integers(10**6, 10**13), st.integers(4, 12), st.data())
def test_a_number_is_found_by_its_last_digits(number: int, length: int, data: st.DataObject) -> None:
    written = f"+86{number}"
    end = written[1:][-length:]
    at = data.draw(st.integers(1, len(end) - 1))
    blank = data.draw(st.sampled_from(["", " ", "-", ".", "–", " - "]))
    assert found(end[:at] + blank + end[at:], RecordTexts(names=("李娜",), phone_numbers=(written,)))


@pytest.mark.parametrize(
    "text",
    [
        *("anna.weber@mail.example.com", "Anna.Weber@Mail.Example.COM", "mailto:anna.weber@mail.example.com"),
        *("Anna W. <anna.weber@mail.example.com>", "<anna.weber@mail.example.com>", "(anna.weber@mail.example.com),"),
        *("anna.weber", "anna.weber@", "annaweber", "@mail.example.com", "mail.example.com", "anna.weber@mail"),
        "ａｎｎａ．ｗｅｂｅｒ＠ｍａｉｌ．ｅｘａｍｐｌｅ．ｃｏｍ",
    ],
)
def test_somebody_who_has_written_is_found_by_the_address(text: str) -> None:
    assert found(text, RecordTexts(names=("某人",), emails=("anna.weber@mail.example.com",)))


@pytest.mark.parametrize("text", ["anna.weber@example.org", "a.weber@mail.example.com", "@example.org", "%", "_", "\\"])
def test_somebody_else_has_written(text: str) -> None:
    assert not matches(query_terms(text), RecordTexts(names=("某人",), emails=("anna.weber@mail.example.com",)))


def test_a_whole_address_is_looked_up_before_all_that_begin_like_it() -> None:
    assert query_terms("info@example.com").exact in index_tokens(RecordTexts((), emails=("info@example.com",)))
    assert query_terms("info@example.com").exact not in index_tokens(RecordTexts((), emails=("info@example.org",)))


@pytest.mark.parametrize("text", ["a.bc", "v1.2", "smith.de", "3.5"])
def test_points_that_are_no_initials_part_words(text: str) -> None:
    assert words(text) == tuple(text.split("."))


@pytest.mark.parametrize(
    "text",
    [
        *("smith", "smi", "smiht", "smit", "smyth", "jonhansson", "johanson", "electric", "elektric", "3m", "3m中国"),
        *("m中", "中国", "zhongguo", "angstrom", "angstorm", "901820", "+49 30 901820", "info@smith-electric.de"),
        *("c7", "C7", "smith electric", "smith-johansson", "electric gmbh", "s"),
    ],
)
def test_an_account_in_another_language_is_found_too(text: str) -> None:
    assert found(text, SMITH)


@pytest.mark.parametrize(
    "text",
    [
        *("力电", "华信科技", "华力", "信", "huaxing", "hxdx", "uaxin", "xlx", "80013", "00138001"),
        *("wei@huaxin-power.com.cn", "@huaxin", "AP-001", "saq-0010024", "annaxx", "ulle", "华信 科技"),
        *("", "  ", "!?", "。，", "@@"),
    ],
)
def test_an_account_is_not_found_by_something_else(text: str) -> None:
    assert not matches(query_terms(text), HUAXIN)


@given(mixed_names, st.data())
@example(name="3M中国", data=None)
def test_every_part_of_a_name_with_a_chinese_character_finds_it(name: str, data: st.DataObject | None) -> None:
    written = plain(name)
    assume(len(written) >= 2)
    parts = [written[a:b] for a in range(len(written)) for b in range(a + 2, len(written) + 1)]
    parts = [part for part in parts if any(c > "\u2fff" for c in part)]
    assume(parts)
    part = data.draw(st.sampled_from(parts)) if data else parts[0]
    assert found(part, RecordTexts(names=(name,)))
    assert found(part, RecordTexts(names=("别的客户",), contact_names=(name,)))


@given(company_names, company_names)
def test_chinese_is_found_exactly_when_it_is_a_substring(name: str, wanted: str) -> None:
    assert matches(query_terms(wanted), RecordTexts(names=(name,))) == (wanted in name)


@given(company_names, st.data())
def test_the_pinyin_of_any_part_finds_it_whole_and_unfinished(name: str, data: st.DataObject) -> None:
    # A name of characters with one reading only, so that the library is the oracle of each.
    name = "".join(c for c in name if c in "华信电力深圳市设备有限公司科技东方南北天")
    assume(len(name) >= 2)
    syllables = [lazy_pinyin(c)[0] for c in name]
    start = data.draw(st.integers(0, len(syllables) - 1))
    end = data.draw(st.integers(start + 1, len(syllables)))
    typed = "".join(syllables[start:end])
    unfinished = typed[: data.draw(st.integers(2, len(typed)))]
    for text in (typed, unfinished):
        assert found(text, RecordTexts(names=(name,)))
    if end - start > 1:
        initials = "".join(s[0] for s in syllables[start:end])
        assert found(initials, RecordTexts(names=(name,)))


@given(latin_words, latin_words, st.integers(0, 2**32))
def test_one_typo_in_a_word_still_finds_it(word: str, other: str, seed: int) -> None:
    assume(word not in LEGAL_WORDS)
    source = random.Random(seed)
    at, letter = source.randrange(len(word)), source.choice("abcdefghijklmnopqrstuvwxyz")
    edits = [
        word[:at] + word[at + 1 :],
        word[:at] + letter + word[at:],
        word[:at] + letter + word[at + 1 :],
        word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
    ]
    texts = RecordTexts(names=(f"{word.title()} {other.title()}",))
    for typed in edits:
        assert found(typed, texts)
        assert found(f"{typed} {other}", texts)


@given(latin_words, st.data())
def test_every_beginning_of_a_word_finds_it(word: str, data: st.DataObject) -> None:
    typed = word[: data.draw(st.integers(2, len(word)))]
    assert found(typed, RecordTexts(names=(f"Alpha {word} AG",)))


@given(st.integers(10**10, 10**13), st.integers(4, 13))
def test_the_last_digits_of_a_phone_number_find_it(number: int, length: int) -> None:
    typed = str(number)[-length:]
    assert found(typed, RecordTexts(names=("甲",), phone_numbers=(f"+{number}",)))
    assert found(" ".join(typed), RecordTexts(names=("甲",), phone_numbers=(f"+{number}",)))


@given(st.from_regex(r"[A-Z]{1,4}-?[0-9]{1,12}", fullmatch=True), st.data())
def test_every_beginning_of_an_external_id_finds_it(external_id: str, data: st.DataObject) -> None:
    typed = external_id[: data.draw(st.integers(2, len(external_id)))]
    assume(len(plain(typed)) >= 2)
    assert found(typed, RecordTexts(names=("甲",), external_ids=(external_id,)))


few_characters = st.text(alphabet="abli ü1重长华3.@-+ー々Ⅳ", max_size=8)


@given(few_characters, st.lists(few_characters, min_size=1, max_size=3), few_characters)
@example("a", ["@a"], "")
@settings(max_examples=1000)
def test_whatever_matches_is_in_the_index(text: str, names: list[str], other: str) -> None:
    texts = RecordTexts(names=tuple(names), contact_names=(other,), emails=(f"{other}@x.cn",), external_ids=(other,))
    query = query_terms(text)
    assert not matches(query, texts) or may_be_found(query, texts)


@given(st.sampled_from([HUAXIN, SMITH]), st.data())
def test_any_two_pieces_that_each_find_an_account_find_it_together(texts: RecordTexts, data: st.DataObject) -> None:
    everything = " ".join((*texts.names, *texts.contact_names, *texts.emails, *texts.external_ids))
    pieces = everything.replace("&", " ").split()
    typed = " ".join(data.draw(st.lists(st.sampled_from(pieces), min_size=1, max_size=4)))
    assert found(typed, texts)


def test_ambiguous_letters_are_read_every_way() -> None:
    assert found("xian", RecordTexts(names=("西安电子",)))
    assert found("xian", RecordTexts(names=("先锋电子",)))
    assert found("fangan", RecordTexts(names=("方案公司",)))
    assert found("fangan", RecordTexts(names=("反感公司",)))


def test_names_with_several_readings_are_found_by_the_right_one_and_the_usual_one() -> None:
    assert found("chongqing", RecordTexts(names=("重庆长安",)))
    assert found("zhongxing", RecordTexts(names=("重型机械",)))
    assert found("yinhang", RecordTexts(names=("招商银行",)))
    assert found("shanxiong", RecordTexts(names=("单雄信",)))
    assert found("danxiong", RecordTexts(names=("单雄信",)))
    assert found("lvse", RecordTexts(names=("绿色能源",)))
    assert found("luse", RecordTexts(names=("绿色能源",)))


def test_a_better_match_ranks_higher() -> None:
    def named(*names: str) -> RecordTexts:
        return RecordTexts(names=names)

    def falling(text: str, *accounts: RecordTexts) -> bool:
        ranks = [rank(query_terms(text), texts) for texts in accounts]
        return ranks == sorted(set(ranks), reverse=True) and ranks[-1] > 0

    assert falling(
        "华信",
        named("华信"),
        named("华信有限公司"),
        named("华信电力"),
        named("华信电力设备"),
        named("深圳华信"),
    )
    assert falling(
        "huaxin",
        named("Huaxin"),
        named("Huaxin Power"),
        named("Power Huaxin"),
        named("华信"),
        named("华信电力"),
        named("深圳华信"),
        named("Huaxim"),
    )
    assert falling("hxdl", named("华信电力"), named("华信电力设备"), named("深圳华信电力"))
    assert falling("曾伟", named("曾伟"), RecordTexts(names=("甲",), contact_names=("曾伟",)))


@given(st.text(max_size=30), st.lists(st.text(max_size=30), min_size=1, max_size=3))
def test_a_rank_is_between_nothing_and_exact(text: str, names: list[str]) -> None:
    assert 0.0 <= rank(query_terms(text), RecordTexts(names=tuple(names))) <= 1.0


def test_legal_forms_are_asked_for_only_when_nothing_else_is() -> None:
    assert query_terms("华信有限公司").required == {"c华信", "c信有"}
    assert query_terms("有限公司").required == {"c限公"}
    assert query_terms("公司").required == {"c公司"}


def test_an_account_has_few_tokens() -> None:
    texts = RecordTexts(
        names=("深圳华信电力设备有限公司",),
        contact_names=("张伟", "欧阳娜娜"),
        phone_numbers=("+8613800138000", "+8613900139000"),
        emails=("zhang.wei@huaxin.com.cn",),
        external_ids=("91440300708461136T",),
    )
    assert len(index_tokens(texts)) < 160

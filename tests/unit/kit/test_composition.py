"""Texts as they come in from keyboards and files that write a letter and its accent apart."""

import unicodedata

import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.sales.v1.opportunities_pb2 import Opportunity
from crm_kit.composition import compose_texts, composed, is_composed
from google.protobuf.struct_pb2 import ListValue, Value
from hypothesis import given
from hypothesis import strategies as st

from tests.steps import quickest

# What has something to compose in one script or another, among what has not.
PIECES = [
    "e",
    "U",
    "\u0301",
    "\u0308",
    "\u0323",
    "ぱ",
    "は",
    "\u309a",
    "ﾊ",
    "ﾟ",
    "한",
    "\u1112\u1161\u11ab",
    "信",
    "\ufa19",
]
PIECES += ["\u0627\u0653", "\u09c7\u09be", "ß", "\u212b", " "]
TEXTS = st.lists(st.sampled_from(PIECES)).map("".join) | st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Cafe\u0301 Mu\u0308ller", "Café Müller"),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8", "한국"),
        ("カ\u3099ス", "ガス"),
        ("Đa\u0323i Vie\u0323\u0302t", "Đại Việt"),
        # Another character of a name is another name, and what is merely written wider or narrower stays so.
        ("\ufa19田 e\u0301", "\ufa19田 é"),
        ("ｶﾞｽ", "ｶﾞｽ"),
        ("ﬁn", "ﬁn"),
    ],
)
def test_a_letter_and_its_accent_become_one(typed: str, kept: str) -> None:
    assert composed(typed) == kept


@given(TEXTS)
def test_a_text_stays_what_it_means_and_what_is_composed_stays_as_it_is(text: str) -> None:
    kept = composed(text)
    assert unicodedata.normalize("NFC", kept) == unicodedata.normalize("NFC", text)
    assert composed(kept) == kept


@given(st.lists(TEXTS, max_size=3), TEXTS, st.integers(0, 2**31 - 1))
def test_a_request_that_seems_composed_is(names: list[str], name: str, count: int) -> None:
    account = pb.Account(display_name=name, tags=names, employee_count=count, custom={name: Value(string_value=name)})
    before = account.SerializeToString(deterministic=True)
    compose_texts(account)
    if is_composed(before):
        assert account.SerializeToString(deterministic=True) == before


def test_heaps_of_marks_hold_up_nobody_and_stay_as_they_are() -> None:
    heap = "\u0301\u0323" * 100_000
    assert composed(f"Mu\u0308ller {heap} Ko\u0308ln") == f"Müller {heap} Köln"
    assert quickest(lambda: composed(f"Mu\u0308ller {heap} Ko\u0308ln"), 1.0) < 1.0


@given(TEXTS, TEXTS, TEXTS)
def test_every_text_of_a_message_is_composed(one: str, two: str, three: str) -> None:
    def account(one: str, two: str, three: str) -> pb.CreateAccountRequest:
        listed = Value(list_value=ListValue(values=[Value(string_value=three)]))
        account = pb.Account(
            display_name=one,
            tags=[two, one],
            addresses=[pb.Address(city=three)],
            custom={"one": Value(string_value=one), "some": listed},
        )
        return pb.CreateAccountRequest(account=account)

    def deal(one: str, two: str) -> Opportunity:
        return Opportunity(fields={one: two, "budget": one})

    message, other = account(one, two, three), deal(one, two)
    compose_texts(message)
    compose_texts(other)
    assert message == account(composed(one), composed(two), composed(three))
    assert other == deal(composed(one), composed(two))

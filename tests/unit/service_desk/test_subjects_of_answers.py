"""The subjects of our answers have the number of their case, by which an answer to them finds it."""

from types import SimpleNamespace
from typing import Any

from crm_service_desk.outbound_messages.drafting import MAX_SUBJECT, subject_of
from hypothesis import given
from hypothesis import strategies as st

CASE: Any = SimpleNamespace(number="CS-2026-000123", title="停电")


@given(st.integers(1, MAX_SUBJECT), st.sampled_from(["", "Re: ", "回复：", "AW: Re: ", "Fwd: "]))
def test_the_number_of_the_case_stays_whole_however_long_the_subject_is(length: int, answered: str) -> None:
    first = subject_of(CASE, "y" * length, None)
    answer: Any = SimpleNamespace(subject=answered + first)
    for subject in (first, subject_of(CASE, None, answer)):
        assert CASE.number in subject
        assert len(subject) <= MAX_SUBJECT

"""What becomes of a message, tried in all circumstances."""

from dataclasses import replace
from itertools import product
from uuid import UUID

import pytest
from crm_service_desk.addresses.model import Sender
from crm_service_desk.channels.model import CaseOpening
from crm_service_desk.inbound_messages.judging import Circumstances, Deed, Meant, Verdict, judge
from crm_service_desk.inbound_messages.model import Reason, State

CHEN, WANG, HUAXIN = (UUID(int=number) for number in (1, 2, 3))
SENDERS = (Sender(), Sender(CHEN, HUAXIN), Sender(account_id=HUAXIN), Sender(WANG), Sender(ambiguous=True))
OPEN_CASE = Meant(UUID(int=11), CHEN, HUAXIN, takes_messages=True, takes_notes=True)
ENDED_CASE = replace(OPEN_CASE, id=UUID(int=12), takes_messages=False)
FULL_CASE = replace(ENDED_CASE, id=UUID(int=13), takes_notes=False)
REPORTED = UUID(int=14)
CASES = (None, OPEN_CASE, ENDED_CASE, FULL_CASE)
ALL = [
    Circumstances(
        sender=sender,
        automatic=automatic,
        is_our_own=ours,
        earlier=earlier,
        hourly_limit=20,
        opening=opening,
        answered=answered,
        named=named,
        reported=reported,
    )
    for sender, automatic, ours, earlier, opening, answered, named, reported in product(
        SENDERS, (False, True), (False, True), (0, 19, 20), CaseOpening, CASES, CASES, (None, REPORTED)
    )
]


def expected(known: Circumstances) -> tuple[State, Deed, UUID | None]:
    """Said once more as a table of what people would say, first line that fits."""
    fits_number = known.sender == Sender(CHEN, HUAXIN) or known.sender == Sender(account_id=HUAXIN)
    takes = [
        case
        for case in (known.answered, known.named if fits_number else None)
        if case is not None and (case.takes_notes if known.automatic else case.takes_messages)
    ]
    table = [
        (known.is_our_own, (State.IGNORED, Deed.NOTHING, None)),
        (known.reported is not None, (State.MATCHED, Deed.NOTHING, known.reported)),
        (known.earlier == 20, (State.UNMATCHED, Deed.NOTHING, None)),
        (bool(takes) and known.automatic, (State.MATCHED, Deed.NOTE, takes[0].id if takes else None)),
        (bool(takes), (State.MATCHED, Deed.RECORD, takes[0].id if takes else None)),
        (known.automatic, (State.IGNORED, Deed.NOTHING, None)),
        (known.sender.ambiguous, (State.UNMATCHED, Deed.NOTHING, None)),
        (known.named is not None and not fits_number, (State.UNMATCHED, Deed.NOTHING, None)),
        (known.opening is CaseOpening.EVERYBODY, (State.MATCHED, Deed.OPEN_CASE, None)),
        (
            known.opening is CaseOpening.KNOWN_SENDERS and known.sender != Sender(),
            (State.MATCHED, Deed.OPEN_CASE, None),
        ),
        (True, (State.UNMATCHED, Deed.NOTHING, None)),
    ]
    return next(verdict for holds, verdict in table if holds)


def test_in_all_circumstances_that_becomes_of_it_what_the_table_says() -> None:
    for known in ALL:
        verdict = judge(known)
        assert (verdict.state, verdict.deed, verdict.case_id) == expected(known), known


def test_nothing_that_may_be_part_of_a_loop_opens_a_case_or_moves_a_clock() -> None:
    for known in ALL:
        if known.is_our_own or known.automatic or known.earlier >= known.hourly_limit:
            assert judge(known).deed in {Deed.NOTHING, Deed.NOTE}, known


def test_a_message_is_matched_if_and_only_if_a_case_is_told_or_opened_or_it_reports_on_a_message_of_one() -> None:
    for known in ALL:
        verdict = judge(known)
        is_report = verdict.reason is Reason.DELIVERY_REPORT
        assert (verdict.state is State.MATCHED) == (verdict.deed is not Deed.NOTHING or is_report), known
        assert (verdict.case_id is not None) == (verdict.deed in {Deed.RECORD, Deed.NOTE} or is_report), known


def test_a_stranger_who_guesses_a_number_reaches_no_case() -> None:
    for known in ALL:
        is_guessed = known.named is not None and not known.named.is_of(known.sender)
        if known.answered is None and known.reported is None and is_guessed:
            assert judge(known).case_id is None, known


@pytest.mark.parametrize(
    ("sender", "reason"),
    [
        (Sender(), Reason.UNKNOWN_SENDER),
        (Sender(CHEN), Reason.KNOWN_SENDER),
        (Sender(ambiguous=True), Reason.AMBIGUOUS_SENDER),
    ],
)
def test_what_waits_says_why(sender: Sender, reason: Reason) -> None:
    known = Circumstances(
        sender=sender, automatic=False, is_our_own=False, earlier=0, hourly_limit=1, opening=CaseOpening.NOBODY
    )
    assert judge(known) == Verdict(State.UNMATCHED, reason)

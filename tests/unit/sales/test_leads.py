from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from crm_kit.errors import FailedPrecondition, InvalidArgument
from crm_sales.leads.model import (
    Conversion,
    ConversionStep,
    Lead,
    LeadEventKind,
    LeadMove,
    LeadState,
)
from crm_sales.pools.model import FollowUp, FollowUpKind
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ID = UUID("01956b0e-0000-7000-8000-000000000001")
IN_POOL = Lead(ID, LeadState.NEW, NOW, pool_id="p1", pool_time=NOW)
HELD = Lead(ID, LeadState.NEW, NOW, pool_id="p1", owner_id="u1", take_time=NOW)
QUALIFIED = Lead(ID, LeadState.QUALIFIED, NOW, pool_id="p1", owner_id="u1", take_time=NOW)
LATER = NOW + timedelta(hours=1)


def kinds(move: LeadMove) -> list[LeadEventKind]:
    return [event.kind for event in move.events]


def test_claiming_starts_the_time_in_hands() -> None:
    move = IN_POOL.claim(now=LATER, actor_id="u2")
    assert (move.lead.owner_id, move.lead.take_time, move.lead.pool_time) == ("u2", LATER, None)
    assert kinds(move) == [LeadEventKind.CLAIMED]


def test_a_lead_in_other_hands_is_already_claimed() -> None:
    with pytest.raises(FailedPrecondition) as refused:
        HELD.claim(now=LATER, actor_id="u2")
    assert refused.value.reason == "LEAD_ALREADY_CLAIMED"


def test_a_repeated_claim_does_not_restart_the_protection() -> None:
    move = HELD.claim(now=LATER, actor_id="u1")
    assert (move.lead, move.events) == (HELD, ())


def test_giving_back_needs_a_reason_and_remembers_the_former_owner() -> None:
    with pytest.raises(InvalidArgument):
        HELD.give_back(" ", now=LATER, actor_id="u1")
    lead = HELD.give_back("no budget", now=LATER, actor_id="u1").lead
    assert (lead.owner_id, lead.former_owner_id, lead.pool_time, lead.take_time) == ("", "u1", LATER, None)


def test_each_lead_is_reclaimed_once() -> None:
    lead = HELD.reclaim("72 h without a follow-up", now=LATER).lead
    with pytest.raises(FailedPrecondition, match="pool"):
        lead.reclaim("again", now=LATER)


def test_the_first_follow_up_makes_a_new_lead_contacted() -> None:
    follow_up = FollowUp(FollowUpKind.CALL, NOW, LATER)
    move = HELD.follow_up(follow_up, actor_id="u1")
    assert kinds(move) == [LeadEventKind.FOLLOWED_UP, LeadEventKind.CONTACTED]
    assert (move.lead.state, move.lead.last_follow_up_time) == (LeadState.CONTACTED, LATER)
    assert kinds(move.lead.follow_up(follow_up, actor_id="u1")) == [LeadEventKind.FOLLOWED_UP]


def test_assigning_to_the_same_hands_changes_nothing_and_to_others_starts_anew() -> None:
    assert HELD.assign("u1", now=LATER, actor_id="boss").events == ()
    lead = HELD.assign("u2", now=LATER, actor_id="boss").lead
    assert (lead.owner_id, lead.take_time, lead.former_owner_id) == ("u2", LATER, "u1")


Act = Callable[[Lead], object]


@pytest.mark.parametrize(
    ("lead", "act"),
    [
        (HELD, lambda lead: lead.qualify(now=NOW, actor_id="u1")),
        (HELD, lambda lead: lead.begin_conversion(now=NOW, actor_id="u1")),
        (HELD, lambda lead: lead.revive(now=NOW, actor_id="u1")),
        (HELD, lambda lead: lead.record_step(ConversionStep.ACCOUNT, "a1", now=NOW, actor_id="u1")),
    ],
)
def test_a_step_before_its_time_is_refused(lead: Lead, act: Act) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        act(lead)
    assert refused.value.reason == "ILLEGAL_STATE"


def test_the_legal_moves_are_named() -> None:
    with pytest.raises(FailedPrecondition, match="it can become: CONTACTED, DISQUALIFIED"):
        HELD.qualify(now=NOW, actor_id="u1")


def test_a_disqualified_lead_says_why_and_can_be_revived() -> None:
    lead = QUALIFIED.disqualify("bankrupt", now=NOW, actor_id="u1").lead
    assert (lead.state, lead.disqualify_reason) == (LeadState.DISQUALIFIED, "bankrupt")
    revived = lead.revive(now=NOW, actor_id="u1").lead
    assert (revived.state, revived.disqualify_reason) == (LeadState.NEW, "")


@given(st.lists(st.sampled_from(["crash", "do", "repeat"]), max_size=30))
def test_a_conversion_creates_each_thing_once_however_often_it_stops(attempts: list[str]) -> None:
    """Oracle: another service that creates one thing per idempotency key."""
    created: dict[UUID, str] = {}
    lead = QUALIFIED
    for attempt in [*attempts, "do", "do", "do"]:
        lead = lead.begin_conversion(now=NOW, actor_id="u1").lead
        assert lead.conversion
        step = lead.conversion.next_step
        if step is None:
            break
        id = created.setdefault(lead.step_key(step), f"{step}-{len(created)}")
        if attempt == "crash":
            continue
        lead = lead.record_step(step, id, now=NOW, actor_id="u1").lead
        if attempt == "repeat":
            again = lead.record_step(step, id, now=NOW, actor_id="u1")
            assert (again.lead, again.events) == (lead, ())
    assert lead.state is LeadState.CONVERTED
    assert lead.conversion == Conversion(NOW, "ACCOUNT-0", "CONTACT-1", "OPPORTUNITY-2", "u1", NOW)
    assert len(created) == 3


def test_a_conversion_does_not_take_another_id_for_what_it_has_or_skip_a_step() -> None:
    lead = QUALIFIED.begin_conversion(now=NOW, actor_id="u1").lead
    with pytest.raises(FailedPrecondition, match="ACCOUNT comes before CONTACT"):
        lead.record_step(ConversionStep.CONTACT, "k1", now=NOW, actor_id="u1")
    lead = lead.record_step(ConversionStep.ACCOUNT, "a1", now=NOW, actor_id="u1").lead
    with pytest.raises(FailedPrecondition, match="a1 already"):
        lead.record_step(ConversionStep.ACCOUNT, "a2", now=NOW, actor_id="u1")


@pytest.mark.parametrize(
    "act",
    [
        lambda lead: lead.give_back("tired", now=NOW, actor_id="u1"),
        lambda lead: lead.reclaim("lapsed", now=NOW),
        lambda lead: lead.assign("u2", now=NOW, actor_id="boss"),
        lambda lead: lead.disqualify("no", now=NOW, actor_id="u1"),
    ],
)
def test_what_is_being_converted_stays_where_it_is(act: Act) -> None:
    lead = QUALIFIED.begin_conversion(now=NOW, actor_id="u1").lead
    assert lead.is_converting
    with pytest.raises(FailedPrecondition, match="being converted"):
        act(lead)


def test_what_lies_in_the_pool_is_not_converted() -> None:
    lead = QUALIFIED.give_back("tired", now=NOW, actor_id="u1").lead
    with pytest.raises(FailedPrecondition, match="claim it first"):
        lead.begin_conversion(now=NOW, actor_id="u2")

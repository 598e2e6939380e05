from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from buf.validate import validate_pb2
from crm.customer.v1 import tenants_pb2
from crm_kit.errors import FailedPrecondition
from crm_kit.resource.actions import tried
from crm_sales.leads.model import ConversionStep, Lead, LeadState
from crm_sales.leads.resource import LEADS
from crm_sales.pools.protection import ATTEMPT_LASTS
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.attempts import attempt_at

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
LI, WANG, TEAM = UUID(int=1), UUID(int=2), UUID(int=3)
IN_POOL = Lead(UUID("01956b0e-0000-7000-8000-000000000001"), "王伟", NOW, NOW, pool_time=NOW)
OWNED = replace(IN_POOL, pool_time=None, owner_id=LI, take_time=NOW, owned_since_time=NOW, safe_until_time=LATER)
QUALIFIED = replace(OWNED, state=LeadState.QUALIFIED)
CONVERTING = QUALIFIED.start_conversion(now=NOW, user_id=LI)


def test_claiming_starts_the_time_with_its_owner() -> None:
    lead = IN_POOL.claim(WANG, TEAM, now=LATER)
    assert (lead.owner_id, lead.owner_team_id, lead.take_time, lead.pool_time) == (WANG, TEAM, LATER, None)
    assert not lead.in_pool


def test_a_lead_that_somebody_else_owns_is_already_claimed() -> None:
    with pytest.raises(FailedPrecondition) as refused:
        OWNED.claim(WANG, None, now=LATER)
    assert refused.value.reason == "LEAD_ALREADY_CLAIMED"


def test_the_hard_maximum_counts_on_from_hand_to_hand_and_anew_from_the_pool() -> None:
    passed_on = OWNED.assign(WANG, TEAM, now=LATER).assign(LI, TEAM, now=LATER + timedelta(hours=1))
    assert (passed_on.take_time, passed_on.owned_since_time) == (LATER + timedelta(hours=1), NOW)
    pooled = passed_on.return_to_pool("no budget", now=LATER)
    assert pooled.owned_since_time is None
    assert pooled.claim(WANG, TEAM, now=LATER).owned_since_time == LATER


def test_a_repeated_claim_does_not_restart_the_protection() -> None:
    assert OWNED.claim(LI, TEAM, now=LATER) is OWNED


def test_a_returned_lead_remembers_its_former_owner() -> None:
    lead = OWNED.return_to_pool("no budget", now=LATER)
    assert (lead.owner_id, lead.former_owner_id, lead.pool_time, lead.take_time) == (None, LI, LATER, None)
    assert (lead.in_pool, lead.was_pooled, lead.safe_until_time) == (True, True, None)


def test_a_lead_in_the_pool_is_not_returned_again() -> None:
    with pytest.raises(FailedPrecondition, match="in the pool cannot be returned"):
        OWNED.return_to_pool("no budget", now=LATER).return_to_pool("again", now=LATER)


def test_the_first_follow_up_makes_a_new_lead_contacted() -> None:
    lead = OWNED.follow_up(now=LATER)
    assert (lead.state, lead.last_follow_up_time) == (LeadState.CONTACTED, LATER)
    assert QUALIFIED.follow_up(now=LATER).state is LeadState.QUALIFIED


def test_assigning_to_the_owner_changes_nothing_and_to_others_starts_anew() -> None:
    assert OWNED.assign(LI, TEAM, now=LATER) is OWNED
    lead = OWNED.assign(WANG, TEAM, now=LATER)
    assert (lead.owner_id, lead.owner_team_id, lead.take_time, lead.former_owner_id) == (WANG, TEAM, LATER, LI)


Act = Callable[[Lead], object]


@pytest.mark.parametrize(
    "act",
    [
        lambda lead: lead.qualify(),
        lambda lead: lead.start_conversion(now=NOW, user_id=LI),
        lambda lead: lead.record_step(ConversionStep.ACCOUNT, UUID(int=9)),
        lambda lead: lead.abandon_conversion(),
    ],
)
def test_a_step_before_its_time_is_refused(act: Act) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        act(OWNED)
    assert refused.value.reason == "ILLEGAL_STATE"


def test_the_legal_moves_are_named() -> None:
    with pytest.raises(FailedPrecondition, match="it can become: CONTACTED, DISQUALIFIED"):
        OWNED.qualify()


def test_a_disqualified_lead_says_why_and_counts_against_nobody() -> None:
    lead = QUALIFIED.disqualify("bankrupt", now=NOW)
    assert (lead.state, lead.disqualify_reason) == (LeadState.DISQUALIFIED, "bankrupt")
    assert (lead.holder_id, lead.safe_until_time) == (None, None)


@pytest.mark.parametrize("lead", [QUALIFIED.disqualify("bankrupt", now=NOW), CONVERTING])
def test_a_lead_that_is_done_with_or_being_converted_is_not_changed(lead: Lead) -> None:
    with pytest.raises(FailedPrecondition, match="cannot be changed"):
        lead.update({"source": "fair"}, region="CN", now=NOW)
    assert OWNED.update({"source": "fair"}, region="CN", now=NOW).source == "fair"


@given(st.lists(st.sampled_from(["crash", "do", "repeat"]), max_size=30))
def test_a_conversion_creates_each_thing_once_however_often_it_stops(attempts: list[str]) -> None:
    """Oracle: another service that creates one thing per idempotency key."""
    created: dict[UUID, UUID] = {}
    lead = QUALIFIED
    for attempt in [*attempts, "do", "do", "do"]:
        lead = lead.start_conversion(now=NOW, user_id=LI)
        step = lead.next_step
        if step is None:
            break
        id = created.setdefault(lead.step_key(step), UUID(int=100 + len(created)))
        if attempt == "crash":
            continue
        lead = lead.record_step(step, id)
        if attempt == "repeat":
            assert lead.record_step(step, id) is lead
    assert (lead.state, lead.is_converting) == (LeadState.CONVERTED, False)
    assert (lead.account_id, lead.contact_id, lead.opportunity_id) == (UUID(int=100), UUID(int=101), UUID(int=102))
    assert len(created) == 3


def test_a_conversion_does_not_take_another_id_for_what_it_has_or_skip_a_step() -> None:
    with pytest.raises(FailedPrecondition, match="ACCOUNT comes before CONTACT"):
        CONVERTING.record_step(ConversionStep.CONTACT, UUID(int=9))
    lead = CONVERTING.record_step(ConversionStep.ACCOUNT, UUID(int=9))
    with pytest.raises(FailedPrecondition, match="already"):
        lead.record_step(ConversionStep.ACCOUNT, UUID(int=8))


def test_an_abandoned_conversion_leaves_a_qualified_lead_without_traces() -> None:
    assert CONVERTING.record_step(ConversionStep.ACCOUNT, UUID(int=9)).abandon_conversion() == QUALIFIED


def test_somebody_else_takes_a_conversion_over_once_the_first_attempt_must_have_ended() -> None:
    end = NOW + ATTEMPT_LASTS
    with pytest.raises(FailedPrecondition) as refused:
        CONVERTING.start_conversion(now=end - timedelta(seconds=5), user_id=WANG)
    assert (refused.value.reason, refused.value.retry_after_seconds) == ("CONVERSION_UNDER_WAY", 5)
    assert CONVERTING.start_conversion(now=end, user_id=WANG).conversion_user_id == WANG


@pytest.mark.parametrize(
    "act",
    [
        lambda lead, now: lead.update({"source": "fair"}, region="CN", now=now),
        lambda lead, now: lead.disqualify("no", now=now),
    ],
)
def test_what_is_being_converted_stays_where_it_is_as_long_as_an_attempt_may_run(
    act: Callable[[Lead, datetime], Lead],
) -> None:
    half_way = CONVERTING.record_step(ConversionStep.ACCOUNT, UUID(int=9))
    goes_on = half_way.start_conversion(now=NOW + ATTEMPT_LASTS / 2, user_id=LI)
    end = NOW + ATTEMPT_LASTS
    with pytest.raises(FailedPrecondition, match="being converted"):
        act(goes_on, end - timedelta(seconds=1))
    free = act(goes_on, end)
    assert (free.is_converting, free.account_id) == (False, None)
    assert free == act(QUALIFIED, end)


def test_whoever_takes_a_lead_away_ends_an_attempt_at_its_conversion() -> None:
    half_way = CONVERTING.record_step(ConversionStep.ACCOUNT, UUID(int=9))
    assert half_way.assign(WANG, None, now=LATER) == QUALIFIED.assign(WANG, None, now=LATER)
    assert half_way.assign(LI, None, now=LATER) == QUALIFIED
    assert half_way.return_to_pool("lapsed", now=NOW) == QUALIFIED.return_to_pool("lapsed", now=NOW)


async def possible(lead: Lead) -> set[str]:
    """What can be done with a lead."""
    actions = [await tried(verb, LEADS.tries[verb.rpc], lead, attempt_at(LATER)) for verb in LEADS.verbs.values()]
    return {action.verb.name for action in actions if not action.reason}


@pytest.mark.parametrize(
    ("lead", "verbs"),
    [
        (IN_POOL, {"assign", "claim", "recordFollowUp", "disqualify"}),
        (OWNED, {"assign", "return", "recordFollowUp", "disqualify"}),
        (OWNED.follow_up(now=NOW), {"assign", "return", "recordFollowUp", "qualify", "disqualify"}),
        (QUALIFIED, {"assign", "return", "recordFollowUp", "disqualify", "convert"}),
        (QUALIFIED.start_conversion(now=LATER, user_id=LI), {"assign", "return", "recordFollowUp", "convert"}),
        (CONVERTING, {"assign", "return", "recordFollowUp", "disqualify", "convert"}),
        (replace(QUALIFIED, state=LeadState.CONVERTED), set()),
        (QUALIFIED.disqualify("bankrupt", now=NOW), set()),
    ],
)
async def test_what_can_be_done_with_a_lead_follows_from_its_state(lead: Lead, verbs: set[str]) -> None:
    assert await possible(lead) == verbs


def test_a_lead_in_the_pool_is_not_converted() -> None:
    lead = QUALIFIED.return_to_pool("tired", now=NOW)
    with pytest.raises(FailedPrecondition, match="claim it first"):
        lead.start_conversion(now=NOW, user_id=WANG)


def test_a_tenant_can_show_just_what_is_masked_of_leads() -> None:
    options: Any = tenants_pb2.Tenant.DESCRIPTOR.fields_by_name["unmasked_fields"].GetOptions()
    choices = getattr(options.Extensions[validate_pb2.field].repeated.items.string, "in")
    assert LEADS.masked is not None
    assert {*choices} == {f"{LEADS.collection}.{name}" for name in LEADS.masked.fields}

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from crm_kit.errors import FailedPrecondition, InvalidArgument
from crm_kit.money import Money
from crm_sales.opportunities.model import Opportunity, OpportunityState, TeamShare, stage_change
from crm_sales.pipelines.model import Pipeline, Stage

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
S1, S2, S3, LI, WANG = (UUID(int=number) for number in range(1, 6))
PIPELINE = Pipeline(
    UUID(int=8),
    "New business",
    (
        Stage("Interest", S1, 10, required_fields=("budget",)),
        Stage("Offer", S2, 40, required_fields=("amount", "expected_close_date"), checklist=("demo",)),
        Stage("Handshake", S3, 87),
    ),
    NOW,
    NOW,
)
DEAL = Opportunity(
    id=UUID(int=9),
    account_id=UUID(int=10),
    display_name="Boiler",
    amount=Money(Decimal("1000.00"), "CNY"),
    pipeline_id=PIPELINE.id,
    stage_id=S1,
    stage_time=NOW,
    probability_percent=10,
    owner_id=LI,
    create_time=NOW,
    update_time=NOW,
)
READY = replace(DEAL, fields={"budget": "yes"}, expected_close_date=date(2026, 6, 1), checked=("demo",))


def test_a_stage_is_left_only_when_its_criteria_hold() -> None:
    with pytest.raises(FailedPrecondition, match=r"missing: budget$") as refused:
        DEAL.move(PIPELINE, S2, now=NOW)
    assert refused.value.reason == "ILLEGAL_STATE"
    moved = READY.move(PIPELINE, S2, now=NOW + DAY)
    assert (moved.stage_id, moved.stage_time, moved.probability_percent) == (S2, NOW + DAY, 40)


def test_stages_that_are_passed_count_too() -> None:
    with pytest.raises(FailedPrecondition, match=r"missing: expected_close_date, demo$"):
        replace(DEAL, fields={"budget": "yes"}).move(PIPELINE, S3, now=NOW)
    assert READY.move(PIPELINE, S3, now=NOW).stage_id == S3


def test_blank_text_and_a_zero_amount_fill_nothing() -> None:
    deal = replace(READY, fields={"budget": "  "}, amount=Money(Decimal(0), "CNY"))
    assert deal.missing(PIPELINE.stages) == ("budget", "amount")


def test_an_overridden_criterion_stops_nothing() -> None:
    assert DEAL.move(PIPELINE, S3, now=NOW, override=True).stage_id == S3


def test_backward_is_free_and_staying_is_no_move() -> None:
    deal = replace(DEAL, stage_id=S3).move(PIPELINE, S1, now=NOW)
    assert (deal.stage_id, deal.probability_percent) == (S1, 10)
    assert deal.move(PIPELINE, S1, now=NOW) is deal


def test_a_stage_of_another_pipeline_is_refused() -> None:
    with pytest.raises(FailedPrecondition) as refused:
        READY.move(PIPELINE, UUID(int=99), now=NOW)
    assert refused.value.reason == "STAGE_NOT_IN_PIPELINE"


def test_a_change_says_where_it_led_and_what_the_deal_was_worth_before() -> None:
    before = replace(READY, move_count=4)
    after = replace(before.move(PIPELINE, S3, now=NOW), amount=Money(Decimal(5), "CNY"))
    change = stage_change(before, after, now=NOW, actor_id=WANG, reason="shook hands")
    assert (change.number, change.from_stage_id, change.to_stage_id, change.reason) == (5, S1, S3, "shook hands")
    assert (change.from_state, change.to_state) == (OpportunityState.OPEN, OpportunityState.OPEN)
    assert (change.actor_id, change.change_time, change.amount) == (WANG, NOW, DEAL.amount)


def test_a_closed_deal_is_certain_and_a_reopened_one_as_likely_as_its_stage() -> None:
    lost = READY.lose("price", now=NOW)
    assert (lost.state, lost.close_reason, lost.close_time) == (OpportunityState.LOST, "price", NOW)
    assert lost.probability_percent == 0
    again = lost.reopen(PIPELINE)
    assert (again.state, again.close_reason, again.close_time) == (OpportunityState.OPEN, None, None)
    assert again.probability_percent == 10
    won = again.win(PIPELINE, "service", now=NOW + DAY)
    assert (won.state, won.probability_percent) == (OpportunityState.WON, 100)
    assert (won.stage_time, won.move_count) == (NOW, 3)


def test_a_closed_deal_does_not_move_and_an_open_one_is_not_reopened() -> None:
    won = READY.win(PIPELINE, "service", now=NOW)
    wrong: list[Callable[[], Opportunity]] = [
        lambda: won.move(PIPELINE, S2, now=NOW),
        lambda: won.lose("price", now=NOW),
        lambda: won.update({"source": "fair"}),
        lambda: READY.reopen(PIPELINE),
        lambda: DEAL.win(PIPELINE, "service", now=NOW),
    ]
    for act in wrong:
        with pytest.raises(FailedPrecondition):
            act()


def test_an_open_deal_follows_its_stages_probability_and_a_closed_one_does_not() -> None:
    likelier = replace(PIPELINE, stages=(Stage("Interest", S1, 25),))
    assert DEAL.follow(likelier).probability_percent == 25
    for closed in (READY.win(PIPELINE, "service", now=NOW), READY.lose("price", now=NOW)):
        assert closed.follow(likelier) == closed


def test_a_deal_is_worth_nothing_or_more() -> None:
    with pytest.raises(InvalidArgument):
        replace(DEAL, amount=Money(Decimal(-1), "CNY"))


@pytest.mark.parametrize("shares", [("60", "30"), ("100.01",), ("150", "-50"), ("0", "100")])
def test_shares_of_a_team_sum_to_a_hundred(shares: tuple[str, ...]) -> None:
    with pytest.raises(InvalidArgument):
        replace(DEAL, team=tuple(TeamShare(UUID(int=n), Decimal(share)) for n, share in enumerate(shares)))


def test_a_team_has_one_share_a_user() -> None:
    third = Decimal("33.33")
    team = (TeamShare(LI, third), TeamShare(WANG, third), TeamShare(UUID(int=6), Decimal("33.34")))
    assert replace(DEAL, team=team).team == team
    with pytest.raises(InvalidArgument, match="two shares"):
        replace(DEAL, team=(TeamShare(LI, Decimal(50)), TeamShare(LI, Decimal(50))))

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from crm_kit.errors import FailedPrecondition, InvalidArgument
from crm_kit.money import Money
from crm_sales.opportunities.model import (
    ForecastCategory,
    Opportunity,
    OpportunityState,
    Pipeline,
    Stage,
    TeamShare,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PIPELINE = Pipeline(
    "pl",
    "New business",
    (
        Stage("s1", "Interest", Decimal(10), required_fields=("budget",), most_days=10),
        Stage("s2", "Offer", Decimal(40), required_fields=("amount", "expected_close_date"), checklist=("demo",)),
        Stage("s3", "Handshake", Decimal("87.5"), ForecastCategory.COMMIT),
    ),
)
DEAL = Opportunity("o1", "a1", "Boiler", "pl", "s1", Money(Decimal("1000.00"), "CNY"), NOW)
READY = replace(DEAL, fields={"budget": "yes"}, expected_close_date=date(2026, 6, 1), checked=frozenset({"demo"}))


def test_a_stage_is_left_only_when_its_criteria_hold() -> None:
    with pytest.raises(FailedPrecondition, match=r"missing: budget$") as refused:
        DEAL.move(PIPELINE, "s2", now=NOW, actor_id="u1")
    assert refused.value.reason == "ILLEGAL_STATE"
    assert READY.move(PIPELINE, "s2", now=NOW, actor_id="u1").stage_id == "s2"


def test_stages_that_are_passed_count_too() -> None:
    with pytest.raises(FailedPrecondition, match=r"missing: expected_close_date, demo$"):
        replace(DEAL, fields={"budget": "yes"}).move(PIPELINE, "s3", now=NOW, actor_id="u1")
    assert READY.move(PIPELINE, "s3", now=NOW, actor_id="u1").stage_id == "s3"


def test_blank_text_and_a_zero_amount_fill_nothing() -> None:
    deal = replace(READY, fields={"budget": "  "}, amount=Money(Decimal(0), "CNY"))
    assert deal.missing(PIPELINE.stages) == ("budget", "amount")


def test_somebody_entitled_moves_it_with_a_reason_that_is_kept() -> None:
    moved = DEAL.move(PIPELINE, "s3", now=NOW, actor_id="boss", override_reason="shook hands at the fair")
    (change,) = moved.history
    assert (change.from_stage_id, change.to_stage_id, change.reason) == ("s1", "s3", "shook hands at the fair")
    assert (change.actor_id, change.at, change.amount) == ("boss", NOW, DEAL.amount)


def test_backwards_is_free_and_staying_is_no_move() -> None:
    deal = replace(DEAL, stage_id="s3").move(PIPELINE, "s1", now=NOW, actor_id="u1")
    assert deal.stage_id == "s1"
    assert deal.move(PIPELINE, "s1", now=NOW, actor_id="u1") == deal


def test_a_stage_of_another_pipeline_is_refused() -> None:
    with pytest.raises(FailedPrecondition) as refused:
        READY.move(PIPELINE, "s9", now=NOW, actor_id="u1")
    assert refused.value.reason == "STAGE_NOT_IN_PIPELINE"


def test_winning_and_losing_need_a_reason_and_reopening_keeps_the_history() -> None:
    silent: list[Callable[[], Opportunity]] = [
        lambda: READY.win(PIPELINE, " ", now=NOW, actor_id="u1"),
        lambda: READY.lose("", now=NOW, actor_id="u1"),
    ]
    for act in silent:
        with pytest.raises(InvalidArgument):
            act()
    lost = READY.lose("price", now=NOW, actor_id="u1")
    assert (lost.state, lost.close_reason, lost.close_time) == (OpportunityState.LOST, "price", NOW)
    again = lost.reopen("they called back", now=NOW + DAY, actor_id="u1")
    assert (again.state, again.close_reason, again.close_time) == (OpportunityState.OPEN, "", None)
    won = again.win(PIPELINE, "service", now=NOW + 2 * DAY, actor_id="u1")
    assert [(c.from_state, c.to_state) for c in won.history] == [("OPEN", "LOST"), ("LOST", "OPEN"), ("OPEN", "WON")]
    assert won.stage_time == NOW


def test_a_closed_deal_does_not_move_and_an_open_one_is_not_reopened() -> None:
    won = READY.win(PIPELINE, "service", now=NOW, actor_id="u1")
    wrong: list[Callable[[], Opportunity]] = [
        lambda: won.move(PIPELINE, "s2", now=NOW, actor_id="u1"),
        lambda: won.lose("price", now=NOW, actor_id="u1"),
        lambda: READY.reopen("why not", now=NOW, actor_id="u1"),
        lambda: DEAL.win(PIPELINE, "service", now=NOW, actor_id="u1"),
    ]
    for act in wrong:
        with pytest.raises(FailedPrecondition):
            act()


@given(st.decimals(0, 10**9, places=2), st.decimals(0, 100, places=2))
def test_the_weighted_amount_is_the_exact_product_rounded_half_up(amount: Decimal, percent: Decimal) -> None:
    pipeline = Pipeline("pl", "One", (Stage("s1", "Only", percent),))
    got = replace(DEAL, amount=Money(amount, "CNY")).weighted_amount(pipeline)
    exact = Fraction(amount) * Fraction(percent) / 100
    assert -Fraction(1, 200) < Fraction(got.amount) - exact <= Fraction(1, 200)


def test_a_closed_deal_weighs_all_or_nothing() -> None:
    assert READY.win(PIPELINE, "ok", now=NOW, actor_id="u1").weighted_amount(PIPELINE).amount == 1000
    assert READY.lose("ok", now=NOW, actor_id="u1").weighted_amount(PIPELINE).amount == 0


def test_a_deal_rots_in_its_stage_or_without_activity() -> None:
    def rots(deal: Opportunity, days: int, last: datetime | None) -> bool:
        return deal.is_rotting(PIPELINE, NOW + days * DAY, last, idle=20 * DAY)

    assert not rots(DEAL, 10, None)
    assert rots(DEAL, 11, NOW + 11 * DAY)
    moved = READY.move(PIPELINE, "s2", now=NOW + 9 * DAY, actor_id="u1")
    assert not rots(moved, 19, None)
    assert rots(moved, 21, None)
    assert not rots(moved, 21, NOW + 5 * DAY)
    assert not rots(moved.lose("price", now=NOW + 9 * DAY, actor_id="u1"), 400, None)


@pytest.mark.parametrize("shares", [("60", "30"), ("100.01",), ("150", "-50"), ("0", "100")])
def test_shares_of_a_team_sum_to_a_hundred(shares: tuple[str, ...]) -> None:
    with pytest.raises(InvalidArgument):
        replace(DEAL, team=tuple(TeamShare(f"u{n}", Decimal(share)) for n, share in enumerate(shares)))


def test_a_team_has_one_share_a_user() -> None:
    third = Decimal("33.33")
    team = (TeamShare("u1", third), TeamShare("u2", third), TeamShare("u3", Decimal("33.34")))
    assert replace(DEAL, team=team).team == team
    with pytest.raises(InvalidArgument, match="two shares"):
        replace(DEAL, team=(TeamShare("u1", Decimal(50)), TeamShare("u1", Decimal(50))))


@pytest.mark.parametrize(
    "stages",
    [
        (),
        (Stage("s1", "A", Decimal(101)),),
        (Stage("s1", "A", Decimal(10)), Stage("s1", "B", Decimal(20))),
        (Stage("s1", "A", Decimal(10)), Stage("s2", "A", Decimal(20))),
        (Stage("s1", "A", Decimal(10), most_days=0),),
    ],
)
def test_a_pipeline_that_makes_no_sense_is_refused(stages: tuple[Stage, ...]) -> None:
    with pytest.raises(InvalidArgument):
        Pipeline("pl", "Odd", stages)

"""Scores through their contract."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from crm.scoring.v1 import events_pb2
from crm.scoring.v1 import scores_pb2 as pb
from crm.scoring.v1.scores_pb2_grpc import ScoreServiceStub
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from crm_kit.database.statements import compile_statement
from crm_kit.events.outbox import event_of
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.plumbing import changes, outbox
from crm_scoring.app import scoring_rules
from crm_scoring.scores.commands import ask_rescoring, rescore
from crm_scoring.scores.rescoring import Rescoring
from crm_scoring.scores.scoring import ScoringRules
from crm_scoring.settings import ScoringSettings
from sqlalchemy import or_, select

from tests.service.clocks import until_noon
from tests.service.eventually import eventually
from tests.service.running import Running, User, refused
from tests.service.scoring.business import (
    account_event,
    also_known_to,
    case_event,
    money,
    new_account,
    order,
    set_clock,
    tell,
)
from tests.service.scoring.scored import get, settled, twenty_buyers

if TYPE_CHECKING:
    from crm.scoring.v1.scores_pb2_grpc import ScoreServiceAsyncStub

Tier, Code = pb.ValueTierScore, pb.ScoreReason


@pytest.fixture
async def user(scoring: Running) -> User:
    return await scoring.user()


@pytest.fixture
def stub(scoring: Running) -> "ScoreServiceAsyncStub":
    return ScoreServiceStub(scoring.channel)


async def tiers_told(scoring: Running, tenant_id: UUID) -> dict[str, "pb.ValueTierScore.Tier.ValueType"]:
    """The tier of each account as those know it who follow the events."""
    names = ("AccountScoresCreated", "ValueTierChanged")
    told = or_(*(outbox.c.subject.contains(f".{name}.") for name in names))
    query = select(outbox.c.event).where(told).order_by(outbox.c.id)
    found = {}
    for row in await scoring.service.database.all(tenant_id, compile_statement(query), {}):
        event = event_of(row["event"])
        payload: Any = events_pb2.AccountScoresCreated()
        if not event.payload.Unpack(payload):
            payload = events_pb2.ValueTierChanged()
            event.payload.Unpack(payload)
        found[payload.account_scores.account_id] = payload.account_scores.value_tier.band
    return found


async def tier_changes(scoring: Running, tenant_id: UUID) -> list[tuple[Any, events_pb2.ValueTierChanged]]:
    """The events of changed tiers, with their envelopes, in the order they became true."""
    query = select(outbox.c.event).where(outbox.c.subject.contains(".ValueTierChanged.")).order_by(outbox.c.id)
    found = []
    for row in await scoring.service.database.all(tenant_id, compile_statement(query), {}):
        event, changed = event_of(row["event"]), events_pb2.ValueTierChanged()
        event.payload.Unpack(changed)
        found.append((event, changed))
    return found


def rules_of(scoring: Running) -> ScoringRules:
    settings = scoring.service.settings
    assert isinstance(settings, ScoringSettings)
    return scoring_rules(settings)


def sum_of(reasons: Sequence[pb.ScoreReason]) -> Decimal:
    return sum((Decimal(reason.contribution) for reason in reasons), Decimal(0))


async def test_scores_follow_the_orders_with_reasons_that_add_up(
    scoring: Running, stub: "ScoreServiceAsyncStub", user: User
) -> None:
    accounts = await twenty_buyers(scoring, user)
    best, worst = await get(stub, user, accounts[-1]), await get(stub, user, accounts[0])
    assert (best.rfm.value, best.rfm.band) == (15, pb.RfmScore.SEGMENT_CHAMPIONS)
    assert (worst.rfm.value, worst.rfm.band) == (3, pb.RfmScore.SEGMENT_LOST)
    assert (best.value_tier.band, worst.value_tier.band) == (Tier.TIER_KEY, Tier.TIER_SMALL)
    assert best.value_tier.value == money("5000.00")
    assert best.account_name == "n19"
    assert best.account_owner_id == str(user.id)
    for scores in (best, worst):
        assert scores.HasField("compute_time")
        assert len(scores.rfm.reasons) == 3
        assert sum_of(scores.rfm.reasons) == scores.rfm.value
        assert sum_of(scores.value_tier.reasons) == Decimal(scores.value_tier.value.amount)
        assert not scores.rfm.unknown_reason + scores.value_tier.unknown_reason


async def test_what_came_back_is_a_reason_of_its_own_and_may_make_an_account_negative(
    scoring: Running, stub: "ScoreServiceAsyncStub", user: User
) -> None:
    account_id = await new_account(scoring, user.tenant_id)
    await tell(scoring, order(user.tenant_id, account_id, "10.00", "-10.01").released())
    await settled(scoring, user.tenant_id)
    score = (await get(stub, user, account_id)).value_tier
    assert (score.band, score.value) == (Tier.TIER_NEGATIVE, money("-0.01"))
    assert [(each.code, each.amount, each.contribution) for each in score.reasons] == [
        (Code.CODE_ORDERS, money("10.00"), "10.00"),
        (Code.CODE_RETURNS, money("10.01"), "-10.01"),
    ]


async def test_too_little_is_unknown_and_says_why(scoring: Running, stub: "ScoreServiceAsyncStub", user: User) -> None:
    account_id, silent = [await new_account(scoring, user.tenant_id) for _ in range(2)]
    await tell(scoring, order(user.tenant_id, account_id, 10).released())
    await settled(scoring, user.tenant_id)
    scores = await get(stub, user, account_id)
    assert (scores.rfm.band, scores.value_tier.band) == (pb.RfmScore.SEGMENT_UNKNOWN, Tier.TIER_UNKNOWN)
    assert scores.rfm.unknown_reason == pb.RfmScore.UNKNOWN_REASON_TOO_FEW_BUYERS
    assert scores.value_tier.unknown_reason == Tier.UNKNOWN_REASON_TOO_FEW_ACCOUNTS
    assert not scores.rfm.reasons
    nothing = await get(stub, user, silent)
    assert nothing.rfm.band == pb.RfmScore.SEGMENT_UNKNOWN
    assert nothing.rfm.unknown_reason == pb.RfmScore.UNKNOWN_REASON_NO_ORDER
    assert nothing.value_tier.unknown_reason == Tier.UNKNOWN_REASON_NO_CONTRIBUTION
    assert not nothing.value_tier.HasField("value")
    listed = await stub.ListScores(pb.ListScoresRequest(), metadata=user.metadata)
    assert [each.account_id for each in listed.scores] == [str(account_id)]


async def test_who_buys_in_another_currency_is_unknown_and_says_so_whatever_else_they_buy(
    scoring: Running, stub: "ScoreServiceAsyncStub"
) -> None:
    user = await scoring.user(await scoring.tenant(sandbox=True))
    noon = until_noon()
    await set_clock(scoring, user.tenant_id, noon)
    accounts = await twenty_buyers(scoring, user, ahead=noon)
    abroad = await new_account(scoring, user.tenant_id)
    await tell(
        scoring,
        order(user.tenant_id, abroad, 10**6, currency_code="USD").released(at=system_now() + noon),
        order(user.tenant_id, accounts[-1], 10**6, currency_code="USD").released(at=system_now() + noon),
    )
    await settled(scoring, user.tenant_id)
    # Of who buys in both currencies, what is in the main one is a part of it, however large.
    for account_id in (abroad, accounts[-1]):
        scores = await get(stub, user, account_id)
        assert scores.value_tier.band == Tier.TIER_UNKNOWN
        assert scores.value_tier.unknown_reason == Tier.UNKNOWN_REASON_OTHER_CURRENCY
        assert (scores.value_tier.HasField("value"), list(scores.value_tier.reasons)) == (False, [])
        assert (scores.rfm.band, scores.rfm.HasField("value")) == (pb.RfmScore.SEGMENT_UNKNOWN, False)
        assert (scores.rfm.unknown_reason, list(scores.rfm.reasons)) == (pb.RfmScore.UNKNOWN_REASON_OTHER_CURRENCY, [])
    home = await get(stub, user, accounts[-2])
    assert home.value_tier.unknown_reason == Tier.UNKNOWN_REASON_UNSPECIFIED
    assert home.value_tier.HasField("value")


async def test_a_tier_is_told_of_when_it_changes_and_only_then(scoring: Running, user: User) -> None:
    accounts = await twenty_buyers(scoring, user)
    first = await tier_changes(scoring, user.tenant_id)
    last_of = await tiers_told(scoring, user.tenant_id)
    assert set(last_of) == set(map(str, accounts))
    assert last_of[str(accounts[-1])] == Tier.TIER_KEY
    rising = accounts[0]
    await tell(scoring, order(user.tenant_id, rising, 5000).released())
    await settled(scoring, user.tenant_id)
    later = (await tier_changes(scoring, user.tenant_id))[len(first) :]
    event, changed = next(each for each in reversed(later) if each[0].aggregate_id == str(rising))
    now = changed.account_scores
    assert (changed.old_tier, now.value_tier.band) == (Tier.TIER_SMALL, Tier.TIER_KEY)
    assert sum_of(now.value_tier.reasons) == 5001
    assert (now.account_id, now.etag) == (str(rising), f"v{event.aggregate_version}")
    assert str(accounts[-1]) not in {each.aggregate_id for each, _ in later}


async def test_each_version_of_scores_has_one_event_and_one_entry_in_the_history(scoring: Running, user: User) -> None:
    accounts = await twenty_buyers(scoring, user)
    await tell(scoring, order(user.tenant_id, accounts[0], 5000).released())
    await settled(scoring, user.tenant_id)
    database = scoring.service.database
    query = select(outbox.c.aggregate_id, outbox.c.aggregate_version, outbox.c.subject)
    query = query.where(outbox.c.aggregate_id.in_(accounts))
    told = await database.all(user.tenant_id, compile_statement(query.order_by(outbox.c.id)), {})
    history = select(changes.c.resource_id, changes.c.version).where(changes.c.resource_type == "account_scores")
    kept = await database.all(user.tenant_id, compile_statement(history), {})
    versions = sorted((row["aggregate_id"], row["aggregate_version"]) for row in told)
    assert versions == sorted((row["resource_id"], row["version"]) for row in kept)
    for id in accounts:
        mine = [version for account_id, version in versions if account_id == id]
        assert mine == list(range(1, len(mine) + 1))
    subjects = {row["subject"].split(".")[-2] for row in told}
    assert subjects <= {"AccountScoresCreated", "AccountScoresUpdated", "ValueTierChanged"}


async def test_of_several_processes_one_rescores_a_tenant_and_each_change_is_told_once(
    scoring: Running, user: User
) -> None:
    accounts = await twenty_buyers(scoring, user)
    before = len(await tier_changes(scoring, user.tenant_id))
    async with scoring.unit_of_work(user.tenant_id) as work:
        # Not due for an hour, so that the service's own job leaves it to those here.
        ask_rescoring(work, delay_seconds=3600)
    await tell(scoring, order(user.tenant_id, accounts[0], 5000).released())
    async with scoring.unit_of_work(user.tenant_id) as first, scoring.unit_of_work(user.tenant_id) as second:
        assert await rescore(first, rules_of(scoring))
        assert await rescore(second, rules_of(scoring)) is None
    job = Rescoring(Tenants(scoring.service.database, scoring.service.clock), rules_of(scoring))
    assert await job.rescore(user.tenant_id)
    later = (await tier_changes(scoring, user.tenant_id))[before:]
    assert [each.aggregate_id for each, _ in later].count(str(accounts[0])) == 1


async def test_a_process_that_dies_at_it_leaves_it_to_another(
    scoring: Running, stub: "ScoreServiceAsyncStub", user: User
) -> None:
    accounts = await twenty_buyers(scoring, user)
    was = (await get(stub, user, accounts[0])).etag
    with pytest.raises(asyncio.CancelledError):
        async with scoring.unit_of_work(user.tenant_id) as work:
            ask_rescoring(work, delay_seconds=0)
            await work.flush()
            await rescore(work, rules_of(scoring))
            raise asyncio.CancelledError
    await tell(scoring, order(user.tenant_id, accounts[0], 5000).released())
    await settled(scoring, user.tenant_id)
    assert (await get(stub, user, accounts[0])).etag != was


async def test_days_pass_on_the_clock_of_the_tenant(scoring: Running, stub: "ScoreServiceAsyncStub") -> None:
    user = await scoring.user(await scoring.tenant(sandbox=True))
    noon = until_noon()
    await set_clock(scoring, user.tenant_id, noon)
    accounts = await twenty_buyers(scoring, user, ahead=noon)
    scores = await get(stub, user, accounts[-1])
    assert scores.rfm.band == pb.RfmScore.SEGMENT_CHAMPIONS
    await set_clock(scoring, user.tenant_id, noon + timedelta(days=40))

    async def has_moved() -> bool:
        now = (await get(stub, user, accounts[-1])).compute_time.ToDatetime()
        return now - scores.compute_time.ToDatetime() > timedelta(days=39)

    await eventually(has_moved)
    await set_clock(scoring, user.tenant_id, noon + timedelta(days=4000))

    async def is_unknown() -> bool:
        return (await get(stub, user, accounts[-1])).rfm.band == pb.RfmScore.SEGMENT_UNKNOWN

    await eventually(is_unknown)


async def test_lists_are_filtered_ordered_and_paged(
    scoring: Running, stub: "ScoreServiceAsyncStub", user: User
) -> None:
    accounts = await twenty_buyers(scoring, user)

    async def listed(**asked: Any) -> pb.ListScoresResponse:
        return await stub.ListScores(pb.ListScoresRequest(**asked), metadata=user.metadata)

    assert [each.account_id for each in (await listed(filter="value_tier.band = KEY")).scores] == [str(accounts[-1])]
    champions = (await listed(filter="rfm.band = SEGMENT_CHAMPIONS AND rfm.value >= 15")).scores
    assert champions
    assert {each.rfm.band for each in champions} == {pb.RfmScore.SEGMENT_CHAMPIONS}
    seen: list[str] = []
    token = ""
    while True:
        page = await listed(page_size=7, page_token=token)
        seen += [each.account_id for each in page.scores]
        token = page.next_page_token
        if not token:
            break
    # The highest contribution first.
    assert seen == [str(id) for id in reversed(accounts)]
    assert (await listed(order_by="rfm.value", page_size=1)).scores[0].rfm.value == 3
    rich = (await listed(filter="value_tier.value > 1000")).scores
    assert [each.account_id for each in rich] == [str(accounts[-1])]
    with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
        await listed(filter="colour = red")
    with refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN"):
        await listed(page_token="x")


async def test_own_team_and_all_see_the_scores_of_what_is_theirs(
    scoring: Running, stub: "ScoreServiceAsyncStub"
) -> None:
    tenant = await scoring.tenant()
    sales = await scoring.team(tenant)
    north, south = await scoring.team(tenant, sales), await scoring.team(tenant, sales)
    own = {"scores.read": Scope.OWN}
    li = await scoring.user(tenant, grants=own, team_id=north)
    wang = await scoring.user(tenant, grants=own, team_id=south)
    lead_north = await scoring.user(tenant, grants={"scores.read": Scope.TEAM}, team_id=north)
    head = await scoring.user(tenant, grants={"scores.read": Scope.TEAM}, team_id=sales)
    of_li, of_wang = await new_account(scoring, tenant, li), await new_account(scoring, tenant, wang)
    for account_id in (of_li, of_wang):
        await tell(scoring, order(tenant, account_id, 10).released())
    await settled(scoring, tenant)

    async def seen(user: User) -> set[str]:
        page = await stub.ListScores(pb.ListScoresRequest(), metadata=user.metadata)
        return {each.account_id for each in page.scores}

    assert await seen(li) == await seen(lead_north) == {str(of_li)}
    assert await seen(head) == {str(of_li), str(of_wang)}
    await get(stub, lead_north, of_li)
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await get(stub, li, of_wang)
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await get(stub, lead_north, of_wang)
    # Who is older than what is known changes nothing.
    await tell(
        scoring,
        account_event(tenant, of_wang, owner=li, version=3),
        account_event(tenant, of_wang, owner=wang, version=2),
    )
    assert await seen(li) == {str(of_li), str(of_wang)}
    assert await seen(wang) == set()


async def test_who_may_not_is_refused(scoring: Running, stub: "ScoreServiceAsyncStub", user: User) -> None:
    account_id = await new_account(scoring, user.tenant_id)
    nobody = await scoring.user(user.tenant_id, grants={"accounts.read": Scope.ALL})
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await get(stub, nobody, account_id)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await stub.ListScores(pb.ListScoresRequest(), metadata=nobody.metadata)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await stub.GetAccountScores(pb.GetAccountScoresRequest(account_id="x"), metadata=user.metadata)


async def test_the_scores_of_another_tenant_are_not_found(
    customer: Running, scoring: Running, stub: "ScoreServiceAsyncStub", user: User
) -> None:
    account_id = await new_account(scoring, user.tenant_id)
    await tell(scoring, order(user.tenant_id, account_id, 10).released())
    await settled(scoring, user.tenant_id)
    stranger = await scoring.user()
    await also_known_to(customer, stranger)
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await get(stub, stranger, account_id)
    assert not (await stub.ListScores(pb.ListScoresRequest(), metadata=stranger.metadata)).scores


async def test_a_case_alone_makes_no_contribution(scoring: Running, stub: "ScoreServiceAsyncStub", user: User) -> None:
    account_id = await new_account(scoring, user.tenant_id)
    await tell(scoring, case_event(user.tenant_id, account_id, id=new_id()))
    await settled(scoring, user.tenant_id)
    score = (await get(stub, user, account_id)).value_tier
    assert score.unknown_reason == Tier.UNKNOWN_REASON_NO_CONTRIBUTION

"""Quotes whose submission is approved first."""

from typing import Any

import grpc
import pytest
from crm.sales.v1 import quotes_pb2 as pb
from crm_kit.identity.access import Scope
from crm_kit.rpc.status import reason_of

from tests.service.approving import REFUSE, Approval, Desk, Row, allows, asks, step, up_to
from tests.service.running import Running, User, refused
from tests.service.sales.pricing import Catalogue, Line
from tests.service.sales.quoting import Goods, Quoting, goods_of, invalid


@pytest.fixture
def desk(sales: Running) -> Desk:
    return Desk(sales.channel, "quotes", "submit")


@pytest.fixture
async def boss(sales: Running, user: User) -> User:
    return await sales.user(user.tenant_id, grants={"quotes.read": Scope.OWN})


@pytest.fixture
async def colleague(sales: Running, user: User) -> User:
    return await sales.user(user.tenant_id)


@pytest.fixture
def quoting(sales: Running, user: User, account_id: str) -> Quoting:
    return Quoting(sales, user, account_id)


@pytest.fixture
async def goods(sales: Running, user: User) -> Goods:
    return await goods_of(Catalogue(sales, user))


def submission(quote: pb.Quote) -> pb.SubmitQuoteRequest:
    return pb.SubmitQuoteRequest(id=quote.id)


async def test_a_quote_over_the_amount_is_approved_by_somebody_else(
    quoting: Quoting, goods: Goods, desk: Desk, user: User, boss: User, colleague: User
) -> None:
    await desk.policy(user, allows(up_to=up_to(500)), asks(step(boss)))
    assert (await quoting.do("Submit", await quoting.draft([goods.line("5")]))).state == pb.Quote.STATE_APPROVED
    large = await quoting.draft([goods.line("6")])
    with refused("FAILED_PRECONDITION", "APPROVAL_REQUIRED"):
        await quoting.do("Submit", large, by=colleague)
    approval = await desk.submit(colleague, submission(large))
    assert (approval.record_etag, approval.owner_id, approval.amount) == (large.etag, str(user.id), large.net_amount)
    assert approval.record_name == large.display_name
    # Neither who owns the quote nor who submitted it.
    for party in (user, colleague):
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await desk.approve(party, approval)
    assert (await quoting.get(large.id)).state == pb.Quote.STATE_DRAFT
    assert (await desk.approve(boss, approval)).state == Approval.STATE_APPROVED
    approved = await quoting.get(large.id)
    assert (approved.state, list(approved.priced_lines)) == (pb.Quote.STATE_APPROVED, list(large.priced_lines))


async def test_a_draft_that_is_changed_has_to_be_approved_again(
    quoting: Quoting, goods: Goods, desk: Desk, user: User, boss: User, colleague: User
) -> None:
    await desk.policy(user, asks(step(boss)))
    draft = await quoting.draft([goods.line()])
    approval = await desk.submit(colleague, submission(draft))
    await quoting.update(draft.id, lines=[goods.line("1", discount_percent="50")])
    assert (await desk.outdated(boss, approval)).state == Approval.STATE_OUTDATED
    assert (await quoting.get(draft.id)).state == pb.Quote.STATE_DRAFT
    again = await desk.submit(colleague, submission(draft))
    await desk.approve(boss, again)
    # What is approved is frozen, and the next version is asked for again.
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await quoting.update(draft.id, lines=[goods.line("1", discount_percent="60")])
    second = await quoting.do("Revise", draft)
    with refused("FAILED_PRECONDITION", "APPROVAL_REQUIRED"):
        await quoting.do("Submit", second)


async def test_a_rejected_draft_stays_one(
    quoting: Quoting, goods: Goods, desk: Desk, user: User, boss: User, colleague: User
) -> None:
    await desk.policy(user, asks(step(boss)))
    draft = await quoting.draft([goods.line()])
    approval = await desk.submit(colleague, submission(draft))
    assert (await desk.reject(boss, approval, "too little margin")).state == Approval.STATE_REJECTED
    assert await quoting.get(draft.id) == draft


async def test_what_a_policy_lets_nobody_submit_stays_a_draft(
    quoting: Quoting, goods: Goods, desk: Desk, user: User
) -> None:
    await desk.policy(user, Row(outcome=REFUSE))
    draft = await quoting.draft([goods.line()])
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await quoting.do("Submit", draft)
    assert (await quoting.get(draft.id)).state == pb.Quote.STATE_DRAFT


async def test_the_deepest_discount_is_approved_by_the_matrix_to_a_thousandth(
    quoting: Quoting, goods: Goods, desk: Desk, user: User, boss: User, colleague: User
) -> None:
    within = allows(up_to=up_to(10000), up_to_discount_percent="15")
    await desk.policy(user, within, asks(step(boss), up_to_discount_percent="30"), Row(outcome=REFUSE))

    async def submitted(*lines: Line, **fields: Any) -> str:
        draft = await quoting.draft([*lines, goods.line("2")], **fields)
        try:
            return pb.Quote.State.Name((await quoting.do("Submit", draft)).state)
        except grpc.aio.AioRpcError as error:
            return reason_of(error)

    assert await submitted(goods.line("1", discount_percent="15")) == "STATE_APPROVED"
    assert await submitted(goods.line("1", discount_percent="15.0001")) == "APPROVAL_REQUIRED"
    # Prices by hand and the discount of the whole count.
    assert await submitted(goods.line("1", unit_price="84.996")) == "APPROVAL_REQUIRED"
    assert await submitted(goods.line("1", discount_percent="10"), discount_percent="6") == "APPROVAL_REQUIRED"
    assert await submitted(discount_percent="15") == "STATE_APPROVED"
    assert await submitted(goods.line("1", discount_percent="31")) == "PERMISSION_DENIED"
    draft = await quoting.draft([goods.line("1", discount_percent="20")])
    await desk.approve(boss, await desk.submit(colleague, submission(draft)))
    assert (await quoting.get(draft.id)).state == pb.Quote.STATE_APPROVED


async def test_a_discount_bounds_no_verb_that_has_none(sales: Running, user: User) -> None:
    orders = Desk(sales.channel, "orders", "release")
    with invalid("approval_policy.rows[0].up_to_discount_percent"):
        await orders.policy(user, allows(up_to_discount_percent="15"), Row(outcome=REFUSE))
    policy = await orders.policy(user, allows(up_to=up_to(1)), Row(outcome=REFUSE))
    policy.rows[0].up_to_discount_percent = "15"
    with invalid("approval_policy.rows[0].up_to_discount_percent"):
        await orders.change_policy(user, policy, "rows")

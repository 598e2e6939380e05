"""Versions of quotes: sending, accepting, rejecting, revising, and the day on which they expire."""

import asyncio
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import grpc
import pytest
from crm.sales.v1 import opportunities_pb2, orders_pb2, pipelines_pb2, price_books_pb2, products_pb2
from crm.sales.v1 import quotes_pb2 as pb
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from crm_kit.identity.access import Scope
from crm_kit.rpc.status import reason_of
from crm_sales.quotes.expiring import Expiring

from tests.service.clocks import until_noon
from tests.service.running import Running, User, refused
from tests.service.sales.pricing import Catalogue, Line
from tests.service.sales.quoting import Goods, Quoting, goods_of, invalid
from tests.service.sales.selling import Sales, emitted, names_of

Quote = pb.Quote
# What says where a version stands; all else of it is content.
STANDING = ("state", "is_current", "send_time", "close_time", "reject_reason", "order_id", "etag", "update_time")


@pytest.fixture
def catalogue(sales: Running, user: User) -> Catalogue:
    return Catalogue(sales, user)


@pytest.fixture
def quoting(sales: Running, user: User, account_id: str) -> Quoting:
    return Quoting(sales, user, account_id)


@pytest.fixture
async def goods(catalogue: Catalogue) -> Goods:
    return await goods_of(catalogue)


def content(quote: pb.Quote) -> pb.Quote:
    kept: Any = pb.Quote()
    kept.CopyFrom(quote)
    for name in STANDING:
        kept.ClearField(name)
    found: pb.Quote = kept
    return found


async def orders_of(quoting: Quoting, quote: pb.Quote) -> list[orders_pb2.Order]:
    request = orders_pb2.ListOrdersRequest(filter=f'quote_id = "{quote.id}"')
    return list((await quoting.orders.ListOrders(request, metadata=quoting.user.metadata)).orders)


async def test_a_quote_is_submitted_sent_and_accepted(quoting: Quoting, goods: Goods, sales: Running) -> None:
    draft = await quoting.draft([goods.line("2")])
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await quoting.do("Send", draft)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await quoting.do("Accept", draft)
    approved = await quoting.do("Submit", draft)
    assert approved.state == Quote.STATE_APPROVED
    sent = await quoting.do("Send", approved)
    assert (sent.state, sent.HasField("send_time")) == (Quote.STATE_SENT, True)
    accepted = await quoting.do("Accept", sent)
    assert (accepted.state, bool(accepted.order_id)) == (Quote.STATE_ACCEPTED, True)
    assert content(accepted) == content(draft)
    told = names_of(await emitted(sales, quoting.user.tenant_id, draft.id))
    assert told == ["QuoteCreated", "QuoteSubmitted", "QuoteSent", "QuoteAccepted"]
    for verb in ("Accept", "Send", "Submit", "Revise"):
        with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
            await quoting.do(verb, accepted)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await quoting.do("Reject", accepted, reason="too late")


async def test_an_accepted_quote_becomes_an_order_with_its_amounts_and_taxes(
    quoting: Quoting, goods: Goods, catalogue: Catalogue
) -> None:
    energy = await catalogue.product("kWh", tax_class="REDUCED")
    meter, gift = await catalogue.product("SM-3P"), await catalogue.product("GIFT", tax_class="REDUCED")
    await catalogue.tax_rate("9", "REDUCED")
    parts = [products_pb2.BundlePart(product_id=each.id, quantity="3") for each in (meter, gift)]
    bundle = await catalogue.bundle("KIT", *parts)
    book = price_books_pb2.PriceBook(id=goods.book_id)
    await catalogue.price(book, energy, ("0", "123.4567891"), price_per=1000)
    for product, price in ((meter, "33.33"), (gift, "10"), (bundle, "99.99")):
        await catalogue.price(book, product, ("0", price))
    lines = [goods.line("3", discount_percent="7.77"), Line(product_id=energy.id, quantity="1234.5")]
    lines.append(Line(product_id=bundle.id, quantity="1"))
    quote = await quoting.sent(lines, discount_amount="1.23", payment_days=45)
    order = await quoting.order((await quoting.do("Accept", quote)).order_id)
    assert (order.state, order.quote_id, order.payment_days) == (orders_pb2.Order.STATE_DRAFT, quote.id, 45)
    assert (order.account_id, order.owner_id) == (quote.account_id, quote.owner_id)
    for name in ("net_amount", "tax_amount", "gross_amount"):
        assert getattr(order, name) == getattr(quote, name), name
    plain, metered, kit = quote.priced_lines
    figures = [(each.net_amount.amount, each.tax_amount.amount, each.tax_percent) for each in (plain, metered)]
    figures += [(each.net_amount.amount, each.tax_amount.amount, each.tax_percent) for each in kit.parts]
    assert [(each.net_amount.amount, each.tax_amount.amount, each.tax_percent) for each in order.lines] == figures
    assert order.lines[0].product == "TR-400 product TR-400"
    assert [each.quantity for each in order.lines] == ["3", "1234.5", "3", "3"]
    assert order.lines[0].unit_price.amount == "100.00"
    assert all(Decimal(each.unit_price.amount) >= 0 for each in order.lines)


async def test_of_twenty_who_accept_at_once_one_does_and_there_is_one_order(quoting: Quoting, goods: Goods) -> None:
    quote = await quoting.sent([goods.line()])
    found = await asyncio.gather(*(quoting.do("Accept", quote) for _ in range(20)), return_exceptions=True)
    done = [each for each in found if isinstance(each, pb.Quote)]
    errors = [each for each in found if isinstance(each, grpc.aio.AioRpcError)]
    assert (len(done), len(errors)) == (1, 19)
    assert {reason_of(each) for each in errors} <= {"ILLEGAL_STATE", "CONFLICT"}
    assert [each.id for each in await orders_of(quoting, quote)] == [done[0].order_id]


async def test_who_repeats_an_acceptance_that_was_answered_gets_the_same_order(quoting: Quoting, goods: Goods) -> None:
    quote = await quoting.sent([goods.line()])
    first, again = [await quoting.do("Accept", quote, key="accept-1") for _ in range(2)]
    assert first.order_id == again.order_id
    assert len(await orders_of(quoting, quote)) == 1


async def test_accepting_takes_the_right_to_write_orders(
    quoting: Quoting, goods: Goods, sales: Running, user: User
) -> None:
    quote = await quoting.sent([goods.line()])
    grants = dict.fromkeys(("quotes.read", "quotes.write", "accounts.read"), Scope.ALL)
    rep = await sales.user(user.tenant_id, grants=grants)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await quoting.do("Accept", quote, by=rep)
    assert (await quoting.get(quote.id)).state == Quote.STATE_SENT
    # For others only who may write orders of others.
    own = await sales.user(user.tenant_id, grants=grants | {"orders.read": Scope.ALL, "orders.write": Scope.OWN})
    with refused("INVALID_ARGUMENT", "ASSIGNMENT_NOT_ALLOWED"):
        await quoting.do("Accept", quote, by=own)
    assert await orders_of(quoting, quote) == []


async def test_nothing_is_accepted_for_an_opportunity_that_is_lost(api: Sales, quoting: Quoting, goods: Goods) -> None:
    who = quoting.user.metadata
    (pipeline, *_) = (await api.pipelines.ListPipelines(pipelines_pb2.ListPipelinesRequest(), metadata=who)).pipelines
    deal = opportunities_pb2.Opportunity(
        display_name="plant 2", account_id=quoting.account_id, pipeline_id=pipeline.id, stage_id=pipeline.stages[0].id
    )
    deal = await api.opportunities.CreateOpportunity(
        opportunities_pb2.CreateOpportunityRequest(opportunity=deal), metadata=who
    )
    quote = await quoting.sent([goods.line()], account_id="", opportunity_id=deal.id)
    assert quote.account_id == quoting.account_id
    lost = opportunities_pb2.LoseOpportunityRequest(id=deal.id, reason="price")
    await api.opportunities.LoseOpportunity(lost, metadata=who)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await quoting.do("Accept", quote)
    assert (await quoting.do("Reject", quote, reason="lost")).state == Quote.STATE_REJECTED


async def test_a_rejected_quote_says_why_and_has_a_next_version(quoting: Quoting, goods: Goods) -> None:
    rejected = await quoting.do("Reject", await quoting.sent([goods.line("2")]), reason="too dear")
    assert (rejected.state, rejected.reject_reason) == (Quote.STATE_REJECTED, "too dear")
    assert rejected.HasField("close_time")
    second = await quoting.do("Revise", rejected)
    assert (second.number, second.version_number, second.state) == (rejected.number, 2, Quote.STATE_DRAFT)
    assert (second.is_current, second.reject_reason, second.HasField("close_time")) == (True, "", False)
    assert list(second.priced_lines) == list(rejected.priced_lines)
    assert not (await quoting.get(rejected.id)).is_current


async def test_an_earlier_version_can_be_accepted_until_a_later_one_is_sent(quoting: Quoting, goods: Goods) -> None:
    first = await quoting.sent([goods.line("2")])
    second = await quoting.do("Revise", first)
    second = await quoting.update(second.id, lines=[goods.line("2", discount_percent="5")])
    assert (await quoting.get(first.id)).state == Quote.STATE_SENT
    await quoting.do("Send", await quoting.do("Submit", second))
    superseded = await quoting.get(first.id)
    assert (superseded.state, content(superseded)) == (Quote.STATE_SUPERSEDED, content(first))
    assert await quoting.listed() == [second.id]
    assert await quoting.listed("state = SUPERSEDED") == [first.id]
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await quoting.do("Accept", first)
    assert (await quoting.do("Accept", second)).state == Quote.STATE_ACCEPTED


async def test_once_a_version_was_accepted_no_other_is_sent(quoting: Quoting, goods: Goods) -> None:
    first = await quoting.sent([goods.line("2")])
    second = await quoting.do("Submit", await quoting.do("Revise", first))
    await quoting.do("Accept", first)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await quoting.do("Send", second)


async def test_accepting_one_version_while_the_next_is_sent_leaves_one_of_them(quoting: Quoting, goods: Goods) -> None:
    first = await quoting.sent([goods.line("2")])
    second = await quoting.do("Submit", await quoting.do("Revise", first))
    await asyncio.gather(quoting.do("Accept", first), quoting.do("Send", second), return_exceptions=True)
    states = (await quoting.get(first.id)).state, (await quoting.get(second.id)).state
    assert states in {
        (Quote.STATE_ACCEPTED, Quote.STATE_APPROVED),
        (Quote.STATE_SUPERSEDED, Quote.STATE_SENT),
    }


async def test_what_was_approved_and_not_sent_gives_way_to_its_next_version(quoting: Quoting, goods: Goods) -> None:
    approved = await quoting.do("Submit", await quoting.draft([goods.line()]))
    second = await quoting.do("Revise", approved)
    assert (await quoting.get(approved.id)).state == Quote.STATE_SUPERSEDED
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await quoting.do("Send", approved)
    assert second.version_number == 2


async def test_of_those_who_revise_at_once_one_makes_the_next_version(quoting: Quoting, goods: Goods) -> None:
    first = await quoting.sent([goods.line()])
    found = await asyncio.gather(*(quoting.do("Revise", first) for _ in range(8)), return_exceptions=True)
    made = [each for each in found if isinstance(each, pb.Quote)]
    assert len(made) == 1
    assert set(await quoting.listed(f'number = "{first.number}"')) == {first.id, made[0].id}


# --- the last day


async def at_noon(sales: Running, user: User, *, days: int = 0, version: int = 2) -> date:
    """The tenant's clock is moved to noon, UTC, some days from now; the day that its calendar shows."""
    ahead = until_noon() + timedelta(days=days)
    await sales.know_tenant(user.tenant_id, sandbox=True, clock_offset=ahead, version=version)
    return (system_now() + ahead).date()


async def look(sales: Running) -> None:
    await Expiring(Tenants(sales.service.database, sales.service.clock)).look()


async def test_a_quote_is_accepted_on_its_last_day_and_not_on_the_next(
    quoting: Quoting, goods: Goods, sales: Running, user: User
) -> None:
    today = await at_noon(sales, user)
    quotes = [await quoting.sent([goods.line()], valid_until_date=today.isoformat()) for _ in range(2)]
    assert (await quoting.do("Accept", quotes[0])).state == Quote.STATE_ACCEPTED
    await at_noon(sales, user, days=1, version=3)
    # Nothing has marked it, and it is refused all the same.
    with refused("FAILED_PRECONDITION", "QUOTE_EXPIRED"):
        await quoting.do("Accept", quotes[1])


async def test_a_quote_whose_last_day_has_passed_is_marked_as_expired_once(
    quoting: Quoting, goods: Goods, sales: Running, user: User
) -> None:
    today = await at_noon(sales, user)
    over, valid = [
        await quoting.sent([goods.line()], valid_until_date=(today + timedelta(days=days)).isoformat())
        for days in (0, 1)
    ]
    rejected = await quoting.do(
        "Reject", await quoting.sent([goods.line()], valid_until_date=today.isoformat()), reason="x"
    )
    await look(sales)
    assert (await quoting.get(over.id)).state == Quote.STATE_SENT
    await at_noon(sales, user, days=1, version=3)
    await asyncio.gather(look(sales), look(sales))
    await look(sales)
    found = [(await quoting.get(each.id)).state for each in (over, valid, rejected)]
    assert found == [Quote.STATE_EXPIRED, Quote.STATE_SENT, Quote.STATE_REJECTED]
    assert names_of(await emitted(sales, user.tenant_id, over.id)).count("QuoteExpired") == 1
    with refused("FAILED_PRECONDITION", "QUOTE_EXPIRED"):
        await quoting.do("Accept", over)
    again = await quoting.do("Revise", over, valid_until_date=(today + timedelta(days=9)).isoformat())
    assert (again.state, again.version_number) == (Quote.STATE_DRAFT, 2)


async def test_what_can_no_longer_be_accepted_is_not_sent(
    quoting: Quoting, goods: Goods, sales: Running, user: User
) -> None:
    today = await at_noon(sales, user)
    draft = await quoting.draft([goods.line()], valid_until_date=today.isoformat())
    approved = await quoting.do("Submit", draft)
    await at_noon(sales, user, days=1, version=3)
    with refused("FAILED_PRECONDITION", "QUOTE_EXPIRED"):
        await quoting.do("Send", approved)
    with invalid("valid_until_date"):
        await quoting.do("Revise", approved, valid_until_date=today.isoformat())


async def test_no_version_changes_after_it_was_a_draft_whatever_is_done_with_the_quote(
    quoting: Quoting, goods: Goods, catalogue: Catalogue
) -> None:
    frozen: dict[str, pb.Quote] = {}
    quote = await quoting.draft([goods.line("2")])
    for number in range(3):
        quote = await quoting.update(quote.id, lines=[goods.line(str(number + 1), discount_percent="1")])
        quote = await quoting.do("Submit", quote)
        frozen[quote.id] = content(quote)
        quote = await quoting.do("Send", quote)
        book = await catalogue.book(f"book {number}", valid_from_date=f"202{number + 1}-01-01")
        await catalogue.price(book, goods.product, ("0", str(500 + number)))
        if number < 2:
            quote = await quoting.do("Revise", quote)
            quote = await quoting.do("Reprice", quote)
    found: dict[str, Any] = {id: content(await quoting.get(id)) for id in frozen}
    assert found == frozen
    nets = [each.net_amount.amount for each in frozen.values()]
    assert nets == ["99.00", "990.00", "1487.97"]

"""Quotes through the contract: drafts, their prices, and what may be changed when."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from crm.sales.v1 import price_books_pb2, products_pb2
from crm.sales.v1 import quotes_pb2 as pb
from crm_kit.clock import system_now
from crm_kit.identity.access import Scope

from tests.service.running import Running, User, refused
from tests.service.sales.pricing import Catalogue, Line
from tests.service.sales.quoting import Goods, Quoting, goods_of, invalid
from tests.service.sales.selling import emitted, known_account, names_of

READS = ("quotes.read", "products.read", "accounts.read", "price_books.read")
WRITES = (*READS, "quotes.write")


@pytest.fixture
def catalogue(sales: Running, user: User) -> Catalogue:
    return Catalogue(sales, user)


@pytest.fixture
def quoting(sales: Running, user: User, account_id: str) -> Quoting:
    return Quoting(sales, user, account_id)


@pytest.fixture
async def goods(catalogue: Catalogue) -> Goods:
    return await goods_of(catalogue)


async def test_a_draft_comes_to_just_what_a_price_question_about_its_lines_answers(
    quoting: Quoting, catalogue: Catalogue, goods: Goods
) -> None:
    meter = await catalogue.product("SM-3P", cost="50")
    option = await catalogue.product("GW-4G", tax_class="REDUCED", cost="10")
    await catalogue.tax_rate("9", "REDUCED")
    part, extra = (products_pb2.BundlePart(product_id=each.id, quantity="2") for each in (meter, option))
    extra.is_option = True
    bundle = await catalogue.bundle("KIT", part, extra)
    book = price_books_pb2.PriceBook(id=goods.book_id)
    for product, price in ((meter, "80"), (option, "12.345"), (bundle, "150")):
        await catalogue.price(book, product, ("0", price))
    lines = [
        goods.line("3", discount_percent="10", discount_amount="5"),
        Line(product_id=bundle.id, quantity="2", option_product_ids=[option.id]),
        goods.line("1", unit_price="80.005"),
    ]
    discounts: dict[str, Any] = {"discount_percent": "2.5", "discount_amount": "1"}
    quote = await quoting.draft(lines, **discounts)
    asked = await catalogue.ask(lines, account_id=quoting.account_id, **discounts)
    for line in asked.lines:
        del line.rejected[:]
    assert list(quote.priced_lines) == list(asked.lines)
    assert list(quote.rates) == list(asked.rates)
    names = ("net_amount", "tax_amount", "gross_amount", "cost_amount", "margin_amount", "margin_percent")
    for name in (*names, "document_discount_amount", "pricing_date"):
        assert getattr(quote, name) == getattr(asked, name), name
    assert [each.description for each in quote.priced_lines] == [
        "product TR-400",
        "product KIT",
        "product GW-4G",
        "product TR-400",
    ]
    assert quote.priced_lines[2].bundle_line == 2
    assert await quoting.get(quote.id) == quote


async def test_quotes_are_numbered_by_tenant_and_year(quoting: Quoting, goods: Goods) -> None:
    quotes = await asyncio.gather(*(quoting.draft([goods.line()]) for _ in range(5)))
    numbers = {each.number for each in quotes}
    assert len(numbers) == 5
    assert all(each.startswith("Q-2") for each in numbers)
    assert {each.version_number for each in quotes} == {1}
    assert await quoting.listed(f'number = "{quotes[0].number}"') == [quotes[0].id]


async def test_the_same_request_drafts_one_quote(quoting: Quoting, goods: Goods) -> None:
    first, again = [await quoting.draft([goods.line()], key="draft-1") for _ in range(2)]
    assert first.id == again.id
    assert len(await quoting.listed()) == 1


async def test_what_changes_prices_has_a_draft_priced_anew_and_the_rest_does_not(
    quoting: Quoting, goods: Goods, sales: Running, user: User
) -> None:
    quote = await quoting.draft([goods.line("2")])
    assert quote.net_amount.amount == "200.00"
    changed = await quoting.update(quote.id, lines=[goods.line("3", discount_percent="10")], terms="ex works")
    assert (changed.net_amount.amount, changed.tax_amount.amount) == ("270.00", "35.10")
    assert (changed.terms, changed.deepest_discount_percent) == ("ex works", "10.0000")
    named = await quoting.update(quote.id, display_name="another name")
    assert list(named.priced_lines) == list(changed.priced_lines)
    assert names_of(await emitted(sales, user.tenant_id, quote.id)) == ["QuoteCreated", "QuoteUpdated", "QuoteUpdated"]
    with refused("ABORTED", "ETAG_MISMATCH"):
        await quoting.update(quote.id, etag=quote.etag, display_name="too late")


async def test_an_answer_can_be_sent_back_as_it_came(quoting: Quoting, goods: Goods) -> None:
    quote = await quoting.draft([goods.line("2", discount_percent="5")], discount_percent="3")
    back = await quoting.rpcs.UpdateQuote(pb.UpdateQuoteRequest(quote=quote), metadata=quoting.user.metadata)
    assert back == quote


@pytest.mark.parametrize("verbs", [("Submit",), ("Submit", "Send"), ("Submit", "Send", "Accept")])
async def test_what_is_no_draft_any_more_is_not_changed_but_for_its_owner(
    quoting: Quoting, goods: Goods, sales: Running, user: User, verbs: tuple[str, ...]
) -> None:
    quote = await quoting.draft([goods.line()])
    for verb in verbs:
        quote = await quoting.do(verb, quote)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await quoting.update(quote.id, terms="others")
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await quoting.update(quote.id, lines=[goods.line("2")])
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await quoting.do("Reprice", quote)
    colleague = await sales.user(user.tenant_id)
    given = await quoting.update(quote.id, owner_id=str(colleague.id))
    assert (given.owner_id, list(given.priced_lines)) == (str(colleague.id), list(quote.priced_lines))


async def test_a_draft_keeps_its_prices_until_it_is_priced_anew(
    quoting: Quoting, goods: Goods, catalogue: Catalogue
) -> None:
    quote = await quoting.draft([goods.line("2"), goods.line("1", unit_price="90")])
    assert not (await quoting.compare(quote)).differs
    dearer = await catalogue.book("dearer", valid_from_date="2021-01-01")
    await catalogue.price(dearer, goods.product, ("0", "120.00"))
    compared = await quoting.compare(quote)
    assert compared.differs
    assert (compared.old_net_amount.amount, compared.new_net_amount.amount) == ("290.00", "330.00")
    assert [(each.old_unit_price, each.new_unit_price) for each in compared.lines] == [
        ("100.00", "120.00"),
        ("90", "90"),
    ]
    assert [each.new_net_amount.amount for each in compared.lines] == ["240.00", "90.00"]
    assert await quoting.get(quote.id) == quote
    repriced = await quoting.do("Reprice", quote)
    assert (repriced.net_amount.amount, repriced.deepest_discount_percent) == ("330.00", "25.0000")
    assert not (await quoting.compare(quote)).differs


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"currency_code": "XYZ"}, "quote.currency_code"),
        ({"valid_until_date": "2020-01-01"}, "quote.valid_until_date"),
        ({"discount_percent": "101"}, "quote.discount_percent"),
        ({"discount_amount": "5000"}, "quote.discount_amount"),
    ],
)
async def test_a_draft_that_does_not_fit_is_refused_by_name(
    quoting: Quoting, goods: Goods, fields: dict[str, Any], field: str
) -> None:
    with invalid(field):
        await quoting.draft([goods.line()], **fields)


async def test_a_line_that_does_not_fit_is_refused_by_its_place(
    quoting: Quoting, goods: Goods, catalogue: Catalogue
) -> None:
    with invalid("quote.lines[1].quantity"):
        await quoting.draft([goods.line(), goods.line("0")])
    with invalid("quote.lines"):
        await quoting.draft([goods.line("-1")])
    unpriced = await catalogue.product("NEW")
    with refused("FAILED_PRECONDITION", "NO_PRICE"):
        await quoting.draft([Line(product_id=unpriced.id, quantity="1")])
    by_hand = await quoting.draft([Line(product_id=unpriced.id, quantity="1", unit_price="7")])
    assert by_hand.deepest_discount_percent == "100.0000"


async def test_costs_and_margins_are_shown_to_those_who_may_see_them(
    quoting: Quoting, goods: Goods, sales: Running, user: User
) -> None:
    quote = await quoting.draft([goods.line("2", discount_percent="10")])
    assert (quote.cost_amount.amount, quote.margin_amount.amount, quote.margin_percent) == ("120.00", "60.00", "33.33")
    rep = await sales.user(user.tenant_id, grants=dict.fromkeys(READS, Scope.ALL))
    seen = await quoting.get(quote.id, by=rep)
    assert seen.net_amount == quote.net_amount
    assert "cost" not in str(seen) and "margin" not in str(seen)
    writer = await sales.user(user.tenant_id, grants=dict.fromkeys(WRITES, Scope.ALL))
    own = await quoting.draft([goods.line()], by=writer)
    assert "cost" not in str(own) and "margin" not in str(own)


async def test_who_sees_the_account_of_a_quote_sees_the_quote_and_nobody_else(
    quoting: Quoting, goods: Goods, sales: Running, user: User
) -> None:
    quote = await quoting.draft([goods.line()])
    stranger = await sales.user(user.tenant_id, grants=dict.fromkeys(WRITES, Scope.OWN))
    with refused("NOT_FOUND", "QUOTE_NOT_FOUND"):
        await quoting.get(quote.id, by=stranger)
    with refused("NOT_FOUND", "QUOTE_NOT_FOUND"):
        await quoting.do("Submit", quote, by=stranger)
    assert await quoting.listed(by=stranger) == []
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await quoting.draft([goods.line()], by=stranger)
    own = Quoting(sales, stranger, await known_account(sales, user.tenant_id, stranger))
    assert (await own.draft([goods.line()])).owner_id == str(stranger.id)
    elsewhere = await sales.user()
    with refused("NOT_FOUND", "QUOTE_NOT_FOUND"):
        await quoting.get(quote.id, by=elsewhere)


async def test_a_price_book_that_changes_later_changes_no_quote(
    quoting: Quoting, goods: Goods, catalogue: Catalogue
) -> None:
    sent = await quoting.sent([goods.line("2")])
    await catalogue.price(await catalogue.book("dearer", valid_from_date="2021-01-01"), goods.product, ("0", "999"))
    assert await quoting.get(sent.id) == sent
    assert Decimal(sent.net_amount.amount) == 200


async def test_the_prices_of_a_draft_are_those_of_the_day_where_the_tenant_is(
    quoting: Quoting, goods: Goods, sales: Running, user: User
) -> None:
    await sales.know_tenant(user.tenant_id, sandbox=True, clock_offset=timedelta(days=400), version=9)
    quote = await quoting.draft([goods.line()])
    later = (system_now() + timedelta(days=399)).date().isoformat()
    assert quote.pricing_date > later

"""Price books and what lines cost by them, through the contract."""

import asyncio
import re
from decimal import Decimal
from typing import Any

import grpc
import pytest
from crm.sales.v1 import price_books_pb2 as pb
from crm.sales.v1 import prices_pb2, products_pb2
from crm.scoring.v1.scores_pb2 import ValueTierScore
from crm.type.v1.value_tier_pb2 import ValueTier
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.projections import put_newest
from crm_kit.rpc.status import reason_of
from crm_sales.accounts.tables import accounts
from crm_sales.priced_lines import queries
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.kit.plans import plan_of
from tests.service.running import Running, User, refused
from tests.service.sales.pricing import Book, Catalogue, Line
from tests.service.sales.selling import cny, known_account

Part = products_pb2.BundlePart
Rejected = pb.RejectedPrice
READS = ("price_books.read", "products.read", "accounts.read")


@pytest.fixture
def catalogue(sales: Running, user: User) -> Catalogue:
    return Catalogue(sales, user)


async def test_the_most_specific_price_holds_and_the_answer_says_why(
    catalogue: Catalogue, sales: Running, user: User
) -> None:
    product = await catalogue.product("TR-400")
    await catalogue.tax_rate("13")
    account_id, other_id = await known_account(sales, user.tenant_id), await known_account(sales, user.tenant_id)
    everyone = await catalogue.book("everyone")
    newer = await catalogue.book("newer", valid_from_date="2021-01-01")
    online = await catalogue.book("online", channel="ONLINE")
    key = await catalogue.book("key", audience=Book.AUDIENCE_VALUE_TIER, value_tier=ValueTier.VALUE_TIER_KEY)
    agreed = await catalogue.book("agreed", audience=Book.AUDIENCE_ACCOUNT, account_id=account_id)
    euros = await catalogue.book("euros", currency_code="EUR")
    over = await catalogue.book("over", valid_from_date="2022-01-01", valid_to_date="2022-12-31")
    ahead = await catalogue.book("ahead", valid_from_date="2023-06-02")
    draft = await catalogue.draft_book("draft", valid_from_date="2023-01-01")
    costs = ("100", "95", "90", "80", "85", "9", "1", "2")
    for book, cost in zip((everyone, newer, online, key, agreed, euros, over, ahead), costs, strict=True):
        await catalogue.price(book, product, ("0", cost))
    await catalogue.price(draft, product, ("0", "3"))
    line = Line(product_id=product.id, quantity="2")

    async def taken(**fields: Any) -> tuple[str, str, dict[str, str]]:
        answer = await catalogue.ask([line], pricing_date="2023-06-01", **fields)
        (found,) = answer.lines
        causes = {each.price_book_name: Rejected.Cause.Name(each.cause) for each in found.rejected}
        return found.source.price_book_name, found.net_amount.amount, causes

    name, net, causes = await taken()
    assert (name, net) == ("newer", "190.00")
    assert causes == {
        "key": "CAUSE_OTHER_TIER",
        "online": "CAUSE_OTHER_CHANNEL",
        "ahead": "CAUSE_NOT_YET_VALID",
        "over": "CAUSE_EXPIRED",
        "everyone": "CAUSE_LESS_SPECIFIC",
        "euros": "CAUSE_OTHER_CURRENCY",
    }
    assert (await taken(channel="ONLINE"))[:2] == ("online", "180.00")
    assert (await taken(account_id=account_id))[:2] == ("agreed", "170.00")
    name, _, causes = await taken(account_id=other_id)
    assert name == "newer" and "agreed" not in causes
    await catalogue.has_tier(other_id, ValueTierScore.TIER_KEY)
    assert (await taken(account_id=other_id))[:2] == ("key", "160.00")


async def test_a_step_that_is_not_reached_does_not_hide_a_more_general_price(catalogue: Catalogue) -> None:
    product = await catalogue.product("TR-400")
    await catalogue.tax_rate("13")
    everyone, campaign = await catalogue.book(), await catalogue.book("campaign", valid_from_date="2021-01-01")
    await catalogue.price(everyone, product, ("0", "100"))
    await catalogue.price(campaign, product, ("50", "90"), ("100", "70"))
    answer = await catalogue.ask([Line(product_id=product.id, quantity=each) for each in ("49", "50", "80")])
    assert [each.source.price_book_name for each in answer.lines] == ["list", "campaign", "campaign"]
    assert [each.net_amount.amount for each in answer.lines] == ["4900.00", "4500.00", "7200.00"]
    assert [each.source.from_quantity for each in answer.lines] == ["0", "50", "50"]
    assert [each.cheaper_quantity for each in answer.lines] == ["", "", "100"]
    assert answer.lines[0].rejected[0].cause == Rejected.CAUSE_QUANTITY_BELOW_FIRST_STEP


async def test_lines_discounts_taxes_costs_and_totals_add_up(catalogue: Catalogue, sales: Running, user: User) -> None:
    goods = await catalogue.product("G", cost="60.00")
    energy = await catalogue.product("E", tax_class="REDUCED", cost="0.10")
    await catalogue.tax_rate("13")
    await catalogue.tax_rate("9", "REDUCED")
    book = await catalogue.book()
    await catalogue.price(book, goods, ("0", "99.99"))
    await catalogue.price(book, energy, ("0", "123.4567891"), price_per=1000)
    lines = [
        Line(product_id=goods.id, quantity="3", discount_percent="10", discount_amount="5"),
        Line(product_id=energy.id, quantity="1234.5"),
        Line(product_id=goods.id, quantity="-1"),
        Line(product_id=goods.id, quantity="1", unit_price="80.005"),
    ]
    answer = await catalogue.ask(lines, discount_percent="2.5")
    assert [each.list_amount.amount for each in answer.lines] == ["299.97", "152.41", "-99.99", "80.01"]
    assert [each.discount_amount.amount for each in answer.lines] == ["35.00", "0.00", "0.00", "0.00"]
    assert [each.tax_percent for each in answer.lines] == ["13", "9", "13", "13"]
    assert [each.list_price for each in answer.lines] == ["99.99", "123.4567891", "99.99", "99.99"]
    assert answer.document_discount_amount.amount == "9.94"
    for name in ("net_amount", "tax_amount", "cost_amount"):
        parts = [Decimal(getattr(each, name).amount) for each in answer.lines]
        assert sum(parts) == Decimal(getattr(answer, name).amount), name
    assert (answer.net_amount.amount, answer.gross_amount.amount) == ("387.46", "431.88")
    assert (answer.cost_amount.amount, answer.margin_amount.amount, answer.margin_percent) == (
        "303.45",
        "84.01",
        "21.68",
    )
    assert [each.tax_percent for each in answer.rates] == ["9", "13"]
    rep = await sales.user(user.tenant_id, grants={"price_books.read": Scope.ALL, "products.read": Scope.ALL})
    withheld = await catalogue.ask(lines, by=rep, discount_percent="2.5")
    assert withheld.net_amount == answer.net_amount
    assert "cost" not in str(withheld) and "margin" not in str(withheld)


async def test_taxes_are_rounded_by_rate_and_prices_include_them_when_asked_so(catalogue: Catalogue) -> None:
    product = await catalogue.product("P")
    await catalogue.tax_rate("13")
    await catalogue.price(await catalogue.book(), product, ("0", "0.35"))
    lines = [Line(product_id=product.id, quantity="1")] * 4
    by_rate = pb.PriceLinesRequest.TAX_ROUNDING_RATE
    assert (await catalogue.ask(lines)).tax_amount.amount == "0.20"
    assert (await catalogue.ask(lines, tax_rounding=by_rate)).tax_amount.amount == "0.18"
    included = await catalogue.ask(lines, prices_include_tax=True)
    assert (included.gross_amount.amount, included.tax_amount.amount) == ("1.40", "0.16")


async def test_a_bundle_is_split_over_its_parts_and_its_options_are_lines_of_their_own(catalogue: Catalogue) -> None:
    meter = await catalogue.product("M", cost="50")
    service = await catalogue.product("S", tax_class="REDUCED", cost="10")
    gift, relay = await catalogue.product("G", cost="1"), await catalogue.product("R")
    await catalogue.tax_rate("13")
    await catalogue.tax_rate("6", "REDUCED")
    bundle = await catalogue.bundle(
        "B",
        Part(product_id=meter.id, quantity="2"),
        Part(product_id=service.id, quantity="1"),
        Part(product_id=gift.id, quantity="1"),
        Part(product_id=relay.id, quantity="1", is_option=True),
    )
    book = await catalogue.book()
    for product, price in ((meter, "100"), (service, "50"), (relay, "30"), (bundle, "199.99")):
        await catalogue.price(book, product, ("0", price))
    wanted = Line(product_id=bundle.id, quantity="3", option_product_ids=[relay.id])
    answer = await catalogue.ask([wanted])
    line, option = answer.lines
    assert (option.product_id, option.quantity, option.bundle_line) == (relay.id, "3", 1)
    assert (line.net_amount.amount, option.net_amount.amount) == ("599.97", "90.00")
    assert [each.quantity for each in line.parts] == ["6", "3", "3"]
    assert [each.net_amount.amount for each in line.parts] == ["479.98", "119.99", "0.00"]
    assert [each.tax_amount.amount for each in line.parts] == ["62.40", "7.20", "0.00"]
    assert [each.list_amount.amount for each in line.parts] == ["600.00", "150.00", ""]
    assert (line.tax_amount.amount, line.cost_amount.amount, line.tax_percent) == ("69.60", "333.00", "")
    back = await catalogue.ask([Line(product_id=bundle.id, quantity="-3")])
    assert [each.net_amount.amount for each in back.lines[0].parts] == ["-479.98", "-119.99", "0.00"]


async def test_what_a_bundle_needs_and_excludes_is_told_all_at_once(catalogue: Catalogue) -> None:
    made = {code: await catalogue.product(code) for code in ("M", "A", "B", "C")}
    ids = {code: product.id for code, product in made.items()}
    bundle = await catalogue.bundle(
        "X",
        Part(product_id=ids["M"], quantity="1"),
        Part(product_id=ids["A"], quantity="1", is_option=True, needed_product_ids=[ids["C"]]),
        Part(product_id=ids["B"], quantity="1", is_option=True, excluded_product_ids=[ids["A"]]),
        Part(product_id=ids["C"], quantity="1", is_option=True),
    )
    wanted = Line(product_id=bundle.id, quantity="1", option_product_ids=[ids["A"], ids["B"], ids["M"]])
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await catalogue.ask([wanted])
    assert refusal.fields == ["lines[0].option_product_ids"] * 3
    for said in ("is no option", "cannot be had without", "cannot be had with "):
        assert said in refusal.detail


async def test_what_cannot_be_priced_is_an_error_and_never_zero(catalogue: Catalogue, user: User) -> None:
    product, draft = await catalogue.product("P"), await catalogue.draft("D")
    book = await catalogue.book()
    line = Line(product_id=product.id, quantity="1")
    with refused("FAILED_PRECONDITION", "NO_PRICE"):
        await catalogue.ask([line])
    price = await catalogue.price(book, product, ("0", "10"))
    with refused("FAILED_PRECONDITION", "NO_TAX_RATE"):
        await catalogue.ask([line])
    await catalogue.tax_rate("13")
    assert (await catalogue.ask([line])).net_amount == cny("10.00")
    with refused("FAILED_PRECONDITION", "PRODUCT_NOT_ON_SALE"):
        await catalogue.ask([Line(product_id=draft.id, quantity="1")])
    with refused("FAILED_PRECONDITION", "PRODUCT_NOT_ON_SALE"):
        await catalogue.ask([line], pricing_date="2019-12-31")
    for wrong, field in (
        ({"quantity": "0"}, "lines[0].quantity"),
        ({"discount_percent": "100.1"}, "lines[0].discount_percent"),
        ({"discount_amount": "10.01"}, "lines[0].discount_amount"),
        ({"quantity": "999999999", "unit_price": "999999999"}, "lines.amount"),
    ):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await catalogue.ask([Line(**{"product_id": product.id, "quantity": "1"} | wrong)])
        assert refusal.fields == [field]
    whole: tuple[tuple[dict[str, Any], str], ...] = (
        ({"discount_amount": "10.01"}, "discount_amount"),
        ({"pricing_date": "2026-02-30"}, "pricing_date"),
        ({"currency_code": "ABC"}, "currency_code"),
    )
    for fields, field in whole:
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await catalogue.ask([line], **fields)
        assert refusal.fields == [field]
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await catalogue.ask([Line(product_id=str(new_id()), quantity="1")])
    request = prices_pb2.ArchivePriceRequest(id=price.id)
    await catalogue.prices.ArchivePrice(request, metadata=user.metadata)
    with refused("FAILED_PRECONDITION", "NO_PRICE"):
        await catalogue.ask([line])


async def test_no_day_is_too_early_to_be_asked_for(catalogue: Catalogue) -> None:
    product = await catalogue.product("P")
    with refused("FAILED_PRECONDITION", "PRODUCT_NOT_ON_SALE"):
        await catalogue.ask([Line(product_id=product.id, quantity="1")], pricing_date="0001-01-01")


async def test_so_many_prices_are_looked_through_in_one_go_and_not_more(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = await catalogue.product("P")
    await catalogue.tax_rate("13")
    await catalogue.price(await catalogue.book("old"), product, ("0", "1"))
    await catalogue.price(await catalogue.book("new", valid_from_date="2021-01-01"), product, ("0", "2"))
    monkeypatch.setattr(queries, "MAX_PRICES", 2)
    lines = [Line(product_id=product.id, quantity="1")]
    assert (await catalogue.ask(lines)).net_amount == cny("2.00")
    monkeypatch.setattr(queries, "MAX_PRICES", 1)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await catalogue.ask(lines)
    assert refusal.fields == ["lines"]


async def test_a_cost_that_no_message_carries_is_empty_and_nobody_learns_it_by_the_quantity_at_which_that_is(
    catalogue: Catalogue, sales: Running, user: User
) -> None:
    product = await catalogue.product("P", cost="1000000000000.00")
    bundle = await catalogue.bundle("B", Part(product_id=product.id, quantity="1000"))
    await catalogue.tax_rate("13")
    rep = await sales.user(user.tenant_id, grants={"price_books.read": Scope.ALL, "products.read": Scope.ALL})
    for sold, quantity in ((product, "999"), (product, "1000"), (bundle, "999999999.9999")):
        line = Line(product_id=sold.id, quantity=quantity, unit_price="0.0000000001")
        assert (await catalogue.ask([line], by=rep)).lines[0].gross_amount.amount in ("0.00", "0.11")
        answer = await catalogue.ask([line])
        is_known = quantity == "999"
        for each in (answer, answer.lines[0]):
            assert each.HasField("cost_amount") is each.HasField("margin_amount") is is_known
        assert not answer.margin_percent
    with_income = [Line(product_id=bundle.id, quantity="999999999", unit_price="0.01")]
    assert not (await catalogue.ask(with_income)).margin_percent


async def test_sums_that_no_message_carries_are_refused_though_what_is_left_in_the_end_is_not(
    catalogue: Catalogue,
) -> None:
    product, service = await catalogue.product("P"), await catalogue.product("S", tax_class="REDUCED")
    await catalogue.tax_rate("13")
    await catalogue.tax_rate("6", "REDUCED")
    high = {"unit_price": "900000000000000"}
    free = Line(product_id=product.id, quantity="1", discount_percent="100", **high)
    sold = Line(product_id=product.id, quantity="1", unit_price="800000000000000")
    back = Line(product_id=service.id, quantity="-1", unit_price="800000000000000")
    for lines in ([free, free], [sold, sold, back, back]):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await catalogue.ask(lines)
        assert refusal.fields == ["lines.amount"]


async def test_of_books_that_none_would_tell_apart_one_is_active(catalogue: Catalogue, user: User) -> None:
    first, second = await catalogue.book("first"), await catalogue.draft_book("second")
    with refused("ALREADY_EXISTS", "PRICE_BOOK_EXISTS"):
        await catalogue.activate_book(second.id)
    request = pb.ArchivePriceBookRequest(id=first.id)
    await catalogue.books.ArchivePriceBook(request, metadata=user.metadata)
    assert (await catalogue.activate_book(second.id)).state == Book.STATE_ACTIVE
    with refused("ALREADY_EXISTS", "PRICE_BOOK_EXISTS"):
        await catalogue.activate_book(first.id)
    product = await catalogue.product("P")
    await catalogue.price(second, product, ("0", "1"))
    with refused("ALREADY_EXISTS", "PRICE_EXISTS"):
        await catalogue.price(second, product, ("0", "2"))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await catalogue.price(first, product, ("10", "1"), ("10", "2"))
    assert refusal.fields == ["price.steps[1].from_quantity"]


async def test_of_two_books_that_are_activated_at_once_one_is_refused(catalogue: Catalogue) -> None:
    drafts = [await catalogue.draft_book(name) for name in ("first", "second")]
    found = await asyncio.gather(*(catalogue.activate_book(each.id) for each in drafts), return_exceptions=True)
    refusals = [each for each in found if isinstance(each, grpc.aio.AioRpcError)]
    assert [reason_of(each) for each in refusals] == ["PRICE_BOOK_EXISTS"]
    assert [each.state for each in found if isinstance(each, Book)] == [Book.STATE_ACTIVE]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"value_tier": ValueTier.VALUE_TIER_KEY}, "price_book.value_tier"),
        ({"audience": Book.AUDIENCE_VALUE_TIER}, "price_book.value_tier"),
        ({"audience": Book.AUDIENCE_ACCOUNT}, "price_book.account_id"),
        ({"valid_to_date": "2019-12-31"}, "price_book.valid_to_date"),
        ({"currency_code": "ABC"}, "price_book.currency_code"),
    ],
)
async def test_a_book_that_contradicts_itself_is_refused(
    catalogue: Catalogue, fields: dict[str, Any], field: str
) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await catalogue.draft_book(**fields)
    assert refusal.fields == [field]


async def test_the_last_day_of_a_book_is_changed_and_its_audience_is_not(catalogue: Catalogue, user: User) -> None:
    book = await catalogue.book()
    changed = Book(id=book.id, channel="ONLINE")
    request = pb.UpdatePriceBookRequest(price_book=changed, update_mask=FieldMask(paths=["channel"]))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await catalogue.books.UpdatePriceBook(request, metadata=user.metadata)
    changed = Book(id=book.id, valid_to_date="2030-12-31")
    request = pb.UpdatePriceBookRequest(price_book=changed, update_mask=FieldMask(paths=["valid_to_date"]))
    updated = await catalogue.books.UpdatePriceBook(request, metadata=user.metadata)
    assert updated.valid_to_date == "2030-12-31"


async def test_nobody_makes_a_book_for_an_account_that_they_do_not_see(
    catalogue: Catalogue, sales: Running, user: User
) -> None:
    account_id = await known_account(sales, user.tenant_id, user)
    grants = {"price_books.write": Scope.ALL, "price_books.read": Scope.ALL, "accounts.read": Scope.OWN}
    other = await sales.user(user.tenant_id, grants=grants)
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await Catalogue(sales, other).draft_book(audience=Book.AUDIENCE_ACCOUNT, account_id=account_id)
    made = await catalogue.draft_book(audience=Book.AUDIENCE_ACCOUNT, account_id=account_id)
    assert made.account_id == account_id


async def test_what_an_account_pays_is_seen_as_far_as_a_scope_reaches_the_account(
    catalogue: Catalogue, sales: Running, user: User
) -> None:
    rep = await sales.user(user.tenant_id, grants=dict.fromkeys(READS, Scope.OWN) | {"products.read": Scope.ALL})
    own_id, other_id = await known_account(sales, user.tenant_id, rep), await known_account(sales, user.tenant_id, user)
    product = await catalogue.product("P")
    await catalogue.tax_rate("13")
    for name, account_id in (("own", own_id), ("other", other_id)):
        book = await catalogue.book(name, audience=Book.AUDIENCE_ACCOUNT, account_id=account_id)
        await catalogue.price(book, product, ("0", "5"))
    await catalogue.price(await catalogue.book("everyone"), product, ("0", "9"))
    books = await catalogue.books.ListPriceBooks(pb.ListPriceBooksRequest(), metadata=rep.metadata)
    assert {each.display_name for each in books.price_books} == {"own", "everyone"}
    prices = await catalogue.prices.ListPrices(prices_pb2.ListPricesRequest(), metadata=rep.metadata)
    assert {each.price_book_name for each in prices.prices} == {"own", "everyone"}
    line = Line(product_id=product.id, quantity="1")
    assert (await catalogue.ask([line], by=rep, account_id=own_id)).net_amount == cny("5.00")
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await catalogue.ask([line], by=rep, account_id=other_id)


async def test_what_a_restricted_account_pays_is_seen_by_those_to_whom_it_is_open(
    catalogue: Catalogue, sales: Running, user: User
) -> None:
    account_id = await known_account(sales, user.tenant_id, user)
    product = await catalogue.product("P")
    agreed = await catalogue.book("agreed", audience=Book.AUDIENCE_ACCOUNT, account_id=account_id)
    price = await catalogue.price(agreed, product, ("0", "1"))
    async with sales.unit_of_work(user.tenant_id) as work:
        known = {
            "id": agreed.account_id,
            "display_name": "华信电力",
            "owner_id": user.id,
            "owner_team_id": user.team_id,
        }
        put_newest(work, accounts, known | {"restricted": True, "version": 2})
    other = await sales.user(user.tenant_id, grants=dict.fromkeys(READS, Scope.ALL))
    with refused("NOT_FOUND", "PRICE_BOOK_NOT_FOUND"):
        await catalogue.books.GetPriceBook(pb.GetPriceBookRequest(id=agreed.id), metadata=other.metadata)
    with refused("NOT_FOUND", "PRICE_NOT_FOUND"):
        await catalogue.prices.GetPrice(prices_pb2.GetPriceRequest(id=price.id), metadata=other.metadata)
    page = await catalogue.prices.ListPrices(prices_pb2.ListPricesRequest(), metadata=other.metadata)
    assert list(page.prices) == []
    assert (await catalogue.prices.GetPrice(prices_pb2.GetPriceRequest(id=price.id), metadata=user.metadata)).id


async def test_prices_are_found_by_their_books_however_many_accounts_have_prices_of_their_own(
    sales: Running, user: User
) -> None:
    database, some = sales.service.database, [new_id()]
    asked = {"tenant_id": user.tenant_id, "price_book_ids": some, "product_ids": some, "most": 1}
    plan = await plan_of(database, user.tenant_id, queries.prices_in_books(), asked)
    # Either index of prices has both, so nothing is read of the books of other accounts.
    (condition,) = re.findall(r"'Index Cond': (\".+?\")", str(plan))
    assert "price_book_id" in condition and "product_id" in condition

"""What is stored about products that are to be priced."""

from collections.abc import Collection, Iterator
from dataclasses import fields
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import invalid_field
from crm_kit.resource.reading import in_turns
from sqlalchemy import Select, Uuid, any_, bindparam, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from crm_sales.accounts.model import ValueTier
from crm_sales.price_books.model import Audience, BookState
from crm_sales.price_books.tables import price_books
from crm_sales.priced_lines.model import Catalogue, LineToPrice
from crm_sales.prices.model import PriceState
from crm_sales.prices.tables import prices
from crm_sales.pricing.selection import Candidate
from crm_sales.pricing.steps import PriceStep, StepMode, StepPrice
from crm_sales.products.model import Product
from crm_sales.products.resource import PRODUCTS
from crm_sales.tax_rates.queries import tax_percents

# Prices that have ended are told of for so long.
TOLD_FOR = timedelta(days=366)
# So many are looked through in one go: a product may be in any number of active books.
MAX_PRICES = 10_000


@statement
def books_that_concern() -> Select[Any]:
    """Active books that are for everyone, for a tier, or for the account."""
    return select(
        price_books.c.id, *(price_books.c[field.name] for field in fields(Candidate) if field.name in price_books.c)
    ).where(
        price_books.c.tenant_id == bindparam("tenant_id"),
        price_books.c.state == BookState.ACTIVE.value,
        or_(price_books.c.account_id.is_(None), price_books.c.account_id == bindparam("account_id", type_=Uuid)),
        or_(price_books.c.valid_to_date.is_(None), price_books.c.valid_to_date >= bindparam("told_since")),
    )


@statement
def prices_in_books() -> Select[Any]:
    """Those of some products in some books, which are not joined here: a product may have a price for each account."""
    return (
        select(
            prices.c.id, prices.c.product_id, prices.c.price_book_id, prices.c.mode, prices.c.price_per, prices.c.steps
        )
        .where(
            prices.c.tenant_id == bindparam("tenant_id"),
            prices.c.price_book_id == any_(bindparam("price_book_ids", type_=ARRAY(Uuid))),
            prices.c.product_id == any_(bindparam("product_ids", type_=ARRAY(Uuid))),
            prices.c.state == PriceState.ACTIVE.value,
        )
        .limit(bindparam("most"))
    )


def candidate_from(row: Any, book: Any) -> Candidate:
    """A price as it is chosen from."""
    steps = tuple(
        PriceStep(*(Decimal(step[name]) for name in ("from_quantity", "unit_price"))) for step in row["steps"]
    )
    return Candidate(
        price_id=row["id"],
        price_book_id=book["id"],
        currency_code=book["currency_code"],
        audience=Audience(book["audience"]),
        valid_from_date=book["valid_from_date"],
        price=StepPrice(steps, StepMode(row["mode"]), row["price_per"]),
        value_tier=ValueTier(book["value_tier"]) if book["value_tier"] else None,
        channel=book["channel"],
        valid_to_date=book["valid_to_date"],
    )


async def catalogue_of(reader: Reader, lines: Collection[LineToPrice], account_id: UUID | None, day: date) -> Catalogue:
    """All that is known of the products of some lines. InvalidArgument for too many prices to look through."""
    products = await PRODUCTS.get_referred(reader, {line.product_id for line in lines})
    inner = set(part_ids(products.values(), day)) - products.keys()
    products |= await PRODUCTS.get_referred(reader, inner)
    versions = (product.version_on(day) for product in products.values())
    classes = {version.tax_class for version in versions if version is not None}
    candidates: dict[UUID, list[Candidate]] = {}
    for product_id, candidate in await candidates_of(reader, list(products), account_id, day):
        candidates.setdefault(product_id, []).append(candidate)
    return Catalogue(products, candidates, await tax_percents(reader, classes, day), day)


async def candidates_of(
    reader: Reader, product_ids: list[UUID], account_id: UUID | None, day: date
) -> list[tuple[UUID, Candidate]]:
    """The prices of some products, each with its product. InvalidArgument for too many."""
    told_since = day - min(TOLD_FOR, day - date.min)
    found = await reader.all(books_that_concern(), account_id=account_id, told_since=told_since)
    books = {book["id"]: book for book in found}
    asked = {"price_book_ids": list(books), "product_ids": product_ids, "most": MAX_PRICES + 1}
    rows = await reader.all(prices_in_books(), **asked)
    if len(rows) > MAX_PRICES:
        detail = f"have more than {MAX_PRICES} prices in active price books: ask for fewer lines, or archive books"
        raise invalid_field("lines", "too_many_prices", detail, metadata={"most": str(MAX_PRICES)})
    return await in_turns(rows, lambda row: (row["product_id"], candidate_from(row, books[row["price_book_id"]])))


def part_ids(products: Collection[Product], day: date) -> Iterator[UUID]:
    """What is in bundles among the products on the day."""
    for product in products:
        if version := product.version_on(day):
            yield from version.part_ids

"""What is stored about products that are to be priced."""

from collections.abc import Collection, Iterator
from dataclasses import fields
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.resource.reading import in_turns
from sqlalchemy import Select, Uuid, and_, any_, bindparam, or_, select
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


@statement
def prices_of_products() -> Select[Any]:
    """Those in active books that are for everyone, for a tier, or for the account."""
    book = and_(price_books.c.tenant_id == prices.c.tenant_id, price_books.c.id == prices.c.price_book_id)
    of_book = (field.name for field in fields(Candidate) if field.name in price_books.c)
    return (
        select(
            prices.c.id,
            prices.c.product_id,
            prices.c.price_book_id,
            prices.c.mode,
            prices.c.price_per,
            prices.c.steps,
            *(price_books.c[name] for name in of_book),
        )
        .join_from(prices, price_books, book)
        .where(
            prices.c.tenant_id == bindparam("tenant_id"),
            prices.c.product_id == any_(bindparam("product_ids", type_=ARRAY(Uuid))),
            prices.c.state == PriceState.ACTIVE.value,
            price_books.c.state == BookState.ACTIVE.value,
            or_(price_books.c.account_id.is_(None), price_books.c.account_id == bindparam("account_id", type_=Uuid)),
            or_(price_books.c.valid_to_date.is_(None), price_books.c.valid_to_date >= bindparam("told_since")),
        )
    )


def candidate_from(row: Any) -> Candidate:
    """A price as it is chosen from."""
    steps = tuple(
        PriceStep(*(Decimal(step[name]) for name in ("from_quantity", "unit_price"))) for step in row["steps"]
    )
    return Candidate(
        price_id=row["id"],
        price_book_id=row["price_book_id"],
        currency_code=row["currency_code"],
        audience=Audience(row["audience"]),
        valid_from_date=row["valid_from_date"],
        price=StepPrice(steps, StepMode(row["mode"]), row["price_per"]),
        value_tier=ValueTier(row["value_tier"]) if row["value_tier"] else None,
        channel=row["channel"],
        valid_to_date=row["valid_to_date"],
    )


async def catalogue_of(reader: Reader, lines: Collection[LineToPrice], account_id: UUID | None, day: date) -> Catalogue:
    """All that is known of the products of some lines."""
    products = await PRODUCTS.get_referred(reader, {line.product_id for line in lines})
    inner = set(part_ids(products.values(), day)) - products.keys()
    products |= await PRODUCTS.get_referred(reader, inner)
    versions = (product.version_on(day) for product in products.values())
    classes = {version.tax_class for version in versions if version is not None}
    candidates: dict[UUID, list[Candidate]] = {}
    told_since = day - min(TOLD_FOR, day - date.min)
    query = prices_of_products()
    rows = await reader.all(query, product_ids=list(products), account_id=account_id, told_since=told_since)
    for row, candidate in zip(rows, await in_turns(rows, candidate_from), strict=True):
        candidates.setdefault(row["product_id"], []).append(candidate)
    return Catalogue(products, candidates, await tax_percents(reader, classes, day), day)


def part_ids(products: Collection[Product], day: date) -> Iterator[UUID]:
    """What is in bundles among the products on the day."""
    for product in products:
        if version := product.version_on(day):
            yield from version.part_ids

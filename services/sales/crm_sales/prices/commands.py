"""Every write on prices."""

from dataclasses import replace
from typing import Any

from crm.sales.v1 import events_pb2 as events
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import invalid_field
from crm_kit.ids import new_id

from crm_sales.price_books.resource import PRICE_BOOKS
from crm_sales.prices.model import Price
from crm_sales.prices.resource import PRICES
from crm_sales.products.resource import PRODUCTS


async def create_price(work: UnitOfWork, values: dict[str, Any]) -> Price:
    """Put a price into a book."""
    # Before the book is looked for, which who may not write may not see either.
    PRICES.check_reaches(work.scope)
    price = Price(id=new_id(), create_time=work.now, update_time=work.now, **values).checked()
    if not await PRICE_BOOKS.get_referred(work, [price.price_book_id]):
        raise invalid_field("price.price_book_id", "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
    if not await PRODUCTS.get_referred(work, [price.product_id]):
        raise invalid_field("price.product_id", "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
    return PRICES.create(work, price)


def update_price(work: UnitOfWork, before: Price, values: dict[str, Any]) -> Price:
    """Change some fields of a price."""
    before.require_active()
    return PRICES.save(work, before, replace(before, **values).checked(), events.PriceUpdated)


def archive_price(work: UnitOfWork, before: Price) -> Price:
    """Take a price out of its book."""
    return PRICES.save(work, before, before.archive(), events.PriceArchived)


def restore_price(work: UnitOfWork, before: Price) -> Price:
    """Put a price back into its book."""
    return PRICES.save(work, before, before.restore(), events.PriceRestored)

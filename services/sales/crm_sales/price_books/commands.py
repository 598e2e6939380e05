"""Every write on price books."""

from dataclasses import replace
from typing import Any

from crm.sales.v1 import events_pb2 as events
from crm_kit.accounts import Accounts, require_account
from crm_kit.database.work import UnitOfWork
from crm_kit.ids import new_id

from crm_sales.price_books.model import PriceBook
from crm_sales.price_books.resource import PRICE_BOOKS


async def create_price_book(work: UnitOfWork, accounts: Accounts, values: dict[str, Any]) -> PriceBook:
    """Create a price book, which is a draft."""
    book = PriceBook(id=new_id(), create_time=work.now, update_time=work.now, **values).checked()
    if book.account_id is not None:
        await require_account(work, accounts, book.account_id, field="price_book.account_id")
    return PRICE_BOOKS.create(work, book)


def update_price_book(work: UnitOfWork, before: PriceBook, values: dict[str, Any]) -> PriceBook:
    """Change some fields of a price book."""
    return PRICE_BOOKS.save(work, before, replace(before, **values).checked(), events.PriceBookUpdated)


def activate_price_book(work: UnitOfWork, before: PriceBook) -> PriceBook:
    """Have the prices of a book hold."""
    return PRICE_BOOKS.save(work, before, before.activate(), events.PriceBookActivated)


def archive_price_book(work: UnitOfWork, before: PriceBook) -> PriceBook:
    """Put a book away."""
    return PRICE_BOOKS.save(work, before, before.archive(), events.PriceBookArchived)

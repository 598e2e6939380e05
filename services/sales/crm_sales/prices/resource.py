"""Prices, declared. They are seen with their book."""

from crm.sales.v1 import events_pb2 as events
from crm.sales.v1 import prices_pb2 as pb
from crm_kit.identity.access import Scope
from crm_kit.resource.writing import Resource
from sqlalchemy import ColumnElement, exists

from crm_sales.price_books.resource import is_seen
from crm_sales.price_books.tables import price_books
from crm_sales.prices.model import Price, PriceState
from crm_sales.prices.tables import prices


def in_seen_book(scope: Scope) -> ColumnElement[bool]:
    """Whether the book of a price is seen."""
    book = (price_books.c.tenant_id == prices.c.tenant_id) & (price_books.c.id == prices.c.price_book_id)
    return exists().where(book, is_seen(scope)).correlate(prices)


PRICES = Resource(
    "price",
    entity=Price,
    table=prices,
    message=pb.Price,
    created=events.PriceCreated,
    updated=events.PriceUpdated,
    visible=in_seen_book,
    shared=True,
    hidden={"state": {PriceState.ARCHIVED}},
    verbs={
        "ArchivePrice": lambda price, _: price.archive(),
        "RestorePrice": lambda price, _: price.restore(),
    },
)

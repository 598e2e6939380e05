"""Price books, declared. One of a restricted account is seen by those to whom the account is open."""

from crm.sales.v1 import events_pb2 as events
from crm.sales.v1 import price_books_pb2 as pb
from crm_kit.identity.access import Scope
from crm_kit.resource.reach import at_open
from crm_kit.resource.writing import Resource
from sqlalchemy import ColumnElement

from crm_sales.accounts.tables import accounts
from crm_sales.price_books.model import BookState, PriceBook
from crm_sales.price_books.tables import price_books


def is_open(scope: Scope) -> ColumnElement[bool]:
    """Whether a book is at no account that is restricted from the actor."""
    return at_open(price_books, price_books.c.account_id, accounts, scope)


PRICE_BOOKS = Resource(
    "price_book",
    entity=PriceBook,
    table=price_books,
    message=pb.PriceBook,
    created=events.PriceBookCreated,
    updated=events.PriceBookUpdated,
    visible=is_open,
    shared=True,
    hidden={"state": {BookState.ARCHIVED}},
    verbs={
        "ActivatePriceBook": lambda book, _: book.activate(),
        "ArchivePriceBook": lambda book, _: book.archive(),
    },
)
